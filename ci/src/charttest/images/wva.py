"""The image of the Workload Variant Autoscaler, as its own Dockerfile makes it: one program, /manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest import parts
from charttest.images.engine import written
from charttest.images.oci import Entry, write_archive

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "ghcr.io/llm-d/llm-d-workload-variant-autoscaler"
USER = "65532:65532"
PROGRAMS = {"v0.9.0": "wva-0.9", "v0.7.0": "wva-0.7"}


def wva_archive(tag: str) -> Path:
    """The image of this tag, built from the pinned module, as an archive; written once."""
    manager = parts.find(PROGRAMS[tag])

    def write(target: Path) -> None:
        # Certificates of public authorities are not in it: nothing here has one.
        layer = [Entry("tmp", mode=0o1777), Entry("manager", manager)]
        write_archive(target, [f"{IMAGE}:{tag}"], [layer], entrypoint=["/manager"], user=USER)

    return written("wva", f"{manager.name} {tag}", write)
