"""What stands around the pods: budgets, downloads, routes, and what Helm made of the release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.doctor.containers import container_finding
from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.gathering import ended, statuses
from valuegen.doctor.objects import (
    Object,
    conditions,
    count,
    name,
    one_line,
    owner,
    title,
)
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.doctor.gathering import Seen

ENDS_IT = "does a helm still run? else `helm rollback` or `helm uninstall` it"
GONE_WRONG = {
    "failed": ("Helm's last revision failed", "`helm history` says why; repair it and upgrade again"),
    "pending-install": ("Helm has not finished installing", ENDS_IT),
    "pending-upgrade": ("Helm has not finished upgrading", ENDS_IT),
    "pending-rollback": ("Helm has not finished rolling back", ENDS_IT),
}


def helm(seen: Seen) -> Iterator[Finding]:
    """A revision that did not end well: every pod may be well all the same."""
    if seen.revision in GONE_WRONG:
        why, fix = GONE_WRONG[seen.revision]
        yield translated(Reason("release", why, fix), "warning", f"Release/{seen.release}", seen.revision)


def budgets(seen: Seen) -> Iterator[Finding]:
    """Budgets that allow no eviction though every pod is well: a drain of a node never ends."""
    for item in seen.all("poddisruptionbudgets"):
        status = item.get("status") or {}
        expected, healthy = status.get("expectedPods", 0), status.get("currentHealthy", 0)
        if expected and healthy >= expected and not status.get("disruptionsAllowed", 0):
            spec = item["spec"]
            rule = ", ".join(
                f"{key} {spec[key]}" for key in ("minAvailable", "maxUnavailable") if key in spec
            )
            why = f"the budget {name(item)} lets no pod go ({rule} of {expected}): a drain of its node never ends"
            fix = "raise replicas, or set disruption.maxUnavailable: 1"
            text = f"{healthy} of {expected} pods healthy, 0 disruptions allowed"
            yield translated(Reason("disruption", why, fix), "warning", title(item), text)


def downloads(seen: Seen) -> Iterator[Finding]:
    """Jobs that have given up, or whose pods fail again and again."""
    for job in seen.all("jobs"):
        if (job.get("status") or {}).get("succeeded"):
            continue
        pods = [pod for pod in seen.all("pods") if owner(pod) == ("Job", name(job))]
        ends = [end for pod in pods for status in statuses(pod) if (end := ended(status)).get("exitCode")]
        gave_up = conditions(job).get("Failed", {})
        if not ends:
            waits = [
                found
                for pod in pods
                for each in statuses(pod)
                if (found := container_finding(seen, pod, each))
            ]
            yield from waits[:1]
        if gave_up.get("status") != "True" and not ends:
            continue
        latest = max(ends, key=lambda end: str(end.get("finishedAt")), default={})
        lines = [line.strip() for line in latest.get("message", "").splitlines() if line.strip()]
        said = one_line(lines[-1]) if lines else one_line(gave_up.get("message", ""))
        failed = (job.get("status") or {}).get("failed", len(ends))
        text = f"{gave_up.get('reason', 'running')}, {count(failed, 'pod')} failed"
        if gave_up.get("status") == "True":
            why = f"the download of a model failed: {said}"
            fix = "correct source, its Secret or its claim, then upgrade the release again"
            yield Finding("download", "error", title(job), text, why, fix)
        else:
            why = f"the download of a model fails and is tried again: {said}"
            fix = "correct what it names; the Job goes on by itself"
            yield Finding("download", "warning", title(job), text, why, fix)


def routes(seen: Seen) -> Iterator[Finding]:
    """Routes that no gateway has taken, and Ingresses of a class that is not there."""
    for route in seen.all("httproutes"):
        parents = (route.get("status") or {}).get("parents") or ()
        if not parents:
            why = f"no gateway has taken the route {name(route)}"
            fix = "correct routing.gateway.parentRefs; does the Gateway's controller run?"
            yield translated(Reason("route", why, fix), "error", title(route), "its status has no parents")
        for parent in parents:
            for condition in parent.get("conditions") or ():
                if condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] == "False":
                    yield _refused(route, parent, condition)
    if seen.knows("ingressclasses"):
        classes = {name(item) for item in seen.all("ingressclasses")}
        for item in seen.all("ingresses"):
            wanted = item["spec"].get("ingressClassName")
            if wanted and wanted not in classes:
                known = ", ".join(sorted(classes)) or "none"
                why = f"the IngressClass {wanted} does not exist"
                reason = Reason("route", why, f"install its controller, or name one of: {known}")
                yield translated(reason, "error", title(item), f"ingressClassName: {wanted}")


def _refused(route: Object, parent: Object, condition: Object) -> Finding:
    gateway = parent["parentRef"]["name"]
    said = one_line(condition.get("message", ""))
    why = f"the gateway {gateway} does not take the route {name(route)}: {condition.get('reason')}"
    fix = "correct the route's hosts, sectionName and backends, or the listeners of the Gateway"
    return translated(Reason("route", why, fix), "error", title(route), f"{condition['type']} False: {said}")
