"""Errors carry what a person needs: the rule, the next step, and an exit code."""

from __future__ import annotations

import pytest

from valuegen.errors import (
    GpuError,
    ModelError,
    OutputError,
    Reason,
    RefusedError,
    UsageError,
    ValuegenError,
)


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError, 2), (ModelError, 2), (GpuError, 2), (OutputError, 2), (RefusedError, 3)]
)
def test_every_error_has_its_exit_code_and_one_base(error: type[ValuegenError], code: int) -> None:
    assert issubclass(error, ValuegenError)
    assert error.exit_code == code


def test_a_refusal_lists_every_reason() -> None:
    reasons = [Reason("heads", "8 does not divide 28", "use 4"), Reason("length", "too long", "shorten it")]
    error = RefusedError(reasons)
    assert error.reasons == reasons
    assert str(error) == "8 does not divide 28; too long; use 4; shorten it"
    assert reasons[0].to_dict() == {"code": "heads", "message": "8 does not divide 28", "fix": "use 4"}


def test_a_refusal_without_a_reason_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one reason"):
        RefusedError([])
