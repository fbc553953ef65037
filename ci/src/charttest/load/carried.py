"""The command that runs `traffic` where this package is not installed and no file can be written."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from charttest.load import traffic
from charttest.load.traffic.options import ClosedOptions, OpenOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

_MADE = (1980, 1, 1, 0, 0, 0)  # the same bytes each time
# The zip becomes a file in memory: the pod's file system is read-only.
_BOOT = """
import base64, os, sys
held = os.memfd_create("traffic")
os.write(held, base64.b64decode(sys.argv[1]))
sys.path.insert(0, f"/proc/self/fd/{held}")
from charttest.load.traffic.__main__ import main
main(*sys.argv[2:])
"""


def command(options: ClosedOptions | OpenOptions) -> list[str]:
    """What a pod with any present Python 3 runs; see `traffic` for how it talks."""
    loop = "open" if isinstance(options, OpenOptions) else "closed"
    return ["python3", "-u", "-c", _BOOT, _zip(), loop, json.dumps(asdict(options))]


def _zip() -> str:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in _files():
            archive.writestr(zipfile.ZipInfo(name, _MADE), text, zipfile.ZIP_DEFLATED)
    return base64.b64encode(held.getvalue()).decode()


def _files() -> Iterator[tuple[str, str]]:
    yield from (("charttest/__init__.py", ""), ("charttest/load/__init__.py", ""))
    for path in sorted(Path(traffic.__file__).parent.glob("*.py")):
        yield f"charttest/load/traffic/{path.name}", path.read_text(encoding="utf-8")
