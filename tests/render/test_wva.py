"""charts/wva: the controller of the Workload Variant Autoscaler, its files, rights and metrics."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render import wva

from charttest.checks.schema import versions
from charttest.helm import helm
from charttest.lint import Scenario
from charttest.parts import module_dir
from charttest.programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from charttest.plugin import Chart
    from charttest.render import Rendered

MODULE = "github.com/llm-d/llm-d-workload-variant-autoscaler"
NEWEST = versions()[-1]
LIMITED = {**wva.HTTP, "saturation": {"enableLimiter": True}}
SCOPED = {**wva.HTTP, "namespaceScope": {"enabled": True}}
CLOSED = {**wva.HTTP, "networkPolicy": {"enabled": True, "scrapeFrom": [{"podSelector": {}}]}}


@pytest.fixture(scope="module")
def chart() -> Chart:
    return wva.chart()


@pytest.fixture(scope="module")
def scenarios(chart: Chart) -> dict[str, Rendered]:
    """What every scenario renders."""
    return {
        path.stem.removesuffix("-values"): chart.render(
            path, namespace="wva-system", external=Scenario.of(path).external
        )
        for path in wva.FILES
    }


def container(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = rendered.one("Deployment").spec["template"]["spec"]["containers"][0]
    return found


def config(rendered: Rendered, name: str = "r-wva") -> dict[str, Any]:
    """The controller's configuration file."""
    found: dict[str, Any] = yaml.safe_load(rendered.one("ConfigMap", f"{name}-config")["data"]["config.yaml"])
    return found


def saturation(rendered: Rendered) -> dict[str, Any]:
    """The thresholds of all models."""
    found: dict[str, Any] = yaml.safe_load(rendered.one("ConfigMap", "r-wva-saturation")["data"]["default"])
    return found


def rights(rendered: Rendered, *kinds: str) -> set[tuple[str, str]]:
    """(resource, verb) of the controller's roles; a resource is resource.group, or only its name."""
    found = set()
    for item in (item for kind in kinds or ("Role", "ClusterRole") for item in rendered.find(kind)):
        for rule in item["rules"]:
            for group in rule.get("apiGroups", ()):
                for resource in rule["resources"]:
                    name = f"{resource}.{group}".rstrip(".")
                    found |= {(name, verb) for verb in rule["verbs"]}
    return found


# The chart


@pytest.mark.parametrize(
    ("version", "kube_version"),
    [(3, "1.30"), (3, NEWEST), (4, "1.30"), (4, NEWEST), ("3.18", NEWEST)],
    ids=lambda value: f"helm{value}" if value in (3, 4, "3.18") else value,
)
@pytest.mark.parametrize("path", wva.FILES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_a_scenario_of_the_controller_renders_without_a_finding(
    chart: Chart, path: Path, version: int | str, kube_version: str
) -> None:
    external = Scenario.of(path).external
    rendered = chart.render(path, helm=helm(version), kube_version=kube_version, external=external)
    assert rendered.one("Deployment")


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
@pytest.mark.parametrize("name", ["wva", "vllm-stack"])
def test_helm_prints_nothing_but_the_manifests(name: str, major: int) -> None:
    values = ("--set", "prometheus.url=http://prometheus:9090") if name == "wva" else ()
    done = run([str(helm(major).binary), "template", "r", str(wva.CHARTS / name), *values], timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_controllers_folder_is_in_the_charts_and_linked_beside_it() -> None:
    assert wva.FOLDER.is_symlink()
    assert wva.FOLDER.resolve() == (wva.CHARTS / "vllm-stack/charts/wva").resolve()
    (dependency,) = yaml.safe_load((wva.CHARTS / "vllm-stack/Chart.yaml").read_text())["dependencies"]
    own = yaml.safe_load((wva.FOLDER / "Chart.yaml").read_text())
    assert dependency == {"name": "wva", "version": own["version"], "condition": "wva.enabled"}


def schema_keys(part: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[str]:
    part = root["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    keys = part.get("properties", {})
    if not keys and path:
        yield path
    for key, value in keys.items():
        yield from schema_keys(value, root, f"{path}.{key}" if path else key)


def test_values_and_schema_name_the_same_keys(chart: Chart) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text())
    schema = json.loads((chart.path / "values.schema.json").read_text())
    free = re.compile(r"^(resources\.\w+|podSecurityContext|securityContext)\.")
    said = {free.match(key)[1] if free.match(key) else key for key in wva.flat(values)}  # type: ignore[index]
    # `enabled` belongs to a parent chart, which decides by it.
    assert said == set(schema_keys(schema, schema)) - {"enabled"}


def test_every_key_of_the_controllers_values_has_a_comment_above_it(chart: Chart) -> None:
    lines = (chart.path / "values.yaml").read_text().splitlines()
    bare = [
        line.strip()
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r"\s*[A-Za-z]+:", line) and not above.strip().startswith("#")
    ]
    assert bare == []


def test_the_controllers_schema_is_strict_wherever_keys_are_fixed(chart: Chart) -> None:
    def loose(part: Any, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            if "properties" in part and part.get("additionalProperties") is not False:
                yield path
            for key, value in part.items():
                yield from loose(value, f"{path}/{key}")

    assert list(loose(json.loads((chart.path / "values.schema.json").read_text()), "")) == []


def without_words(part: Any) -> Any:
    """A schema without its descriptions."""
    if isinstance(part, list):
        return [without_words(item) for item in part]
    if isinstance(part, dict):
        return {key: without_words(value) for key, value in part.items() if key != "description"}
    return part


def test_the_crd_is_the_one_of_version_0_7_in_words_of_its_own(chart: Chart) -> None:
    (path,) = (chart.path / "crds").iterdir()
    own = yaml.safe_load(path.read_text())
    module = module_dir(MODULE) / "config/crd/bases/llmd.ai_variantautoscalings.yaml"
    theirs = yaml.safe_load(module.read_text())
    assert own["metadata"]["name"] == theirs["metadata"]["name"]
    assert without_words(own["spec"]) == without_words(theirs["spec"])
    assert own["spec"] != theirs["spec"]


# What the controller reads


def test_every_config_map_has_the_label_by_which_the_controller_caches_it(
    scenarios: dict[str, Rendered],
) -> None:
    found = [item for rendered in scenarios.values() for item in rendered.find("ConfigMap")]
    assert len(found) > 2 * len(scenarios)
    for item in found:
        assert wva.NAME_LABEL.items() <= item["metadata"]["labels"].items(), item.name


def test_the_label_is_there_in_a_release_of_the_whole_stack() -> None:
    rendered = wva.chart("vllm-stack").render({"wva": {"enabled": True, **wva.HTTP}})
    assert {item.name for item in rendered.find("ConfigMap")} == {"r-wva-config", "r-wva-saturation"}
    for item in rendered.objects:
        assert wva.NAME_LABEL.items() <= item["metadata"]["labels"].items(), item.name


def test_the_files_that_the_configuration_names_are_mounted(scenarios: dict[str, Rendered]) -> None:
    paths = set()
    for rendered in scenarios.values():
        (name,) = [item.name for item in rendered.find("Deployment")]
        pod = rendered.one("Deployment").spec["template"]["spec"]
        mounts = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert mounts.pop("/etc/wva/config.yaml")["subPath"] == "config.yaml"
        for key, path in config(rendered, name).items():
            if not key.endswith("_PATH") or path.startswith("/var/run/secrets/kubernetes.io/"):
                continue
            folder, _, file = path.rpartition("/")
            source = volumes[mounts[folder]["name"]]
            items = (source.get("secret") or source["configMap"]).get("items", [{"path": file}])
            assert file in [item["path"] for item in items], key
            paths.add(key)
    assert paths == {f"PROMETHEUS_{part}_PATH" for part in ("CA_CERT", "TOKEN", "CLIENT_CERT", "CLIENT_KEY")}


def test_flags_and_keys_of_0_7_are_those_that_it_reads(chart: Chart) -> None:
    source = module_dir(MODULE)
    secrets = {"caSecret": {"name": "ca"}, "tokenSecret": {"name": "token"}, "clientSecret": "client"}
    values: dict[str, Any] = {
        **wva.OLD,
        "prometheus": {"url": "https://prometheus:9090", "serverName": "p", **secrets},
        "namespaceScope": {"enabled": True},
        "metrics": {"tlsSecret": "metrics"},
        "controllerInstance": "a",
        "scaleToZero": {"enabled": True},
        "saturation": {"enableLimiter": True},
        "gpuNodeSelector": "a=b",
    }
    rendered = chart.render(values, external={f"Secret/{n}" for n in ("ca", "token", "client", "metrics")})
    main = (source / "cmd/main.go").read_text()
    flags = [argument.partition("=")[0].removeprefix("--") for argument in container(rendered)["args"]]
    assert len(flags) > 8
    assert [flag for flag in flags if f'"{flag}"' not in main] == []
    code = "".join(path.read_text() for path in (source / "internal").rglob("*.go")) + main
    keys = [*config(rendered), *(variable["name"] for variable in container(rendered)["env"])]
    assert len(keys) > 10
    assert [key for key in keys if f'"{key}"' not in code] == []
    fields = (source / "internal/config/saturation_scaling.go").read_text()
    assert [key for key in saturation(rendered) if f'yaml:"{key}' not in fields] == []


def test_only_what_is_read_at_the_start_restarts_the_controller(chart: Chart) -> None:
    def template(**values: Any) -> Any:
        return chart.render({**wva.HTTP, **values}).one("Deployment").spec["template"]

    first = template()
    assert template(saturation={"kvCacheThreshold": 0.7}) == first
    assert template(interval="30s") != first
    assert template(prometheus={"url": "http://other:9090"}) != first


def test_an_http_address_is_allowed_by_itself_and_takes_no_credentials(chart: Chart) -> None:
    assert config(chart.render(wva.HTTP))["PROMETHEUS_ALLOW_HTTP"] == "true"
    assert set(config(chart.render(wva.HTTPS))) == {"PROMETHEUS_BASE_URL", "LEADER_ELECTION_ID"}


@pytest.mark.parametrize("values", [wva.HTTP, wva.OLD], ids=["0.9", "0.7"])
def test_the_thresholds_choose_the_analyzer(chart: Chart, values: dict[str, Any]) -> None:
    second = saturation(chart.render(values))
    assert second["analyzers"] == [{"name": "saturation"}]
    assert (second["scaleUpThreshold"], second["scaleDownBoundary"]) == (0.85, 0.7)
    first = saturation(chart.render({**values, "saturation": {"analyzer": "v1"}}))
    assert first == {
        "kvCacheThreshold": 0.8,
        "queueLengthThreshold": 5,
        "kvSpareTrigger": 0.1,
        "queueSpareTrigger": 3,
        "priority": 1,
    }


def test_a_namespace_has_a_whole_set_of_thresholds_under_the_same_name(
    scenarios: dict[str, Rendered],
) -> None:
    found = scenarios["quotas"].find("ConfigMap", "r-wva-saturation")
    by_namespace = {item["metadata"].get("namespace"): item for item in found}
    assert len(found) == len(by_namespace) == 2
    team = by_namespace["team-a"]
    said = yaml.safe_load(team["data"]["default"])
    assert (said["scaleUpThreshold"], said["scaleDownBoundary"], said["kvCacheThreshold"]) == (0.75, 0.6, 0.8)
    # The controller reads these from its own namespace only.
    assert not {"limiters", "enableRescale"} & set(said)


def test_scale_to_zero_is_on_by_variable_and_by_model(scenarios: dict[str, Rendered]) -> None:
    rendered = scenarios["scale-to-zero"]
    data = rendered.one("ConfigMap", "wva-model-scale-to-zero-config")["data"]
    assert {key: yaml.safe_load(text) for key, text in data.items()} == {
        "default": {"enable_scale_to_zero": True, "retention_period": "30m"},
        "chat": {"model_id": "Qwen/Qwen3-8B", "enable_scale_to_zero": False},
        "embeddings": {"model_id": "BAAI/bge-m3", "retention_period": "1h"},
    }
    assert {"name": "WVA_SCALE_TO_ZERO", "value": "true"} in container(rendered)["env"]


# What it may do

WRITES = {
    ("events", "create"),
    ("events", "patch"),
    ("leases.coordination.k8s.io", "create"),
    ("leases.coordination.k8s.io", "update"),
    ("deployments/scale.apps", "update"),
    ("leaderworkersets/scale.leaderworkerset.x-k8s.io", "update"),
    ("variantautoscalings/status.llmd.ai", "patch"),
    ("tokenreviews.authentication.k8s.io", "create"),
    ("subjectaccessreviews.authorization.k8s.io", "create"),
}


def test_the_controller_writes_replicas_events_its_lease_and_status_and_reads_no_secret(
    scenarios: dict[str, Rendered],
) -> None:
    all_rights = set().union(*(rights(rendered) for rendered in scenarios.values()))
    assert {(name, verb) for name, verb in all_rights if verb not in ("get", "list", "watch")} == WRITES
    assert not [name for name, _ in all_rights if "secrets" in name or "*" in name]


def test_the_page_about_the_controller_gives_a_reason_for_every_right(
    scenarios: dict[str, Rendered],
) -> None:
    page = (wva.CHARTS.parent / "docs/wva.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z, ]+) \| ([^|]+) \| [^|]{10,} \|$", page, re.M)
    for version, api in (("0.9", "annotations"), ("0.7", "variantautoscaling")):
        told = {(name, verb) for name, verbs, where in rows if version in where for verb in verbs.split(", ")}
        used = set()
        for path in wva.FILES:
            values = yaml.safe_load(path.read_text())
            if values.get("api", "annotations") == api:
                used |= rights(scenarios[path.stem.removesuffix("-values")])
        if version == "0.7":  # the scenario of 0.7 counts no GPUs
            used |= {("nodes", "list"), ("nodes", "watch")}
        assert told == used


def test_nodes_are_read_where_gpus_are_counted_only(chart: Chart) -> None:
    quota = {"type": "quota", "name": "a", "scope": "cluster", "quotas": {"H100": 1}}
    declared = {**wva.HTTP, "saturation": {"enableLimiter": True, "limiters": [quota]}}
    assert ("nodes", "list") not in rights(chart.render(wva.HTTP)) | rights(chart.render(declared))
    assert {("nodes", "list"), ("nodes", "watch")} <= rights(chart.render(LIMITED))
    assert rights(chart.render({**LIMITED, **SCOPED}), "ClusterRole") >= {("nodes", "list")}


def test_a_controller_of_one_namespace_has_no_rights_outside(scenarios: dict[str, Rendered]) -> None:
    rendered = scenarios["namespace"]
    assert rendered.find("ClusterRole") == []
    assert rendered.find("ClusterRoleBinding") == []
    assert "--watch-namespace=wva-system" in container(rendered)["args"]
    assert {item["metadata"].get("namespace", "wva-system") for item in rendered.find("Role")} == {
        "wva-system"
    }


def test_a_controller_of_another_namespace_has_its_rights_there_and_reads_its_own_files(chart: Chart) -> None:
    scope = {"enabled": True, "namespace": "team-a"}
    rendered = chart.render({**wva.HTTP, "namespaceScope": scope}, namespace="wva-system")
    there, here = sorted(rendered.find("Role"), key=lambda item: item["metadata"].get("namespace", "~"))
    assert (there["metadata"]["namespace"], here["metadata"].get("namespace")) == ("team-a", None)
    assert {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]} in here["rules"]
    for binding in rendered.find("RoleBinding"):
        (subject,) = binding["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "r-wva", "namespace": "wva-system"}
    assert "--watch-namespace=team-a" in container(rendered)["args"]


def test_two_controllers_share_no_object_without_a_namespace_and_no_lease(chart: Chart) -> None:
    values = {**LIMITED, "metrics": {"readers": [{"name": "p", "namespace": "m"}]}}

    def own(release: str, namespace: str) -> tuple[set[str], Any]:
        rendered = chart.render(values, release=release, namespace=namespace)
        wide = {item.name for item in rendered.objects if item.kind.startswith("Cluster")}
        return wide, config(rendered, rendered.one("Deployment").name)["LEADER_ELECTION_ID"]

    one, two, three = own("a", "x"), own("a", "y"), own("b", "x")
    assert len(one[0] | two[0] | three[0]) == len(one[0]) + len(two[0]) + len(three[0])
    assert one[1] != three[1]


def test_rights_can_come_from_elsewhere(chart: Chart) -> None:
    values = {
        **wva.HTTP,
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "mine"},
    }
    rendered = chart.render(values, external={"ServiceAccount/mine"})
    assert not [item for item in rendered.objects if "Role" in item.kind or item.kind == "ServiceAccount"]


# Its pods and metrics


def test_the_image_is_that_of_the_api_and_a_digest_beats_a_tag(chart: Chart) -> None:
    repository = "ghcr.io/llm-d/llm-d-workload-variant-autoscaler"
    digest = "sha256:" + "a" * 64
    for values, image in (
        (wva.HTTP, f"{repository}:v0.9.0"),
        (wva.OLD, f"{repository}:v0.7.0"),
        ({**wva.OLD, "image": {"tag": "v0.7.0-fix"}}, f"{repository}:v0.7.0-fix"),
        ({**wva.HTTP, "image": {"tag": "nightly"}}, f"{repository}:nightly"),
        ({**wva.HTTP, "image": {"tag": "v0.9.0", "digest": digest}}, f"{repository}@{digest}"),
    ):
        assert container(chart.render(values))["image"] == image


def test_the_controller_may_wait_for_prometheus_as_long_as_it_does_itself(chart: Chart) -> None:
    probes = container(chart.render(wva.HTTP))
    startup = probes["startupProbe"]
    # internal/constants of both versions: 5, 10, 20, 40, 80 and 160 s, each up to a tenth longer
    assert startup["periodSeconds"] * startup["failureThreshold"] > 1.1 * (5 + 10 + 20 + 40 + 80 + 160)
    assert "initialDelaySeconds" not in probes["livenessProbe"]


def test_the_series_that_replicas_follow_are_the_same_whichever_pod_leads(
    scenarios: dict[str, Rendered],
) -> None:
    (endpoint,) = scenarios["https"].one("ServiceMonitor").spec["endpoints"]
    dropped = {rule["targetLabel"]: re.compile(rule["regex"]) for rule in endpoint["metricRelabelings"]}
    assert set(dropped) == {"instance", "pod", "container", "node"}
    for rule in endpoint["metricRelabelings"]:
        assert rule["sourceLabels"] == ["__name__"]
        assert rule.keys() <= {"sourceLabels", "regex", "targetLabel"}  # replace, by $1, which is empty
    for pattern in dropped.values():
        for name in ("wva_desired_replicas", "wva_current_replicas", "wva_desired_ratio"):
            found = pattern.fullmatch(name)
            assert found is not None
            assert found[1] == ""
        assert not pattern.fullmatch("go_goroutines")
        assert not pattern.fullmatch("wva_errors_total")


def test_the_monitor_asks_as_the_metrics_are_served(scenarios: dict[str, Rendered]) -> None:
    (http,) = scenarios["namespace"].one("ServiceMonitor").spec["endpoints"]
    (own,) = scenarios["high-availability"].one("ServiceMonitor").spec["endpoints"]
    (https,) = scenarios["https"].one("ServiceMonitor").spec["endpoints"]
    assert "--metrics-secure=false" in container(scenarios["namespace"])["args"]
    assert not {"scheme", "tlsConfig", "bearerTokenFile"} & set(http)
    assert (https["scheme"], https["tlsConfig"]) == ("https", {"insecureSkipVerify": True})
    assert own["tlsConfig"] == {
        "ca": {"secret": {"name": "wva-metrics", "key": "ca.crt"}},
        "serverName": "r-wva.wva-system.svc",
    }
    assert "--metrics-cert-path=/etc/metrics-certificate" in container(scenarios["high-availability"])["args"]


def test_prometheus_may_read_the_metrics_and_the_pickers_account_nothing_else(
    scenarios: dict[str, Rendered],
) -> None:
    reader = scenarios["https"].one("ClusterRole", "wva-system-r-wva-reader")
    assert reader["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    (subject,) = scenarios["https"].one("ClusterRoleBinding", reader.name)["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "monitoring"}
    rendered = scenarios["scale-to-zero"]
    bindings = [item for item in rendered.objects if item.kind.endswith("Binding")]
    bound = {
        item["roleRef"]["name"]
        for item in bindings
        for subject in item["subjects"]
        if subject["name"] == "r-wva-picker"
    }
    assert bound == {"wva-system-r-wva-reader"}
    secret = rendered.one("Secret")
    assert secret["metadata"]["annotations"]["kubernetes.io/service-account.name"] == "r-wva-picker"
    assert "/var/run/secrets/epp-metrics" in [m["mountPath"] for m in container(rendered)["volumeMounts"]]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://prometheus", 80),
        ("https://prometheus/api", 443),
        ("http://prometheus:9090", 9090),
        ("http://[fd00::1]:9091/x", 9091),
        ("http://[fd00::1]", 80),
    ],
)
def test_the_network_policy_lets_it_out_to_the_port_of_prometheus(chart: Chart, url: str, port: int) -> None:
    policy = {"enabled": True, "scrapeFrom": [{"podSelector": {}}], "apiServerPorts": [6443]}
    rendered = chart.render({"prometheus": {"url": url}, "networkPolicy": policy})
    egress = rendered.one("NetworkPolicy").spec["egress"]
    assert [[each["port"] for each in rule["ports"]] for rule in egress] == [[53, 53], [6443], [port]]


def test_several_pods_have_a_leader_and_a_budget(scenarios: dict[str, Rendered], chart: Chart) -> None:
    rendered = scenarios["high-availability"]
    assert "--leader-elect=true" in container(rendered)["args"]
    assert rendered.one("PodDisruptionBudget").spec["maxUnavailable"] == 1
    alone = chart.render({**wva.HTTP, "leaderElection": {"enabled": False}})
    assert alone.one("Deployment").spec["strategy"] == {"type": "Recreate"}
    assert ("leases.coordination.k8s.io", "create") not in rights(alone)


# What is printed


def notes(chart: Chart, values: dict[str, Any]) -> str:
    where = ("wva", str(chart.path), "--namespace", "wva-system", "--dry-run=client", "--values", "-")
    return helm().run("install", *where, stdin=json.dumps(values)).partition("NOTES:\n")[2]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (wva.HTTP, "The CRD inferencepools.inference.networking.k8s.io must be in the cluster"),
        (
            {**wva.HTTP, "poolGroup": "inference.networking.x-k8s.io"},
            "The CRD inferencepools.inference.networking.x-k8s.io must be in the cluster",
        ),
        (wva.OLD, "So must the CRD servicemonitors.monitoring.coreos.com"),
        (wva.OLD, "never removes it"),
        (wva.HTTP, "Nobody may read its metrics yet"),
        (wva.HTTP, "passes in the clear"),
        (wva.HTTP, "let Prometheus scrape Service wva, port 8443"),
        ({"prometheus": {"url": "https://p", "insecureSkipVerify": True}}, "It takes any certificate"),
        ({"prometheus": {"url": "https://p", "serviceAccountToken": True}}, "cluster-monitoring-view"),
        ({**wva.HTTP, "saturation": {"analyzer": "v1"}}, "it adds none of the others; v2 does"),
        ({**wva.HTTP, "scaleToZero": {"enabled": True}}, "A model without replicas comes back only where"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_controllers_notes_say_what_the_cluster_must_have(
    chart: Chart, values: dict[str, Any], words: str
) -> None:
    assert words in notes(chart, values)


# Every key of values.yaml: its other value, and the values beside it that it needs.
KEYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "api": ("variantautoscaling", wva.HTTPS),
    "image.repository": ("example.com/wva", wva.HTTP),
    "image.tag": ("v0.9.1", wva.HTTP),
    "image.digest": ("sha256:" + "a" * 64, wva.HTTP),
    "image.pullPolicy": ("Always", wva.HTTP),
    "image.pullSecrets": (["a"], wva.HTTP),
    "prometheus.url": ("http://other:9090", wva.HTTP),
    "prometheus.caSecret.name": ("a", wva.HTTPS),
    "prometheus.caSecret.key": ("b", {"prometheus": {"url": "https://p", "caSecret": {"name": "a"}}}),
    "prometheus.caConfigMap.name": ("a", wva.HTTPS),
    "prometheus.caConfigMap.key": ("b", {"prometheus": {"url": "https://p", "caConfigMap": {"name": "a"}}}),
    "prometheus.tokenSecret.name": ("a", wva.HTTPS),
    "prometheus.tokenSecret.key": ("b", {"prometheus": {"url": "https://p", "tokenSecret": {"name": "a"}}}),
    "prometheus.serviceAccountToken": (True, wva.HTTPS),
    "prometheus.clientSecret": ("a", wva.HTTPS),
    "prometheus.serverName": ("a", wva.HTTPS),
    "prometheus.insecureSkipVerify": (True, wva.HTTPS),
    "interval": ("1m", wva.HTTP),
    "saturation.analyzer": ("v1", wva.HTTP),
    "saturation.kvCacheThreshold": (0.7, wva.HTTP),
    "saturation.queueLengthThreshold": (6, wva.HTTP),
    "saturation.kvSpareTrigger": (0.2, wva.HTTP),
    "saturation.queueSpareTrigger": (4, wva.HTTP),
    "saturation.scaleUpThreshold": (0.9, wva.HTTP),
    "saturation.scaleDownBoundary": (0.6, wva.HTTP),
    "saturation.analyzers": ([{"name": "saturation"}, {"name": "throughput"}], wva.HTTP),
    "saturation.priority": (2, wva.HTTP),
    "saturation.enableLimiter": (True, wva.HTTP),
    "saturation.limiters": ([{"type": "gpu-inventory"}], LIMITED),
    "saturation.enableRescale": (True, LIMITED),
    "saturation.namespaces": ({"a": {}}, wva.HTTP),
    "gpuNodeSelector": ("a=b", LIMITED),
    "scaleToZero.enabled": (True, wva.HTTP),
    "scaleToZero.retentionPeriod": ("1h", {**wva.HTTP, "scaleToZero": {"enabled": True}}),
    "scaleToZero.models": ({"a": {"modelID": "m"}}, wva.HTTP),
    "poolGroup": ("inference.networking.x-k8s.io", wva.HTTP),
    "endpointPicker.tokenSecret": ("a", wva.HTTP),
    "endpointPicker.createToken": (True, wva.HTTP),
    "namespaceScope.enabled": (True, wva.HTTP),
    "namespaceScope.namespace": ("a", SCOPED),
    "controllerInstance": ("a", wva.HTTP),
    "leaderElection.enabled": (False, wva.HTTP),
    "leaderElection.leaseSeconds": (90, wva.HTTP),
    "leaderElection.renewSeconds": (40, wva.HTTP),
    "leaderElection.retrySeconds": (5, wva.HTTP),
    "replicas": (2, wva.HTTP),
    **{
        f"resources.{part}.{name}": (value, wva.HTTP)
        for part in ("requests", "limits")
        for name, value in (("cpu", "300m"), ("memory", "300Mi"))
    },
    "metrics.port": (9443, wva.HTTP),
    "metrics.secure": (False, wva.HTTP),
    "metrics.tlsSecret": ("a", wva.HTTP),
    "metrics.readers": ([{"name": "a", "namespace": "b"}], wva.HTTP),
    "metrics.serviceMonitor.enabled": (True, wva.HTTP),
    "metrics.serviceMonitor.interval": (
        "30s",
        {**wva.HTTP, "metrics": {"serviceMonitor": {"enabled": True}}},
    ),
    "metrics.serviceMonitor.labels": (
        {"a": "b"},
        {**wva.HTTP, "metrics": {"serviceMonitor": {"enabled": True}}},
    ),
    "networkPolicy.enabled": (False, CLOSED),
    "networkPolicy.scrapeFrom": ([{"namespaceSelector": {}}], CLOSED),
    "networkPolicy.apiServerPorts": ([6443], CLOSED),
    "networkPolicy.egress": ([{"ports": [{"port": 9002}]}], CLOSED),
    "serviceAccount.create": (False, {**wva.HTTP, "serviceAccount": {"name": "a"}}),
    "serviceAccount.name": ("a", wva.HTTP),
    "serviceAccount.annotations": ({"a": "b"}, wva.HTTP),
    "rbac.create": (False, wva.HTTP),
    "logLevel": ("debug", wva.HTTP),
    "extraConfig": ({"PROMETHEUS_METRICS_CACHE_TTL": "15s"}, wva.HTTP),
    "scheduling.nodeSelector": ({"a": "b"}, wva.HTTP),
    "scheduling.tolerations": ([{"operator": "Exists"}], wva.HTTP),
    "scheduling.affinity": ({"podAffinity": {}}, wva.HTTP),
    "scheduling.priorityClassName": ("a", wva.HTTP),
    "podAnnotations": ({"a": "b"}, wva.HTTP),
    "podLabels": ({"a": "b"}, wva.HTTP),
    "commonLabels": ({"a": "b"}, wva.HTTP),
    "commonAnnotations": ({"a": "b"}, wva.HTTP),
    "podSecurityContext.runAsNonRoot": (False, wva.HTTP),
    "podSecurityContext.seccompProfile.type": ("Localhost", wva.HTTP),
    "securityContext.allowPrivilegeEscalation": (True, wva.HTTP),
    "securityContext.readOnlyRootFilesystem": (False, wva.HTTP),
    "securityContext.capabilities.drop": ([], wva.HTTP),
}
# Keys that render nothing, and why.
SILENT = {
    "global": "belongs to parent charts",
    "prometheus.allowHTTP": "refuses an http:// address, which is in test_refusals_wva.py",
}


def test_every_key_of_the_controller_has_an_entry_here(chart: Chart) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text())
    assert set(wva.flat(values)) == {*KEYS, *SILENT}


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_controller_changes_what_is_rendered(key: str, before: dict[str, str]) -> None:
    other, base = KEYS[key]
    changed = json.loads(json.dumps(base))
    *above, last = key.split(".")
    place = changed
    for name in above:
        place = place.setdefault(name, {})
    place[last] = other
    text = json.dumps(base)
    if text not in before:
        before[text] = template(base)
    assert template(changed) != before[text]


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    """What bases that several keys share rendered."""
    return {}


def template(values: dict[str, Any]) -> str:
    """The manifests, unchecked: a key may loosen what the checks hold."""
    where = {"release": "r", "namespace": "default", "kube_version": NEWEST}
    return helm().template(wva.FOLDER, [values], **where)
