"""One model's values into a file that a person wrote: their comments, order and other keys stay."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from valuegen.errors import OutputError, UsageError
from valuegen.files import replace_file
from valuegen.values import check

if TYPE_CHECKING:
    from pathlib import Path

    from valuegen.values import ValuesDocument

KeyPath = tuple[str, ...]  # below models.<name>


def merge_into(path: Path, document: ValuesDocument) -> bool:
    """Update the model's numbers in `path`, or add the model; whether anything changed.

    Raises UsageError if the file is no YAML mapping, OutputError if it cannot be written or the
    result is nothing the chart accepts; the file is then as it was.
    """
    before = _read(path)
    existing = _load(path, before)
    models = existing.get("models")
    if models is not None and not isinstance(models, dict):
        raise UsageError(f"--into {path}: models: is no mapping", "make it a mapping of model names")
    if models and document.key in models:
        after = _updated(path, before, document)
    else:
        after = _added(path, before, document, first=not models)
    if after == before:
        return False
    check(_load(path, after), str(path))
    replace_file(path, after)
    return True


def _updated(path: Path, text: str, document: ValuesDocument) -> str:
    """The text with the numbers of a model that is there, and the reasons beside them."""
    tree = _load(path, text)
    body = tree["models"][document.key]
    if not isinstance(body, dict):
        raise UsageError(f"--into {path}: models.{document.key}: is no mapping", "make it one, or remove it")
    known = set(_lines_of_keys(body))
    if _assign(body, document.data["models"][document.key]):
        out = StringIO()
        _yaml(text).dump(tree, out)
        text = out.getvalue()
    body = _load(path, text)["models"][document.key]
    return _with_reasons(text, _lines_of_keys(body), known, _reasons(document))


def _assign(target: Any, values: dict[str, Any]) -> bool:
    """Set every leaf of `values` in `target`; whether one differed."""
    changed = False
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            changed = _assign(target[key], value) or changed
        elif key not in target or target[key] != value:
            target[key] = value
            changed = True
    return changed


def _lines_of_keys(body: Any, above: KeyPath = ()) -> dict[KeyPath, tuple[int, int]]:
    """(line, column) of every key of a block mapping that begins a line of its own."""
    places: dict[KeyPath, tuple[int, int]] = {}
    if body.fa.flow_style():
        return places
    for key, value in body.items():
        if key in body.lc.data:  # what a merge key (<<) brings has no line here
            places[*above, key] = body.lc.key(key)
        if isinstance(value, dict):
            places |= _lines_of_keys(value, (*above, key))
    return places


def _reasons(document: ValuesDocument) -> dict[KeyPath, str]:
    """The comment above each key of the model that is written."""
    reasons: dict[KeyPath, str] = {}
    path: list[str] = []
    comment = ""
    for line in document.body.splitlines():
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


def _with_reasons(
    text: str, places: dict[KeyPath, tuple[int, int]], known: set[KeyPath], reasons: dict[KeyPath, str]
) -> str:
    """The text with the reasons of new keys added and those of known keys renewed.

    A comment is renewed if it begins like the new one; any other is a person's, and stays.
    """
    lines = text.splitlines(keepends=True)
    for path, (line, column) in sorted(places.items(), key=lambda entry: entry[1], reverse=True):
        if path not in reasons:
            continue
        reason = f"{' ' * column}{reasons[path]}\n"
        above = lines[line - 1] if line else ""
        if above.lstrip().startswith("#") and _opening(above) == _opening(reason):
            lines[line - 1] = reason
        elif path not in known:
            lines.insert(line, reason)
    return "".join(lines)


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


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise OutputError(f"--into {path}: no such file", f"write a new one with -o {path}") from None
    except IsADirectoryError:
        raise OutputError(f"--into {path}: is a directory", "name a file in it") from None
    except UnicodeDecodeError:
        raise UsageError(f"--into {path}: is no text file", "name a values file") from None
    except OSError as error:
        raise OutputError(
            f"--into {path}: cannot be read ({error.strerror})", "correct its permissions"
        ) from None


def _load(path: Path, text: str) -> Any:
    """The file as a mapping that remembers its comments; an empty file is an empty mapping."""
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        tree = _yaml(text).load(text)
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


def _yaml(text: str) -> Any:
    """A round-trip reader that writes sequences as `text` indents them, and never wraps a line."""
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 2**20
    if re.search(r"^( *)[^\s#-][^\n]*:\n\1 +- ", text, re.MULTILINE):
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
