"""docs/valuegen.md is what the commands say of themselves, and shells complete what they know."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.valuegen.test_serve import script

from valuegen.checks import RULES
from valuegen.cli import valuegen as group
from valuegen.cli.completion import SHELLS, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_commands_is_up_to_date() -> None:
    assert (ROOT / "docs" / "valuegen.md").read_text() == script("reference").page(), "run `make docs`"


def test_the_page_has_every_command_option_and_rule() -> None:
    page = (ROOT / "docs" / "valuegen.md").read_text()
    for name, command in group.commands.items():
        assert f"## valuegen {name}\n" in page
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert f"{max(parameter.opts, key=len)}" in page
    for rule in RULES:
        assert f"| `{rule.id}` | {rule.level} | {rule.sentence} |" in page
    readme = (ROOT / "tools" / "valuegen" / "README.md").read_text()
    assert all(f"valuegen {name}" in readme for name in group.commands)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_script_asks_valuegen_and_is_one_for_its_shell(
    valuegen: Callable[..., Any], shell: str
) -> None:
    outcome = valuegen("completion", shell)
    assert outcome.code == 0
    assert f"{VARIABLE}={shell}_complete" in outcome.stdout
    if shutil.which(shell):
        done = subprocess.run(
            [shell, "-n"], input=outcome.stdout, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("valuegen pl", ["plan"]),
        ("valuegen plan qwen3-8", ["Qwen3-8B", "Qwen3-8B-FP8"]),
        ("valuegen fit Qwen3-8B --gpu l40", ["L40S"]),
        ("valuegen check --form", ["--format"]),
        ("valuegen check --format s", ["sarif"]),
    ],
)
def test_tab_completes_commands_options_models_and_gpus(typed: str, answers: list[str]) -> None:
    words = typed.split()
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", "from valuegen.cli import main; main()"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert set(answers) <= found
    assert all(answer.lower().startswith(words[-1].lower()) for answer in found)
