"""The images that the nodes need: the test engine, under the name of the real one, and what holds a pod."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING

import yaml

from charttest import parts
from charttest.errors import UsageError
from charttest.images import tree
from charttest.images.oci import Entry, write_archive
from charttest.node.configuration import PAUSE_IMAGE
from charttest.parts.cache import cache_folder, lock, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LAYOUT = 2  # raise it when what lies in an image changes
PATH = "/usr/local/bin"


def pause_archive() -> Path:
    """The image that holds a pod's namespaces, as an archive; written once."""
    pause = parts.find("pause")

    def write(target: Path) -> None:
        write_archive(target, [PAUSE_IMAGE], [[Entry("pause", pause)]], entrypoint=["/pause"])

    return written("pause", pause.name, write)


def engine_archive(engine_file: Path, names: Sequence[str]) -> Path:
    """The test engine as an archive of one image with these full names; written once.

    `engine_file` lists the flags that it accepts, as the chart's files/engines/vllm.yaml does.
    """
    found = parts.find_all(("test-engine", "llm-d-inference-sim"))
    flags = flag_table(engine_file)

    def write(target: Path) -> None:
        small = [
            Entry("etc/passwd", b"root:x:0:0:root:/:/bin/false\n", 0o644),
            Entry("etc/test-engine/flags.json", flags, 0o644),
            Entry("tmp", mode=0o1777),
            Entry("usr/local/bin/vllm", found["test-engine"]),
        ]
        simulator = [Entry("usr/local/bin/llm-d-inference-sim", found["llm-d-inference-sim"])]
        write_archive(target, names, [tree.python(), simulator, small], environment={"PATH": PATH})

    files = sorted(path.name for path in found.values())
    return written(
        "engine", json.dumps([files, sys.version, sys.base_prefix, flags.decode(), list(names)]), write
    )


def flag_table(engine_file: Path) -> bytes:
    """The flags of a chart's engine file as the JSON that the test engine reads: the names of each kind."""
    document = yaml.safe_load(engine_file.read_text(encoding="utf-8"))
    kinds = document.get("flags") if isinstance(document, dict) else None
    if not isinstance(kinds, dict) or not all(isinstance(names, str) for names in kinds.values()):
        raise UsageError(
            f"{engine_file}: `flags` is not a map of kinds, each with the names of its flags as one text",
            "name the chart's files/engines/vllm.yaml, which flag_table.py beside it writes",
        )
    return json.dumps({kind: names.split() for kind, names in kinds.items()}).encode()


def written(name: str, inputs: str, write: Callable[[Path], None]) -> Path:
    """The archive of this name and these inputs in the cache; `write` makes it when it is not there."""
    digest = hashlib.sha256(f"{LAYOUT} {inputs}".encode()).hexdigest()[:12]
    target = make_folder(cache_folder() / "images") / f"{name}-{digest}.tar"
    with lock(target.name, waiting=lambda: None):
        if not target.is_file():
            write(target)
    return target
