"""`charttest`: subcommands are imported only when they run, so `--help` stays fast."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import click

from charttest.errors import CharttestError
from charttest.signals import Terminated, terminate_like_interrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> (module, sentence shown by --help); each module defines a click command of that name
COMMANDS = {
    "cluster": ("charttest.cli.cluster", "Start, show and stop a local cluster with simulated GPU nodes."),
    "lint": ("charttest.cli.lint", "Render a chart and check every object it makes."),
    "parts": ("charttest.cli.parts", "Find or build the real components."),
}


class LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and sentences from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="charttest")
def charttest() -> None:
    """Tests Helm charts on a real control plane, without Docker."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the one place that turns errors into exit codes."""
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: Sequence[str] | None) -> int:
    try:
        with terminate_like_interrupt():
            result = charttest.main(args=arguments, prog_name="charttest", standalone_mode=False)
    except CharttestError as error:
        print(f"charttest: {error}", file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Terminated as signal_error:
        print(f"charttest: stopped by {signal_error.name}", file=sys.stderr)
        return signal_error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("charttest: interrupted", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0
