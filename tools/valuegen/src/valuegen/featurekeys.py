"""Adapters, drafts and offloading that were asked for, as the chart's own keys: lora, speculative, kvOffload.

`serve/features.py` reads them back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from valuegen.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valuegen.engine import EngineSettings
    from valuegen.speculation import Speculation

LORA = {"max_lora_rank": "maxRank", "max_loras": "maxLoras", "max_cpu_loras": "maxCpuLoras"}
# Engine flags that say the same as a part, where a person wrote them into `args` (the chart takes one of both).
SAME_FLAGS = {
    "lora": {"enable-lora", "lora-modules", "max-lora-rank", "max-loras", "max-cpu-loras"},
    "speculative": {"speculative-config", "spec-method", "spec-model", "spec-tokens"},
    "kvOffload": {"kv-offloading-backend", "kv-offloading-size"},
}
SPECULATIVE = {"method": "method", "model": "model", "num_speculative_tokens": "numTokens"}


def feature_keys(asked: EngineSettings) -> dict[str, dict[str, Any]]:
    """The parts of a model's body by their key.

    Raises UsageError for a draft without weights.
    """
    parts: dict[str, dict[str, Any]] = {}
    if asked.enable_lora:
        sizes = {key: getattr(asked, name) for name, key in LORA.items()}
        parts["lora"] = {"enabled": True, **{key: size for key, size in sizes.items() if size is not None}}
    if asked.speculative_config is not None:
        parts["speculative"] = _speculative(asked.speculative_config)
    if _keeps_blocks(asked):
        parts["kvOffload"] = {"backend": "native", "sizeGiB": asked.kv_offloading_size}
    return parts


def covered(asked: EngineSettings) -> set[str]:
    """The settings that these parts say, so that no engine argument says them again."""
    names = {"speculative_config"}
    if asked.enable_lora:
        names |= {"enable_lora", *LORA}
    if _keeps_blocks(asked):
        names |= {"kv_offloading_size", "kv_offloading_backend"}
    return names


def said_in_args(body: Mapping[str, Any]) -> dict[str, str]:
    """The parts that flags of a model's `args` say already, each with its flag."""
    found: dict[str, str] = {}
    for flag in body.get("args") or {}:
        name = str(flag).partition(".")[0].replace("_", "-")
        for part, flags in SAME_FLAGS.items():
            if name in flags:
                found.setdefault(part, str(flag))
    return found


def _keeps_blocks(asked: EngineSettings) -> bool:
    """LMCache needs the address of a server, which only a person knows."""
    return asked.kv_offloading_size is not None and asked.kv_offloading_backend in (None, "native")


def _speculative(asked: Speculation) -> dict[str, Any]:
    # Only where something is drafted.
    from valuegen.drafts import draft_of  # noqa: PLC0415
    from valuegen.speculation import FLAG, WITH_MODEL  # noqa: PLC0415

    given: dict[str, Any] = {**json.loads(asked.text), "method": asked.method}
    if asked.method in WITH_MODEL:
        given["model"] = draft_of(asked).uri
        if not given["model"]:
            raise UsageError(
                f"{FLAG}: model {asked.model}: a size has no weights to serve", "name a model that drafts"
            )
    else:
        given.pop("model", None)
    part = {key: given.pop(name) for name, key in SPECULATIVE.items() if name in given}
    return {**part, **({"config": given} if given else {})}
