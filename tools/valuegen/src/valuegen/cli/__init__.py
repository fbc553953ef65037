"""The command line: reads arguments, calls the library, prints, and turns errors into exit codes.

0 it fits (`check`, `doctor`: no finding), 2 the call or an input is wrong, 3 it does not fit or vLLM would
refuse it (`check`, `doctor`: a finding). One line per error on stderr: "valuegen: <input>: <rule>; <next step>".
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
from click.exceptions import NoArgsIsHelpError

from valuegen.cli import completion
from valuegen.cli.catalogues import gpus_command, models_command
from valuegen.cli.check import check_command
from valuegen.cli.doctor import doctor_command
from valuegen.cli.fit import fit_command
from valuegen.cli.plan import plan_command
from valuegen.cli.values import values_command
from valuegen.errors import ValuegenError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
READER_GONE = 141  # 128 + SIGPIPE


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: valuegen plan Qwen3-8B",
)
@click.version_option(package_name="valuegen", message="valuegen %(version)s, for vLLM 0.33")
def valuegen() -> None:
    """Compute what vLLM needs for a model: GPUs, memory, and the values of the vllm-stack chart."""


for command in (
    fit_command,
    plan_command,
    values_command,
    check_command,
    doctor_command,
    models_command,
    gpus_command,
    completion.completion_command,
):
    valuegen.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        return _invoke(sys.argv[1:] if arguments is None else list(arguments))
    except ValuegenError as error:
        return _fail(str(error), error.exit_code)
    except click.UsageError as error:
        return _fail(_one_line(error), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except OSError as error:
        # Files are the library's business; what is left is standard output. The interpreter flushes
        # it once more when it exits: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return READER_GONE
        return _fail(f"standard output: cannot be written ({error.strerror}); free space or redirect it", 2)


def _invoke(arguments: list[str]) -> int:
    """Run the command; click's own main() would handle interrupts and closed pipes in its own way."""
    instruction = os.environ.get(completion.VARIABLE)
    if instruction:
        return completion.answer(valuegen, instruction)
    try:
        with valuegen.make_context("valuegen", arguments) as context:
            code: int = valuegen.invoke(context)
    except click.exceptions.Exit as done:  # --help and --version
        code = done.exit_code
    sys.stdout.flush()
    return code


def _one_line(error: click.UsageError) -> str:
    """click's message and where the rules are written."""
    path = error.ctx.command_path if error.ctx else "valuegen"
    message = error.format_message().rstrip(".")
    if isinstance(error, NoArgsIsHelpError):
        return f"no command given; `{path} --help` lists them"
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = (
            max(error.param.opts, key=len)
            if error.param.opts[0].startswith("-")
            else error.param.human_readable_name
        )
        if isinstance(error, click.MissingParameter):
            return f"{name}: is required; `{path} --help` shows an example"
        return f"{name}: {error.message.rstrip('.')}; `{path} --help` lists the options"
    return f"{message}; `{path} --help` lists what is known"


def _fail(message: str, code: int) -> int:
    click.echo(f"valuegen: {' '.join(message.split())}", err=True)
    return code
