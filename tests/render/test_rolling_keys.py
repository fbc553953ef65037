"""Which keys of a model change the template of its pods, and which leave it and whatever selects pods alone.

tests/cluster/test_rolling_keys.py has what rolls every pod, and what the API server refuses.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.test_every_key import BODY, CLOSED, CUSTOM, HF, JOB, SHARED, Change, leaves, put

from charttest.helm import helm

if TYPE_CHECKING:
    from charttest.plugin import Chart

TABLE = yaml.safe_load((Path(__file__).parent / "rolling_keys.yaml").read_text())
ROLLS: list[str] = [key for line in TABLE["rolls"] for key in line]
STAYS: list[list[str]] = TABLE["stays"]
REPLACES: list[str] = TABLE["replaces"]
REGROUPS: list[str] = TABLE["regroups"]
REFUSED: dict[str, str] = TABLE["refused"]

BESIDE = {"source": {**JOB["source"], "job": {"claim": "models", "hook": False}}}
ON_HOOK = {"source": {**JOB["source"], "job": {"claim": "hooked"}}}
# Where this cluster must run what tests/render only reads: downloads beside the pods, labels that nodes have.
HERE = {
    "accelerator.count": Change(1),
    "custom.api": Change("/openai", CUSTOM),
    "source.download": Change("job", also={"source.job.claim": "models", "source.job.hook": False}),
    "source.job.hook": Change(False, ON_HOOK),
    **{
        key: BODY[key]._replace(base=BESIDE)
        for key in BODY
        if key.startswith("source.job.") and key != "source.job.hook"
    },
    "source.job.nodeSelector": Change({"kubernetes.io/os": "linux"}, BESIDE),
    "scheduling.exclusiveTopology": BODY["scheduling.exclusiveTopology"]._replace(
        other="topology.kubernetes.io/rack"
    ),
}
# The models of the keys above that have pods. A Deployment without any has a template all the same, and the pods
# of every kind of workload follow their template here.
WITH_PODS = {
    "args",
    "disaggregation.connector",
    "parallelism.balancing",
    *REPLACES,
    *REGROUPS,
}
ROOT: dict[str, Any] = {
    **SHARED,
    **CLOSED,
    "storage": {"claims": {"models": {"size": "1Ti"}, "hooked": {"size": "1Ti"}}},
    "secrets": {"apiKey": {"existingSecret": "clients"}},
    "tests": {"enabled": False},
}
# Sections beside the models that restart none of them.
BESIDE_MODELS: dict[str, Any] = {
    "commonAnnotations": {"a": "b"},
    "networkPolicy": {**CLOSED["networkPolicy"], "scrapeFrom": [{"namespaceSelector": {}}]},
    "routing": {
        "kind": "ingress",
        "ingress": {"controller": "traefik"},
        "routes": {"public": {"hosts": ["h.example.com"], "models": {"deployment": {}}}},
    },
    "scaling": {**SHARED["scaling"], "wvaNamespaceLabel": "namespace"},
    "serviceAccount": {"annotations": {"a": "b"}},
    "tests": {"enabled": True, "image": "python:3.13-slim"},
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}],
}
# No upgrade changes these, one for each kind of workload.
UNTOUCHED: dict[str, dict[str, Any]] = {
    "deployment": {},
    "statefulset": {"cache": {"type": "perReplica", "size": "1Gi"}},
    "leaderworkerset": {"parallelism": {"tensor": 2, "pipeline": 2, "nodes": 2}},
}
CHANGED = [*([key] for key in [*ROLLS, *REPLACES, *REGROUPS]), *STAYS]
NAMES = {key: f"m{number}" for number, keys in enumerate(CHANGED) for key in keys}


def values(*, changed: bool) -> dict[str, Any]:
    """The release before or after the upgrade; every model has weights of its own, so that no two share a download."""
    models = {name: {"source": {"uri": HF}, **body} for name, body in UNTOUCHED.items()}
    for keys in CHANGED:
        name = NAMES[keys[0]]
        changes = {key: HERE.get(key) or BODY[key] for key in keys}
        body = deepcopy({"source": {"uri": HF}, **changes[keys[0]].base})
        if body["source"]["uri"] == HF:
            body["source"]["uri"] = f"hf://org/{name}"
        if keys[0] in ROLLS and keys[0] not in WITH_PODS:
            body["replicas"] = 0
        for key, change in changes.items() if changed else ():
            for each, value in {key: change.other, **change.also}.items():
                body = put(body, each, value)
        models[name] = body
    return {**ROOT, **(BESIDE_MODELS if changed else {}), "models": models}


def rendered(chart: Chart, *, changed: bool) -> list[dict[str, Any]]:
    """The objects of the release, of which the other tests show that they are valid."""
    text = json.dumps(values(changed=changed))
    documents = yaml.load_all(
        helm().run("template", "r", str(chart.path), "--values", "-", stdin=text), Loader=yaml.CSafeLoader
    )
    return [item for item in documents if item]


def templates(objects: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """By model, the kind of its main workload and the template of its pods."""
    found = {}
    for item in objects:
        labels = item["metadata"].get("labels", {})
        template = item.get("spec", {}).get("template") or item.get("spec", {}).get("leaderWorkerTemplate")
        if template and item["kind"] != "Job" and labels.get("vllm-stack.io/variant") == "main":
            found[labels["vllm-stack.io/model"]] = (item["kind"], json.dumps(template, sort_keys=True))
    return found


def selectors(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Whatever selects pods, by kind and name."""
    kinds = {"Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["spec"].get("selector")
        or item["spec"]["podSelector"]
        for item in objects
        if item["kind"] in kinds
    }


@pytest.fixture(scope="module")
def both(chart: Chart) -> list[list[dict[str, Any]]]:
    """The objects before and after every key was changed."""
    return [rendered(chart, changed=changed) for changed in (False, True)]


def test_every_key_of_a_body_is_in_one_table(chart: Chart) -> None:
    text = yaml.safe_load((chart.path / "values.yaml").read_text())
    keys = [key.removeprefix("defaults.") for key in leaves(text) if key.startswith("defaults.")]
    assert sorted([*NAMES, *REFUSED]) == sorted(keys)


def test_a_key_that_rolls_changes_the_template_and_no_other_does(both: list[list[dict[str, Any]]]) -> None:
    before, after = (templates(objects) for objects in both)
    changed = {name for name, template in before.items() if after.get(name) != template}
    assert changed == {NAMES[key] for key in [*ROLLS, *REPLACES]}
    kinds = {name for name, (kind, _) in before.items() if after.get(name, ("",))[0] != kind}
    assert kinds == {NAMES[key] for key in REPLACES}


def test_no_key_changes_what_selects_pods(both: list[list[dict[str, Any]]]) -> None:
    before, after = (selectors(objects) for objects in both)
    common = before.keys() & after.keys()
    assert len(common) > len(CHANGED)
    assert [name for name in common if before[name] != after[name]] == []
