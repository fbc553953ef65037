"""Sets values in YAML text and leaves every other byte as it is: comments, indentation, quotes, order.

A round trip through a YAML library would keep comments but lay the whole file out anew. Here the text
is parsed only to learn where each value begins and ends.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KeyPath = tuple[str, ...]
Edit = tuple[int, int, str]  # replace text[start:end]

PLAIN_SCALAR = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*(://[A-Za-z0-9._/-]+)?")
YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class NotEditableError(Exception):
    """A value is written in a way that cannot be changed in place; the message names its key."""


def flow(value: Any) -> str:
    """A value on one line: what is no plain word is written as JSON, which YAML reads."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    plain = isinstance(value, str) and PLAIN_SCALAR.fullmatch(value) and value.lower() not in YAML_WORDS
    return str(value) if plain else json.dumps(value)


def set_values(text: str, path: KeyPath, values: dict[str, Any], block: str) -> str:
    """`text` with `values` set in the mapping at `path`.

    Keys that the mapping lacks are added as `block` writes them: the same values as commented
    lines in block style, two spaces to a level.
    """
    edits = list(_edits(text, _mapping_at(text, path), values, block, ()))
    # From the back, so that positions hold; of two at one place the later one found stands behind.
    edits.sort(key=lambda edit: edit[0])
    for start, end, replacement in reversed(edits):
        text = text[:start] + replacement + text[end:]
    return text


def key_lines(text: str, path: KeyPath) -> dict[KeyPath, int]:
    """The line of every key below `path` that is written in block style."""
    return dict(_key_lines(_mapping_at(text, path), ()))


def _key_lines(node: Any, above: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if node.id != "mapping" or node.flow_style:
        return
    for key, value in node.value:
        yield (*above, key.value), key.start_mark.line
        if value.start_mark.index > key.start_mark.index:  # an alias points back to its anchor
            yield from _key_lines(value, (*above, key.value))


def _mapping_at(text: str, path: KeyPath) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415  (not needed by fit and plan)

    node: Any = YAML(typ="safe", pure=True).compose(text)
    for name in path:
        node = next(value for key, value in node.value if key.value == name)
    return node


def _edits(text: str, node: Any, values: dict[str, Any], block: str, above: KeyPath) -> Iterator[Edit]:
    present = {key.value: (key, value) for key, value in node.value}
    missing = {key: value for key, value in values.items() if key not in present}
    for name, wanted in values.items():
        if name in missing:
            continue
        key, value = present[name]
        if value.start_mark.index < key.start_mark.index:
            raise NotEditableError(".".join((*above, name)))
        if isinstance(wanted, dict) and value.id == "mapping":
            yield from _edits(text, value, wanted, block, (*above, name))
        elif _read(text, value) != wanted:
            yield _replacement(text, key, value, wanted)
    if missing and node.flow_style:
        position = node.end_mark.index - 1
        entries = ", ".join(f"{flow(name)}: {flow(value)}" for name, value in missing.items())
        yield position, position, f", {entries}" if node.value else entries
    elif missing:
        position = _end_of_line(text, node)
        lines = [line for name in missing for line in _block_of(block, (*above, name))]
        indent = " " * node.value[0][0].start_mark.column
        yield position, position, "".join(f"\n{indent}{line}" if line else "\n" for line in lines)


def _read(text: str, node: Any) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415

    start, end = node.start_mark, node.end_mark
    return YAML(typ="safe", pure=True).load(" " * start.column + text[start.index : end.index])


def _replacement(text: str, key: Any, node: Any, wanted: Any) -> Edit:
    start, end = node.start_mark.index, node.end_mark.index
    if start == end or (node.id != "scalar" and not node.flow_style):
        # Nothing at all, or a block collection: on lines of its own, up to where the next thing begins.
        start = text.index(":", key.end_mark.index) + 1
        end = max(start, len(text[:end].rstrip()))
    return start, end, f" {flow(wanted)}" if text[start - 1] == ":" else flow(wanted)


def _end_of_line(text: str, node: Any) -> int:
    """The end of the last line that belongs to a block mapping, its comment included."""
    while node.id != "scalar" and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        node = value if value.start_mark.index >= key.start_mark.index else key
    end = len(text[: node.end_mark.index].rstrip())
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline


def _block_of(block: str, path: KeyPath) -> list[str]:
    """The lines of one key of `block`, with the comment above it, shifted to the left."""
    lines, here = block.splitlines(), []
    stack: list[str] = []
    comments: list[str] = []
    depth = len(path) - 1
    for line in lines:
        text = line.lstrip()
        if text.startswith("#"):
            comments.append(line)
            continue
        stack[(len(line) - len(text)) // 2 :] = [text.partition(":")[0]]
        if tuple(stack[: len(path)]) == path:
            here += [*comments, line]
        comments = []
    return [line[2 * depth :] for line in here]
