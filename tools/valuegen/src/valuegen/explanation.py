"""What `--explain` says of one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from valuegen.frozen import dataclass
from valuegen.units import GIB, MIB
from valuegen.words import gib

if TYPE_CHECKING:
    from valuegen.fit import FitResult

Kind = Literal["exact", "derived", "calibrated", "assumed", "chosen"]
KINDS: dict[Kind, str] = {
    "exact": "as vLLM 0.33.0's own code counts it",
    "derived": "follows from vLLM's code and settings",
    "calibrated": "fitted to start-up logs, with the range they span",
    "assumed": "a proposal or a fact that is not known here",
    "chosen": "a setting that the profile made",
}


@dataclass(frozen=True)
class Explanation:
    """One number, for people: what it is, how it comes about, and who says so."""

    section: str
    name: str
    value: str
    kind: Kind
    formula: tuple[str, ...]  # one line of thought each; the first stands after a `=`
    source: str


def counted(result: FitResult) -> Kind:
    """How far a number can be trusted that follows from vLLM's CUDA code."""
    return "assumed" if result.model.assumptions or result.gpu.is_amd else "exact"


def measured(result: FitResult) -> Kind:
    """How far a number can be trusted that rests on start-up logs."""
    return "calibrated" if result.gpu.is_calibrated else "assumed"


def in_bytes(size: int) -> str:
    """Bytes, exact and readable."""
    return f"{max(0, size):,} bytes ({short(size)})"


def short(size: int) -> str:
    """GiB, or MiB where that is little."""
    return gib(size) if size >= GIB // 10 else f"{max(0, size) / MIB:.2f} MiB"
