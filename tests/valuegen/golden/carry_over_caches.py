"""Write caches.json from a folder with vLLM's own figures: `carry_over_caches.py SOURCE`.

A line is one case: the caches that vLLM's layers ask for and the groups it makes of them, whatever the
architecture. `caches` are [count, fields of valuegen.kvspecs.Spec that are not its defaults]; `kv` has rows
as in models/*.json. Of every model class, the first case of each mixture of caches and option is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from carry_over import lengths  # type: ignore[import-not-found]  # the script beside this one

TARGET = Path(__file__).parent / "caches.json"
TYPES = {
    "FullAttentionSpec": "full",
    "MLAAttentionSpec": "mla",
    "SlidingWindowSpec": "sliding-window",
    "SlidingWindowMLASpec": "sliding-window-mla",
    "ChunkedLocalAttentionSpec": "chunked-local",
    "MambaSpec": "mamba",
}
SHAPE = ("num_kv_heads", "head_size", "head_size_v", "dtype", "cache_role", "is_index_group_leader")


def main(source: Path) -> None:
    """Replace the file."""
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for path in sorted((source / "cases").glob("*.json")):
        figures = json.loads(path.read_text())
        for name, case in figures["cases"].items():
            if not case["accepted"] or any("error" in row for row in case["kv"]["lens"].values()):
                continue
            specs = case["kv"]["layer_specs"]
            mixture = tuple((spec["type"], spec["count"] if len(specs) > 1 else 0) for spec in specs)
            option = json.dumps(case.get("extra_engine_args"))
            key = (figures["model_class"], mixture, option, "_pp2_" in name)
            found.setdefault(key, row(path.stem, name, case))
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in found.values())
    TARGET.write_text(f"[\n{lines}\n]\n")


def row(model: str, name: str, case: dict[str, Any]) -> dict[str, Any]:
    """One case."""
    options = case.get("extra_engine_args") or {}
    return {
        "name": f"{model.replace('--', '/')} {name}",
        "in_flight": case["max_in_flight_tokens"],
        "settings": {
            key: options[key]
            for key in ("decode_context_parallel_size", "disable_hybrid_kv_cache_manager")
            if key in options
        },
        "caches": [[spec["count"], cache(spec, case["kv"])] for spec in case["kv"]["layer_specs"]],
        "kv": [lengths(int(length), figures) for length, figures in case["kv"]["lens"].items()],
    }


def cache(spec: dict[str, Any], kv: dict[str, Any]) -> dict[str, Any]:
    """The fields of one layer's spec."""
    kind, block, per_cell = TYPES[spec["type"]], spec["block_size"], spec.get("tokens_per_state", 1)
    content = spec["unpadded_page_bytes"]
    fields: dict[str, Any] = {
        "type": kind,
        "block_size": block,
        "cell_bytes": content if kind == "mamba" else content // (block // per_cell),
        "tokens_per_cell": per_cell,
        "padded_bytes": None if spec["page_bytes"] == content else spec["page_bytes"],
        "window": spec.get("sliding_window") or spec.get("attention_chunk_size") or 0,
        "shape": [str(spec[key]) for key in SHAPE if key in spec],
        "state_blocks": states(spec, kv) if kind == "mamba" else 1,
        "side_by_side": kv["layout"].startswith("B"),
    }
    alignment = spec.get("block_stride_alignment")
    if isinstance(alignment, str):  # MultipleOf(64)
        fields["kernel_block"] = int(alignment.removeprefix("MultipleOf(").removesuffix(")"))
    elif alignment is not None:
        fields["row_bytes"] = alignment
    defaults: dict[str, Any] = {
        "tokens_per_cell": 1,
        "padded_bytes": None,
        "window": 0,
        "state_blocks": 1,
        "shape": [],
    }
    return {
        key: value
        for key, value in fields.items()
        if (value != defaults[key] if key in defaults else value is not False)
    }


def states(spec: dict[str, Any], kv: dict[str, Any]) -> int:
    """Blocks of a request: vLLM's MambaSpec.max_memory_usage_bytes in pages."""
    if kv["mamba_cache_mode"] != "align":
        return 1
    held = {
        group["blocks_per_req"] for row in kv["lens"].values() for group in row["groups"] if is_state(group)
    }
    assert len(held) == 1, (spec["example"], held)
    return int(held.pop())


def is_state(group: dict[str, Any]) -> bool:
    """Whether a group's layers are recurrent."""
    return "MambaSpec" in (group["spec"], group["layer_spec"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
