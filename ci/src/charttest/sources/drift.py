"""How the tables of vLLM's metrics and flags differ from the source of a release."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charttest.errors import CharttestError
from charttest.exporters import bound
from charttest.sources.flags import accepted
from charttest.sources.package import of_release
from charttest.sources.registered import registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from charttest.exporters import Exporter, Series
    from charttest.sources.package import Source
    from charttest.sources.registered import Registered

COMMAND = "charttest drift"
_ALIKE = 0.75  # of two names, from 0 to 1: perhaps a renaming


@dataclass(frozen=True)
class Flags:
    """The table of flags: the version that it is of, and every long name without its dashes."""

    version: str
    names: frozenset[str]


def flags_of(path: Path) -> Flags:
    """The table that valuegen carries, serve/flags.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    names = {name for kind in found["kinds"].values() for name in kind}
    names |= {name[2:] for name in found["aliases"] if name.startswith("--")}
    return Flags(found["vllm_version"], frozenset(names))


def seal(table: Exporter) -> str:
    """A digest of a table of metrics: it tells whether the table or its version was changed after a comparison."""
    rows = [
        [each.name, each.kind, sorted(each.labels or ["any"]), each.buckets, each.when, each.elsewhere]
        for each in sorted(table.metrics.values(), key=lambda each: each.name)
    ]
    return hashlib.sha256(json.dumps([table.program, table.version, rows]).encode()).hexdigest()[:16]


def outdated(pin: str, table: Exporter, flags: Flags, source_of: Callable[[str], Source] = of_release) -> str:
    """Why the tables are not those of the pinned version, with everything that changed; empty when they are.

    The release's source is fetched only if a table's version is another, or its seal is broken.
    """
    reasons = [
        f"{what} is of vLLM {version}"
        for what, version in (("the table of metrics", table.version), ("the table of flags", flags.version))
        if version != pin
    ]
    if not reasons and table.seal == seal(table):
        return ""
    reasons = reasons or ["the table of metrics was changed after it was held against the source"]
    why = f"vLLM {pin} is pinned, and {' and '.join(reasons)}"
    run = f"`{COMMAND} {pin} --flags FILE`"
    try:
        source = source_of(pin)
    except CharttestError as error:
        return f"{why}; what changed cannot be listed here: {error}; then run {run}"
    found = list(differences(table, flags, source))
    if not found:
        return f"{why}; the source of vLLM {pin} has no difference to them: set their version, then `{COMMAND} --seal`"
    return f"{why}; its source differs from them in {len(found)} (again: {run}):\n" + "\n".join(
        f"  {each}" for each in found
    )


def differences(table: Exporter, flags: Flags | None, source: Source) -> Iterator[str]:
    """What a release has otherwise than the tables, a sentence each: metrics, then flags."""
    registry = registered(source, table.prefix)
    here = {name: each for name, each in table.metrics.items() if not each.elsewhere}
    there = registry.metrics
    new = {name: each for name, each in there.items() if name not in table.metrics}
    gone = {name: each for name, each in here.items() if name not in there}
    for name in sorted(gone):
        alike = _alike(name, here[name].kind, new)
        mutual = alike and _alike(alike, here[name].kind, gone) == name
        yield f"{name}: gone" + (f"; {alike} is new, and like it" if mutual else "")
    for name, metric in sorted(new.items()):
        yield f"{name}: new, a {metric.kind} {_with(metric.labels)}"
    for name in sorted(here.keys() & there.keys()):
        yield from _changed(here[name], there[name])
    expected = {each.elsewhere for each in table.metrics.values() if each.elsewhere}
    for each in registry.unread:
        if each.path not in expected:
            yield f"{each.path}:{each.line}: {each.what}; read it, and enter the metric with `elsewhere`"
    for path in sorted(expected - {each.path for each in registry.unread}):
        yield f"{path}: makes no metric any more whose name is elsewhere"
    if flags is not None:
        accepts = accepted(source)
        yield from (f"--{name}: gone" for name in sorted(flags.names - accepts))
        yield from (f"--{name}: new" for name in sorted(accepts - flags.names))


def _alike(name: str, kind: str, others: Mapping[str, Series] | Mapping[str, Registered]) -> str:
    """The name of the same kind that is most like one; empty when none is."""
    names = [each.name for each in others.values() if each.kind == kind]
    return next(iter(difflib.get_close_matches(name, names, 1, _ALIKE)), "")


def _changed(here: Series, there: Registered) -> Iterator[str]:
    if here.kind != there.kind:
        yield f"{here.name}: is a {there.kind} now, and no {here.kind}"
    if here.labels is None or there.labels is None:
        if here.labels is not there.labels:
            what = "any labels" if there.labels is None else _with(there.labels)
            yield f"{here.name}: has {what} now"
    elif here.labels != there.labels:
        yield f"{here.name}: {_gained_lost('label', here.labels, there.labels)}"
    if here.kind == there.kind == "histogram" and here.buckets != _floats(there.buckets):
        if here.buckets is None or there.buckets is None:
            now = "known" if here.buckets is None else "made when it runs"
            yield f"{here.name}: its buckets are {now} now"
        else:
            before, after = map(bound, here.buckets), map(bound, there.buckets)
            yield f"{here.name}: {_gained_lost('bucket', before, after)}"


def _floats(buckets: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return None if buckets is None else tuple(map(float, buckets))


def _with(labels: frozenset[str] | None) -> str:
    if labels is None:
        return "with any labels"
    return f"with {', '.join(sorted(labels))}" if labels else "without labels"


def _gained_lost(what: str, before: Iterable[str], after: Iterable[str]) -> str:
    old, new = list(before), list(after)
    lost, gained = [each for each in old if each not in new], [each for each in new if each not in old]
    parts = [
        f"{verb} the {what}{'s' if len(names) > 1 else ''} {', '.join(sorted(names, key=_order))}"
        for verb, names in (("lost", lost), ("gained", gained))
        if names
    ]
    return " and ".join(parts)


def _order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text
