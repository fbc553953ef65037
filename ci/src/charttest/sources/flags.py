"""The flags that `vllm serve` of a source accepts, by name; how each takes its value only its parser tells."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from charttest.sources.vllm import VllmPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.sources.folding import Module
    from charttest.sources.package import Source

ENGINE = "engine/arg_utils.py"  # of the engine: an add_argument for each
SERVER = "FrontendArgs"  # of the server: a field for each, and an add_argument for some beside the class


def accepted(source: Source) -> frozenset[str]:
    """The long names without their dashes; those that only switch off (`no-…`) are not among them."""
    package = VllmPackage(source.files)
    found = set(_added(package.module(ENGINE))) if ENGINE in source.files else set()
    for path in source.paths(rf"(?m)^class {SERVER}\b"):
        module = package.module(path)
        found |= set(_added(module))
        for _, owner in package.bases(module, module.classes[SERVER]):
            found |= set(_fields(owner))
    return frozenset(name for name in found if not name.startswith("no-"))


def _added(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "add_argument"
        ):
            for each in node.args:
                if isinstance(each, ast.Constant) and str(each.value).startswith("--"):
                    yield str(each.value)[2:]


def _fields(owner: ast.ClassDef) -> Iterator[str]:
    for node in owner.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if "ClassVar" not in ast.unparse(
                kind
            ):
                yield name.replace("_", "-")
