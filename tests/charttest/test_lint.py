"""`charttest lint` on a small chart: what it looks at, what it prints, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from charttest.checks import ALL
from charttest.cli import main
from charttest.cli.lint import lint

if TYPE_CHECKING:
    from pathlib import Path

CHART = "apiVersion: v2\nname: tiny\nversion: 0.1.0\nicon: https://example.com/icon.png\n"
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  enableServiceLinks: false
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: a
      image: example.com/a
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      envFrom: [{secretRef: {name: outside}}]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A chart of one ConfigMap without a finding."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(CHART)
    (tmp_path / "values.yaml").write_text("greeting: hello\n")
    (tmp_path / "templates" / "config.yaml").write_text(CONFIG_MAP)
    return tmp_path


def run(chart: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(lint, [str(chart), *options])
    return result.exit_code, result.output


def break_it(chart: Path) -> None:
    """Add a finding: a misspelt field."""
    (chart / "templates" / "config.yaml").write_text(CONFIG_MAP + "dta: {}\n")


def test_a_clean_chart_ends_with_0(tiny: Path) -> None:
    assert run(tiny) == (0, f"{tiny}: 1 render(s), {len(ALL)} checks, no finding(s)\n")


def test_a_finding_ends_with_1_and_names_file_object_rule_and_next_step(tiny: Path) -> None:
    break_it(tiny)
    code, text = run(tiny)
    assert code == 1
    assert f"{tiny}/templates/config.yaml: ConfigMap/r: (root): " in text
    assert "'dta' was unexpected" in text
    assert "write the field as the Kubernetes API reference has it, or remove it [schema]" in text
    assert "in defaults, Kubernetes 1.37, Helm 4" in text


def test_a_finding_of_several_renders_is_told_once(tiny: Path) -> None:
    break_it(tiny)
    options = ["--helm", "3", "--helm", "4", "--kube-version", "1.30", "--kube-version", "1.36"]
    code, text = run(tiny, *options, "--format", "json")
    assert code == 1
    document = json.loads(text)
    assert document["renders"] == 4
    assert len(document["findings"]) == 1
    assert document["findings"][0]["renders"] == [
        f"defaults, Kubernetes {version}, Helm {major}" for version in ("1.30", "1.36") for major in (3, 4)
    ]


def test_every_ci_values_file_is_a_scenario(tiny: Path) -> None:
    (tiny / "ci").mkdir()
    for name in ("a", "b"):
        (tiny / "ci" / f"{name}-values.yaml").write_text(f"greeting: {name}\n")
    (tiny / "templates" / "fail.yaml").write_text(
        '{{ if eq .Values.greeting "b" }}{{ fail "b is bad" }}{{ end }}'
    )
    code, text = run(tiny, "--format", "json")
    assert code == 1
    findings = json.loads(text)["findings"]
    assert [(item["message"], item["renders"]) for item in findings if item["check"] == "render"] == [
        ("b is bad", ["b-values.yaml, Kubernetes 1.37, Helm 4"])
    ]


def test_given_values_files_are_merged_into_one_scenario(tiny: Path) -> None:
    (tiny / "one.yaml").write_text("greeting: one\n")
    (tiny / "two.yaml").write_text("greeting: [not, text]\n")
    code, text = run(tiny, "-f", str(tiny / "one.yaml"), "-f", str(tiny / "two.yaml"))
    assert (code, "1 render(s)" in text) == (0, True)


def test_what_helm_lint_warns_about_is_a_finding(tiny: Path) -> None:
    (tiny / "Chart.yaml").write_text(CHART.replace("0.1.0", "one"))
    code, text = run(tiny)
    assert code == 1
    assert "[helm-lint]" in text or "[render]" in text
    assert "version" in text


def test_a_key_that_is_there_twice_is_a_finding(tiny: Path) -> None:
    (tiny / "templates" / "config.yaml").write_text(CONFIG_MAP + "  greeting: again\n")
    code, text = run(tiny)
    assert code == 1
    assert "the key 'greeting' is there twice" in text


@pytest.mark.parametrize("comment", ["# external: Secret/outside\n", ""], ids=["in the file", "as an option"])
def test_what_exists_outside_is_declared(tiny: Path, comment: str) -> None:
    (tiny / "templates" / "pod.yaml").write_text(POD)
    values = tiny / "some.yaml"
    values.write_text("greeting: a\n")
    assert run(tiny, "-f", str(values))[0] == 1
    values.write_text(comment + "greeting: a\n")
    assert run(tiny, "-f", str(values), *([] if comment else ["--external", "Secret/outside"]))[0] == 0


def test_a_scenario_is_rendered_only_for_the_kubernetes_that_has_what_it_uses(tiny: Path) -> None:
    values = tiny / "some.yaml"
    values.write_text("# needs Kubernetes: 1.31\ngreeting: a\n")
    old = ("--kube-version", "1.30")
    assert "0 render(s)" in run(tiny, "-f", str(values), *old)[1]
    assert (
        "2 render(s)"
        in run(tiny, "-f", str(values), *old, "--kube-version", "1.31", "--kube-version", "1.37")[1]
    )


def test_an_ignored_check_finds_nothing(tiny: Path) -> None:
    break_it(tiny)
    assert run(tiny, "--ignore", "schema")[0] == 0


def test_custom_resources_need_their_definition(tiny: Path) -> None:
    widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 1}\n"
    (tiny / "templates" / "widget.yaml").write_text(widget)
    code, text = run(tiny)
    assert code == 1
    assert "no CustomResourceDefinition of example.com/v1 Widget is known" in text
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    crds = tiny / "widget-crd.yaml"
    crds.write_text(json.dumps(definition))
    assert run(tiny, "--crds", str(crds))[0] == 0


def test_sarif_names_the_rule_and_the_template(tiny: Path) -> None:
    break_it(tiny)
    document = json.loads(run(tiny, "--format", "sarif")[1])
    assert document["version"] == "2.1.0"
    found = document["runs"][0]
    assert {rule["id"] for rule in found["tool"]["driver"]["rules"]} == {check.id for check in ALL}
    assert found["results"][0]["ruleId"] == "schema"
    location = found["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert location == f"{tiny}/templates/config.yaml"


def test_a_github_annotation_is_one_line(tiny: Path) -> None:
    break_it(tiny)
    lines = run(tiny, "--format", "github")[1].splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"::error file={tiny}/templates/config.yaml,title=schema::ConfigMap/r: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--kube-version", "1.99"],
            "--kube-version 1.99: no schemas of it are at hand; take one of 1.25 to",
        ),
        (["--helm", "2"], "'2' is not one of '3', '4'"),
        (
            ["--ignore", "spelling"],
            "--ignore spelling: there is no such check; take one of api-token, claims, ",
        ),
        (["--external", "outside"], "--external outside: an object is written KIND/NAME"),
        (["-f", "missing.yaml"], "'missing.yaml' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_ends_with_2_and_says_what_to_do(
    tiny: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["lint", str(tiny), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_a_chart_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"charttest: {tmp_path}: there is no Chart.yaml in it; give the folder of a chart\n"
    )


def test_the_checks_can_be_listed(tiny: Path) -> None:
    code, text = run(tiny, "--list")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == [check.id for check in ALL]
