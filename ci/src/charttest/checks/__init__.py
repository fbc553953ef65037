"""The rules that every render is held to: one small module each, with an id, a sentence and a fix."""

from __future__ import annotations

from charttest.checks import (
    api_token,
    claims,
    custom_resource,
    disruption,
    duplicates,
    memory_volumes,
    mounts,
    names,
    network_policies,
    pod_security,
    probes,
    quantities,
    queries,
    references,
    replicas,
    rollout,
    route_matches,
    routes,
    scalers,
    schema,
    secrets,
    selectors,
    service_links,
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
        network_policies,
        disruption,
        references,
        mounts,
        memory_volumes,
        claims,
        routes,
        route_matches,
        replicas,
        scalers,
        queries,
        rollout,
        probes,
        shutdown,
        pod_security,
        service_links,
        api_token,
        secrets,
    )
)

_SHAPE = (schema.CHECK, custom_resource.CHECK)

__all__ = ["ALL", "Check", "Finding", "Manifest", "Manifests", "Pod", "run_checks"]


def run_checks(manifests: Manifests, ignore: frozenset[str] = frozenset()) -> list[Finding]:
    """Every finding of every check that is not ignored, in the order of ALL.

    Where a field has a type that the schema does not know, the schemas' findings are all there is: the
    other checks could not read the objects.
    """
    shape = [found for check in _SHAPE for found in check.findings(manifests)]
    told = list(shape)
    if not shape or schema.readable(manifests, custom_resource.validator):
        told += [found for check in ALL if check not in _SHAPE for found in check.findings(manifests)]
    return [found for found in told if found.check not in ignore]
