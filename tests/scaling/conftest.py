"""The courses of all scaling tests, side by side in one cluster; each test waits for its own."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.scaling import handovers, missing, scenarios, variants
from tests.scaling.controllers import Controllers
from tests.scaling.course import SECONDS, Driver

from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from charttest.plugin import Chart
    from charttest.release import Release
    from charttest.scaling import ScalingCluster

COURSES: dict[str, Callable[[Driver, Release], Any]] = {
    course.__name__: course
    for course in (
        scenarios.keda,
        scenarios.hpa,
        scenarios.schedule,
        handovers.hpa_to_keda_helm3,
        handovers.hpa_to_keda_helm4,
        handovers.fixed_to_keda_helm3,
        handovers.fixed_to_keda_helm4,
        missing.missing_series,
        missing.prometheus_gone,
        variants.by_capacity,
        variants.by_percentages,
    )
}


@pytest.fixture(scope="session")
def scaled_releases(scaling_cluster: ScalingCluster, chart: Chart) -> Iterator[Releases]:
    """Makes releases whose engines are scraped and scaled."""
    with Releases(scaling_cluster.kubectl, chart.path) as made:
        yield made


@pytest.fixture(scope="session")
def driver(scaling_cluster: ScalingCluster, scaling_plots: Path, pytestconfig: pytest.Config) -> Driver:
    """Runs courses."""
    controllers = Controllers(scaling_cluster, pytestconfig.rootpath / "charts/wva")
    return Driver(scaling_cluster, controllers, scaling_plots)


@pytest.fixture(scope="session")
def courses(
    driver: Driver, scaled_releases: Releases, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Any]]]:
    """The courses that the selected tests ask for, all begun."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {each.params["course"] for each in parameters if each and "course" in each.params}

    def run(name: str) -> Any:
        return COURSES[name](driver, scaled_releases(timeout_seconds=SECONDS))

    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        yield {name: pool.submit(run, name) for name in sorted(chosen)}
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def course(courses: dict[str, Future[Any]], request: pytest.FixtureRequest) -> Any:
    """What came of the course whose name is the parameter."""
    return courses[request.param].result()
