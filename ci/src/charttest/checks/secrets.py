"""Secrets stay in Secrets: variables, arguments and ConfigMaps can be read by many more people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(
    r"(?:^|[_-])(?:token|password|passwd|secret|api[_-]?key|access[_-]?key|private[_-]?key)(?:[_-]value)?$",
    re.I,
)
_COUNT = re.compile(r"tokens?$", re.I)  # MAX_TOKEN: 4096 counts something
# Hugging Face, OpenAI, GitHub and AWS tokens, and private keys.
_LITERAL = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bAKIA[A-Z0-9]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_FLAG = re.compile(r"^--?([a-z][a-z0-9-]*)(?:=(.+))?$", re.I)


def _arguments(arguments: list[str]) -> Iterator[str]:
    for position, argument in enumerate(arguments):
        flag = _FLAG.match(argument)
        if flag and _NAME.search(flag[1]):
            following = arguments[position + 1] if position + 1 < len(arguments) else "-"
            value = flag[2] or ("" if following.startswith("-") else following)
            if value and not value.startswith("$("):
                yield f"the argument --{flag[1]} holds a secret"
        elif _LITERAL.search(argument):
            yield "an argument holds a secret"


def _is_secret(name: str, value: str) -> bool:
    if _NAME.search(name):
        return not (value.isdigit() and _COUNT.search(name))
    return _LITERAL.search(value) is not None


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        for container in pod.containers:
            for variable in container.get("env") or []:
                name, value = str(variable.get("name")), str(variable.get("value") or "")
                if value and _is_secret(name, value):
                    yield pod.owner, f"container {container.get('name')}: the variable {name} holds a secret"
            words = [
                str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]
            ]
            for message in _arguments(words):
                yield pod.owner, f"container {container.get('name')}: {message}"
    for item in manifests.of("ConfigMap"):
        for key, value in (item.get("data") or {}).items():
            if _LITERAL.search(str(value)):
                yield item, f"the key {key} holds a secret"


CHECK = Check(
    id="secrets",
    sentence="No secret is written into a variable, an argument or a ConfigMap.",
    fix="put it into a Secret and refer to it with valueFrom.secretKeyRef",
    run=_run,
)
