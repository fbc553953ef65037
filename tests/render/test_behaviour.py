"""What the chart promises about what it renders, whatever the values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from charttest.checks import Manifests
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.checks import Manifest
    from charttest.plugin import Chart
    from charttest.render import Rendered

SOURCE = {"source": {"uri": "hf://org/model"}}


def selectors(rendered: Rendered) -> list[dict[str, str]]:
    """Every selector of a workload, Service or PodDisruptionBudget."""
    found = []
    for item in rendered.objects:
        selector = item.spec.get("selector") or {}
        if item.kind != "PersistentVolumeClaim" and selector:
            found.append(selector.get("matchLabels", selector))
    return found


def engine(rendered: Rendered, name: str | None = None) -> dict[str, Any]:
    """The engine container of the only Deployment, or of the named one."""
    container: dict[str, Any] = pod(rendered, name)["containers"][0]
    return container


def pod(rendered: Rendered, name: str | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = rendered.one("Deployment", name).spec["template"]["spec"]
    return spec


# Selectors and names


def test_the_selectors_of_two_releases_are_disjoint(chart: Chart) -> None:
    values = {"models": {"a": {**SOURCE, "replicas": 2, "variants": {"b": {}}}}}
    one, two = (chart.render(values, release=release) for release in ("one", "two"))
    assert len(selectors(one)) == 5  # two Deployments, two budgets, one Service
    for mine, theirs in ((one, two), (two, one)):
        for workload in Manifests(theirs.objects).pods:
            assert not any(matches(selector, workload.labels) for selector in selectors(mine))


# Every value that looks as if it could reach a label.
LABEL_LIKE: list[dict[str, Any]] = [
    {"podLabels": {"team": "x", "app.kubernetes.io/version": "9"}},
    {"podAnnotations": {"team": "x"}},
    {"servedNames": ["other"]},
    {"image": {"tag": "v9"}},
    {"accelerator": {"product": "NVIDIA-L40S"}},
    {"parallelism": {"tensor": 2}},
    {"replicas": 3},
    {"cost": "1.5"},
    {"service": {"annotations": {"team": "x"}, "port": 80}},
    {"scheduling": {"nodeSelector": {"team": "x"}}},
    {"args": {"max-model-len": 1024}},
    {"rollout": {"restartedAt": "2026-01-01"}},
    {"source": {"uri": "hf://other/model", "revision": "v1"}},
]


@pytest.mark.parametrize("body", LABEL_LIKE, ids=json.dumps)
def test_no_value_changes_a_selector(render_model: RenderModel, body: dict[str, Any]) -> None:
    before, after = render_model(), render_model(body)
    labels = before.one("Deployment").spec["selector"]["matchLabels"]
    assert after.one("Deployment").spec["selector"]["matchLabels"] == labels
    assert after.one("Service").spec["selector"] == before.one("Service").spec["selector"]


def test_a_variant_added_later_renames_and_changes_nothing_that_runs(render_model: RenderModel) -> None:
    before = render_model({"replicas": 2})
    after = render_model({"replicas": 2, "variants": {"b": {"replicas": 1}}})
    assert after.names() - before.names() == {"Deployment/r-m-b"}
    assert workloads(before) == workloads(after, but="r-m-b")


def test_a_second_model_changes_nothing_of_the_first(chart: Chart) -> None:
    before = chart.render({"models": {"a": {**SOURCE, "replicas": 2}}})
    after = chart.render({"models": {"a": {**SOURCE, "replicas": 2}, "b": SOURCE}})
    assert after.names() - before.names() == {"Deployment/r-b", "Service/r-b"}
    assert workloads(before) == workloads(after, but="r-b")


def workloads(rendered: Rendered, but: str = "") -> dict[str, Manifest]:
    """All objects but those of one name, and but the test, which asks every model."""
    left = [item for item in rendered.objects if item.name != but and item.kind != "Pod"]
    return {f"{item.kind}/{item.name}": item for item in left}


def test_a_service_has_all_variants_of_its_model_and_no_other_model(chart: Chart) -> None:
    rendered = chart.render({"models": {"a": {**SOURCE, "variants": {"b": {}}}, "c": SOURCE}})
    selector = rendered.one("Service", "r-a").spec["selector"]
    selected = {pod.owner.name for pod in Manifests(rendered.objects).pods if matches(selector, pod.labels)}
    assert selected == {"r-a", "r-a-b"}


# Nothing, zero and null


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"models": {"m": {**SOURCE, "enabled": False}}},
        {"models": {"m": None}},
        {"defaults": {"enabled": False}, "models": {"m": SOURCE}},
        {"models": {"m": {**SOURCE, "enabled": False, "cache": {"type": "claim", "size": "1Gi"}}}},
        {"models": {"m": {**SOURCE, "enabled": False}}, "secrets": {"apiKey": {"value": "x"}}},
    ],
    ids=json.dumps,
)
def test_a_disabled_model_renders_nothing(chart: Chart, values: dict[str, Any]) -> None:
    assert chart.render(values).names() == set()


def test_the_main_variant_can_be_left_out(render_model: RenderModel) -> None:
    rendered = render_model({"variants": {"main": {"enabled": False}, "b": {}}})
    assert [item.name for item in rendered.find("Deployment")] == ["r-m-b"]


def test_zero_is_a_value(render_model: RenderModel) -> None:
    rendered = render_model(
        {
            "replicas": 0,
            "rollout": {"revisionHistoryLimit": 0, "maxSurge": 1, "maxUnavailable": 0},
            "disruption": {"maxUnavailable": 0},
            "shutdown": {"preStopSeconds": 0, "drainSeconds": 0},
            "args": {"seed": 0, "cpu-offload-gb": 0},
            "env": {"NCCL_DEBUG_LEVEL": 0, "EMPTY": ""},
        }
    )
    spec = rendered.one("Deployment").spec
    assert spec["replicas"] == 0
    assert spec["revisionHistoryLimit"] == 0
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert rendered.one("PodDisruptionBudget").spec["maxUnavailable"] == 0
    assert "lifecycle" not in engine(rendered)
    assert {"--seed=0", "--cpu-offload-gb=0", "--shutdown-timeout=0"} <= set(engine(rendered)["args"])
    environment = {entry["name"]: entry.get("value") for entry in engine(rendered)["env"]}
    assert environment["NCCL_DEBUG_LEVEL"] == "0"
    assert environment["EMPTY"] == ""


def test_null_means_that_the_field_is_absent(render_model: RenderModel) -> None:
    body = {
        "replicas": None,
        "image": {"pullPolicy": None},
        "rollout": {"revisionHistoryLimit": None, "minReadySeconds": None},
        "startup": {"budgetSeconds": None},
        "args": {"max-model-len": None},
        "env": {"VLLM_NO_USAGE_STATS": None},
    }
    rendered = render_model(body, external=["HorizontalPodAutoscaler/r-m"])
    spec, container = rendered.one("Deployment").spec, engine(rendered)
    absent = {"replicas", "revisionHistoryLimit", "minReadySeconds", "progressDeadlineSeconds"}
    assert absent.isdisjoint(spec)
    assert {"imagePullPolicy", "startupProbe", "livenessProbe"}.isdisjoint(container)
    assert not any("max-model-len" in argument for argument in container["args"])
    names = {entry["name"] for entry in container["env"]}
    assert {"VLLM_NO_USAGE_STATS", "VLLM_ENGINE_READY_TIMEOUT_S"}.isdisjoint(names)


@pytest.mark.parametrize(
    "section",
    ["image", "args", "env", "accelerator", "parallelism", "resources", "sharedMemory", "cache", "startup", "shutdown",
     "rollout", "disruption", "scheduling", "service", "podAnnotations", "podLabels"],
)  # fmt: skip
def test_a_whole_section_can_be_null(render_model: RenderModel, section: str) -> None:
    assert render_model({section: None}).find("Deployment")


def test_large_numbers_stay_whole(render_model: RenderModel) -> None:
    rendered = render_model(
        {
            "args": {"kv-cache-memory-bytes": 42949672960, "max-num-batched-tokens": 1000000},
            "env": {"LIMIT": 123456789012},
            "startup": {"budgetSeconds": 1000000},
            "resources": {"limits": {"memory": 64000000000}},
        }
    )
    container = engine(rendered)
    assert {"--kv-cache-memory-bytes=42949672960", "--max-num-batched-tokens=1000000"} <= set(
        container["args"]
    )
    assert {"name": "LIMIT", "value": "123456789012"} in container["env"]
    assert {"name": "VLLM_ENGINE_READY_TIMEOUT_S", "value": "1000000"} in container["env"]
    assert container["resources"]["limits"]["memory"] == "64000000000"
    assert container["startupProbe"]["failureThreshold"] == 500000
    assert "e+" not in json.dumps(rendered.objects)


# What follows from what


@pytest.mark.parametrize(
    ("parallelism", "gpus", "shared_memory"),
    [
        ({}, "1", False),
        ({"tensor": 4}, "4", True),
        ({"pipeline": 2}, "2", True),
        ({"tensor": 2, "data": 2}, "4", True),
    ],
    ids=json.dumps,
)
def test_gpus_and_shared_memory_follow_parallelism(
    render_model: RenderModel, parallelism: dict[str, int], gpus: str, shared_memory: bool
) -> None:
    rendered = render_model({"parallelism": parallelism})
    resources = engine(rendered)["resources"]
    assert resources == {"requests": {"nvidia.com/gpu": gpus}, "limits": {"nvidia.com/gpu": gpus}}
    mounts = {mount["mountPath"] for mount in engine(rendered)["volumeMounts"]}
    assert ("/dev/shm" in mounts) == shared_memory


def test_another_accelerator_is_asked_for_and_tolerated(render_model: RenderModel) -> None:
    rendered = render_model({"accelerator": {"resource": "amd.com/gpu"}})
    assert engine(rendered)["resources"]["limits"] == {"amd.com/gpu": "1"}
    assert {"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod(rendered)[
        "tolerations"
    ]


def test_the_times_of_a_start_follow_its_budget(render_model: RenderModel) -> None:
    rendered = render_model({"startup": {"budgetSeconds": 1805}, "rollout": {"minReadySeconds": 7}})
    container = engine(rendered)
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 1806  # the next whole period
    assert probe["timeoutSeconds"] <= probe["periodSeconds"]  # a probe that hangs takes no more than its turn
    assert {"name": "VLLM_ENGINE_READY_TIMEOUT_S", "value": "1805"} in container["env"]
    deadline = rendered.one("Deployment").spec["progressDeadlineSeconds"]
    assert deadline >= 1805 + 7
    beside = {"uri": "hf://org/m", "download": "job", "job": {"claim": "c", "hook": False}}
    waiting = render_model(
        {"source": beside, "startup": {"budgetSeconds": 1805}, "rollout": {"minReadySeconds": 7}},
        external=["PersistentVolumeClaim/c"],
    )
    assert waiting.one("Deployment").spec["progressDeadlineSeconds"] == deadline + 1805  # the download's


def test_the_grace_period_is_longer_than_sleep_and_drain(render_model: RenderModel) -> None:
    rendered = render_model({"shutdown": {"preStopSeconds": 20, "drainSeconds": 300}})
    assert pod(rendered)["terminationGracePeriodSeconds"] > 20 + 300
    assert engine(rendered)["lifecycle"]["preStop"] == {"sleep": {"seconds": 20}}
    assert "--shutdown-timeout=300" in engine(rendered)["args"]


@pytest.mark.parametrize(
    ("body", "budget"),
    [
        ({"replicas": 1}, None),
        ({"replicas": 2}, {"maxUnavailable": 1}),
        ({"replicas": 1, "disruption": {"minAvailable": 1}}, {"minAvailable": 1}),
        ({"replicas": 3, "disruption": {"minAvailable": "50%"}}, {"minAvailable": "50%"}),
        ({"replicas": 3, "disruption": {"enabled": False}}, None),
    ],
    ids=json.dumps,
)
def test_a_disruption_budget_is_there_when_it_can_help(
    render_model: RenderModel, body: dict[str, Any], budget: dict[str, Any] | None
) -> None:
    found = render_model(body).find("PodDisruptionBudget")
    assert [{k: v for k, v in item.spec.items() if k.endswith("vailable")} for item in found] == (
        [budget] if budget else []
    )
    assert all(item.spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow" for item in found)


@pytest.mark.parametrize(
    ("body", "root"),
    [
        ({"chatTemplate": "{{ b }}"}, {}),
        ({"rollout": {"restartedAt": "now"}}, {}),
        ({}, {"secrets": {"apiKey": {"value": "other"}}}),
    ],
    ids=["chat template", "restartedAt", "secret"],
)
def test_a_changed_configuration_rolls_the_pods(
    render_model: RenderModel, body: dict[str, Any], root: dict[str, Any]
) -> None:
    before = render_model({"chatTemplate": "{{ a }}"}, {"secrets": {"apiKey": {"value": "one"}}})
    after = render_model(
        {"chatTemplate": "{{ a }}", **body}, {"secrets": {"apiKey": {"value": "one"}}, **root}
    )
    assert before.one("Deployment").spec["template"] != after.one("Deployment").spec["template"]


def test_a_literal_secret_is_only_in_a_secret(render_model: RenderModel) -> None:
    literals = {"huggingFace": {"token": "hf_very-secret"}, "apiKey": {"value": "client-secret"}}
    rendered = render_model(root={"secrets": literals})
    assert len(rendered.find("Secret")) == 2
    text = json.dumps([item for item in rendered.objects if item.kind != "Secret"])
    assert "very-secret" not in text
    assert "client-secret" not in text


def test_a_made_claim_is_kept_when_the_release_goes(render_model: RenderModel) -> None:
    rendered = render_model({"cache": {"type": "claim", "size": "40Gi"}})
    claim = rendered.one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_what_the_engine_writes_goes_to_a_mounted_writable_folder(render_model: RenderModel) -> None:
    rendered = render_model({"cache": {"mountPath": "/data"}})
    container = engine(rendered)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    paths = {
        entry["name"]: entry["value"]
        for entry in container["env"]
        if entry["name"].endswith(("HOME", "DIR", "ROOT"))
    }
    assert {"HOME", "HF_HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"} <= set(paths)
    assert {path for path in paths.values() if not path.startswith("/data")} == set()


def test_a_variant_overrides_the_model_and_the_model_the_defaults(chart: Chart) -> None:
    rendered = chart.render(
        {
            "defaults": {"args": {"seed": 1, "max-model-len": 1}, "env": {"A": "defaults"}},
            "models": {
                "m": {
                    **SOURCE,
                    "args": {"seed": 2, "enforce-eager": True},
                    "variants": {
                        "v": {"args": {"enforce-eager": False, "seed": None}, "env": {"A": "variant"}}
                    },
                }
            },
        }
    )
    assert {"--seed=2", "--max-model-len=1", "--enforce-eager"} <= set(engine(rendered, "r-m")["args"])
    variant = engine(rendered, "r-m-v")
    assert {"--max-model-len=1", "--no-enforce-eager"} <= set(variant["args"])
    assert not any(argument.startswith("--seed") for argument in variant["args"])
    assert {"name": "A", "value": "variant"} in variant["env"]


def test_a_route_leads_each_prefix_to_its_model(chart: Chart) -> None:
    rendered = chart.render(
        {
            "models": {"a": SOURCE, "b": SOURCE},
            "routing": {
                "kind": "gateway",
                "gateway": {"parentRefs": [{"name": "public"}]},
                "routes": {"llm": {"hosts": ["llm.example.com"], "models": {"a": {}, "b": {"prefix": "/b"}}}},
            },
        }
    )
    route = rendered.one("HTTPRoute").spec
    assert route["hostnames"] == ["llm.example.com"]
    led = {rule["matches"][0]["path"]["value"]: rule["backendRefs"][0]["name"] for rule in route["rules"]}
    assert led == {"/v1": "r-a", "/b/v1": "r-b"}
