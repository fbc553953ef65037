"""Which clusters there are: one small file each below $XDG_STATE_HOME, so that any process can stop them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from charttest.cluster import processes
from charttest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Record:
    """One cluster. `owner` is the process it ends with, empty once a detached cluster is up."""

    name: str
    directory: str
    api_url: str
    nodes: str
    parts: list[str]
    owner: str

    @property
    def kubeconfig(self) -> Path:
        """The file that kubectl and helm need."""
        return Path(self.directory) / "kubeconfig"

    @property
    def missing(self) -> list[str]:
        """Parts that do not run."""
        alive = processes.running(Path(self.directory))
        return [part for part in self.parts if part not in alive]

    @property
    def stale(self) -> bool:
        """Say whether nobody can use it any more: its owner is gone, or none of its parts runs."""
        if self.owner:
            return identity(int(self.owner.split("-")[0])) != self.owner
        return self.missing == self.parts


def identity(pid: int | None = None) -> str:
    """Return <pid>-<start time in clock ticks>, which no later process shares; "" when there is none."""
    pid = pid or os.getpid()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return f"{pid}-{stat.rpartition(')')[2].split()[19]}"


def check_name(name: str) -> str:
    """Return the name; UsageError when it cannot name a file."""
    if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        return name
    raise UsageError(
        f"--name {name!r}: a cluster's name has 1 to 40 of a-z, 0-9 and -, no - at its ends", "choose another"
    )


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let one process at a time change what the records say."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(name: str) -> Record | None:
    """Return the record of a cluster, or None."""
    try:
        return Record(**json.loads(_file(name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def read_all() -> list[Record]:
    """Return every record, by name."""
    records = (read(path.stem) for path in sorted(_folder().glob("*.json")))
    return [record for record in records if record]


def write(record: Record) -> None:
    """Replace the record of a cluster."""
    partial = _file(record.name).with_suffix(".partial")
    partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    partial.replace(_file(record.name))


def remove(record: Record) -> None:
    """End the cluster's processes, then remove its directory and its record."""
    processes.kill(Path(record.directory))
    shutil.rmtree(record.directory, ignore_errors=True)
    _file(record.name).unlink(missing_ok=True)


def sweep() -> list[Record]:
    """Remove what clusters left that ended without cleaning up; call with the lock held."""
    stale = [record for record in read_all() if record.stale]
    for record in stale:
        remove(record)
    return stale


def _folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "vllm-stack" / "clusters"


def _file(name: str) -> Path:
    return _folder() / f"{name}.json"
