"""Prints the `flags:` block of an engine's file from a dump of the engine's argument parser.

usage: python flag_table.py PARSER.json >> vllm.yaml   (then remove the old block)

PARSER.json: {"flags": [{"flags": ["--a", ...], "action": ..., "nargs": ..., "type": ...}]}, one entry per
argparse action of `vllm serve` or `sglang serve`. The kinds printed here are the ones that
templates/_args.tpl spells; every long name of an action is listed.
"""

import json
import sys
import textwrap
from pathlib import Path

JSON_TYPES = (
    "loads",
    "parse_dataclass",
    "_parse_type",
    "union_dict_and_str",
    "json_list_type",
    "parse_cuda_graph_config",
)
KINDS = {
    "switches": "true renders --x, false renders --no-x",
    "trueOnly": "true renders --x; there is no way to write false, so false renders nothing",
    "lists": "several values after one flag",
    "repeated": "the flag once per value",
    "json": "maps and lists render as one JSON value; x.key sets one key of it",
    "values": "one value",
}


def kind(flag: dict[str, object]) -> str:
    """Return the spelling of one parser action."""
    if "StoreTrue" in str(flag["action"]):
        return "trueOnly"
    if flag["nargs"] == 0:
        return "switches"
    if flag["action"] == "_AppendAction":
        return "repeated"
    if flag["nargs"] in ("+", "*"):
        return "lists"
    return "json" if any(name in str(flag["type"]) for name in JSON_TYPES) else "values"


def block(path: str) -> str:
    """Return the block; the help flag and the positional model are no flags of a model."""
    table: dict[str, list[str]] = {name: [] for name in KINDS}
    for flag in json.loads(Path(path).read_text())["flags"]:
        names = [name[2:] for name in flag["flags"] if name.startswith("--")]
        table[kind(flag)] += [name for name in names if name != "help" and not name.startswith("no-")]
    lines = ["flags:"]
    for name, meaning in KINDS.items():
        lines += [f"  # {meaning}.", f"  {name}: >"]
        lines += [
            f"    {line}"
            for line in textwrap.wrap(" ".join(sorted(table[name])), 110, break_on_hyphens=False)
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(block(sys.argv[1]))
