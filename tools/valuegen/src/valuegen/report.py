"""What people see: tables and bars in 80 columns; click takes the colour out where there is no terminal."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from valuegen.catalog.gpus import price_date
from valuegen.table import hanging, table
from valuegen.units import GIB
from valuegen.words import gib, gpus, requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valuegen.catalog.gpus import Gpu
    from valuegen.fit import FitResult
    from valuegen.model import Model
    from valuegen.overhead import Estimate
    from valuegen.plan import Candidate, Plan

WIDTH = 80
BAR = 24
VERDICTS = {
    "fits": ("fits", "green"),
    "too-big": ("does not fit", "red"),
    "invalid": ("vLLM refuses this", "red"),
}


def show_fit(result: FitResult) -> None:
    """One configuration: where the memory of a GPU goes, and what the KV cache holds."""
    words, colour = VERDICTS[result.verdict]
    verdict = click.style(words, fg=colour, bold=True)
    click.echo(f"{verdict}: {result.model.name} on {gpus(result)}, vLLM {result.vllm_version}")
    for reason in result.reasons:
        click.echo(hanging("  -", reason.message, indent=4, width=WIDTH))
        click.echo(hanging("", f"Next: {reason.fix}", indent=4, width=WIDTH))
    _show_grounds(result.model)
    if result.ranks:
        click.echo()
        for line in _memory(result):
            click.echo(line)
        facts = _facts(result)
        if facts:
            click.echo()
        for line in facts:
            click.echo(line)


def _show_grounds(model: Model) -> None:
    """What the figures rest on, where that is less than the architecture's own list."""
    if model.checkpoint is not None and model.source == "safetensors":
        size = f"{model.checkpoint.bytes:,} bytes ({gib(model.checkpoint.bytes)})"
        click.echo(
            hanging("Exact: ", f"the weights on disk, {size}, by their headers", indent=9, width=WIDTH)
        )
    if model.is_unexpected:
        count = abs(model.unexpected_bytes)
        what = "more" if model.unexpected_bytes > 0 else "fewer"
        click.secho(
            hanging(
                "Check: ",
                f"the checkpoint's files hold {count:,} bytes {what} than {model.config.architecture} "
                "with this config.json loads",
                indent=9,
                width=WIDTH,
            ),
            fg="yellow",
        )
    for assumption in model.assumptions:
        click.echo(hanging("Assumed:", assumption, indent=9, width=WIDTH))


def show_explanation(result: FitResult) -> None:
    """Every number with its formula, inputs and source."""
    from valuegen.explain import explain  # noqa: PLC0415  (only --explain needs it)

    for entry in explain(result):
        click.echo()
        click.echo(f"{click.style(entry.name, bold=True)} = {entry.value}  [{entry.kind}]")
        click.echo(hanging("", entry.formula, indent=2, width=WIDTH))
        click.secho(hanging("", f"source: {entry.source}", indent=2, width=WIDTH), dim=True)


def show_plan(plan: Plan, *, show_all: bool, next_command: Sequence[str]) -> None:
    """The ranked configurations as one table, what is not possible and why, and what to do next."""
    request = plan.request
    click.echo(
        f"{plan.model.name}: {requests(request.concurrency)} of {request.max_model_len:,} tokens at once"
    )
    _show_grounds(plan.model)
    shown = plan.ranked if show_all else _best_of_each_gpu(plan.ranked)
    if shown:
        click.echo()
        header, best, *rest = _candidates(shown)
        click.secho(header, dim=True)
        click.secho(best, bold=True)
        for line in rest:
            click.echo(line)
    rejected = _rejections(plan, show_all=show_all)
    if rejected:
        indent = max(len(name) for name, _ in rejected) + 4
        click.echo("\nNot possible:")
        for name, why in rejected:
            click.echo(hanging(f"  {name}", why, indent=indent, width=WIDTH))
    if shown:
        click.echo()
        click.secho(
            f"Prices are list prices of {price_date()}, an assumption: --price NAME=USD sets yours.", dim=True
        )
        click.secho(_command_lines("Next: ", next_command), dim=True)


def _command_lines(start: str, words: Sequence[str]) -> str:
    """A command line as a shell takes it, continued where it would pass the width."""
    lines = [start.rstrip()]
    for word in map(shlex.quote, words):
        if len(lines[-1]) + len(word) + len("  \\") > WIDTH:
            lines[-1] += " \\"
            lines.append(" " * (len(start) - 1))
        lines[-1] += f" {word}"
    return "\n".join(lines)


def show_models(rows: Iterable[dict[str, Any]]) -> None:
    """The model catalogue."""
    lines = [("name", "parameters", "checkpoint", "max length", "quantization")]
    lines += [
        (
            row["name"],
            f"{row['parameters'] / 1e9:.2f} B",
            gib(row["checkpoint_bytes"]),
            f"{row['max_model_len']:,}",
            row["quantization"] or "-",
        )
        for row in rows
    ]
    _show_table(lines, right=(1, 2, 3))


def show_gpus(catalogue: Sequence[Gpu]) -> None:
    """The GPU catalogue."""
    lines = [("name", "nvidia.com/gpu.product", "memory", "compute", "per node", "USD/h")]
    for gpu in catalogue:
        lines.append(
            (
                gpu.name,
                gpu.products[0],
                gib(gpu.memory_bytes),
                f"{gpu.compute_capability[0]}.{gpu.compute_capability[1]}",
                str(gpu.max_per_node),
                f"{gpu.usd_per_hour:.2f}",
            )
        )
        lines += [("", product, "", "", "", "") for product in gpu.products[1:]]
    _show_table(lines, right=(2, 3, 4, 5))
    click.secho(
        f"\nMemory is what CUDA reports. Prices are list prices of {price_date()}, an assumption.", dim=True
    )


def _show_table(rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> None:
    header, *lines = table(rows, right=right)
    click.secho(header, dim=True)
    for line in lines:
        click.echo(line)


def _memory(result: FitResult) -> list[str]:
    """The fullest GPU, part by part."""
    rank = min(result.ranks, key=lambda rank: rank.kv_cache.low)
    stage = f", stage {rank.pipeline_stage}" if len(result.ranks) > 1 else ""
    parts = [
        (f"{result.gpu.name}{stage}", result.gpu.memory_bytes, "as CUDA reports it"),
        ("  for vLLM", rank.budget_bytes, f"{result.settings.gpu_memory_utilization:.0%}"),
        ("  weights", rank.weights_bytes, ""),
        *(
            (label, size, note)
            for label, size, note in (
                ("  LoRA buffers", rank.lora_bytes, ""),
                ("  draft", rank.draft_weights_bytes, ""),
                ("  in host memory", rank.offloaded_bytes, "of the weights"),
            )
            if size
        ),
        ("  activation peak", rank.activation.point, _range(rank.activation)),
        ("  CUDA graphs", rank.cuda_graphs.point, _range(rank.cuda_graphs)),
        ("  outside PyTorch", rank.non_torch.point, _range(rank.non_torch)),
        ("  KV cache", rank.kv_cache.point, _range(rank.kv_cache)),
    ]
    block = "\u2588" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    return table(
        [
            (label, gib(size), block * _bar(size, result.gpu.memory_bytes), note)
            for label, size, note in parts
        ],
        right=(1,),
    )


def _bar(size: int, whole: int) -> int:
    """Length of a bar: at least one for anything there is, at most the whole."""
    return min(BAR, max(1, round(BAR * size / whole))) if size > 0 else 0


def _facts(result: FitResult) -> list[str]:
    settings, host = result.settings, result.host
    if result.capacity is None or result.capacity_range is None or host is None:
        return []
    if not result.capacity.num_blocks:  # no room for any cache: the bars say it all
        return []
    capacity, (low, high) = result.capacity, result.capacity_range
    cache = (
        f"{capacity.tokens:,} tokens in {capacity.num_blocks:,} blocks: "
        f"{capacity.max_concurrency:.1f} requests of {settings.max_model_len:,} tokens at once "
        f"({low.max_concurrency:.1f} to {high.max_concurrency:.1f})"
    )
    if not result.bytes_per_block:
        cache = (
            f"none: a step takes {capacity.max_concurrency:.0f} requests of {settings.max_model_len:,} tokens"
        )
    facts = {
        "KV cache": cache,
        "Settings": f"--max-model-len {settings.max_model_len} --max-num-seqs {settings.max_num_seqs} "
        f"--max-num-batched-tokens {settings.max_num_batched_tokens} --dtype {settings.dtype} "
        f"--kv-cache-dtype {settings.kv_cache_dtype}",
        "Host": f"memory {host.memory_request_bytes // GIB} to {host.memory_limit_bytes // GIB} GiB, "
        f"shared memory {host.shared_memory_bytes / GIB:.1f} GiB, {host.cpu} CPUs, "
        f"model cache {host.model_cache_bytes // GIB} GiB, "
        f"start within {host.startup_seconds} s, drain {host.drain_seconds} s",
    }
    return [hanging(label, text, indent=10, width=WIDTH) for label, text in facts.items()]


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
    """The reason without the names that stand beside it."""
    message = candidate.rejected.message if candidate.rejected else ""
    return message.removeprefix(f"{candidate.fit.model.name} on {candidate.fit.gpu.name}: ")


def _range(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return ""
    return f"{max(0, estimate.low) / GIB:.2f} to {max(0, estimate.high) / GIB:.2f}"
