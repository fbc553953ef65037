"""Everything charttest refuses or reports.

CharttestError            what went wrong, what to do next, the exit code
├── UsageError            an input that cannot be used (2)
├── PartError             a real component cannot be found or built (4)
├── ClusterError          the local cluster cannot start, or a part of it died (5)
└── RenderError           a chart does not render (6)
"""

from __future__ import annotations


class CharttestError(Exception):
    """Names the input and the rule in `message`, the next step in `fix`."""

    exit_code = 1

    def __init__(self, message: str, fix: str) -> None:
        """Keep both parts; `str()` joins them for people."""
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Return both parts, the next step on a line of its own."""
        return f"{self.message}\n  next: {self.fix}"


class UsageError(CharttestError):
    """An input that cannot be used: change it as `fix` says."""

    exit_code = 2


class PartError(CharttestError):
    """A real component cannot be found or built; what was built before stays in the cache."""

    exit_code = 4


class ClusterError(CharttestError):
    """The local cluster cannot start, or one of its parts died; the message carries its log's tail."""

    exit_code = 5


class RenderError(CharttestError):
    """A chart does not render, or what it renders is no Kubernetes object."""

    exit_code = 6
