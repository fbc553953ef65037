"""The command `completion`, and the answers that a shell asks for while a person types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_VALUEGEN_COMPLETE"  # click's protocol: the shell asks through it


@click.command("completion", epilog='Example: eval "$(valuegen completion bash)"')
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(*, shell: str) -> int:
    """Print the shell's completion script: options, models and GPUs.

    For bash and zsh a line in ~/.bashrc or ~/.zshrc loads it, as in the example; for fish write it to
    ~/.config/fish/completions/valuegen.fish.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if kind is None:
        raise ValueError(f"click has no completion for {shell}")
    template = kind(root, {}, "valuegen", VARIABLE)
    click.echo(template.source_template % template.source_vars())
    return 0


def answer(root: click.Command, instruction: str) -> int:
    """Answer a shell that asks what could stand where a person types; the exit code."""
    from click.shell_completion import shell_complete  # noqa: PLC0415

    return shell_complete(root, {}, "valuegen", VARIABLE, instruction)


def complete_models(
    _context: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """Catalogue names that begin so, whatever their case."""
    from valuegen.catalog.models import all_models  # noqa: PLC0415

    return [model.name for model in all_models() if model.name.lower().startswith(incomplete.lower())]


def complete_gpus(
    _context: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """Catalogue names of GPUs that begin so, whatever their case."""
    from valuegen.catalog.gpus import all_gpus  # noqa: PLC0415

    return [gpu.name for gpu in all_gpus() if gpu.name.lower().startswith(incomplete.lower())]
