"""Judges every model of a values file as `fit` does, and holds the values to the rules of `checks`."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from valuegen.checks import RULES, Finding, Found, Subject, schema
from valuegen.document import SCHEMA
from valuegen.errors import UsageError
from valuegen.frozen import dataclass
from valuegen.host import ORDINARY_READ
from valuegen.judgement import judge_workload
from valuegen.workload import workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from valuegen.checks import Level
    from valuegen.fit import FitResult
    from valuegen.valuesfile import Values
    from valuegen.yamledit import KeyPath


@dataclass(frozen=True)
class CheckReport:
    """What was found, and how each workload was judged; None where it could not be."""

    findings: tuple[Finding, ...]
    models: Mapping[str, FitResult | None] = field(repr=False)

    def count(self, level: str) -> int:
        """Findings of one level."""
        return sum(finding.level == level for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The document that `check --json` prints."""
        return {
            "schema": SCHEMA,
            "findings": [finding.to_dict() for finding in self.findings],
            "models": {name: result.to_dict() for name, result in self.models.items() if result is not None},
        }


def check(
    values: Values,
    *,
    models: Mapping[str, str] | None = None,
    bytes_per_second: int = ORDINARY_READ,
    ignore: Iterable[str] = (),
) -> CheckReport:
    """Hold values to every rule that is not ignored.

    `models` says by what name or path a model of the values is to be read, where its source does not.
    Raises UsageError for a rule or model that is not there.
    """
    named, ignored = dict(models or {}), set(ignore)
    _require_known(named, ignored, values.data)
    violations = list(schema.violations(values.data))
    findings = [_finding(schema.RULE.id, "error", found.at, found, values) for found in violations]
    sound, broken = _sound(values.data, violations)
    results: dict[str, FitResult | None] = dict.fromkeys(broken)
    for workload in workloads(sound):
        subject = judge_workload(workload, named.get(workload.model), bytes_per_second)
        results[workload.name] = subject.result
        findings += _look(subject, values)
    once = dict.fromkeys(finding for finding in findings if finding.id not in ignored)
    return CheckReport(tuple(sorted(once, key=lambda found: (found.file, found.line))), results)


def _require_known(named: Mapping[str, str], ignored: set[str], data: dict[str, Any]) -> None:
    known = [rule.id for rule in RULES]
    for name in sorted(ignored - set(known)):
        raise UsageError(f"--ignore {name}: no such rule", f"known are {', '.join(known)}")
    models = data.get("models")
    there = list(models) if isinstance(models, dict) else []
    for name in named:
        if name not in there:
            raise UsageError(
                f"--model {name}: the values have no such model", f"they have {', '.join(there) or 'none'}"
            )


def _sound(data: dict[str, Any], violations: Iterable[Found]) -> tuple[dict[str, Any], list[str]]:
    """The values without the models that the schema refuses, and the names of those."""
    models = data.get("models")
    if not isinstance(models, dict):
        return {}, []
    places = [found.at for found in violations]
    if any(at[0] == "defaults" for at in places):  # every model has them in it
        return {}, list(models)
    broken = {at[1] for at in places if at[0] == "models" and len(at) > 1}
    kept = {name: body for name, body in models.items() if name not in broken}
    return {**data, "models": kept}, [name for name in models if name in broken]


def _look(subject: Subject, values: Values) -> Iterator[Finding]:
    for rule in RULES:
        for found in rule.look(subject) if rule.look else ():
            path = subject.workload.path_of(found.at)
            yield _finding(rule.id, found.level or rule.level, path, found, values)


def _finding(rule: str, level: Level, path: KeyPath, found: Found, values: Values) -> Finding:
    place = values.place(path)
    return Finding(rule, level, ".".join(path), found.message, found.fix, place.file, place.line)
