"""The chart's keys for adapters, drafts and offloading -> the flags that the chart makes of them.

Source: charts/vllm-stack/templates/_features.tpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.serve.words import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valuegen.yamledit import KeyPath

LORA_SIZES = {"maxRank": "max-lora-rank", "maxLoras": "max-loras", "maxCpuLoras": "max-cpu-loras"}


def from_features(body: Mapping[str, Any]) -> Iterator[Flag]:
    """The flags of `lora`, `speculative` and `kvOffload`, where they are on, as far as memory goes."""
    lora, drafts, offload = (body.get(name) or {} for name in ("lora", "speculative", "kvOffload"))
    if lora.get("enabled"):
        yield from _lora(lora)
    if drafts.get("method"):
        asked = {
            "method": drafts["method"],
            "model": _plain(drafts.get("model")),
            "num_speculative_tokens": drafts.get("numTokens"),
            **(drafts.get("config") or {}),
        }
        yield _flag(
            "speculative-config", {key: value for key, value in asked.items() if value}, "speculative"
        )
    # LMCache keeps the blocks in a server of its own.
    if offload.get("backend") == "native" and offload.get("sizeGiB") is not None:
        yield _flag("kv-offloading-size", offload["sizeGiB"], "kvOffload", "sizeGiB")


def _lora(lora: Mapping[str, Any]) -> Iterator[Flag]:
    yield _flag("enable-lora", True, "lora", "enabled")
    for key, name in LORA_SIZES.items():
        if lora.get(key) is not None:
            yield _flag(name, lora[key], "lora", key)
    adapters = len(lora.get("adapters") or {})
    if lora.get("maxCpuLoras") is None and adapters > (lora.get("maxLoras") or 1):
        yield _flag("max-cpu-loras", adapters, "lora", "adapters")


def _plain(uri: str | None) -> str | None:
    """A source of weights as a name that vLLM and valuegen read; a claim stays what it is."""
    return uri.removeprefix("hf://") if uri else None


def _flag(name: str, value: Any, *at: str) -> Flag:
    place: KeyPath = at
    return Flag(name, "", value, ".".join(place), place)
