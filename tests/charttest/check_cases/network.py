"""How requests come to pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.charttest.check_cases.objects import (
    TRAEFIK,
    balanced,
    container,
    deployment,
    http,
    ingress,
    objective,
    other,
    policy,
    pool,
    route,
    service,
    stateful,
    virtual_service,
)

if TYPE_CHECKING:
    from tests.charttest.check_cases.objects import Case

CASES: list[Case] = [
    ("services", [service(selector={"app": "b"}), deployment()], "matches no pod", [service(), deployment()]),
    (
        "services",
        [service(ports=[{"port": 80, "targetPort": "web"}]), deployment()],
        "has no container port named 'web'",
        [service(ports=[{"port": 80, "targetPort": 8000}]), deployment()],
    ),
    (
        "services",
        [service(), deployment(container(ports=[]), pod={"initContainers": [container(name="once")]})],
        "has no container port named 'http'",
        [
            service(),
            deployment(
                container(ports=[]),
                pod={"initContainers": [container(name="proxy", restartPolicy="Always")]},
            ),
        ],
    ),
    (
        "services",
        [stateful()],
        "names from the Service a, which is not rendered",
        [stateful(), service(clusterIP="None")],
    ),
    ("services", [stateful(), service()], "the Service a, which is not headless", []),
    (
        "services",
        [stateful(), service(clusterIP="None", selector={"app": "b"})],
        "the Service a, which does not select them",
        [],
    ),
    (
        "network-policies",
        [policy({}, {"app": "b"}), deployment()],
        "matches no pod",
        [policy({}), deployment()],
    ),
    (
        "network-policies",
        [policy({"from": []}), deployment()],
        "from: [], which is everybody",
        [policy({"from": [{"podSelector": {}}]}), deployment()],
    ),
    (
        "network-policies",
        [policy({"ports": [{"port": "grpc"}]}), deployment()],
        "none of Deployment/a has a container port named 'grpc'",
        [policy({"ports": [{"port": "http"}, {"port": 8001}]}), deployment()],
    ),
    # A sidecar that has the port, and pods beside it that nobody calls.
    (
        "network-policies",
        [policy({"ports": [{"port": "http"}]}), deployment(container(ports=[]))],
        "has a container port named 'http'",
        [
            policy({"ports": [{"port": "http"}]}),
            deployment(
                container(ports=[]),
                pod={"initContainers": [container(name="beside", restartPolicy="Always")]},
            ),
            {**deployment(container(ports=[])), "metadata": {"name": "worker"}},
        ],
    ),
    (
        "routes",
        [route(81), service(), deployment()],
        "leads to port 81",
        [route(80), service(), deployment()],
    ),
    ("routes", [route(80)], "leads to Service/a, which is neither", []),
    ("routes", [ingress()], "leads to Service/a, which is neither", [ingress(), service(), deployment()]),
    (
        "routes",
        [ingress(tls="cert"), service(), deployment()],
        "leads to Secret/cert, which is neither",
        [ingress(tls="cert", **{"cert-manager.io/issuer": "ca"}), service(), deployment()],
    ),
    (
        "routes",
        [ingress(**{TRAEFIK: "default-a@kubernetescrd"}), service(), deployment()],
        "names the Middleware default-a, which is neither",
        [
            ingress(**{TRAEFIK: "default-a@kubernetescrd"}),
            other("traefik.io/v1alpha1", "Middleware", stripPrefix={"prefixes": ["/a"]}),
            service(),
            deployment(),
        ],
    ),
    (
        "routes",
        [virtual_service(http("/v1/", port=81)), service(), deployment()],
        "leads to port 81",
        [virtual_service(http("/v1/")), service(), deployment()],
    ),
    (
        "routes",
        [balanced("b")],
        "leads to Service/b, which is neither",
        [balanced("b.other.svc.cluster.local")],
    ),
    (
        "routes",
        [pool(9000), service(), deployment()],
        "leads to port 9000 of Deployment/a, which has [8000]",
        [pool(), service(), deployment()],
    ),
    ("routes", [pool(app="b"), service(), deployment()], "matches no pod of this release", []),
    ("routes", [pool(picker="b"), service(), deployment()], "leads to Service/b, which is neither", []),
    (
        "routes",
        [objective("b"), pool(), service(), deployment()],
        "leads to InferencePool/b, which is neither",
        [objective("a"), pool(), service(), deployment()],
    ),
    (
        "route-matches",
        [ingress(), ingress("b"), service(), deployment()],
        "claims Prefix /v1 of a.example.com, which Ingress/a does too",
        [ingress(), service(), deployment()],
    ),
    (
        "route-matches",
        [virtual_service(http("/v1/"), http("/v1/", {"x": "y"})), service(), deployment()],
        "after a rule that takes all of these requests",
        [virtual_service(http("/v1/", {"x": "y"}), http("/v1/")), service(), deployment()],
    ),
    (
        "route-matches",
        [virtual_service(http("/v1/", weight=0)), service(), deployment()],
        "weights are all 0: no request gets through",
        [],
    ),
    (
        "route-matches",
        [route(), {**route(), "metadata": {"name": "b"}}, service(), deployment()],
        "claims PathPrefix / of *, which HTTPRoute/a does too",
        [route(), {**route(hostnames=["b.example.com"]), "metadata": {"name": "b"}}, service(), deployment()],
    ),
]
