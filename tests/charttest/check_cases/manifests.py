"""What concerns every object: its schema, its name, its amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.charttest.check_cases.objects import (
    container,
    core,
    deployment,
    group,
    other,
    quantity,
    route,
    service,
    unlike,
)

if TYPE_CHECKING:
    from tests.charttest.check_cases.objects import Case

CASES: list[Case] = [
    ("schema", [deployment(replicaCuont=2)], "'replicaCuont' was unexpected", [deployment()]),
    ("schema", [deployment(replicas="2")], "spec.replicas: '2' is not of type", [deployment(replicas=2)]),
    ("schema", [other("policy/v1beta1", "PodDisruptionBudget")], "has no policy/v1beta1", []),
    ("schema", [{"metadata": {"name": "a"}}], "has no apiVersion or no kind", []),
    (
        "custom-resource",
        [route(hostname="a"), service(), deployment()],
        "('hostname' was unexpected)",
        [route(hostnames=["a.example.com"]), service(), deployment()],
    ),
    (
        "custom-resource",
        [other("example.com/v1", "Widget")],
        "no CustomResourceDefinition of example.com/v1",
        [],
    ),
    (
        "custom-resource",
        [group(rolloutStrategie={})],
        "'rolloutStrategie' was unexpected",
        [group(startupPolicy="LeaderCreated")],
    ),
    (
        "names",
        [core("Service", "9a", spec={"ports": [{"port": 1}]})],
        "is not a DNS-1035 label",
        [core("Secret", "9a")],
    ),
    (
        "names",
        [core("Service", "a" * 64, spec={"ports": [{"port": 1}]})],
        "64 characters, a Service can have 63",
        [],
    ),
    ("names", [core("Secret", "A_b")], "is not a DNS-1123 subdomain", [core("Secret", "a.b")]),
    (
        "names",
        [{**core("Secret"), "metadata": {"name": "a", "labels": {"x": "a b"}}}],
        "is no label value",
        [],
    ),
    (
        "names",
        [service(), group()],
        "makes a Service of its own name",
        [{**service(), "metadata": {"name": "b"}}, group()],
    ),
    ("names", [{**group(), "metadata": {"name": "9a"}}], "is not a DNS-1035 label", []),
    (
        "names",
        [{**group(), "metadata": {"name": "a" * 50}}],
        "50 characters, a LeaderWorkerSet can have 49",
        [],
    ),
    (
        "duplicates",
        [core("Secret"), core("Secret")],
        "is rendered twice",
        [core("Secret"), core("ConfigMap")],
    ),
    (
        "duplicates",
        [deployment(container(env=[{"name": "A"}, {"name": "A"}]))],
        "sets the variable A twice",
        [deployment(container(env=[{"name": "A"}, {"name": "B"}]))],
    ),
    (
        "quantities",
        [quantity("memory", limits="16GiB")],
        "'16GiB' is no quantity",
        [quantity("memory", limits="16Gi")],
    ),
    ("quantities", [quantity("cpu", requests="2", limits="500m")], "2 is above the limit 500m", []),
    (
        "quantities",
        [quantity("nvidia.com/gpu", requests="1")],
        "an extended resource needs a limit",
        [quantity("nvidia.com/gpu", requests="1", limits="1")],
    ),
    ("quantities", [quantity("amd.com/gpu", limits="500m")], "no whole number of devices", []),
    ("selectors", [deployment(template=None)], "has no pod template", []),
    (
        "selectors",
        [deployment(selector={"matchLabels": {"app": "b"}})],
        "does not match the labels",
        [deployment()],
    ),
    (
        "selectors",
        [deployment(), {**deployment(), "metadata": {"name": "b"}}],
        "also matches the pods of Deployment/b",
        [deployment()],
    ),
    (
        "selectors",
        [deployment(), group()],
        "also matches the pods of LeaderWorkerSet/a",
        [deployment(), {**group(), "spec": unlike()}],
    ),
]
