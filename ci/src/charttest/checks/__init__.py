"""The rules that every render is held to: one small module each, with an id, a sentence and a fix."""

from __future__ import annotations

from charttest.checks import (
    claims,
    custom_resource,
    disruption,
    duplicates,
    mounts,
    names,
    pod_security,
    probes,
    quantities,
    references,
    replicas,
    rollout,
    routes,
    schema,
    secrets,
    selectors,
    services,
    shutdown,
)
from charttest.checks.model import Check, Finding, Manifest, Manifests, Pod

ALL: tuple[Check, ...] = tuple(
    module.CHECK
    for module in (
        schema,
        custom_resource,
        names,
        duplicates,
        quantities,
        selectors,
        services,
        disruption,
        references,
        mounts,
        claims,
        routes,
        replicas,
        rollout,
        probes,
        shutdown,
        pod_security,
        secrets,
    )
)

__all__ = ["ALL", "Check", "Finding", "Manifest", "Manifests", "Pod", "run_checks"]


def run_checks(manifests: Manifests, ignore: frozenset[str] = frozenset()) -> list[Finding]:
    """Every finding of every check that is not ignored, in the order of ALL."""
    return [found for check in ALL if check.id not in ignore for found in check.findings(manifests)]
