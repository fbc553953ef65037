"""What can go wrong, drawn once.

ValuegenError            everything below; `message` names the input and the rule, `fix` the next step
├── UsageError           exit 2: an option or argument is wrong
├── ModelError           exit 2: config.json is missing, broken, or not a model that is known here
├── GpuError             exit 2: no such GPU
├── OutputError          exit 2: the output cannot be written
├── ClusterError         exit 2: the cluster, kubectl or helm does not answer
├── RefusedError         exit 3: vLLM would refuse the configuration, or it does not fit (`reasons`)
└── FindingsError        exit 3: `check` or `doctor` found something, which it has printed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Reason:
    """One rule that a configuration breaks: a stable code, the numbers, and what to change."""

    code: str
    message: str
    fix: str

    def to_dict(self) -> dict[str, str]:
        """The shape of `reasons` in the JSON output."""
        return {"code": self.code, "message": self.message, "fix": self.fix}


class ValuegenError(Exception):
    """Base of every error that the user can act on."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, fix: str) -> None:
        """`message` names the input and the rule, `fix` the next step."""
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Message and next step in one line."""
        return f"{self.message}; {self.fix}" if self.fix else self.message


class UsageError(ValuegenError):
    """An option or argument is wrong: call again with the one `fix` names."""


class ModelError(ValuegenError):
    """The model's description cannot be used: correct or replace config.json."""


class GpuError(ValuegenError):
    """The GPU is not in the catalogue: use the name that `fix` suggests."""


class OutputError(ValuegenError):
    """The output cannot be written; nothing was changed."""


class ClusterError(ValuegenError):
    """The cluster cannot be asked: install or set up what `fix` names."""


class RefusedError(ValuegenError):
    """vLLM would not start with these settings; every reason is listed, each with its fix."""

    exit_code: ClassVar[int] = 3

    def __init__(self, reasons: Sequence[Reason]) -> None:
        """At least one reason."""
        if not reasons:
            raise ValueError("a refusal needs at least one reason")
        self.reasons = list(reasons)
        super().__init__(
            "; ".join(reason.message for reason in reasons),
            "; ".join(reason.fix for reason in reasons),
        )


class FindingsError(ValuegenError):
    """A values file or a release has findings; each of them names what to do."""

    exit_code: ClassVar[int] = 3
