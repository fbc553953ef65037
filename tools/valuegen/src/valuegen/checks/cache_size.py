"""The volume that weights and compiled kernels are written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.quantity import number
from valuegen.units import GIB
from valuegen.weights import checkpoint_bytes
from valuegen.words import gib

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    size = number(subject.workload.section("cache").get("size"))
    source = subject.workload.section("source")
    downloads = str(source.get("uri", "")).startswith("hf://") and source.get("download") != "job"
    host, model = subject.host, subject.model
    if size is None or host is None or model is None or not downloads:
        return
    checkpoint = checkpoint_bytes(model.config)
    if size < host.model_cache_bytes:
        short = size < checkpoint
        yield Found(
            ("cache", "size"),
            f"{gib(int(size))} for a checkpoint of {gib(checkpoint)}"
            + ("" if short else ", which leaves too little for compiled kernels and partial downloads"),
            f"set {host.model_cache_bytes // GIB}Gi",
            "error" if short else "warning",
        )


RULE = Rule(
    id="cache-size",
    sentence="The cache holds the checkpoint and what vLLM compiles.",
    fix="raise cache.size",
    look=_look,
)
