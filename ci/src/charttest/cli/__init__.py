"""The command `charttest`; each subcommand is a module of the same name, imported when it is used."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from charttest.errors import CharttestError
from charttest.signals import Terminated, terminate_like_interrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = ("cluster", "crds", "drift", "image", "lint", "parts", "picture")


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"charttest.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"charttest.cli.{cmd_name}.{cmd_name} is not a click command")
        return command


@click.group(cls=_LazyGroup)
@click.version_option(package_name="charttest")
def charttest() -> None:
    """Test Helm charts on a real control plane, without Docker."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: well; 1: a finding; 2: the run did not work; 130: Ctrl-C; 141: the reader of stdout left. SIGTERM and
    SIGHUP exit with 143 and 129 from here.
    """
    given = list(sys.argv[1:] if args is None else args)
    try:
        with terminate_like_interrupt(), charttest.make_context("charttest", given) as context:
            charttest.invoke(context)
        sys.stdout.flush()
    except CharttestError as error:
        click.echo(f"charttest: {error}", err=True)
        return error.exit_code
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Terminated:  # a KeyboardInterrupt, but with a code of its own
        raise
    except (KeyboardInterrupt, click.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Python flushes stdout once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0
