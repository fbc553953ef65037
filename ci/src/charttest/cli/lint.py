"""`charttest lint`: exit code 0 without a finding, 1 with one, 2 when it was called wrongly."""

from __future__ import annotations

from pathlib import Path

import click

from charttest.checks import ALL
from charttest.helm import helm
from charttest.lint import Scenario, require_chart, scenarios
from charttest.lint import lint as run
from charttest.lintformats import FORMATS
from charttest.render import known_minor

_HELMS = ("3", "4")
_EXISTING = click.Path(exists=True, path_type=Path)


@click.command("lint")
@click.argument("chart", type=_EXISTING)
@click.option(
    "-f",
    "--values",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A values file; several are merged. Default: every ci/*-values.yaml of the chart on its own.",
)
@click.option(
    "--kube-version", "kube_versions", multiple=True, help="Kubernetes version, such as 1.30; repeatable."
)
@click.option(
    "--helm", "majors", multiple=True, type=click.Choice(_HELMS), help="Helm's major version; repeatable."
)
@click.option(
    "--external",
    multiple=True,
    metavar="KIND/NAME",
    help="An object that exists already. Values files can say so: # external: Secret/hf-token",
)
@click.option("--crds", multiple=True, type=_EXISTING, help="A file or folder of CustomResourceDefinitions.")
@click.option("--ignore", multiple=True, metavar="CHECK", help="A check to leave out.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option("--list", "list_checks", is_flag=True, help="Print the checks and stop.")
def lint(
    *,
    chart: Path,
    files: tuple[Path, ...],
    kube_versions: tuple[str, ...],
    majors: tuple[str, ...],
    external: tuple[str, ...],
    crds: tuple[Path, ...],
    ignore: tuple[str, ...],
    form: str,
    list_checks: bool,
) -> None:
    """Run helm lint and every check on what CHART renders."""
    if list_checks:
        for check in ALL:
            click.echo(f"{check.id:16} {check.sentence}")
        return
    known = {check.id for check in ALL}
    for name in ignore:
        if name not in known:
            raise click.UsageError(
                f"--ignore {name}: there is no such check; take one of {', '.join(sorted(known))}"
            )
    for name in external:
        if name.count("/") != 1:
            raise click.UsageError(
                f"--external {name}: an object is written KIND/NAME, for example Secret/hf-token"
            )
    require_chart(chart)
    for version in kube_versions:
        known_minor(version)
    cases = [Scenario.of(*files, external=external)] if files else scenarios(chart, external)
    helms = {int(major): helm(int(major)) for major in majors or _HELMS[-1:]}
    report = run(chart, cases, helms, kube_versions=kube_versions, crds=crds, ignore=ignore)
    click.echo(FORMATS[form](report, chart))
    if report.findings:
        click.get_current_context().exit(1)
