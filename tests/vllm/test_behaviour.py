"""The real vLLM does what the test engine is held to in every run (tests/charttest/test_engine.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.vllm.behaviours import OF_ITS_OWN, OF_ONE_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vllm.engines import Engine, Running


@pytest.mark.parametrize("behaviour", OF_ONE_SERVER, ids=lambda each: each.__name__)
def test_of_a_server_that_stays(server: Running, behaviour: Callable[[Running], None]) -> None:
    behaviour(server)


@pytest.mark.parametrize("behaviour", OF_ITS_OWN, ids=lambda each: each.__name__)
def test_of_one_of_its_own(engine: Engine, behaviour: Callable[[Engine], None]) -> None:
    behaviour(engine)
