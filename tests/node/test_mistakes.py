"""What goes wrong in production ends in the state that docs/troubleshooting.md describes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.node.mistakes import MISTAKES, values

from charttest.helm import HelmError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.node.mistakes import Made

    from charttest.release import Releases

PAGE = Path(__file__).parents[2] / "docs/troubleshooting.md"


def rows() -> dict[str, tuple[str, str]]:
    """The table of the page: mistake -> state and message."""
    cells = [
        re.split(r"\s*\|\s*", line.strip("| \n")) for line in PAGE.read_text().splitlines() if line[:1] == "|"
    ]
    return {mistake: (state, message) for mistake, state, message, _ in cells[2:]}


def test_every_mistake_of_the_page_is_made() -> None:
    assert set(rows()) == set(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_the_state_that_the_page_describes(
    mistakes: dict[str, Future[Made]], mistake: str
) -> None:
    told = mistakes[mistake].result().told
    for cell in rows()[mistake]:
        for words in re.sub(r"^(log|event): ", "", cell).replace("`", "").split("; "):
            assert words in told


def test_an_install_that_fails_says_why_its_pods_are_not_ready(releases: Releases) -> None:
    release = releases(timeout_seconds=20)
    with pytest.raises(HelmError) as failed:
        release.install(values(extraArgs=["--no-such-flag"]))
    (note,) = failed.value.__notes__
    for words in (
        r"pod .*-m-",
        r"  engine, restarted \d times: ",
        "terminated Error 2",
        r"  \| .* --no-such-flag",
    ):
        assert re.search(words, note)
    release.uninstall()
