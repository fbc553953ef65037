"""One model's values into a file that a person wrote: their comments, order and other keys stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from valuegen import valuesfile
from valuegen.errors import OutputError, UsageError
from valuegen.featurekeys import said_in_args
from valuegen.files import replace_file
from valuegen.values import check
from valuegen.yamledit import KeyPath, NotEditableError, key_lines, set_values

if TYPE_CHECKING:
    from pathlib import Path

    from valuegen.values import ValuesDocument


def merge_into(path: Path, document: ValuesDocument) -> bool:
    """Update the model's numbers in `path`, or add the model; whether anything changed.

    Raises UsageError if the file is no YAML mapping, OutputError if it cannot be written or the
    result is nothing the chart accepts; the file is then as it was.
    """
    _require_file(path)
    valuesfile.read([path])  # nothing that is endless goes any further
    raw = _read(path)
    # Lines are edited with the line ends of YAML's examples and written with the file's own.
    newline = "\r\n" if "\r\n" in raw else "\n"
    before = raw.replace("\r\n", "\n")
    existing = _load(path, before)
    models = existing.get("models")
    if models is not None and not isinstance(models, dict):
        raise UsageError(f"--into {path}: models: is no mapping", "make it a mapping of model names")
    if models and document.key in models:
        after = _updated(path, before, document)
    else:
        after = _added(path, before, document, first=not models)
    if document.root and "scaling" not in existing:
        after = f"{after.rstrip()}\n\n{document.root}\n"
    if document.alerts:
        after = _with_thresholds(path, after, document)
    if after == before:
        return False
    check(_load(path, after), str(path))
    replace_file(path, after.replace("\n", newline))
    return True


def kept_by_hand(path: Path, document: ValuesDocument) -> dict[str, str]:
    """The parts of the model that `merge_into` leaves out of `path`: `args` has them, each with its flag there."""
    _require_file(path)
    models = valuesfile.read([path]).data.get("models")
    body = models.get(document.key) if isinstance(models, dict) else None
    return _said_by_hand(body, document) if isinstance(body, dict) else {}


def _said_by_hand(body: dict[str, Any], document: ValuesDocument) -> dict[str, str]:
    if not isinstance(body.get("args") or {}, dict):
        return {}
    wanted = document.data["models"][document.key]
    said = said_in_args(body)
    return {part: flag for part, flag in said.items() if part in wanted and part not in body}


def _updated(path: Path, text: str, document: ValuesDocument) -> str:
    """The text with the numbers of a model that is there, and the reasons beside them."""
    place = ("models", document.key)
    if not isinstance(_load(path, text)["models"][document.key], dict):
        raise UsageError(f"--into {path}: models.{document.key}: is no mapping", "make it one, or remove it")
    by_hand = _said_by_hand(_load(path, text)["models"][document.key], document)
    data = document.data["models"][document.key]
    wanted = {key: value for key, value in data.items() if key not in by_hand}
    try:
        text = set_values(text, place, wanted, document.body)
    except NotEditableError as error:
        raise UsageError(
            f"--into {path}: models.{document.key}.{error}: is an alias", "write its values out"
        ) from None
    if not _holds(_load(path, text)["models"][document.key], wanted):
        raise UsageError(
            f"--into {path}: models.{document.key}: is laid out in a way that cannot be edited",
            "write one key to a line",
        )
    return _with_reasons(text, key_lines(text, place), _reasons(document.body))


def _with_thresholds(path: Path, text: str, document: ValuesDocument) -> str:
    """The text with the model's thresholds below `monitoring:`, whatever else stands there."""
    if "monitoring" not in _load(path, text):
        return f"{text.rstrip()}\n\n{document.alerts}\n"
    try:
        text = set_values(text, (), {"monitoring": document.data["monitoring"]}, document.alerts)
    except NotEditableError as error:
        raise UsageError(f"--into {path}: {error}: is an alias", "write its values out") from None
    return _with_reasons(text, key_lines(text, ()), _reasons(document.alerts))


def _holds(body: Any, wanted: Any) -> bool:
    """Whether every value that is wanted is there."""
    if isinstance(wanted, dict):
        return isinstance(body, dict) and all(_holds(body.get(key), value) for key, value in wanted.items())
    return bool(body == wanted)


def _reasons(block: str) -> dict[KeyPath, str]:
    """The comment above each key of a block of lines."""
    reasons: dict[KeyPath, str] = {}
    path: list[str] = []
    comment = ""
    for line in block.splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment = text
            continue
        depth = (len(line) - len(text)) // 2
        path[depth:] = [text.partition(":")[0]]
        if comment:
            reasons[tuple(path)] = comment
        comment = ""
    return reasons


def _with_reasons(text: str, places: dict[KeyPath, int], reasons: dict[KeyPath, str]) -> str:
    """The text with the reasons of its numbers renewed.

    A comment is renewed if it begins like the new one; any other is a person's, and stays.
    """
    lines = text.split("\n")
    for path, line in places.items():
        above = lines[line - 1].lstrip() if line else ""
        if path in reasons and above.startswith("#") and _opening(above) == _opening(reasons[path]):
            lines[line - 1] = lines[line - 1].replace(above, reasons[path])
    return "\n".join(lines)


def _opening(comment: str) -> list[str]:
    """The first words of a comment without what a number may change in them."""
    return [re.sub(r"[\d.,]+", "0", word).rstrip("s") for word in comment.lstrip("# ").split()[:3]]


def _added(path: Path, text: str, document: ValuesDocument, *, first: bool) -> str:
    """The text with the model as the last entry of `models:`; every other byte stays."""
    lines = text.splitlines()
    tree = _load(path, text)
    if "models" not in tree:
        lines += [""] if lines and lines[-1].strip() else []
        return "\n".join([*lines, "models:", *_entry(document, 2)]) + "\n"
    start = tree.lc.key("models")[0]
    if first:
        if not re.fullmatch(r"models:\s*(\{\s*\}|null|~)?\s*(#.*)?", lines[start]):
            raise UsageError(
                f"--into {path}: models: cannot be extended", "write `models:` on a line of its own"
            )
        comment = lines[start].partition("#")
        lines[start] = "models:" + (f"  #{comment[2]}" if comment[1] else "")
        return "\n".join([*lines[: start + 1], *_entry(document, 2), *lines[start + 1 :]]) + "\n"
    if tree["models"].fa.flow_style():
        raise UsageError(
            f"--into {path}: models: is written in braces", "write one model to a line, below `models:`"
        )
    indent = min(tree["models"].lc.key(key)[1] for key in tree["models"])
    end = _end_of_block(lines, start)
    return "\n".join([*lines[:end], *_entry(document, indent), *lines[end:]]) + "\n"


def _end_of_block(lines: list[str], start: int) -> int:
    """The line after the last one that belongs to the mapping which begins at line `start`."""
    last = start
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            break
        last = number
    return last + 1


def _entry(document: ValuesDocument, indent: int) -> list[str]:
    deeper = " " * (2 * indent)
    body = [f"{deeper}{line}" if line else line for line in document.body.splitlines()]
    return [f"{' ' * indent}{document.key}:", *body]


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"--into {path}: is a directory", "name a file in it")
    if not path.exists() and not path.is_symlink():
        raise OutputError(f"--into {path}: no such file", f"write a new one with -o {path}")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")  # with its own line ends
    except OSError as error:
        raise OutputError(
            f"--into {path}: cannot be read ({error.strerror})", "correct its permissions"
        ) from None


def _load(path: Path, text: str) -> Any:
    """The file as a mapping that remembers its comments; an empty file is an empty mapping."""
    from ruamel.yaml import YAML  # noqa: PLC0415  (not needed by fit and plan)
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        tree = YAML(typ="rt").load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"--into {path}: is no YAML{where}", "correct it, or write a new file with -o"
        ) from None
    if tree is None:
        return CommentedMap()
    if not isinstance(tree, CommentedMap):
        raise UsageError(f"--into {path}: is no YAML mapping", "name a values file of the chart")
    return tree
