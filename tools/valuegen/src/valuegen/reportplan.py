"""What people see of a plan: the contest by cost, what is not possible, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from valuegen.catalog.gpus import price_date
from valuegen.report import WIDTH, show_grounds
from valuegen.table import hanging, table
from valuegen.words import gpus, requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.plan import Candidate, Plan, Request

MOST_RANKED, MOST_REJECTED = 15, 8  # GPUs that a plan shows without --all


def show_plan(plan: Plan, *, show_all: bool, next_command: Sequence[str]) -> None:
    """The ranked configurations as one table, what is not possible and why, and what to do next."""
    request = plan.request
    click.echo(
        f"{plan.model.name}: {requests(request.concurrency)} of {request.max_model_len:,} tokens at once"
    )
    if request.profile is not None:
        from valuegen.profiles import profile  # noqa: PLC0415  (whose settings the plan has)

        click.echo(f"Profile {request.profile}: {profile(request.profile).sentence}")
    show_grounds(plan.model)
    ranked = plan.ranked
    if ranked:
        click.echo()
        lines = _contest(ranked) if show_all else _candidates(_best_of_each_gpu(ranked))
        header, best, *rest = lines
        click.secho(header, dim=True)
        click.secho(best, bold=True)
        shown = rest if show_all else rest[: MOST_RANKED - 1]
        for line in shown:
            click.echo(line)
        _show_hidden(len(rest) - len(shown), "other GPU carries it", "other GPUs carry it")
    rejected = _rejections(plan, show_all=show_all)
    if rejected:
        shown_reasons = rejected if show_all else rejected[:MOST_REJECTED]
        indent = max(len(name) for name, _ in shown_reasons) + 4
        click.echo("\nNot possible:")
        for name, why in shown_reasons:
            click.echo(hanging(f"  {name}", why, indent=indent, width=WIDTH))
        _show_hidden(len(rejected) - len(shown_reasons), "other GPU is not", "other GPUs are not")
    if ranked:
        click.echo()
        click.secho(_price_note(request), dim=True)
        click.secho(_command_lines("Next: ", next_command), dim=True)


def _show_hidden(count: int, one: str, several: str) -> None:
    if count > 0:
        click.secho(f"  {count} {one if count == 1 else several}; --all shows every configuration.", dim=True)


def _price_note(request: Request) -> str:
    if all(offer.usd_per_hour is not None for offer in request.offers):
        return "Prices are yours, per GPU and hour in USD."
    return (
        f"Prices are list prices of {price_date()}, an assumption;\n"
        "--price NAME=USD or --prices FILE sets yours."
    )


def _command_lines(start: str, words: Sequence[str]) -> str:
    """A command line as a shell takes it, continued where it would pass the width."""
    lines = [start.rstrip()]
    for word in map(_quoted, words):
        if len(lines[-1]) + len(word) + len("  \\") > WIDTH:
            lines[-1] += " \\"
            lines.append(" " * (len(start) - 1))
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _quoted(word: str) -> str:
    """A word as a shell takes it."""
    if word.replace("-", "").replace(".", "").replace("/", "").isalnum() and word.isascii():
        return word
    import shlex  # noqa: PLC0415  (slow to import, and most words need none)

    return shlex.quote(word)


def _candidates(candidates: Sequence[Candidate]) -> list[str]:
    lines = [("each replica", "replicas", "GPUs", "USD/h", "at once", "KV tokens each")]
    lines += [
        (
            gpus(candidate.fit),
            str(candidate.replicas),
            str(candidate.gpus),
            f"{candidate.cost_per_hour:.2f}",
            str(candidate.replicas * candidate.requests_per_replica),
            f"{candidate.fit.capacity.tokens if candidate.fit.capacity else 0:,}",
        )
        for candidate in candidates
    ]
    return table(lines, right=(1, 2, 3, 4, 5))


def _contest(ranked: Sequence[Candidate]) -> list[str]:
    """Every configuration that carries the load, and by what it lost to the first."""
    from valuegen.plan import lost_by  # noqa: PLC0415  (who shows a plan has loaded it)

    lines = [("each replica", "replicas", "USD/h", "lost because it")]
    lines += [
        (
            gpus(candidate.fit),
            str(candidate.replicas),
            f"{candidate.cost_per_hour:.2f}",
            lost_by(candidate, ranked[0]) or "(is the first)",
        )
        for candidate in ranked
    ]
    return table(lines, right=(1, 2))


def _best_of_each_gpu(ranked: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in ranked:
        best.setdefault(candidate.fit.gpu.name, candidate)
    return list(best.values())


def _rejections(plan: Plan, *, show_all: bool) -> list[tuple[str, str]]:
    """GPUs that no configuration can use, with the reason of the one that came closest."""
    if show_all:
        return [(gpus(entry.fit), _why(entry)) for entry in plan.rejected]
    usable = {candidate.fit.gpu.name for candidate in plan.ranked}
    reasons: dict[str, str] = {}
    for entry in plan.rejected:
        if entry.fit.gpu.name not in usable:
            reasons.setdefault(entry.fit.gpu.name, _why(entry))
    return list(reasons.items())


def _why(candidate: Candidate) -> str:
    """What kind of reason it is, and the reason without the names that stand beside it."""
    message = candidate.rejected.message if candidate.rejected else ""
    kind = {"fits": "more than on hand", "too-big": "too big", "invalid": "vLLM refuses"}[
        candidate.fit.verdict
    ]
    return f"{kind}: " + message.removeprefix(f"{candidate.fit.model.name} on {candidate.fit.gpu.name}: ")
