"""The extended resource and the node label against the GPU that is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.catalog.gpus import MIG, NVIDIA_RESOURCE
from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    accelerator = subject.workload.section("accelerator")
    resource, label = accelerator.get("resource"), accelerator.get("productLabel")
    for result in subject.results:
        gpu = result.gpu
        # A node with slices of one size only offers them as whole GPUs, and says so in its product.
        single = gpu.whole is not None and MIG in str(accelerator.get("product") or "")
        offered = NVIDIA_RESOURCE if single else gpu.resource
        if resource != offered and not str(resource).endswith(".shared"):
            yield Found(
                ("accelerator", "resource"),
                f"nodes with {gpu.product} offer {offered}, not {resource}",
                f"set {offered}, or another product",
            )
        if accelerator.get("product") and label and gpu.is_amd != label.startswith("amd.com/"):
            yield Found(
                ("accelerator", "productLabel"),
                f"{label} is no label of nodes with {gpu.product}",
                f"set {gpu.label}",
            )


RULE = Rule(
    id="accelerator-resource",
    sentence="Resource and label are those that nodes with the GPU have.",
    fix="set accelerator.resource and productLabel as `valuegen gpus NAME` shows them",
    look=_look,
)
