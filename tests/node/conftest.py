"""What every test on real nodes uses: releases that run the test engine."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.node.mistakes import MISTAKES, Made, made

from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart, NodeCluster


@pytest.fixture(scope="session")
def releases(node_cluster: NodeCluster, chart: Chart) -> Iterator[Releases]:
    """Makes releases on the real nodes."""
    with Releases(node_cluster.kubectl, chart.path) as made:
        yield made


@pytest.fixture(scope="session")
def mistakes(releases: Releases) -> Iterator[dict[str, Future[Made]]]:
    """Every mistake, made in a release of its own, all at once."""
    with ThreadPoolExecutor(max_workers=len(MISTAKES)) as pool:
        yield {name: pool.submit(made, name, releases(timeout_seconds=300)) for name in MISTAKES}
