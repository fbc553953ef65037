"""The courses of all scaling tests, side by side in one cluster; each test waits for its own."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from charttest.release import Releases
from tests.scaling import scenarios
from tests.scaling.course import SECONDS, Course, Driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart
    from charttest.release import Release
    from charttest.scaling import ScalingCluster

PLOTS = "build/scaling"


@pytest.fixture(scope="session")
def scaled_releases(scaling_cluster: ScalingCluster, chart: Chart) -> Iterator[Releases]:
    """Makes releases whose engines are scraped and scaled."""
    with Releases(scaling_cluster.kubectl, chart.path) as made:
        yield made


@pytest.fixture
def release(scaled_releases: Releases) -> Release:
    """One of them."""
    return scaled_releases(timeout_seconds=SECONDS)


@pytest.fixture(scope="session")
def driver(scaling_cluster: ScalingCluster, pytestconfig: pytest.Config) -> Driver:
    """Runs courses."""
    return Driver(scaling_cluster, pytestconfig.rootpath / PLOTS)


@pytest.fixture(scope="session")
def courses(
    driver: Driver, scaled_releases: Releases, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Course]]]:
    """The courses that the selected tests ask for, all begun."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {each.params["course"] for each in parameters if each and "course" in each.params}
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        yield {
            name: pool.submit(
                getattr(scenarios, name), driver, scaled_releases(timeout_seconds=SECONDS)
            )
            for name in sorted(chosen)
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def course(courses: dict[str, Future[Course]], request: pytest.FixtureRequest) -> Course:
    """The course whose name is the parameter: a function of scenarios.py."""
    return courses[request.param].result()
