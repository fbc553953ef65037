"""Writes docs/valuegen.md from the commands and the rules of `check` and `doctor`.

usage: python reference.py        (a test keeps the page equal to what this writes)
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from valuegen.checks import RULES
from valuegen.cli import valuegen
from valuegen.cli.options import ENGINE_OPTIONS
from valuegen.doctor.findings import RULES as DOCTORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

TARGET = Path(__file__).resolve().parents[2] / "docs" / "valuegen.md"

INTRODUCTION = """\
# valuegen

<!-- Written by tools/valuegen/reference.py from the commands; change their help texts and run `make docs`. -->

Every command, its options and its rules. `valuegen COMMAND --help` prints the same; what the figures rest on is in
[tools/valuegen](../tools/valuegen).

| exit code | means |
|---|---|
| 0 | it fits; `check`, `doctor`: no finding |
| 2 | the call or an input is wrong: one line on stderr names it, the rule and the next step; nothing is written |
| 3 | it does not fit, or vLLM would refuse it; `check`, `doctor`: a finding |
"""

ENGINE_TITLE = """\
## Engine options

They carry vLLM's own flag names; one that is not given is what vLLM chooses for the model on that GPU.
"""

RULES_TITLE = """\
### Rules

A finding has one of three levels. *error*: the chart or vLLM refuses it, or it cannot work. *warning*: it rests on an
estimate, or is risky; some rules tell the two apart by how much is missing. *unknown*: it could not be judged.

| id | level | holds values to | otherwise |
|---|---|---|---|
"""

DOCTORS_TITLE = """\
### What doctor looks at

What has to be repaired first stands first. [doctor.md](doctor.md) says how it asks, and the rights it needs.

| id | a finding unless |
|---|---|
"""


def page() -> str:
    """The whole page."""
    commands = [_command(command) for command in valuegen.commands.values()]
    return "\n".join([INTRODUCTION, *commands, _engine_options()])


def _command(command: click.Command) -> str:
    parts = [f"## valuegen {command.name}\n", f"    {_usage(command)}\n", *_paragraphs(command)]
    options = [option for option in command.params if option.param_type_name == "option"]
    own = [option for option in options if not _is_engine(option)]
    if len(own) < len(options):
        parts.append("The [engine options](#engine-options), and:\n")
    parts.append(_table(own))
    if command.epilog:
        parts.append(f"    {command.epilog.removeprefix('Example: ')}\n")
    if command.name == "check":
        rows = [f"| `{rule.id}` | {rule.level} | {rule.sentence} | {_cell(rule.fix)} |" for rule in RULES]
        parts.append(RULES_TITLE + "\n".join(rows) + "\n")
    if command.name == "doctor":
        rows = [f"| `{rule}` | {_cell(sentence)} |" for rule, sentence in DOCTORS.items()]
        parts.append(DOCTORS_TITLE + "\n".join(rows) + "\n")
    return "\n".join(part for part in parts if part)


def _engine_options() -> str:
    """The options that several commands share, once."""
    options = [option for option in valuegen.commands["fit"].params if _is_engine(option)]
    return f"{ENGINE_TITLE}\n{_table(options)}"


def _is_engine(option: click.Parameter) -> bool:
    return any(name.removeprefix("--") in ENGINE_OPTIONS for name in option.opts)


def _table(options: Sequence[click.Parameter]) -> str:
    rows = [_option(option) for option in options]
    return "\n".join(["| option | |", "|---|---|", *rows, ""]) if rows else ""


def _usage(command: click.Command) -> str:
    context = command.make_context("", [], resilient_parsing=True)
    return " ".join([f"valuegen {command.name}", *command.collect_usage_pieces(context)])


def _paragraphs(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield _cell(" ".join(paragraph.split())) + "\n"


def _option(option: click.Parameter) -> str:
    """A row: the spellings with what they take, and the help as --help prints it."""
    context = valuegen.make_context("", [], resilient_parsing=True)
    record = option.get_help_record(context)
    if record is None:
        raise ValueError(f"{option.name} has no help")
    names, text = record
    return f"| `{_cell(names)}` | {_cell(' '.join(text.split()))} |"


def _cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
