"""Write features.json from vLLM's own figures for LoRA and drafts: `python -m tests.valuegen.golden.carry_over_features SOURCE`.

SOURCE has `lora/*.json`, `spec/*.json`, `offload.json` (what the run printed) and `drafts/*/config.json`. A line of `lora` is
[model, case, bytes] and of `drafts` [model, speculative config, case, draft bytes, max_model_len, rows of `kv`
as in models/*.json]; `offload` has [model, tensor parallel size, GiB asked for,
bytes moved]; a case that vLLM refuses has its words instead. Models are names of models/*.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.valuegen.golden.carry_over import lengths

HERE = Path(__file__).parent
# What the run could not do without a GPU, and the MTP layers that are not counted.
FAILED_RUN = ("NVIDIA", "CUDA", "inspected", "has no attribute", "DeepGEMM")
NOT_COUNTED = ("Nemotron", "MiMo-V2", "ERNIE", "Kimi-K3", "DeepSeek-V4")
# Its head stands on every stage, which nothing else needs to know.
UNGRADED_STAGE = ("ibm-granite--granite-4.0-h-small", "tp1_pp2_rank0")
# FlashMLA, which reads 64 tokens of an fp8 cache at once, was not there.
OTHER_BLOCKS = ("DeepSeek-V3.1-NVFP4",)


def main(source: Path) -> None:
    """Write the file."""
    lines = ['{"lora": [']
    lines.append(",\n".join(json.dumps(row) for row in lora(source)))
    lines.append('], "drafts": [')
    lines.append(",\n".join(json.dumps(row) for row in drafts(source)))
    lines.append('], "offload": [')
    lines.append(",\n".join(json.dumps(row) for row in json.loads((source / "offload.json").read_text())))
    heads = {path.parent.name: json.loads(path.read_text()) for path in source.glob("drafts/*/config.json")}
    lines.append(f'], "heads": {json.dumps(heads, sort_keys=True)}}}\n')
    (HERE / "features.json").write_text("\n".join(lines))


def lora(source: Path) -> list[list[Any]]:
    """Bytes of the adapters' buffers on a GPU."""
    rows = []
    for path in sorted(source.glob("lora/*.json")):
        for case, found in json.loads(path.read_text()).items():
            if (path.stem, case) == UNGRADED_STAGE:
                continue
            rows.append([stem(path.stem), case, found.get("total", found.get("error", "")[:90])])
    return [row for row in rows if known(row[0])]


def drafts(source: Path) -> list[list[Any]]:
    """Bytes of a draft's weights on a GPU, and the KV cache with it."""
    rows = []
    for path in sorted(source.glob("spec/*.json")):
        run = json.loads(path.read_text())
        asked = dict(run["spec"], **({"model": stem(run["spec"]["model"])} if "model" in run["spec"] else {}))
        if asked["method" if "method" in asked else "model"] == "mtp" and skips(run["target"], NOT_COUNTED):
            continue
        for case, found in run["cases"].items():
            if skips(found.get("error", ""), FAILED_RUN):
                continue
            row = [stem(run["target"]), asked, case]
            if found["accepted"]:
                kv = [lengths(int(length), figures) for length, figures in found["kv"]["lens"].items()]
                if skips(run["target"], OTHER_BLOCKS):
                    kv = []
                row += [found["draft_weights"], found["maxlen"], kv]
            else:
                row.append(found["error"][:120])
            rows.append(row)
    return [row for row in rows if known(row[0])]


def skips(text: str, words: tuple[str, ...]) -> bool:
    """Whether one of the words is in a text."""
    return any(word in text for word in words)


def stem(name: str) -> str:
    """The name among models/*.json."""
    return name.replace("--", "__")


def known(name: str) -> bool:
    """Whether there is a config for it."""
    return (HERE / "models" / f"{name}.json").exists()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
