"""What vLLM works out by functions of its own, folded by their rule: labels of every metric, families of buckets."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from charttest.sources.folding import UNKNOWN, Package, Place, Values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LABELS = "labelnames"  # under this name PrometheusStatLogger hands on the labels of every metric
FAMILIES = "_STATIC_FAMILY_DEFAULTS"  # v1/metrics/buckets.py: what histogram_buckets(family) returns
INFO = "metrics_info"  # of a configuration: its fields, each a label (config/cache.py)


class VllmPackage(Package):
    """vLLM's modules."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """`files`: the text of each by its path below vllm/."""
        super().__init__("vllm", files)

    @cached_property
    def common_labels(self) -> frozenset[str] | None:
        """The labels of every metric (v1/metrics/loggers.py); None if the source has none or several lists."""
        found = {
            tuple(each.value for each in node.value.elts if isinstance(each, ast.Constant))
            for path, text in self.files.items()
            if f" {LABELS} = [" in text
            for node in ast.walk(self.module(path).tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
            if [each.id for each in node.targets if isinstance(each, ast.Name)] == [LABELS]
        }
        return frozenset(map(str, found.pop())) if len(found) == 1 else None

    def argument(self, name: str) -> Values:
        """What a function is given under a name."""
        if name == LABELS and self.common_labels is not None:
            return (tuple(sorted(self.common_labels)),)
        return (UNKNOWN,)

    def called(self, node: ast.Call, place: Place) -> Values:
        """What a call can return."""
        match node:
            case ast.Call(func=ast.Name(id="histogram_buckets"), args=[ast.Constant(value=family), *_]):
                return self._family(family, place)
            case ast.Call(func=ast.Attribute(attr="metrics_info"), args=[]):
                return tuple(self._fields()) or (UNKNOWN,)
            case ast.Call(func=ast.Attribute(attr="keys", value=mapping), args=[]):
                return self.values(mapping, place)
        return super().called(node, place)

    def _family(self, family: object, place: Place) -> Values:
        came = self.came_from("histogram_buckets", place.module)
        families = came[0].assigned.get(FAMILIES) if came else None
        if came and isinstance(families, ast.Dict):
            for key, value in zip(families.keys, families.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == family:
                    return self.values(value, Place(came[0]))
        return (UNKNOWN,)

    def _fields(self) -> Iterator[tuple[str, ...]]:
        """The fields of every class that tells them as labels."""
        for path, text in self.files.items():
            if f"def {INFO}(" not in text:
                continue
            for owner in self.module(path).classes.values():
                methods = {each.name for each in owner.body if isinstance(each, ast.FunctionDef)}
                fields = tuple(
                    each.target.id
                    for each in owner.body
                    if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
                    if not ast.unparse(each.annotation).startswith("ClassVar")
                )
                if INFO in methods and fields:
                    yield fields
