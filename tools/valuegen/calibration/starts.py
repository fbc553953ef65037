"""The logged starts and shared memory of host.toml, beside what host.py asks for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuegen.host import ENGINE_INIT_SECONDS, Pace, startup_seconds

FOLDER = Path(__file__).parent
GB = 10**9


@dataclass(frozen=True)
class Start:
    """One logged start."""

    stated: dict[str, Any]

    @property
    def checkpoint_bytes(self) -> int:
        """On disk."""
        return round(float(self.stated["checkpoint_gb"]) * GB)

    @property
    def seconds(self) -> float:
        """From the first byte to a ready server, as far as the log says."""
        return float(self.stated["read_seconds"] + self.stated.get("init_seconds", 0))

    @property
    def budget(self) -> int:
        """What valuegen would have granted without being told how fast the storage is."""
        return startup_seconds(self.checkpoint_bytes, Pace())

    @property
    def is_home_line(self) -> bool:
        """Whether the bytes came over a line that only `--storage-speed` can account for."""
        return "home_line" in self.stated

    @property
    def bytes_per_second(self) -> float:
        """What was read."""
        return self.checkpoint_bytes / float(self.stated["read_seconds"])


def read() -> tuple[list[Start], list[dict[str, Any]]]:
    """(starts, needs of shared memory)."""
    document = tomllib.loads((FOLDER / "host.toml").read_text(encoding="utf-8"))
    return [Start(stated) for stated in document["start"]], document["shared_memory"]


def section() -> list[str]:
    """The part of docs/accuracy.md about starts."""
    starts, _ = read()
    head = ["model", "GPUs", "storage", "GB", "MB/s", "logged s", "budget s"]
    rows = [
        [
            f"[{start.stated['model']}]({start.stated['source']})",
            start.stated["gpu"],
            start.stated["storage"],
            f"{start.stated['checkpoint_gb']:.0f}",
            f"{start.bytes_per_second / 1e6:.0f}" if start.stated["cold"] else "cached",
            f"{start.seconds:.0f}",
            str(start.budget),
        ]
        for start in sorted(starts, key=lambda start: start.bytes_per_second)
    ]
    return [
        "",
        "## Start-up",
        "",
        "The budget of `values` is the checkpoint at `--storage-speed` (50 MB/s unless it is stated) and",
        f"{ENGINE_INIT_SECONDS} s for the engine. It is above every logged start but those that downloaded over a",
        "home line, which have to state theirs.",
        "",
        *(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)),
    ]
