"""Writes src/valuegen/serve/flags.json: every flag of `vllm serve` as the package needs it.

usage: python carry_flags.py PARSER.json

PARSER.json is the dump of vLLM's argument parser from which the chart's flag table is made too
(charts/vllm-stack/files/engines/flag_table.py); a test holds the two against each other.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "src" / "valuegen" / "serve" / "flags.json"
JSON_TYPES = ("loads", "parse_dataclass", "_parse_type")
TEXT_OR_JSON = "union_dict_and_str"


def kind(flag: dict[str, Any]) -> str:
    """How a flag takes its value."""
    if flag["nargs"] == 0:
        return "true-only" if flag["action"] == "_StoreTrueAction" else "switch"
    if flag["action"] == "_AppendAction":
        return "repeated"
    if flag["nargs"] == "+":
        return "list"
    if any(name in flag["type"] for name in JSON_TYPES):
        return "json"
    return "text-or-json" if TEXT_OR_JSON in flag["type"] else "value"


def document(parser: dict[str, Any]) -> dict[str, Any]:
    """The flags by kind, their other spellings, and the values that some are limited to."""
    kinds: dict[str, list[str]] = {}
    aliases: dict[str, str] = {}
    opposites: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    for flag in parser["flags"]:
        names = [name for name in flag["flags"] + flag["hidden_aliases"] if name.startswith("-")]
        long = next((name[2:] for name in names if name.startswith("--")), "help")
        if long == "help":
            continue
        kinds.setdefault(kind(flag), []).append(long)
        for name in names:
            # A switch has its opposites among its long names: all but the first, which switches on.
            if name.startswith("--") and name != f"--{long}" and kind(flag) == "switch":
                opposites[name] = long
            elif name != f"--{long}":
                aliases[name] = long
        if flag["choices"] and kind(flag) == "value":
            choices[long] = [str(choice) for choice in flag["choices"] if choice is not None]
    return {
        "vllm_version": parser["vllm_version"],
        "kinds": {name: sorted(flags) for name, flags in sorted(kinds.items())},
        "aliases": dict(sorted(aliases.items())),
        "opposites": dict(sorted(opposites.items())),
        "choices": dict(sorted(choices.items())),
    }


if __name__ == "__main__":
    table = document(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    TARGET.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
