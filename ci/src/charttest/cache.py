"""The cache outside the tree, shared by every checkout of one user."""

from __future__ import annotations

import os
from pathlib import Path


def directory() -> Path:
    """Return $XDG_CACHE_HOME/vllm-stack (default ~/.cache/vllm-stack); it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vllm-stack"


def lock_file(name: str) -> Path:
    """Return the file whose lock guards the making of `name`; its folder exists afterwards."""
    locks = directory() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locks / name
