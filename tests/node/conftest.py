"""What every test on real nodes uses: releases that run the test engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart, NodeCluster


@pytest.fixture(scope="session")
def releases(node_cluster: NodeCluster, chart: Chart) -> Iterator[Releases]:
    """Makes releases on the real nodes."""
    with Releases(node_cluster.kubectl, chart.path) as made:
        yield made
