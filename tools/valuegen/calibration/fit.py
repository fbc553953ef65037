"""Fit calibration.toml to records.toml, and say in docs/accuracy.md how well it does.

For a new vLLM version:

    fit.py --add SERVER.LOG --gpu H100-80GB --model Qwen3-8B --source URL

adds what the server logged and fits again; without options it only fits. Every figure of the accuracy
report is predicted with coefficients fitted without any log of the same model.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import accuracy
import logs
from coefficients import fit, written
from records import FOLDER, read

ROOT = Path(__file__).parents[3]
COEFFICIENTS = ROOT / "tools" / "valuegen" / "src" / "valuegen" / "calibration.toml"
REPORT = ROOT / "docs" / "accuracy.md"


def main() -> None:
    """Add a log if one is given, then replace the coefficients and the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", type=Path, metavar="LOG", help="a server's whole start-up log")
    parser.add_argument("--gpu", help="name in the catalogue or in [gpu] of records.toml")
    parser.add_argument("--model", help="key of models.json")
    parser.add_argument("--source", default="our own", help="where the log is published")
    asked = parser.parse_args()
    if asked.add is not None:
        if not (asked.gpu and asked.model):
            parser.error("--add: needs --gpu and --model, which a log does not name as valuegen does")
        add(asked.add, asked.gpu, asked.model, asked.source)
    records = read()
    text = written(fit(records))
    COEFFICIENTS.write_text(text, encoding="utf-8")
    # As carry_facts.py does for all facts: what the commands read.
    carried = json.dumps(tomllib.loads(text), separators=(",", ":")) + "\n"
    COEFFICIENTS.with_suffix(".json").write_text(carried, encoding="utf-8")
    REPORT.write_text(accuracy.document(records), encoding="utf-8")


def add(log: Path, gpu: str, model: str, source: str) -> None:
    """Append a log to records.toml under the next free name."""
    taken = {record.id for record in read()}
    name = next(f"L{number:03}" for number in range(1, 1000) if f"L{number:03}" not in taken)
    stated = logs.record(log.read_text(encoding="utf-8"), name=name, gpu=gpu, model=model, source=source)
    with (FOLDER / "records.toml").open("a", encoding="utf-8") as file:
        file.write(logs.toml(stated))


if __name__ == "__main__":
    main()
