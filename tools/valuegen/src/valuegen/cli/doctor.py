"""The command `doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from valuegen.cli.printing import json_option, print_json
from valuegen.errors import FindingsError, UsageError


@click.command("doctor", epilog="Example: valuegen doctor llm --namespace llm")
@click.argument("release", required=False, metavar="[RELEASE]")
@click.option(
    "--preflight", is_flag=True, help="Ask the cluster for what values need, before they are installed."
)
@click.option(
    "-f",
    "--values",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Values to install, as helm's -f; repeatable; with --preflight.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value over those of files, as helm's --set; repeatable; with --preflight.",
)
@click.option(
    "--set-string", "texts", multiple=True, metavar="KEY=VALUE", help="The same, always as text, as helm's."
)
@click.option(
    "--set-json", "documents", multiple=True, metavar="KEY=JSON", help="The same as JSON, as helm's."
)
@click.option(
    "--chart",
    default=None,
    metavar="CHART",
    help="The chart, as `helm template` takes it; with --preflight.  [default: charts/vllm-stack]",
)
@click.option(
    "-n", "--namespace", default=None, metavar="NAME", help="Of the release.  [default: the context's]"
)
@click.option("--kubeconfig", default=None, metavar="FILE", help="As kubectl's.")
@click.option("--context", default=None, metavar="NAME", help="As kubectl's.")
@click.option("--load", is_flag=True, help="Also send a few requests from a pod that is made and removed.")
@json_option
def doctor_command(
    *,
    release: str | None,
    preflight: bool,
    values: tuple[Path, ...],
    settings: tuple[str, ...],
    texts: tuple[str, ...],
    documents: tuple[str, ...],
    chart: str | None,
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    load: bool,
    as_json: bool,
) -> int:
    """Explain what is wrong with a running RELEASE, or what a cluster lacks for values (--preflight).

    The first line names the cause of the worst finding. It asks through kubectl, with your sign-in, and changes
    nothing; only --load makes a pod, which it removes. --preflight renders the values with helm, as installing
    them would. Exit code 3 if there is any finding.
    """
    from valuegen.doctor.asking import Kubectl  # noqa: PLC0415  (imports stay with the command that needs them)
    from valuegen.doctor.report import show, summary  # noqa: PLC0415

    options = (("--set", settings), ("--set-string", texts), ("--set-json", documents))
    given = tuple((option, text) for option, texts in options for text in texts)
    _require_fitting(release, values, given, chart, preflight=preflight, load=load)
    kubectl = Kubectl.find(kubeconfig, context)
    where = namespace or kubectl.namespace()
    if preflight:
        from valuegen.doctor.preflight import preflight as judge  # noqa: PLC0415
        from valuegen.doctor.rendering import Given  # noqa: PLC0415

        report = judge(kubectl, Given(values, given), chart, release, where)
    else:
        from valuegen.doctor.gathering import read_release  # noqa: PLC0415
        from valuegen.doctor.release import diagnose  # noqa: PLC0415

        seen = read_release(kubectl, str(release), where)
        report = diagnose(seen)
        if load:
            from valuegen.doctor.load import with_load  # noqa: PLC0415

            report = with_load(kubectl, seen, report)
    if as_json:
        print_json(report.to_dict())
    else:
        show(report)
    if report.findings:
        raise FindingsError(f"{report.subject}: {summary(report)}", "do what stands beside each")
    return 0


def _require_fitting(
    release: str | None,
    values: tuple[Path, ...],
    settings: tuple[tuple[str, str], ...],
    chart: str | None,
    *,
    preflight: bool,
    load: bool,
) -> None:
    """UsageError for options that do not belong together."""
    if preflight:
        if not values and not settings:
            raise UsageError("--preflight: needs the values to install", "add -f values.yaml")
        if load:
            raise UsageError("--load: needs a running release", "drop --preflight and name the release")
        return
    if release is None:
        raise UsageError(
            "doctor: needs a release, or --preflight -f values.yaml", "`helm list` shows releases"
        )
    for option, given in (("--values", values), *settings, ("--chart", chart)):
        if given:
            raise UsageError(f"{option}: is read by --preflight", "add --preflight, or drop it")
