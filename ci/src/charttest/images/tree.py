"""Programs of this machine as entries of an image: a folder, the running Python, the libraries that both need."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from charttest import programs
from charttest.errors import UsageError
from charttest.images.oci import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of Python's library: what no program in an image asks for. Compiled modules carry the time of their source,
# which is gone in an image: Python would not use them.
LEFT_OUT = {
    "__pycache__",
    "_test*",
    "_tkinter*",
    "config-*",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}


def folder(source: Path, target: str, left_out: Iterable[str] = ()) -> Iterator[Entry]:
    """Everything below `source`, below `target` in the image; `left_out` are patterns of names."""
    patterns = tuple(left_out)
    for path in sorted(source.iterdir()):
        if any(path.match(pattern) for pattern in patterns):
            continue
        place = f"{target}/{path.name}"
        if path.is_symlink():
            yield Entry(place, link=str(path.readlink()))
        elif path.is_dir():
            yield Entry(place)
            yield from folder(path, place, patterns)
        elif path.is_file():
            yield Entry(place, path, stat.S_IMODE(path.stat().st_mode))


def python() -> list[Entry]:
    """The Python that runs this, at its own place, and /usr/local/bin/python3 that leads to it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    program, library = base / "bin" / version, base / "lib" / version
    if not program.is_file() or not library.is_dir():
        raise UsageError(
            f"{base}: no {program.relative_to(base)} with {library.relative_to(base)}",
            "run charttest with a Python that was installed as usual",
        )
    modules = sorted(library.glob("lib-dynload/*.so"))
    return [
        Entry(_inside(program), program.resolve()),
        Entry("usr/local/bin/python3", link=str(program)),
        *folder(library, _inside(library), LEFT_OUT),
        *libraries([program, *modules]),
    ]


def libraries(files: Iterable[Path]) -> list[Entry]:
    """The shared libraries that these programs and libraries load, and their loader, at their own places."""
    found: set[str] = set()
    for file in files:
        # "libz.so.1 => /lib/libz.so.1 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)"; other lines name nothing
        output = programs.run(["ldd", str(file)]).stdout
        found.update(re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", output, re.M))
    return [Entry(path.lstrip("/"), Path(path).resolve()) for path in sorted(found)]


def _inside(path: Path) -> str:
    return str(path).lstrip("/")
