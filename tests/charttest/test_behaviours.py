"""The test engine does what vLLM does; `make test-vllm` holds the real one to the same table."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.vllm.behaviours import OF_ITS_OWN, OF_ONE_SERVER, SERVER, SERVER_ENVIRONMENT
from tests.vllm.engines import Engine

from charttest import parts
from charttest.images.engine import flag_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.vllm.engines import Running

    from charttest.plugin import Chart


@pytest.fixture(scope="module")
def engine(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Its program beside the simulator, as in its image."""
    folder = tmp_path_factory.mktemp("engine")
    found = parts.find_all(("test-engine", "llm-d-inference-sim"))
    program = Path(shutil.copy(found["test-engine"], folder / "vllm"))
    (folder / "llm-d-inference-sim").symlink_to(found["llm-d-inference-sim"])
    (folder / "flags.json").write_bytes(flag_table(chart.path / "files/engines/vllm.yaml"))
    (folder / "model").mkdir()
    environment = {
        "HOME": str(folder),
        "TEST_ENGINE_FLAGS": str(folder / "flags.json"),
        "TEST_ENGINE_LOAD_SECONDS": "0.5",
    }
    return Engine(
        command=(str(program), "serve"),
        model=folder / "model",
        log=folder / "log",
        core=str(folder / "llm-d-inference-sim"),
        environment=environment,
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
