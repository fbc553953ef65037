"""One release in health and one with faults, each in the cluster of the scaling tests, after these."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.monitoring.faults import Faults, faults
from tests.monitoring.live import Live, Window, live
from tests.scaling.controllers import Controllers
from tests.scaling.course import SECONDS, Driver

from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart
    from charttest.scaling import ScalingCluster

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these last: the cluster that they share with tests/scaling need not run beside all other tests."""
    items.sort(key=lambda item: item.path.parent == HERE)


@pytest.fixture(scope="session")
def monitored_releases(scaling_cluster: ScalingCluster, chart: Chart) -> Iterator[Releases]:
    """Makes releases that are scraped."""
    with Releases(scaling_cluster.kubectl, chart.path) as made:
        yield made


@pytest.fixture(scope="session")
def monitoring_driver(
    scaling_cluster: ScalingCluster, scaling_plots: Path, pytestconfig: pytest.Config
) -> Driver:
    """What the scaling tests have, too."""
    controllers = Controllers(scaling_cluster, pytestconfig.rootpath / "charts/wva")
    return Driver(scaling_cluster, controllers, scaling_plots)


@pytest.fixture(scope="session")
def running(monitoring_driver: Driver, monitored_releases: Releases) -> Iterator[Live]:
    """A release in health, under load."""
    release = monitored_releases(timeout_seconds=SECONDS)
    with release.explained(), live(monitoring_driver, release) as found:
        yield found


@pytest.fixture(scope="session")
def window(running: Live) -> Window:
    """What a picture of the dashboards needs: the server, the release and the time from the load's begin until now."""
    return running.window


@pytest.fixture(scope="session")
def injected(monitoring_driver: Driver, monitored_releases: Releases) -> Faults:
    """A release in which everything that there is an alert for has gone wrong, and was made well again."""
    release = monitored_releases(timeout_seconds=SECONDS)
    with release.explained():
        return faults(monitoring_driver, release)
