"""Sentences about vLLM's flags, said in keys of the chart's values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.catalog.gpus import all_gpus

if TYPE_CHECKING:
    from valuegen.yamledit import KeyPath

# Flags that the chart has keys of its own for.
OWN_KEYS = {
    "tensor-parallel-size": ("parallelism", "tensor"),
    "pipeline-parallel-size": ("parallelism", "pipeline"),
    "data-parallel-size": ("parallelism", "data"),
    "enable-expert-parallel": ("parallelism", "expert"),
    "gpu": ("accelerator", "product"),
}
FLAG = re.compile(r"--([a-z][a-z-]*[a-z])")
GPU = re.compile(r"--gpu ([\w.-]*\w)")


def key_of(text: str) -> KeyPath:
    """The key of the flag that a sentence begins with; the body itself if it begins with none."""
    flag = FLAG.match(text)
    return _key(flag[1]) if flag else ()


def in_keys(text: str) -> str:
    """The sentence with keys of the values for flags, and node labels for GPUs of the catalogue."""
    products = {gpu.name: gpu.product for gpu in all_gpus()}
    text = GPU.sub(lambda found: f"--gpu {products.get(found[1], found[1])}", text)
    return FLAG.sub(lambda found: ".".join(_key(found[1])), text)


def _key(flag: str) -> KeyPath:
    return OWN_KEYS.get(flag, ("args", flag))
