"""What people see: tables and bars in 80 columns; click takes the colour out where there is no terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from valuegen.catalog.gpus import price_date, slices
from valuegen.table import hanging, table
from valuegen.units import GIB
from valuegen.words import gib, gpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valuegen.catalog.gpus import Gpu
    from valuegen.fit import FitResult
    from valuegen.model import Model
    from valuegen.overhead import Estimate

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
    show_grounds(result.model)
    _show_assumptions(result.gpu.assumptions)
    if result.ranks:
        click.echo()
        for line in _memory(result):
            click.echo(line)
        facts = _facts(result)
        if facts:
            click.echo()
        for line in facts:
            click.echo(line)


def show_grounds(model: Model) -> None:
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
    _show_assumptions(model.assumptions)


def _show_assumptions(assumptions: Iterable[str]) -> None:
    for assumption in assumptions:
        click.echo(hanging("Assumed:", assumption, indent=9, width=WIDTH))


def show_explanation(result: FitResult) -> None:
    """Every number with its formula, inputs and source."""
    from valuegen.explain import explain  # noqa: PLC0415  (only --explain needs it)
    from valuegen.explanation import KINDS  # noqa: PLC0415

    section, used = "", {}
    for entry in explain(result):
        if entry.section != section:
            section = entry.section
            click.echo(f"\n{click.style(section.upper(), bold=True)}")
        used[entry.kind] = KINDS[entry.kind]
        click.echo(f"\n{click.style(f'{entry.name:<26}', bold=True)}  {entry.value:<38} {entry.kind}")
        for number, line in enumerate(filter(None, entry.formula)):
            click.echo(hanging("  = " if number == 0 else "", line, indent=4, width=WIDTH))
        click.secho(hanging("    source:", entry.source, indent=12, width=WIDTH), dim=True)
    click.echo()
    for kind, meaning in used.items():
        click.secho(f"{kind:<10} {meaning}", dim=True)


def show_models(rows: Iterable[dict[str, Any]]) -> None:
    """The model catalogue, or a part of it."""
    lines = [("name", "params", "GiB", "length", "weights")]
    lines += [
        (
            row["name"],
            _count(row["parameters"]),
            f"{row['checkpoint_bytes'] / GIB:.1f}",
            _length(row["max_model_len"]),
            row["quantization"] or row["dtype"],
        )
        for row in rows
    ]
    _show_table(lines, right=(1, 2, 3))


def _count(parameters: int) -> str:
    if parameters < 1e9:
        return f"{parameters / 1e6:.0f} M"
    return f"{parameters / 1e9:.2f} B" if parameters < 1e10 else f"{parameters / 1e9:.0f} B"


def _length(tokens: int) -> str:
    """As --max-model-len takes it: 128K is 131072."""
    for unit, size in (("M", 1024**2), ("K", 1024)):
        if tokens % size == 0:
            return f"{tokens // size}{unit}"
    return str(tokens)


def show_gpus(catalogue: Sequence[Gpu], *, labels: bool) -> None:
    """The GPU catalogue, or a part of it; with what their nodes say of themselves."""
    lines = [("name", "memory", "", "compute", "link", "node", "MIG", "USD/h")]
    lines += [
        (
            gpu.name,
            gib(gpu.memory_bytes),
            {"measured": "", "derived": "~", "assumed": "?"}[gpu.memory_known],
            gpu.compute,
            "-" if gpu.whole is not None else gpu.interconnect,
            str(gpu.max_per_node),
            str(len(slices(gpu)) or "-"),
            f"{gpu.usd_per_hour:.2f}",
        )
        for gpu in catalogue
    ]
    _show_table(lines, right=(1, 5, 6, 7))
    if labels:
        for gpu in catalogue:
            click.echo()
            click.secho(gpu.name, bold=True)
            for product in gpu.node_products:
                click.echo(hanging("  node", f"{gpu.label}: {product}", indent=10, width=WIDTH))
            click.echo(f"  asks    {gpu.resource}")
            if gpu.aliases:
                click.echo(hanging("  also", ", ".join(gpu.aliases), indent=10, width=WIDTH))
            click.echo(hanging("  memory", gpu.memory_source, indent=10, width=WIDTH))
    click.echo()
    notes = (
        "Memory is what CUDA or ROCm reports: measured, ~ derived, ? assumed. Prices are list prices of "
        f"{price_date()}, an assumption."
    )
    click.secho(hanging("", notes, indent=0, width=WIDTH), dim=True)


def _show_table(rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> None:
    header, *lines = table(rows, right=right)
    click.secho(header, dim=True)
    for line in lines:
        click.echo(line)


def _memory(result: FitResult) -> list[str]:
    """The fullest GPU, part by part."""
    rank = min(result.ranks, key=lambda rank: rank.kv_cache.low)
    stage = f", stage {rank.pipeline_stage}" if len(result.ranks) > 1 else ""
    name = result.gpu.name if result.gpu.whole is None else f"MIG {result.gpu.profile}"
    parts = [
        (f"{name}{stage}", result.gpu.memory_bytes, "as CUDA reports it"),
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


def _range(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return ""
    return f"{max(0, estimate.low) / GIB:.2f} to {max(0, estimate.high) / GIB:.2f}"
