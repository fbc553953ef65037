"""Fit calibration.toml to records.toml, and say in docs/accuracy.md how well it does.

For a new vLLM version add what its servers logged to records.toml and run this again. Every figure
of the accuracy report is predicted with coefficients fitted without any log of the same model.
"""

from __future__ import annotations

from pathlib import Path

import accuracy
from coefficients import fit, written
from records import read

ROOT = Path(__file__).parents[3]
COEFFICIENTS = ROOT / "tools" / "valuegen" / "src" / "valuegen" / "calibration.toml"
REPORT = ROOT / "docs" / "accuracy.md"


def main() -> None:
    """Replace the coefficients and the report."""
    records = read()
    COEFFICIENTS.write_text(written(fit(records)), encoding="utf-8")
    REPORT.write_text(accuracy.document(records), encoding="utf-8")


if __name__ == "__main__":
    main()
