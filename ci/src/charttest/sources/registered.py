"""The metrics that a package's source registers with prometheus_client: names, types, labels and buckets.

Every function is gone through from top to bottom: branches are both taken, loops over a known list run for each of
its elements. A metric is made by a call of Gauge, Counter, Histogram or Summary of prometheus_client, of an attribute
that holds one of them (`self._counter_cls`, vLLM's way to let Ray replace it), or by a description of one under its
name (`{NAME: OffloadingCounterMetadata(…)}`, v1/kv_offload/base.py), whose labels come after those of every metric.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from charttest.sources.folding import UNKNOWN, Module, Names, Place, Values
from charttest.sources.vllm import VllmPackage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from charttest.sources.package import Source

Labels = frozenset[str] | None
"""None: known only when it runs."""
Buckets = tuple[float, ...] | None

KINDS = ("counter", "gauge", "histogram", "summary")
# What prometheus_client takes when it is given none (metrics.py, Histogram.DEFAULT_BUCKETS).
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_CLIENT = "prometheus_client"
_CLASS = re.compile(r"_(counter|gauge|histogram|summary)_cls")
_KIND = "(Counter|Gauge|Histogram)"
_DESCRIPTION = re.compile(rf"\w+{_KIND}Metadata")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


@dataclass(frozen=True)
class Registered:
    """One metric under the name that its page shows, a histogram's without _bucket, _sum and _count."""

    name: str
    kind: str
    labels: Labels
    buckets: Buckets = None


@dataclass(frozen=True)
class Unread:
    """A metric, or a name of one, of which the source does not say enough."""

    path: str
    line: int
    what: str


@dataclass(frozen=True)
class Registry:
    """Everything with one prefix that a package registers."""

    metrics: dict[str, Registered]
    unread: tuple[Unread, ...]


def registered(source: Source, prefix: str) -> Registry:
    """What the source registers under names with the prefix."""
    package = VllmPackage(source.files)
    reader = _Reader(package, prefix)
    for path in source.paths(rf"""{_CLIENT}|{_CLASS.pattern}\(|{_KIND}Metadata\(|["']{prefix}\w"""):
        reader.read(package.module(path))
    # A description is overruled by the call that makes the metric itself.
    metrics = {each.name: each for each in chain(reader.described, reader.made)}
    known = {each.removesuffix("_total") for each in metrics}
    for named in reader.names:
        if not any(each.startswith(named.what.removesuffix("_total")) for each in known):
            reader.unread.append(replace(named, what=f"names {named.what}, which nothing that is read makes"))
    return Registry(metrics, tuple(reader.unread))


@dataclass
class _Reader:
    package: VllmPackage
    prefix: str
    made: list[Registered] = field(default_factory=list)
    described: list[Registered] = field(default_factory=list)
    names: list[Unread] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def read(self, module: Module) -> None:
        """Go through one module."""
        whole = re.compile(re.escape(self.prefix) + r"[a-z]\w*")
        for node in ast.walk(module.tree):
            match node:
                case ast.Constant(value=str() as text) if whole.fullmatch(text):
                    self.names.append(Unread(module.path, node.lineno, text))
        self._run(module.tree.body, Place(module))

    def _run(self, body: list[ast.stmt], place: Place) -> None:
        for node in body:
            match node:
                case ast.ClassDef():
                    self._run(node.body, Place(place.module, node))
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                    names = place.names | {each.arg: self.package.argument(each.arg) for each in taken}
                    self._run(node.body, replace(place, names=names))
                case ast.If():
                    self._look(node.test, place)
                    self._branch([node.body, node.orelse], place)
                case ast.For() | ast.AsyncFor():
                    self._look(node.iter, place)
                    place.names.update(self._bound(node.target, node.iter, place))
                    self._run(node.body, place)
                    self._run(node.orelse, place)
                case ast.Assign() | ast.AnnAssign():
                    self._assign(node, place)
                case _:
                    for part in _bodies(node):
                        self._run(part, place)
                    for each in ast.iter_child_nodes(node):
                        if isinstance(each, ast.expr):
                            self._look(each, place)

    def _branch(self, bodies: Iterable[list[ast.stmt]], place: Place) -> None:
        """Take every branch; what a name is assigned in one or the other it can be after them."""
        ends = []
        for body in bodies:
            branch = replace(place, names=dict(place.names))
            self._run(body, branch)
            ends.append(branch.names)
        for name in dict.fromkeys(chain(*ends)):
            place.names[name] = tuple(dict.fromkeys(chain(*(end.get(name, ()) for end in ends))))

    def _assign(self, node: ast.Assign | ast.AnnAssign, place: Place) -> None:
        if node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            match target:
                case ast.Subscript(slice=key) if self._described(key, node.value, place):
                    pass
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key)):
                    now = [each for each in place.names.get(name, ()) if isinstance(each, tuple)]
                    if now:  # a mapping whose keys are label names
                        place.names[name] = tuple((*each, key) for each in now)
                case ast.Name(id=name):
                    place.names[name] = self.package.values(node.value, place)
                case ast.Tuple() | ast.List():
                    one = ast.Tuple(elts=[node.value], ctx=ast.Load())
                    place.names.update(self._bound(target, one, place))
        self._look(node.value, place)

    def _bound(self, target: ast.expr, iterated: ast.expr, place: Place) -> Names:
        """What the names of a loop are, each element taken once."""
        elements = list(
            chain(*(each for each in self.package.values(iterated, place) if isinstance(each, tuple)))
        )
        if isinstance(target, ast.Name):
            return {target.id: tuple(elements) or (UNKNOWN,)}
        names = [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]
        fitting = [each for each in elements if isinstance(each, tuple) and len(each) == len(names)]
        columns = list(zip(*fitting, strict=True)) or [(UNKNOWN,)] * len(names)
        return dict(zip(names, columns, strict=True))

    def _look(self, node: ast.expr, place: Place) -> None:
        """Find the metrics that an expression makes."""
        if isinstance(node, _COMPREHENSIONS):
            place = replace(place, names=dict(place.names))
            for each in node.generators:
                place.names.update(self._bound(each.target, each.iter, place))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    self._described(key, value, place)
        if isinstance(node, ast.Call) and (kind := self._kind(node.func, place)):
            given = _given(node, ("name", "documentation", "labelnames"))
            names = self.package.values(given["name"], place) if "name" in given else (UNKNOWN,)
            labels, buckets = self._labels(given, place), self._buckets(given, place)
            self._keep(self.made, names, Registered("", kind, labels, buckets), _at(node, place))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._look(child, place)
            elif isinstance(child, ast.keyword | ast.comprehension):
                self._look(child.value if isinstance(child, ast.keyword) else child.iter, place)

    def _described(self, key: ast.expr, value: ast.expr, place: Place) -> bool:
        match value:
            case ast.Call(func=ast.Name(id=name)) if found := _DESCRIPTION.fullmatch(name):
                given = _given(value, ("documentation", "labelnames", "buckets"))
                common, own = self.package.common_labels, self._labels(given, place)
                labels = None if common is None or own is None else common | own
                like = Registered("", found[1].lower(), labels, self._buckets(given, place))
                self._keep(self.described, self.package.values(key, place), like, _at(value, place))
                return True
        return False

    def _keep(self, where: list[Registered], names: Values, like: Registered, at: Unread) -> None:
        texts = [each for each in names if isinstance(each, str)]
        if not texts:
            self.unread.append(replace(at, what=f"makes a {like.kind} whose name it does not say"))
        for name in texts:
            if name.startswith(self.prefix):
                shown = f"{name.removesuffix('_total')}_total" if like.kind == "counter" else name
                buckets = like.buckets if like.kind == "histogram" else None
                where.append(replace(like, name=shown, buckets=buckets))

    def _kind(self, function: ast.expr, place: Place) -> str | None:
        imported = place.module.imported
        match function:
            case ast.Attribute(attr=name) if found := _CLASS.fullmatch(name):
                return found[1]
            case ast.Attribute(value=ast.Name(id=name), attr=made) if imported.get(name, ("",))[0] == _CLIENT:
                return made.lower() if made.lower() in KINDS else None
            case ast.Name(id=name) if imported.get(name, ("",))[0].split(".")[0] == _CLIENT:
                made = imported[name][1]
                return made.lower() if made.lower() in KINDS else None
        return None

    def _labels(self, given: dict[str, ast.expr], place: Place) -> Labels:
        if "labelnames" not in given:
            return frozenset()
        found = self.package.values(given["labelnames"], place)
        sets = [frozenset(each) for each in found if isinstance(each, tuple) and UNKNOWN not in each]
        return frozenset(chain(*sets)) if sets and len(sets) == len(found) else None

    def _buckets(self, given: dict[str, ast.expr], place: Place) -> Buckets:
        if "buckets" not in given:
            return DEFAULT_BUCKETS
        match self.package.values(given["buckets"], place):
            case [tuple() as only] if all(isinstance(each, int | float) for each in only):
                return only
        return None


def _at(node: ast.expr, place: Place) -> Unread:
    return Unread(place.module.path, node.lineno, "")


def _given(call: ast.Call, order: tuple[str, ...]) -> dict[str, ast.expr]:
    """The arguments of a call by name."""
    return dict(zip(order, call.args, strict=False)) | {
        each.arg: each.value for each in call.keywords if each.arg
    }


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The statements inside of one."""
    for part in ("body", "orelse", "finalbody"):
        yield getattr(node, part, [])
    for part in ("handlers", "cases"):
        yield from (each.body for each in getattr(node, part, []))
