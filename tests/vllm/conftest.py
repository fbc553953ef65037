"""This tier installs the real vLLM: it runs when `-m` names its marker, and never otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.vllm.behaviours import SERVER, SERVER_ENVIRONMENT
from tests.vllm.engines import Engine

from charttest.images import vllm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.vllm.engines import Running


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and leave them out unless they were asked for."""
    mine = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in mine:
        item.add_marker(pytest.mark.vllm)
    if "vllm" not in config.option.markexpr:
        config.hook.pytest_deselected(items=mine)
        items[:] = [item for item in items if item not in mine]


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Tells the person who waits what takes minutes."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)  # noqa: T201

    return write


@pytest.fixture(scope="session")
def engine(say: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real vLLM from its virtual environment, on loopback."""
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
    """One that stays for the tests of a file."""
    with engine.serving(*SERVER, environment=SERVER_ENVIRONMENT) as running:
        yield running
