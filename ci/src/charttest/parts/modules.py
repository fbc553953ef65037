"""The pinned Go modules: which versions, and where their sources lie on this machine."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path

from charttest.errors import PartError
from charttest.parts import toolchain

FAMILIES = Path(__file__).parent

# what Go says when a module cannot be fetched; the first match that names module@version is reported
_MODULE = re.compile(r"([A-Za-z0-9][\w.~/-]*\.[\w.~/-]+)@(v[0-9][\w.+-]*)")
_UNAVAILABLE = re.compile(
    r"reading https?://|dial tcp|no such host|module lookup disabled|connection refused|i/o timeout"
    r"|checksum mismatch|missing go\.sum entry|40[34] |410 Gone|50\d |unknown revision|x509:"
)


@functools.cache
def pinned(family: Path) -> dict[str, str]:
    """Read module -> version from a family's go.mod."""
    lines = (family / "go.mod").read_text(encoding="utf-8").splitlines()
    requirements = (re.match(r"(?:require )?\s*(\S+) (v\d\S*)", line) for line in lines)
    return {match[1]: match[2] for match in requirements if match}


@functools.cache
def module_dir(module: str) -> Path:
    """Return the sources of a pinned module, fetched and verified against go.sum when they are not there.

    PartError: no family pins it, or it cannot be fetched.
    """
    family = _family_of(module)
    answer = subprocess.run(
        [toolchain.find_go(), "mod", "download", "-json", module],
        cwd=family,
        env=toolchain.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(answer.stdout) if answer.stdout.strip() else {}
    if answer.returncode or "Error" in found:
        raise unavailable(f"{module}@{pinned(family)[module]}", found.get("Error", answer.stderr))
    return Path(found["Dir"])


def _family_of(module: str) -> Path:
    for go_mod in sorted(FAMILIES.glob("*/go.mod")):
        if module in pinned(go_mod.parent):
            return go_mod.parent
    raise PartError(
        f"no family pins the module {module}",
        f"add it to a go.mod below {FAMILIES} with an exact version (go get {module}@vX.Y.Z)",
    )


def unavailable(wanted: str, output: str) -> PartError:
    """Turn what Go printed into an error that names the module, the rule and the next step."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in lines if _UNAVAILABLE.search(line)), "")
    if not reason:
        return PartError(
            f"{wanted} does not build:\n    " + "\n    ".join(lines[-8:] or ["(Go printed nothing)"]),
            "read the lines above; parts that are built stay in the cache",
        )
    match = _MODULE.search(reason)
    module = f"{match[1]}@{match[2]}" if match else wanted
    if "checksum mismatch" in reason or "missing go.sum" in reason:
        return PartError(
            f"{wanted}: the module {module} is not the one that go.sum pins: {reason}",
            "do not use it; compare go.sum with the project's repository",
        )
    return PartError(
        f"{wanted}: the module {module} cannot be had: {reason}",
        "every part is built from its pinned modules: give this machine a network or set GOPROXY to a proxy "
        "that has them (`go env GOPROXY`), then run the same command again; what is built stays",
    )
