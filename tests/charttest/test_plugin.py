"""The pytest plugin, seen from a project that uses it."""

from __future__ import annotations

import pytest

from charttest.parts.cache import cache_folder

# pytester changes HOME: without this, every test would look for the real parts in an empty folder.
CACHE = str(cache_folder().parent)
CONFIG_MAP = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {a: {{ .Values.a }}}\n"
)
TESTS = """
import pytest

def test_a_render(chart):
    assert chart.render({"a": "b"}).one("ConfigMap")["data"] == {"a": "b"}

@pytest.mark.skip(reason="no GPU here")
def test_a_skip():
    pass

def test_a_cluster(kubectl):
    assert kubectl("version")

def test_a_cluster_of_pytest_helm_charts(kube_cluster):
    assert kube_cluster
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A chart, and a test of every kind in the folder `tier`."""
    monkeypatch.setenv("XDG_CACHE_HOME", CACHE)
    folders = [pytester.mkdir("chart"), pytester.mkdir("tier"), pytester.path / "chart/templates"]
    folders[2].mkdir()
    (folders[0] / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    (folders[0] / "values.yaml").write_text("a: a\n")
    (folders[2] / "config.yaml").write_text(CONFIG_MAP)
    (folders[1] / "test_tiny.py").write_text(TESTS)
    pytester.makeini("[pytest]\nchart_path = chart\naddopts = --strict-markers\n")
    return pytester


def test_tests_that_need_a_cluster_are_marked_and_can_be_left_out(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("-m", "not cluster")
    result.assert_outcomes(passed=1, skipped=1, deselected=2)
    result.stdout.fnmatch_lines(
        ["*= tiers =*", "tier: 2 deselected, 1 passed, 1 skipped", "skipped 1: no GPU here"]
    )


def test_a_given_kubeconfig_is_used_and_no_cluster_is_started(project: pytest.Pytester) -> None:
    (project.path / "tier/test_given.py").write_text(
        "def test_given(kubectl, kube_config, pytestconfig):\n"
        "    assert str(kubectl.kubeconfig) == kube_config == 'given.yaml'\n"
    )
    result = project.runpytest_subprocess("tier/test_given.py", "--kubeconfig", "given.yaml")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("option", ["--chart-path=elsewhere", "--override-ini=chart_path=elsewhere"])
def test_a_chart_that_is_not_there_is_named(project: pytest.Pytester, option: str) -> None:
    result = project.runpytest_subprocess("-k", "render", option)
    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(["*elsewhere: there is no Chart.yaml in it; give the folder of a chart"])


def test_a_render_that_breaks_a_rule_fails_the_test_that_asked_for_it(project: pytest.Pytester) -> None:
    with (project.path / "chart/templates/config.yaml").open("a") as template:
        template.write("dta: {}\n")
    result = project.runpytest_subprocess("-k", "render")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*ConfigMap/r: (root): *'dta' was unexpected*"])


def test_cluster_tests_stay_on_one_worker(project: pytest.Pytester) -> None:
    (project.path / "tier/conftest.py").write_text(
        "def pytest_collection_finish(session):\n"
        "    for item in session.items:\n"
        "        print(item.name, [mark.args for mark in item.iter_markers('xdist_group')])\n"
    )
    result = project.runpytest_subprocess("--collect-only", "-q", "-s")
    result.stdout.fnmatch_lines(["test_a_render ?]", "test_a_cluster ?('cluster',)?"])
