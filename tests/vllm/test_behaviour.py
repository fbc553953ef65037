"""The real vLLM does what the test engine is held to in every run (tests/charttest/test_engine.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.vllm.behaviours import OF_ITS_OWN, OF_ONE_SERVER, SERVER, SERVER_ENVIRONMENT
from tests.vllm.engines import Engine

from charttest.images import vllm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.vllm.engines import Running


@pytest.fixture(scope="module")
def engine(say: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """From its virtual environment, on loopback."""
    folder = tmp_path_factory.mktemp("vllm")
    return Engine(
        command=(str(vllm.environment(say) / "bin/vllm"), "serve"),
        model=vllm.model(say),
        log=folder / "log",
        core="VLLM::EngineCore",
        flags=("--host=127.0.0.1", *vllm.FLAGS),
        environment={"HOME": str(folder), **vllm.ENVIRONMENT},
        start_seconds=600,
        long_tokens=3000,
        # It depends on who is quicker, the engine's end or the server's: seen are all three.
        broken_streams=frozenset({"aborted", "failed", "silent"}),
    )


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[Running]:
    with engine.serving(*SERVER, environment=SERVER_ENVIRONMENT) as running:
        yield running


@pytest.mark.parametrize("behaviour", OF_ONE_SERVER, ids=lambda each: each.__name__)
def test_of_a_server_that_stays(server: Running, behaviour: Callable[[Running], None]) -> None:
    behaviour(server)


@pytest.mark.parametrize("behaviour", OF_ITS_OWN, ids=lambda each: each.__name__)
def test_of_one_of_its_own(engine: Engine, behaviour: Callable[[Engine], None]) -> None:
    behaviour(engine)
