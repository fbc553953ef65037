"""A hundred models in one release: nothing grows faster than their number, and nothing counts another's pods."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from charttest.checks import Manifest, Manifests
from charttest.checks.queries import queries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from charttest.plugin import Chart, GpuNode
    from charttest.release import Releases
    from charttest.render import Rendered

MODELS = 100
PRODUCT = "NVIDIA-H100-80GB-HBM3"
METRICS = {"waitingRequests": 5, "runningRequests": 16, "kvCacheUsage": 0.8, "timeToFirstTokenSeconds": 2}
ROOM = 10  # models of one route: an HTTPRoute has room for 16 rules
SECRET = 1024**2  # bytes that Kubernetes lets a Secret have
PER_MODEL = 1024  # bytes of the release's Secret, see docs/scaling.md


def values(count: int) -> dict[str, Any]:
    """Models with names of one length, behind one host; every other one has an HPA, the others KEDA."""
    names = [f"m-{number:03}" for number in range(count)]
    models = {
        name: {
            "source": {"uri": f"hf://org/{name}"},
            "accelerator": {"product": PRODUCT},
            "args": {"max-model-len": 8192},
            "autoscaling": {"mode": ("hpa", "keda")[number % 2], "maxReplicas": 4, "metrics": METRICS},
        }
        for number, name in enumerate(names)
    }
    routes = {
        f"llm-{first:03}": {
            "hosts": ["llm.example.com"],
            "models": {name: {"prefix": f"/{name}"} for name in names[first : first + ROOM]},
        }
        for first in range(0, count, ROOM)
    }
    return {
        "models": models,
        "routing": {"kind": "gateway", "gateway": {"parentRefs": [{"name": "public"}]}, "routes": routes},
        "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]},
        "scaling": {"prometheus": {"serverAddress": "http://prometheus:9090"}},
    }


@pytest.fixture(scope="module")
def rendered(chart: Chart) -> dict[int, Rendered]:
    """The objects of one, two and four routes full of models."""
    return {count: chart.render(values(count)) for count in (ROOM, 2 * ROOM, 4 * ROOM)}


def size(items: Iterable[Manifest]) -> int:
    """Bytes of the objects as the API server gets them."""
    return sum(len(json.dumps(item, separators=(",", ":"))) for item in items)


def test_objects_and_their_bytes_grow_with_the_number_of_models_and_no_faster(
    rendered: dict[int, Rendered],
) -> None:
    few, twice, most = rendered.values()
    kinds = [Counter(item.kind for item in each.objects) for each in (few, twice, most)]
    for kind in kinds[0]:
        assert kinds[2][kind] - kinds[1][kind] == 2 * (kinds[1][kind] - kinds[0][kind]), kind
        small, middle, large = (size(each.find(kind)) for each in (few, twice, most))
        assert large - middle == 2 * (middle - small), kind


def test_an_object_knows_its_own_model_only(rendered: dict[int, Rendered]) -> None:
    few, _, most = rendered.values()
    # The pod of `helm test` asks every model for its name.
    largest = [max(size([item]) for item in each.objects if item.kind != "Pod") for each in (few, most)]
    assert largest[0] == largest[1]
    for item in most.objects:
        if item.kind not in ("Pod", "HTTPRoute"):
            assert len(set(re.findall(r"\bm-\d{3}\b", json.dumps(item)))) <= 1, f"{item.kind}/{item.name}"


def test_every_model_is_asked_for_the_same_number_of_series(rendered: dict[int, Rendered]) -> None:
    for count, each in rendered.items():
        asked = list(queries(Manifests(each.objects)))
        assert len(asked) == len(METRICS) * count // 2
        assert len({query.text for query in asked}) == len(asked)


def test_a_hundred_models_are_one_release_whose_secret_has_room_for_many_more(
    release_factory: Releases, gpu_nodes: list[GpuNode]
) -> None:
    free = sum(
        each
        for node in gpu_nodes
        for each in node.accelerators.values()
        if node.labels.get("nvidia.com/gpu.product") == PRODUCT
    )
    if free < MODELS:
        pytest.skip(f"the cluster has {free} GPUs {PRODUCT}, and {MODELS} models need one each")
    release = release_factory(timeout_seconds=900)
    release.install(values(MODELS))
    pods = [item["metadata"]["name"] for item in release.get("pods")]
    assert len(pods) == MODELS
    objects = release.get("deployments,services,horizontalpodautoscalers,scaledobjects,networkpolicies,pdb")
    counts = Counter(item["kind"] for item in objects)
    assert (counts["Deployment"], counts["HorizontalPodAutoscaler"], counts["ScaledObject"]) == (100, 50, 50)
    for item in objects:
        if item["kind"] == "ScaledObject":
            for text in re.findall(r'pod=~"([^"]*)"', json.dumps(item["spec"]).replace('\\"', '"')):
                chosen = [pod for pod in pods if re.fullmatch(text, pod)]
                assert len(chosen) == 1, f"{item['metadata']['name']}: {text} chooses {chosen}"
                assert chosen[0].startswith(item["spec"]["scaleTargetRef"]["name"])

    # Helm keeps the chart, the values and what it rendered in one Secret for each revision.
    hundred = secret_bytes(release.get("secret", f"sh.helm.release.v1.{release.name}.v1"))
    release.upgrade(values(1))
    assert len(release.get("deployments")) == 1
    one = secret_bytes(release.get("secret", f"sh.helm.release.v1.{release.name}.v2"))
    assert hundred < SECRET
    assert (hundred - one) / (MODELS - 1) < PER_MODEL, (one, hundred)


def secret_bytes(secret: dict[str, Any]) -> int:
    """What Kubernetes counts: the values of all keys, decoded."""
    return sum(len(base64.b64decode(value)) for value in secret["data"].values())
