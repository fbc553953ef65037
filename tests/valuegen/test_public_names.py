"""What `from valuegen import …` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import valuegen


def test_all_is_sorted_and_is_every_public_name() -> None:
    public = {
        name
        for name, value in vars(valuegen).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(valuegen.__all__) == public
    assert valuegen.__all__ == sorted(valuegen.__all__)


def test_the_package_is_typed() -> None:
    from importlib.resources import files  # noqa: PLC0415

    assert files("valuegen").joinpath("py.typed").is_file()


SLOW = {
    "jinja2",
    "jsonschema",
    "ruamel",
    "http",
    "tomllib",
    "huggingface_hub",
    "ssl",
    "torch",
    "transformers",
    "rich",
    "numpy",
}


def imported_by(*arguments: str) -> set[str]:
    """Top-level packages that a command loads."""
    program = (
        "import sys; from valuegen.cli import run; code = run(sys.argv[1:]); "
        "print(*sys.modules, sep=chr(10), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_help_fit_and_plan_load_nothing_slow() -> None:
    for arguments in (["--help"], ["plan", "Qwen3-8B"], ["fit", "Qwen3-8B", "--gpu", "L40S", "--json"]):
        assert not SLOW & imported_by(*arguments), arguments
