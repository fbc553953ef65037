"""Values files as Helm reads them: merged in their order, with the line on which each key stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.errors import UsageError
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from valuegen.yamledit import KeyPath

MAX_BYTES = 4 * 1024**2  # a release, which holds its values, must fit into a Secret of 1 MiB
MOST_NODES = 200_000  # aliases of aliases multiply
# Helm's YAML takes these words for true and false, and leaves dates as text.
YAML_1_1_BOOLEANS = {"yes", "no", "on", "off"}
TAG = "tag:yaml.org,2002:"
FIX = "name a values file of the chart"


@dataclass(frozen=True)
class Place:
    """Where a key stands."""

    file: str
    line: int  # from 1


@dataclass(frozen=True)
class Values:
    """What Helm makes of `-f A -f B`, without the chart's own defaults."""

    data: dict[str, Any]
    places: dict[KeyPath, Place]
    first: Place

    def place(self, path: KeyPath) -> Place:
        """Where a key stands, or the nearest one above it that is there."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.first


def read(paths: Sequence[Path]) -> Values:
    """Read and merge values files; UsageError names the one that is none."""
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    for path in paths:
        node, document = _document(path)
        if node is None:
            continue
        data = overlay(data, document)
        for key, line in _lines(node):
            places[key] = Place(str(path), line)
    # What a later file replaced by something else stands nowhere any more.
    places = {key: place for key, place in places.items() if holds(data, key)}
    return Values(data, places, Place(str(paths[0]), 1))


def overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` merged into it as Helm does: maps merge, everything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = overlay(below, value)
        else:
            merged[key] = value
    return merged


def holds(tree: Any, path: KeyPath) -> bool:
    """Whether there is something at a path of keys and list positions, null included."""
    for part in path:
        if isinstance(tree, list):
            if not (part.isdecimal() and int(part) < len(tree)):
                return False
            tree = tree[int(part)]
        elif isinstance(tree, dict) and part in tree:
            tree = tree[part]
        else:
            return False
    return True


def _document(path: Path) -> tuple[Any, dict[str, Any]]:
    """The node tree of a file, and what it holds; (None, {}) for an empty one."""
    from ruamel.yaml import YAML  # noqa: PLC0415  (not needed by fit and plan)
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    text = _text(path)
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is None:
            return None, {}
        _require_finite(node, path)
        document = yaml.constructor.construct_document(node)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = " ".join((getattr(error, "problem", None) or "cannot be read").split())
        raise UsageError(f"{path}: is no YAML{where} ({problem})", "correct it") from None
    except RecursionError:
        raise UsageError(f"{path}: is nested too deeply", FIX) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"{path}: holds a value that cannot be read ({error})", "correct it") from None
    if document is None:
        return None, {}
    if not isinstance(document, dict):
        raise UsageError(f"{path}: is no YAML mapping", FIX)
    return node, _text_keys(document)


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise UsageError(f"{path}: is a directory", "name a file in it")
        if path.exists() and not path.is_file():  # a pipe or a device would block, or never end
            raise UsageError(f"{path}: is no regular file", FIX)
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES // 1024**2} MiB, no values file is", FIX)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", FIX) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text file", FIX) from None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror})", "correct its path or permissions"
        ) from None


def _require_finite(root: Any, path: Path) -> None:
    """Refuse aliases that contain themselves or expand to more than any values file."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        if id(node) in open_nodes:
            raise UsageError(f"{path}: an alias contains itself", "write its values out")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            if node.id == "scalar":
                _read_as_helm(node)
                sizes[id(node)] = 1
            else:
                children = (
                    [part for pair in node.value for part in pair] if node.id == "mapping" else node.value
                )
                sizes[id(node)] = 1 + sum(size(child) for child in children)
            open_nodes.discard(id(node))
        return sizes[id(node)]

    if size(root) > MOST_NODES:
        raise UsageError(f"{path}: expands to more than {MOST_NODES:,} values", FIX)


def _read_as_helm(scalar: Any) -> None:
    """Correct the type of a scalar where Helm's YAML reads it differently."""
    if scalar.style is None and scalar.value.lower() in YAML_1_1_BOOLEANS:
        scalar.tag = f"{TAG}bool"
    elif scalar.tag == f"{TAG}timestamp":
        scalar.tag = f"{TAG}str"


def _lines(node: Any, above: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    """(path, line from 1) of every key and list entry below a node; merged keys stand at their anchor."""
    if node.id == "sequence":
        for index, entry in enumerate(node.value):
            yield (*above, str(index)), entry.start_mark.line + 1
            yield from _lines(entry, (*above, str(index)))
    if node.id != "mapping":
        return
    for key, value in node.value:
        if key.tag == f"{TAG}merge":
            for merged in value.value if value.id == "sequence" else [value]:
                yield from _lines(merged, above)
    for key, value in node.value:
        if key.id == "scalar" and key.tag != f"{TAG}merge":
            here = (*above, key.value)
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)


def _text_keys(value: Any) -> Any:
    """The same with every key as text, as Helm has it once it is JSON."""
    if isinstance(value, dict):
        return {_key(key): _text_keys(entry) for key, entry in value.items()}
    return [_text_keys(entry) for entry in value] if isinstance(value, list) else value


def _key(key: object) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return "null" if key is None else str(key)
