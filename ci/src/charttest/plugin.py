"""The pytest plugin: the chart under test, a cluster that starts when a test asks for it, releases in it.

It stands on pytest-helm-charts and shares its options and fixtures: with `--kubeconfig` every test runs on
that cluster, without it `kube_config`, `kube_cluster` and `random_namespace` get the local cluster.
`--chart-path` (or `chart_path` in the ini file) is the chart under test.

With pytest-xdist: use `--dist loadgroup`. The tests marked `cluster` are one group and run on one worker, so
there is one cluster; with another distribution every worker that meets such a test starts one of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charttest.kubectl import Kubectl
from charttest.lint import Scenario, require_chart, scenarios
from charttest.release import Release, Releases
from charttest.render import Rendered, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from _pytest.terminal import TerminalReporter

    from charttest.helm import Values

pytest_plugins = ["charttest.scaling"]

_CLUSTER_FIXTURES = {
    "group_controller",
    "kube_cluster",
    "kube_config",
    "kubectl",
    "local_cluster",
    "node_cluster",
    "scaling_cluster",
}
_GIVEN = pytest.StashKey[str | None]()  # --kubeconfig as it was given


@dataclass(frozen=True)
class Chart:
    """The chart under test."""

    path: Path

    def render(self, *values: Values, **options: Any) -> Rendered:
        """`charttest.render.render` of this chart: rendered once, everything validated."""
        return render(self.path, *values, **options)

    @property
    def scenarios(self) -> list[Scenario]:
        """Its ci/*-values.yaml, each with the objects it expects to exist."""
        return scenarios(self.path)


@dataclass(frozen=True)
class GpuNode:
    """A node with accelerators: its labels, and how many of each extended resource can be had."""

    name: str
    labels: Mapping[str, str]
    accelerators: Mapping[str, int]


@dataclass(frozen=True)
class NodeCluster:
    """A cluster whose nodes run containers."""

    kubectl: Kubectl


def chart_path(config: pytest.Config) -> Path:
    """The folder of the chart under test: --chart-path, else the ini file's chart_path."""
    given = config.getoption("chart_path") or config.getini("chart_path")
    return require_chart(config.rootpath / given)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option; the command line's options are those of pytest-helm-charts."""
    parser.addini("chart_path", "The folder of the chart under test, from the root folder.", default=".")
    parser.addini(
        "node_pools", "A file of node pools for the local cluster, from the root folder.", default=""
    )
    parser.addini("test_engine", "The file of the flags that the test engine accepts, from the root folder.")
    parser.addini(
        "scaling_plots",
        "Where a scaling test draws its run, from the root folder.",
        default="build/scaling",
    )
    parser.addini("test_engine_images", "The names under which nodes have the test engine.", type="linelist")
    parser.addini(
        "real_node_pools",
        "A file of node pools for the cluster that runs pods, from the root folder.",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that the plugin sets."""
    config.stash[_GIVEN] = config.getoption("kubeconfig")
    config.addinivalue_line("markers", "cluster: needs a Kubernetes API; set by the plugin for its fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test that needs a cluster, and keep them on one worker of pytest-xdist."""
    for item in items:
        if _CLUSTER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)
            if config.pluginmanager.hasplugin("xdist"):
                item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Start the local cluster before pytest-helm-charts asks for a kubeconfig that nobody gave."""
    if fixturedef.argname == "kube_config" and not request.config.getoption("kubeconfig"):
        request.getfixturevalue("kubectl")


@pytest.fixture(scope="session")
def chart(pytestconfig: pytest.Config) -> Chart:
    """The chart under test, with `.render(values, kube_version=...)`."""
    return Chart(chart_path(pytestconfig))


@pytest.fixture(scope="session")
def scaling_plots(pytestconfig: pytest.Config) -> Path:
    """The folder for `charttest.load.write_plot`: the ini file's scaling_plots."""
    return Path(pytestconfig.rootpath, pytestconfig.getini("scaling_plots"))


@pytest.fixture(scope="session")
def local_cluster(pytestconfig: pytest.Config) -> Iterator[Any]:
    """The local cluster, running until the end of the session."""
    from charttest.cluster import LocalCluster  # noqa: PLC0415 - only when a test needs it

    pools = pytestconfig.getini("node_pools")
    options = {"node_pools": pytestconfig.rootpath / pools} if pools else {}
    with LocalCluster(**options) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kubectl(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl for the cluster of --kubeconfig, else for the local cluster, which starts now."""
    given = pytestconfig.getoption("kubeconfig")
    if not given:
        given = str(request.getfixturevalue("local_cluster").kubeconfig)
        # Where pytest-helm-charts looks first; $KUBECONFIG, a cluster that nobody named, is never used.
        pytestconfig.option.kubeconfig = given
    return Kubectl(Path(given))


@pytest.fixture(scope="session")
def gpu_nodes(kubectl: Kubectl) -> list[GpuNode]:
    """The nodes that have accelerators."""
    found = []
    for node in kubectl.get("nodes"):
        allocatable = node["status"].get("allocatable", {})
        devices = {key: int(value) for key, value in allocatable.items() if "/" in key and value != "0"}
        if devices:
            found.append(GpuNode(node["metadata"]["name"], node["metadata"].get("labels", {}), devices))
    return found


@pytest.fixture(scope="session")
def release_factory(kubectl: Kubectl, chart: Chart) -> Iterator[Releases]:
    """Makes releases, not installed yet, each in a new namespace that enforces Pod Security restricted.

    Takes `helm` (Helm 4 when it is left out) and `timeout_seconds`; safe to call from several threads.
    """
    with Releases(kubectl, chart.path) as releases:
        yield releases


@pytest.fixture(scope="session")
def group_controller(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> bool:
    """The real LeaderWorkerSet controller: in the local cluster it runs from here on.

    With `--kubeconfig`: whether that cluster has it.
    """
    from charttest.controllers import leaderworkerset  # noqa: PLC0415 - only when a test needs it

    if pytestconfig.stash[_GIVEN]:
        return leaderworkerset.is_there(request.getfixturevalue("kubectl"))
    leaderworkerset.start(request.getfixturevalue("local_cluster"))
    return True


@pytest.fixture(scope="session")
def node_cluster(pytestconfig: pytest.Config) -> Iterator[NodeCluster]:
    """A cluster whose nodes run containers, with the test engine's image in them.

    With `--kubeconfig` that cluster, whose nodes must have the image already; else a second local cluster with
    the pools of the ini file's `real_node_pools`. Skips, with the reason, where no real node can run.
    """
    given = pytestconfig.stash[_GIVEN]
    if given:
        yield NodeCluster(Kubectl(Path(given)))
        return
    from charttest.cluster import LocalCluster  # noqa: PLC0415 - only when a test needs it
    from charttest.images.engine import engine_archive  # noqa: PLC0415

    cluster = LocalCluster(node_pools=pytestconfig.rootpath / pytestconfig.getini("real_node_pools"))
    if reason := cluster.why_not_real():
        pytest.skip(reason)
    with cluster:
        engine_file = pytestconfig.rootpath / pytestconfig.getini("test_engine")
        cluster.load_image(engine_archive(engine_file, pytestconfig.getini("test_engine_images")))
        yield NodeCluster(cluster.kubectl)


@pytest.fixture
def release(release_factory: Releases) -> Iterator[Release]:
    """A release with a unique name and namespace, not installed yet; it is uninstalled after the test."""
    made = release_factory()
    yield made
    made.uninstall()


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say which tiers ran, how many tests were skipped or left out, and why."""
    stats = terminalreporter.stats
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in stats.get(outcome, []):
            tier = Path(report.nodeid.split("::")[0]).parent.name
            counts.setdefault(tier, Counter())[outcome] += 1
    for item in stats.get("deselected", []):
        counts.setdefault(Path(item.nodeid.split("::")[0]).parent.name, Counter())["deselected"] += 1
    if not counts:
        return
    terminalreporter.section("tiers")
    for tier, outcomes in sorted(counts.items()):
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
        terminalreporter.write_line(f"{tier or '.'}: {told}")
    reasons = Counter(_reason(report) for report in stats.get("skipped", []))
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"skipped {number}: {reason}")


def _reason(report: Any) -> str:
    # pytest keeps (file, line, "Skipped: why") of a skip.
    where = report.longrepr
    return str(where[2] if isinstance(where, tuple) else where).removeprefix("Skipped: ")
