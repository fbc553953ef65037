"""The folders of pinned Go modules, whose CRDs and other files are read in place."""

from __future__ import annotations

import json
from pathlib import Path

from charttest.errors import PartError
from charttest.parts.build import failure
from charttest.parts.cache import cache_folder, make_folder, write_atomically
from charttest.parts.go import environment, find_go
from charttest.parts.process import run
from charttest.parts.registry import pinned_module


def module_dir(module: str) -> Path:
    """Return the folder of a pinned module, downloading it once; PartError if it cannot be had."""
    family, version = pinned_module(module)
    note = make_folder(cache_folder() / "modules") / f"{module.replace('/', '_')}@{version}"
    if note.is_file() and (known := Path(note.read_text())).is_dir():
        return known
    go = find_go()
    result = run([str(go), "mod", "download", "-json", module], cwd=family, env=environment(go))
    answer = json.loads(result.stdout) if result.stdout.strip() else {}
    if result.returncode != 0 or "Dir" not in answer:
        output = "\n".join(text for text in (result.stderr, answer.get("Error", "")) if text)
        raise failure(f"{module}@{version}", output)
    folder = Path(answer["Dir"])
    if answer["Version"] != version:
        raise PartError(
            f"{module} is pinned at {version} but resolves to {answer['Version']}",
            f"raise the pin in {family / 'go.mod'}",
        )
    write_atomically(note, str(folder))
    return folder
