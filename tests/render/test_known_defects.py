"""The 36 defects that users of other charts have met, each as a test that this chart passes."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.test_behaviour import engine, pod, selectors
from tests.render.test_refusals import refusal

from charttest.checks import Manifests
from charttest.checks.selectors import matches
from charttest.quantity import parse
from charttest.render import FindingsError

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.checks import Manifest
    from charttest.plugin import Chart
    from charttest.render import Rendered

CHART = Path(__file__).parents[2] / "charts/vllm-stack"
MODEL = {"source": {"uri": "hf://org/model"}}
WORKLOADS = ("Deployment", "StatefulSet", "LeaderWorkerSet")
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
# Names that vLLM 0.33.0 no longer exports, and that dashboards and routers still ask for.
STALE = (
    "gpu_cache_usage_perc",
    "gpu_prefix_cache_",
    "time_per_output_token_seconds_bucket",
    "num_requests_swapped",
    "vllm:cpu_cache_usage_perc",
)


@pytest.fixture(scope="module")
def scenarios(chart: Chart) -> dict[str, Rendered]:
    """Every scenario of ci/, rendered once."""
    return {s.name: chart.render(*s.values, external=s.external) for s in chart.scenarios}


def objects(scenarios: dict[str, Rendered], *kinds: str) -> list[Manifest]:
    return [item for rendered in scenarios.values() for kind in kinds for item in rendered.find(kind)]


def replicas(workload: Manifest) -> Any:
    return workload.spec.get("replicas")


def test_defect_01_a_service_never_selects_pods_of_another_release(chart: Chart) -> None:
    values = {"models": {"m": {**MODEL, "podLabels": {"environment": "test", "release": "test"}}}}
    one, two = (chart.render(values, release=release) for release in ("r1", "r2"))
    service = one.one("Service").spec["selector"]
    assert any(matches(service, item.labels) for item in Manifests(one.objects).pods)
    assert not any(matches(service, item.labels) for item in Manifests(two.objects).pods)


def test_defect_02_no_label_of_a_user_reaches_a_selector(render_model: RenderModel) -> None:
    before = selectors(render_model({"replicas": 2}))
    after = selectors(render_model({"replicas": 2, "podLabels": {"release": "b", "model": "c"}}))
    assert before == after != []


def test_defect_03_no_selector_is_shared_by_two_releases(chart: Chart) -> None:
    values = {"models": {"m": {**MODEL, "replicas": 2}}}
    one, two = (selectors(chart.render(values, release=release)) for release in ("r1", "r2"))
    assert one
    assert not [selector for selector in one if selector in two]


def test_defect_04_a_budget_selects_its_workload_and_a_single_replica_has_none(
    render_model: RenderModel,
) -> None:
    rendered = render_model({"replicas": 2})
    assert rendered.one("PodDisruptionBudget").spec["selector"] == rendered.one("Deployment").spec["selector"]
    assert render_model({"replicas": 1}).find("PodDisruptionBudget") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"disruption": {"maxUnavailable": 0}}, {"maxUnavailable": 0}),
        ({"disruption": {"minAvailable": 0}}, {"minAvailable": 0}),
    ],
)
def test_defect_05_zero_is_a_value(
    render_model: RenderModel, body: dict[str, Any], field: dict[str, int]
) -> None:
    spec = render_model({"replicas": 2, **body}).one("PodDisruptionBudget").spec
    assert {key: spec[key] for key in spec if key.endswith("vailable")} == field
    assert render_model({"replicas": 0}).one("Deployment").spec["replicas"] == 0


def scaled(rendered: Rendered) -> dict[str, str]:
    """The workloads that a scaler owns, by name, and the scaler's kind."""
    return {
        item.spec["scaleTargetRef"]["name"]: item.kind for kind in SCALERS for item in rendered.find(kind)
    }


def test_defect_06_nothing_writes_replicas_beside_a_scaler(scenarios: dict[str, Rendered]) -> None:
    owned = [
        workload
        for rendered in scenarios.values()
        for kind in WORKLOADS
        for workload in rendered.find(kind)
        if workload.name in scaled(rendered)
    ]
    assert len(owned) > 2
    assert [item.name for item in owned if replicas(item) is not None] == []


def test_defect_07_replicas_are_absent_only_where_a_scaler_is(scenarios: dict[str, Rendered]) -> None:
    for rendered in scenarios.values():
        absent = {w.name for kind in WORKLOADS for w in rendered.find(kind) if replicas(w) is None}
        assert absent == set(scaled(rendered))


def queries(scenarios: dict[str, Rendered]) -> list[str]:
    return [
        trigger["metadata"]["query"]
        for item in objects(scenarios, "ScaledObject")
        for trigger in item.spec["triggers"]
        if trigger["type"] == "prometheus"
    ]


def test_defect_08_every_query_is_aggregated_scoped_and_uses_labels_that_vllm_exports(
    scenarios: dict[str, Rendered],
) -> None:
    # Labels of a series' own, and those that Prometheus adds to a target; it renames what both have.
    added = {"namespace", "exported_namespace", "pod", "service", "job", "container"}
    own = {
        "vllm:": {"model_name", "engine", "le"},  # vLLM 0.33.0 v1/metrics/loggers.py
        "wva_": {"variant_name"},  # the Workload Variant Autoscaler 0.9.0's desired replicas
    }
    found = queries(scenarios)
    assert len(found) > 1
    for query in found:
        assert re.search(r"\b(sum|avg|max|histogram_quantile)\b", query), query
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)  # a value may hold braces: it is a pattern
        for series, selector in re.findall(r"([\w:]+)\{([^}]*)\}", bare):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            (exported,) = (names for prefix, names in own.items() if series.startswith(prefix))
            assert labels & {"namespace", "exported_namespace"}, query
            assert labels <= added | exported, query


@pytest.mark.parametrize("kind", ["cpu", "memory"])
def test_defect_09_a_gpu_workload_is_not_scaled_by_cpu_or_memory(chart: Chart, kind: str) -> None:
    trigger = {"type": kind, "metricType": "Utilization", "metadata": {"value": "60"}}
    body = {**MODEL, "autoscaling": {"mode": "keda", "triggers": [trigger]}}
    assert "models.m.autoscaling" in refusal(chart, {"models": {"m": body}})
    empty = {**MODEL, "autoscaling": {"mode": "hpa", "metrics": None}}
    assert "models.m.autoscaling" in refusal(chart, {"models": {"m": empty}})


def test_defect_10_no_file_of_the_chart_names_a_metric_that_is_gone() -> None:
    files = [path for path in CHART.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert len(files) > 30
    assert [(path.name, name) for path in files for name in STALE if name in path.read_text()] == []


def test_defect_11_what_is_not_set_leaves_the_engines_own_default(render_model: RenderModel) -> None:
    assert not [text for text in engine(render_model())["args"] if "prefix-caching" in text]
    off = engine(render_model({"args": {"enable-prefix-caching": False}}))["args"]
    assert "--no-enable-prefix-caching" in off


def test_defect_12_pipeline_parallelism_and_an_existing_claim_reach_every_pod(
    render_model: RenderModel,
) -> None:
    claim = {"cache": {"type": "existingClaim", "claimName": "mine"}}
    rendered = render_model(
        {"parallelism": {"pipeline": 2}, **claim}, external={"PersistentVolumeClaim/mine"}
    )
    assert "--pipeline-parallel-size=2" in engine(rendered)["args"]
    assert {"claimName": "mine"} in [v.get("persistentVolumeClaim") for v in pod(rendered)["volumes"]]


def test_defect_13_a_claim_that_nobody_makes_is_a_finding(render_model: RenderModel) -> None:
    with pytest.raises(FindingsError, match=r"PersistentVolumeClaim.*\bmine\b"):
        render_model({"cache": {"type": "existingClaim", "claimName": "mine"}})


def test_defect_14_no_dead_variable_and_no_object_without_the_release_in_its_name(
    scenarios: dict[str, Rendered],
) -> None:
    extra = set()
    for scenario in scenarios.values():
        for item in scenario.objects:
            if (
                "r-" not in item.name
                and item["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "vllm-stack"
            ):
                extra.add(f"{item.kind}/{item.name}")
        for found in Manifests(scenario.objects).pods:
            names = {v["name"] for c in found.spec["containers"] for v in c.get("env", [])}
            assert "VLLM_USE_V1" not in names
            assert found.spec.get("terminationGracePeriodSeconds", 30) > 0
    assert extra == set()


CACHES: list[dict[str, Any]] = [
    {},
    {"type": "emptyDir", "size": "10Gi"},
    {"type": "claim", "size": "10Gi"},
    {"type": "existingClaim", "claimName": "mine"},
]
SOURCES = ["hf://org/model", "pvc://mine/model", "pvc://mine", "/models-in-image"]
SHARED: list[dict[str, Any]] = [{}, {"size": "0"}, {"size": "2Gi"}]
TEMPLATES = ["", "{{ x }}", "/t.jinja"]


def test_defect_15_all_combinations_of_storage_render(chart: Chart) -> None:
    bodies = [
        {"cache": cache, "source": {"uri": uri}, "sharedMemory": shared, "chatTemplate": template}
        for cache, uri, shared, template in itertools.product(CACHES, SOURCES, SHARED, TEMPLATES)
    ]
    models = {f"m{number}": body for number, body in enumerate(bodies)}
    rendered = chart.render({"models": models}, external={"PersistentVolumeClaim/mine"})
    assert len(rendered.find("Deployment")) == len(bodies) == 144


def test_defect_16_a_disabled_model_renders_nothing(chart: Chart) -> None:
    body = {**MODEL, "replicas": 2, "chatTemplate": "x", "cache": {"type": "claim", "size": "50Gi"}}
    on = chart.render({"models": {"a": MODEL}})
    with_disabled = chart.render({"models": {"a": MODEL, "b": {**body, "enabled": False}}})
    assert with_disabled.names() == on.names()
    assert chart.render({}).objects == ()


def test_defect_17_long_and_unfit_names_are_cut_or_refused(chart: Chart) -> None:
    rendered = chart.render({"models": {"m" * 63: {**MODEL, "replicas": 2}}}, release="r" * 53)
    assert max(len(item.name) for item in rendered.objects) <= 63
    assert "models.Qwen/Qwen3-8B: the name is no DNS-1035 label" in refusal(
        chart, {"models": {"Qwen/Qwen3-8B": MODEL}}
    )


@pytest.mark.parametrize(
    "values",
    [
        {"models": {"m": {**MODEL, "replicaCuont": 2}}},
        {"models": {"m": {**MODEL, "accelerator": {"reqestGPU": 1}}}},
        {"modelz": {}},
    ],
)
def test_defect_18_a_misspelt_key_is_refused(chart: Chart, values: dict[str, Any]) -> None:
    assert re.search(r"additional propert\w+ '(replicaCuont|reqestGPU|modelz)'", refusal(chart, values))


def test_defect_19_any_accelerator_toleration_and_pull_secret_passes(render_model: RenderModel) -> None:
    toleration = {"key": "team", "operator": "Exists"}
    body = {
        "accelerator": {"resource": "amd.com/gpu"},
        "image": {"pullSecrets": ["registry"]},
        "scheduling": {"tolerations": [toleration]},
    }
    found = pod(render_model(body, external={"Secret/registry"}))
    assert found["containers"][0]["resources"]["limits"] == {"amd.com/gpu": "1"}
    assert toleration in found["tolerations"]
    assert found["imagePullSecrets"] == [{"name": "registry"}]


def test_defect_20_new_configuration_and_new_secrets_roll_the_pods(render_model: RenderModel) -> None:
    def template(body: dict[str, Any], token: str) -> Any:
        root = {"secrets": {"huggingFace": {"token": token}}}
        return render_model(body, root=root).one("Deployment").spec["template"]

    first = template({"chatTemplate": "one"}, "a")
    assert template({"chatTemplate": "one"}, "a") == first
    assert template({"chatTemplate": "two"}, "a") != first
    assert template({"chatTemplate": "one"}, "b") != first


def test_defect_21_a_token_lives_in_a_secret_only(render_model: RenderModel) -> None:
    rendered = render_model(root={"secrets": {"huggingFace": {"token": "hf_literal"}}})
    secret = rendered.one("Secret")
    assert "hf_literal" in str(secret) or "aGZfbGl0ZXJhbA" in str(secret)
    others = [item for item in rendered.objects if item.kind != "Secret"]
    assert "hf_literal" not in str(others)
    assert {"name": secret.name, "key": "HF_TOKEN"} in [
        variable["valueFrom"]["secretKeyRef"]
        for variable in engine(rendered)["env"]
        if "valueFrom" in variable
    ]


@pytest.mark.parametrize("budget", [60, 900, 7200])
def test_defect_22_liveness_never_strikes_before_the_startup_budget_is_spent(
    render_model: RenderModel, budget: int
) -> None:
    container = engine(render_model({"startup": {"budgetSeconds": budget}}))
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= budget
    assert "initialDelaySeconds" not in container["livenessProbe"]


def test_defect_23_the_grace_period_holds_the_pause_and_the_drain(render_model: RenderModel) -> None:
    found = pod(render_model({"shutdown": {"preStopSeconds": 20, "drainSeconds": 300}}))
    assert "--shutdown-timeout=300" in found["containers"][0]["args"]
    assert found["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 20}}
    assert found["terminationGracePeriodSeconds"] > 320


def test_defect_24_no_shell_loop_waits_for_a_metric_before_the_stop(scenarios: dict[str, Rendered]) -> None:
    hooks = [
        container["lifecycle"]["preStop"]
        for scenario in scenarios.values()
        for found in Manifests(scenario.objects).pods
        for container in found.spec["containers"]
        if "lifecycle" in container
    ]
    assert len(hooks) > 10
    assert [hook for hook in hooks if list(hook) != ["sleep"]] == []


def test_defect_25_a_rollout_needs_no_second_gpu(chart: Chart, render_model: RenderModel) -> None:
    strategy = render_model({"replicas": 2}).one("Deployment").spec["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}
    both = {**MODEL, "rollout": {"maxSurge": 0, "maxUnavailable": 0}}
    assert "no pod could ever be replaced" in refusal(chart, {"models": {"m": both}})


def test_defect_26_an_empty_dir_for_weights_has_no_limit_that_nobody_chose(render_model: RenderModel) -> None:
    volumes = {volume["name"]: volume for volume in pod(render_model())["volumes"]}
    assert volumes["cache"] == {"name": "cache", "emptyDir": {}}


def test_defect_27_every_cache_lies_on_a_writable_mount(scenarios: dict[str, Rendered]) -> None:
    seen = 0
    for scenario in scenarios.values():
        for found in Manifests(scenario.objects).pods:
            for container in found.spec["containers"]:
                writable = [
                    m["mountPath"] for m in container.get("volumeMounts", []) if not m.get("readOnly")
                ]
                for variable in container.get("env", []):
                    if re.search(r"(^HF_HOME|_CACHE|_CACHE_ROOT|_CACHE_DIR|_CACHE_HOME)$", variable["name"]):
                        seen += 1
                        assert any(variable["value"].startswith(f"{path}/") for path in writable), variable
    assert seen > 50


def test_defect_28_every_model_source_has_a_scenario_that_renders(scenarios: dict[str, Rendered]) -> None:
    text = "\n".join(path.read_text() for path in CHART.glob("ci/*-values.yaml"))
    assert len(scenarios) == len(list(CHART.glob("ci/*-values.yaml")))
    used = {match[1] for match in re.finditer(r"uri: \"?([a-z0-9]+)://", text)}
    assert {"hf", "pvc", "oci", "s3"} <= used
    assert re.search(r"uri: \"?/", text)


@pytest.mark.parametrize("split", [{"tensor": 2}, {"pipeline": 2}, {"data": 2}, {"tensor": 2, "data": 4}])
def test_defect_29_gpus_that_share_a_pod_have_shared_memory(
    render_model: RenderModel, split: dict[str, int]
) -> None:
    volumes = {volume["name"]: volume for volume in pod(render_model({"parallelism": split}))["volumes"]}
    size = parse(volumes["shm"]["emptyDir"]["sizeLimit"])
    assert volumes["shm"]["emptyDir"]["medium"] == "Memory"
    assert size is not None
    assert size >= 2**30


def test_defect_30_a_scaler_points_at_a_workload_of_its_own_render(scenarios: dict[str, Rendered]) -> None:
    seen = 0
    for rendered in scenarios.values():
        for kind in SCALERS:
            for item in rendered.find(kind):
                target = item.spec["scaleTargetRef"]
                assert rendered.find(target.get("kind", "Deployment"), target["name"]), item.name
                seen += 1
    assert seen > 2


def test_defect_31_nothing_is_published_or_written_outside_the_release(
    chart: Chart, scenarios: dict[str, Rendered]
) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text())
    assert values["defaults"]["service"]["type"] == "ClusterIP"
    assert {item.spec.get("type", "ClusterIP") for item in objects(scenarios, "Service")} == {"ClusterIP"}
    for scenario in scenarios.values():
        named = {item["metadata"].get("namespace", "default") for item in scenario.objects}
        assert len(named) <= 1, named
    for item in objects(scenarios, "ServiceMonitor", "PodMonitor"):
        assert "any" not in item.spec.get("namespaceSelector", {})


def test_defect_32_no_pod_leaves_its_namespaces_or_uses_a_gpu_that_it_did_not_ask_for(
    scenarios: dict[str, Rendered],
) -> None:
    for scenario in scenarios.values():
        for found in Manifests(scenario.objects).pods:
            assert not {"hostIPC", "hostPID", "hostNetwork"} & set(found.spec)
            for container in found.spec["containers"]:
                names = {variable["name"] for variable in container.get("env", [])}
                assert not names & {"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}


def test_defect_33_no_role_may_write_or_read_secrets(scenarios: dict[str, Rendered]) -> None:
    # The autoscaler's controller does write; test_wva.py says what, and why.
    controller = {"app.kubernetes.io/name": "workload-variant-autoscaler"}.items()
    for role in objects(scenarios, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "secrets" not in rule["resources"], role.name
            if not controller <= role["metadata"]["labels"].items():
                assert set(rule["verbs"]) <= {"get", "list", "watch"}, role.name
    assert all(
        found.spec.get("automountServiceAccountToken") is (controller <= found.labels.items())
        for scenario in scenarios.values()
        for found in Manifests(scenario.objects).pods
    )


def test_defect_34_every_container_of_every_pod_is_restricted(scenarios: dict[str, Rendered]) -> None:
    containers = [
        container
        for scenario in scenarios.values()
        for found in Manifests(scenario.objects).pods
        for container in (*found.spec["containers"], *found.spec.get("initContainers", []))
    ]
    assert len(containers) > 50
    for container in containers:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, container["name"]
        assert context["capabilities"]["drop"] == ["ALL"], container["name"]
        assert set(context["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"}, container["name"]


def test_defect_35_every_replica_can_become_ready_so_that_helm_4_can_wait(
    scenarios: dict[str, Rendered],
) -> None:
    # A standby that stays not Ready by design would hold `helm --wait` for ever; tests/cluster waits for real.
    for item in objects(scenarios, "Deployment", "StatefulSet"):
        if item["metadata"]["labels"].get("app.kubernetes.io/component") != "engine":
            continue
        probe = item.spec["template"]["spec"]["containers"][0].get("readinessProbe")
        assert probe is not None
        assert "leader" not in str(probe)


def test_defect_36_a_claim_for_one_node_is_not_given_to_several_pods(chart: Chart) -> None:
    body = {**MODEL, "replicas": 2, "cache": {"type": "claim", "size": "1Gi"}}
    assert "which only one node can mount; set [ReadWriteMany]" in refusal(chart, {"models": {"m": body}})


def test_there_is_a_test_for_each_of_the_36() -> None:
    numbers = re.findall(r"^def test_defect_(\d\d)_", Path(__file__).read_text(), re.M)
    assert [int(number) for number in numbers] == list(range(1, 37))
