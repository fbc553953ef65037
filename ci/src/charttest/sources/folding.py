"""Works out constants of a Python package from its source, without importing it.

A name can have several values: those that the branches before it give. What cannot be worked out is UNKNOWN.
"""

from __future__ import annotations

import ast
import itertools
import operator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNKNOWN = object()
Values = tuple[Any, ...]
Names = dict[str, Values]
_MOST = 64  # values of one expression; what has more is UNKNOWN
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


@dataclass(frozen=True)
class Module:
    """One file of a package."""

    path: str  # inside the package: v1/metrics/loggers.py
    tree: ast.Module

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """What its names are assigned on the outermost level."""
        return dict(_assignments(self.tree.body))

    def attributes(self, owner: ast.ClassDef) -> dict[str, ast.expr]:
        """What the attributes of one of its classes are assigned: in the class, and to `self` in its methods."""
        if owner not in self._attributes:
            self._attributes[owner] = dict(_assignments(owner.body)) | dict(_of_self(owner))
        return self._attributes[owner]

    @cached_property
    def _attributes(self) -> dict[ast.ClassDef, dict[str, ast.expr]]:
        return {}

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Where its names come from, wherever it imports them: the module, and the name there or ""."""
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = self.path.removesuffix("__init__.py").split("/")[: -node.level]
                    base = ".".join(["", *above, *filter(None, [node.module])])
                found |= {each.asname or each.name: (base, each.name) for each in node.names}
            elif isinstance(node, ast.Import):
                found |= {each.asname or each.name: (each.name, "") for each in node.names}
        return found


@dataclass(frozen=True)
class Place:
    """Where an expression stands: the names of a function are `names`, `self` is of the class."""

    module: Module
    owner: ast.ClassDef | None = None
    names: Names = field(default_factory=dict)


class Package:
    """The modules of a package, each parsed when it is asked for."""

    def __init__(self, name: str, files: Mapping[str, str]) -> None:
        """`files`: the text of each by its path inside the package."""
        self.name = name
        self.files = files
        self._modules: dict[str, Module] = {}
        self._open: set[ast.expr] = set()  # what is being worked out: it may name itself

    def module(self, path: str) -> Module:
        """The module of a path that the package has."""
        if path not in self._modules:
            self._modules[path] = Module(path, ast.parse(self.files[path], path))
        return self._modules[path]

    def values(self, node: ast.expr, place: Place) -> Values:
        """Every value that the expression can have; lists are tuples."""
        found: Values = (UNKNOWN,)
        match node:
            case ast.Constant():
                found = (node.value,)
            case ast.Name():
                found = self._named(node.id, place)
            case ast.Attribute():
                found = self._attribute(node, place)
            case ast.List() | ast.Tuple():
                found = self._sequence(node, place)
            case ast.BinOp():
                found = self._operation(node, place)
            case ast.IfExp():
                found = self.values(node.body, place) + self.values(node.orelse, place)
            case ast.JoinedStr():
                found = self._text(node, place)
            case ast.Subscript(slice=ast.Slice() as cut):
                found = self._cut(node.value, cut, place)
            case ast.Call():
                found = self.called(node, place)
        return found if len(found) <= _MOST else (UNKNOWN,)

    def called(self, node: ast.Call, place: Place) -> Values:
        """What a call can return."""
        match node:
            case ast.Call(func=ast.Name(id="list" | "tuple"), args=[only]):
                return self.values(only, place)
        return (UNKNOWN,)

    def argument(self, _name: str) -> Values:
        """What a function is given under a name."""
        return (UNKNOWN,)

    def class_named(self, name: str, module: Module) -> tuple[Module, ast.ClassDef] | None:
        """A class of the package as a module calls it, and the module that has it."""
        if name in module.classes:
            return module, module.classes[name]
        came = self.came_from(name, module)
        return self.class_named(came[1], came[0]) if came else None

    def came_from(self, name: str, module: Module) -> tuple[Module, str] | None:
        """The module of the package that a name is imported from, and its name there."""
        base, original = module.imported.get(name, ("", ""))
        inside = base.removeprefix(self.name) if base.startswith((f"{self.name}.", ".")) else None
        if not original or inside is None:
            return None
        folder = inside.lstrip(".").replace(".", "/")
        for path in (f"{folder}.py", f"{folder}/__init__.py"):
            if path in self.files and self.module(path) is not module:
                return self.module(path), original
        return None

    def bases(self, module: Module, owner: ast.ClassDef) -> Iterator[tuple[Module, ast.ClassDef]]:
        """The class and those of its bases that the package has."""
        yield module, owner
        for base in owner.bases:
            if isinstance(base, ast.Name) and (found := self.class_named(base.id, module)):
                yield from self.bases(*found)

    def _named(self, name: str, place: Place) -> Values:
        if name in place.names:
            return place.names[name]
        if name in place.module.assigned:
            return self._once(place.module.assigned[name], Place(place.module))
        came = self.came_from(name, place.module)
        return self._named(came[1], Place(came[0])) if came else self.argument(name)

    def _attribute(self, node: ast.Attribute, place: Place) -> Values:
        if not isinstance(node.value, ast.Name):
            return (UNKNOWN,)
        if node.value.id in ("self", "cls") and place.owner is not None:
            start = (place.module, place.owner)
        elif found := self.class_named(node.value.id, place.module):
            start = found
        else:
            return (UNKNOWN,)
        for module, owner in self.bases(*start):
            assigned = module.attributes(owner)
            if node.attr in assigned:
                return self._once(assigned[node.attr], Place(module, owner))
        return (UNKNOWN,)

    def _once(self, node: ast.expr, place: Place) -> Values:
        if node in self._open:
            return (UNKNOWN,)
        self._open.add(node)
        try:
            return self.values(node, place)
        finally:
            self._open.remove(node)

    def _sequence(self, node: ast.List | ast.Tuple, place: Place) -> Values:
        parts: list[list[tuple[Any, ...]]] = []
        for each in node.elts:
            if isinstance(each, ast.Starred):
                inner = self.values(each.value, place)
                parts.append([value if isinstance(value, tuple) else (UNKNOWN,) for value in inner])
            else:
                parts.append([(value,) for value in self.values(each, place)])
        chosen = itertools.islice(itertools.product(*parts), _MOST + 1)
        return tuple(tuple(itertools.chain(*each)) for each in chosen)

    def _operation(self, node: ast.BinOp, place: Place) -> Values:
        do = _OPERATORS.get(type(node.op))
        pairs = itertools.product(self.values(node.left, place), self.values(node.right, place))
        return tuple(_operated(do, left, right) for left, right in pairs)

    def _text(self, node: ast.JoinedStr, place: Place) -> Values:
        parts = [
            self.values(each.value, place)
            if isinstance(each, ast.FormattedValue)
            else self.values(each, place)
            for each in node.values
        ]
        chosen = itertools.islice(itertools.product(*parts), _MOST + 1)
        return tuple(UNKNOWN if UNKNOWN in each else "".join(map(str, each)) for each in chosen)

    def _cut(self, node: ast.expr, cut: ast.Slice, place: Place) -> Values:
        ends = [self.values(end, place)[0] if end else None for end in (cut.lower, cut.upper, cut.step)]
        if UNKNOWN in ends:
            return (UNKNOWN,)
        return tuple(
            value[slice(*ends)] if isinstance(value, tuple) else UNKNOWN for value in self.values(node, place)
        )


def _operated(do: Any, left: Any, right: Any) -> Any:
    if do is None or UNKNOWN in (left, right):
        return UNKNOWN
    try:
        return do(left, right)
    except TypeError:
        return UNKNOWN


def _assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _of_self(owner: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(owner):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                yield name, value
            case ast.AnnAssign(
                target=ast.Attribute(value=ast.Name(id="self"), attr=name), value=ast.expr() as value
            ):
                yield name, value
