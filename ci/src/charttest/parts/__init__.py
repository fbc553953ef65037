"""Real components: found on PATH in a fitting version, else built once from their pinned Go module."""

from __future__ import annotations

from charttest.parts.builder import Found, ensure, find, listing
from charttest.parts.modules import module_dir
from charttest.parts.registry import PARTS, Part

__all__ = ["PARTS", "Found", "Part", "ensure", "find", "listing", "module_dir"]
