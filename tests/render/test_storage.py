"""Named claims: what is made for each kind of backing, what is kept, and what pods mount of it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from charttest.plugin import Chart
    from charttest.render import Rendered

KEEP = "helm.sh/resource-policy"
NFS: dict[str, Any] = {"size": "1Ti", "nfs": {"server": "nfs.example.com", "path": "/models"}}
CSI: dict[str, Any] = {
    "size": "1Ti",
    "csi": {"driver": "csi.example.com", "volumeHandle": "v1", "volumeAttributes": {"a": "b"}},
}
JUICEFS: dict[str, Any] = {"size": "10Pi", "juicefs": {"existingSecret": "juicefs"}}
STATIC: dict[str, Any] = {"size": "10Pi", "juicefs": {"existingSecret": "juicefs", "provisioning": "static"}}
BACKINGS = {
    "class": {"size": "1Ti"},
    "nfs": NFS,
    "csi": CSI,
    "juicefs dynamic": JUICEFS,
    "juicefs static": STATIC,
}


def render(
    chart: Chart, claim: dict[str, Any], body: dict[str, Any] | None = None, **options: Any
) -> Rendered:
    """One model whose weights are on the claim `c`."""
    model = {"source": {"uri": "pvc://c/model"}, "replicas": 2, **(body or {})}
    return chart.render({"storage": {"claims": {"c": claim}}, "models": {"m": model}}, **options)


def mount(rendered: Rendered, name: str = "models") -> dict[str, Any]:
    container = rendered.one("Deployment").spec["template"]["spec"]["containers"][0]
    found: dict[str, Any] = next(entry for entry in container["volumeMounts"] if entry["name"] == name)
    return found


def claim_name(rendered: Rendered, volume: str = "models") -> str:
    volumes = rendered.one("Deployment").spec["template"]["spec"]["volumes"]
    found = next(entry for entry in volumes if entry["name"] == volume)
    return str(found["persistentVolumeClaim"]["claimName"])


@pytest.mark.parametrize("claim", BACKINGS.values(), ids=BACKINGS)
def test_a_claim_and_its_volume_stay_when_the_release_goes(chart: Chart, claim: dict[str, Any]) -> None:
    rendered = render(chart, claim)
    kept = [*rendered.find("PersistentVolumeClaim"), *rendered.find("PersistentVolume")]
    assert kept
    assert {item["metadata"]["annotations"][KEEP] for item in kept} == {"keep"}
    assert claim_name(rendered) == rendered.one("PersistentVolumeClaim").name


@pytest.mark.parametrize("claim", [NFS, CSI, STATIC], ids=["nfs", "csi", "juicefs"])
def test_a_volume_of_its_own_is_bound_to_its_claim_and_to_no_other(
    chart: Chart, claim: dict[str, Any]
) -> None:
    rendered = render(chart, claim, namespace="team")
    volume, made = rendered.one("PersistentVolume"), rendered.one("PersistentVolumeClaim")
    assert made.spec["volumeName"] == volume.name
    assert made.spec["storageClassName"] == volume.spec["storageClassName"] == ""
    reference = volume.spec["claimRef"]
    assert (reference["namespace"], reference["name"]) == ("team", made.name)
    assert volume.spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert volume.spec["capacity"]["storage"] == made.spec["resources"]["requests"]["storage"]


@pytest.mark.parametrize("claim", [NFS, JUICEFS, STATIC], ids=["nfs", "dynamic", "static"])
def test_objects_of_the_whole_cluster_are_never_those_of_another_release(
    chart: Chart, claim: dict[str, Any]
) -> None:
    names = [
        item.name
        for release, namespace in (("a", "b-c"), ("b", "a-c"), ("a-b", "c"), ("c", "a-b"), ("a", "b"))
        for item in render(chart, claim, release=release, namespace=namespace).objects
        if item.kind in ("PersistentVolume", "StorageClass")
    ]
    assert len(set(names)) == 5


def test_a_volume_is_what_its_backing_says(chart: Chart) -> None:
    assert render(chart, NFS).one("PersistentVolume").spec["nfs"] == NFS["nfs"]
    assert render(chart, CSI).one("PersistentVolume").spec["csi"] == CSI["csi"]
    options = {**NFS, "mountOptions": ["nfsvers=4.2", "nconnect=8"]}
    assert render(chart, options).one("PersistentVolume").spec["mountOptions"] == options["mountOptions"]


def test_a_claim_says_what_is_set_and_nothing_else(chart: Chart) -> None:
    bare = render(chart, {"size": "1Gi"}).one("PersistentVolumeClaim")
    assert bare.spec == {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    full = {
        "size": 1000000000000,
        "storageClassName": "fast",
        "accessModes": ["ReadOnlyMany"],
        "annotations": {"team": "x"},
        "dataSource": {"kind": "VolumeSnapshot", "name": "weights", "apiGroup": "snapshot.storage.k8s.io"},
    }
    made = render(chart, full).one("PersistentVolumeClaim")
    assert made.spec["resources"]["requests"]["storage"] == "1000000000000"
    assert {key: made.spec[key] for key in ("storageClassName", "accessModes", "dataSource")} == {
        key: full[key] for key in ("storageClassName", "accessModes", "dataSource")
    }
    assert made["metadata"]["annotations"]["team"] == "x"


def test_an_existing_claim_is_used_by_its_own_name(chart: Chart) -> None:
    rendered = render(chart, {"existing": "team"}, external=["PersistentVolumeClaim/team"])
    assert claim_name(rendered) == "team"
    assert rendered.find("PersistentVolumeClaim") == []


def test_a_claim_that_no_key_names_is_one_of_the_namespace(chart: Chart) -> None:
    external = ["PersistentVolumeClaim/other"]
    rendered = render(chart, {"size": "1Gi"}, {"source": {"uri": "pvc://other/x"}}, external=external)
    assert claim_name(rendered) == "other"


def test_a_cache_can_be_on_a_named_claim(chart: Chart) -> None:
    rendered = render(chart, {"size": "1Gi"}, {"cache": {"type": "existingClaim", "claimName": "c"}})
    assert claim_name(rendered, "cache") == claim_name(rendered) == rendered.one("PersistentVolumeClaim").name
    assert "readOnly" not in mount(rendered, "cache")


def test_a_null_claim_is_none(chart: Chart) -> None:
    values = {"storage": {"claims": {"c": None}}, "models": {"m": {"source": {"uri": "hf://org/m"}}}}
    assert chart.render(values).find("PersistentVolumeClaim") == []


# A claim that a hook fills


def test_a_claim_that_a_hook_fills_is_made_before_and_belongs_to_no_release(chart: Chart) -> None:
    source = {"uri": "hf://org/m", "download": "job", "job": {"claim": "c"}}
    rendered = render(chart, {"size": "1Gi", "annotations": {"team": "x"}}, {"source": source})
    assert rendered.find("PersistentVolumeClaim") == []
    maker = rendered.one("StatefulSet")
    (template,) = maker.spec["volumeClaimTemplates"]
    assert claim_name(rendered) == f"{template['metadata']['name']}-{maker.name}-0"
    assert maker.spec["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    assert maker.spec["template"]["spec"]["schedulingGates"]
    assert template["metadata"]["annotations"]["team"] == "x"
    assert template["spec"]["resources"]["requests"]["storage"] == "1Gi"


def test_what_makes_a_claim_never_has_the_name_of_a_workload_or_of_another_release(chart: Chart) -> None:
    """Helm deletes a hook of that name before it makes it, whosever it is."""
    names = []
    for release, key in (("r", "a-b"), ("r-a", "b"), ("r", "a")):
        source = {"uri": "hf://org/m", "download": "job", "job": {"claim": key}}
        claims = {key: {"size": "1Gi"}}
        rendered = chart.render(
            {"storage": {"claims": claims}, "models": {key: {"source": source}}}, release=release
        )
        names.append(rendered.one("StatefulSet").name)
        assert names[-1] != rendered.one("Deployment").name == f"{release}-{key}"
    assert len(set(names)) == 3


def test_a_claim_has_one_name_whether_a_hook_fills_it_or_not(chart: Chart) -> None:
    source = {"uri": "hf://org/m", "download": "job", "job": {"claim": "c"}}
    hooked = render(chart, {"size": "1Gi"}, {"source": source})
    beside = render(chart, {"size": "1Gi"}, {"source": {**source, "job": {"claim": "c", "hook": False}}})
    assert claim_name(hooked) == claim_name(beside) == beside.one("PersistentVolumeClaim").name


# JuiceFS


@pytest.mark.parametrize("claim", [JUICEFS, STATIC], ids=["dynamic", "static"])
def test_a_mount_of_juicefs_comes_back_with_its_client(chart: Chart, claim: dict[str, Any]) -> None:
    assert mount(render(chart, claim))["mountPropagation"] == "HostToContainer"
    both = {"cache": {"type": "existingClaim", "claimName": "c"}}
    assert mount(render(chart, claim, both), "cache")["mountPropagation"] == "HostToContainer"


def test_propagation_can_be_asked_for_and_turned_off(chart: Chart) -> None:
    existing = {"existing": "team", "mountPropagation": "HostToContainer"}
    rendered = render(chart, existing, external=["PersistentVolumeClaim/team"])
    assert mount(rendered)["mountPropagation"] == "HostToContainer"
    assert mount(render(chart, {**STATIC, "mountPropagation": "None"}))["mountPropagation"] == "None"


def options(rendered: Rendered) -> dict[str, str]:
    found = (
        rendered.find("StorageClass")[0]["mountOptions"]
        if rendered.find("StorageClass")
        else rendered.one("PersistentVolume").spec["mountOptions"]
    )
    return {name: value for name, _, value in (option.partition("=") for option in found)}


@pytest.mark.parametrize("provisioning", ["dynamic", "static"])
def test_juicefs_is_mounted_for_reading_weights(chart: Chart, provisioning: str) -> None:
    body = {
        "existingSecret": "juicefs",
        "provisioning": provisioning,
        "cacheDir": "/mnt/nvme",
        "cacheSize": "500Gi",
    }
    claim = {"size": "1Pi", "juicefs": body, "mountOptions": ["buffer-size=2048", "read-only"]}
    assert options(render(chart, claim)) == {
        "attr-cache": "60",
        "entry-cache": "60",
        "dir-entry-cache": "60",
        "buffer-size": "2048",
        "cache-dir": "/mnt/nvme",
        "cache-size": "512000",  # MiB
        "read-only": "",
    }
    assert "cache-size" not in options(render(chart, JUICEFS))  # JuiceFS' own default


def test_a_static_volume_of_juicefs_is_the_driver_own_and_unlike_any_other(chart: Chart) -> None:
    parameters = {"juicefs/mount-cpu-limit": "4"}
    claim = {"size": "1Pi", "juicefs": {**STATIC["juicefs"], "parameters": parameters}}
    volume = render(chart, claim, namespace="team").one("PersistentVolume")
    assert volume.spec["csi"] == {
        "driver": "csi.juicefs.com",
        "volumeHandle": volume.name,
        "fsType": "juicefs",
        "nodePublishSecretRef": {"name": "juicefs", "namespace": "team"},
        "volumeAttributes": parameters,
    }


def test_a_class_of_juicefs_names_its_secret_for_every_use(chart: Chart) -> None:
    parameters = {"juicefs/mount-memory-limit": "8Gi"}
    claim = {"size": "1Ti", "juicefs": {**JUICEFS["juicefs"], "parameters": parameters}}
    rendered = render(chart, claim, namespace="team")
    made = rendered.one("StorageClass")
    assert made["provisioner"] == "csi.juicefs.com"
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Retain", "Immediate")
    given = made["parameters"]
    for use in ("provisioner", "node-publish", "controller-expand"):
        prefix = f"csi.storage.k8s.io/{use}-secret"
        assert (given[f"{prefix}-name"], given[f"{prefix}-namespace"]) == ("juicefs", "team")
    assert given["pathPattern"] == "${.pvc.namespace}-${.pvc.name}"
    assert given["juicefs/mount-memory-limit"] == "8Gi"
    assert rendered.one("PersistentVolumeClaim").spec["storageClassName"] == made.name


def test_literal_credentials_of_juicefs_are_only_in_its_secret(chart: Chart) -> None:
    literal = {"name": "models", "metaurl": "redis://:pass@redis/1", "access-key": "very-secret"}
    rendered = render(chart, {"size": "1Ti", "juicefs": {"secret": literal}})
    secret = rendered.one("Secret")
    assert {key: base64.b64decode(value).decode() for key, value in secret["data"].items()} == literal
    assert secret["metadata"]["labels"]["juicefs.com/validate-secret"] == "true"
    assert (
        rendered.one("StorageClass")["parameters"]["csi.storage.k8s.io/node-publish-secret-name"]
        == secret.name
    )
    text = json.dumps([item for item in rendered.objects if item.kind != "Secret"])
    assert "very-secret" not in text
    assert "pass@" not in text


def test_a_warm_up_reads_a_folder_on_as_many_nodes_as_it_is_told(chart: Chart) -> None:
    warmup = {"enabled": True, "path": "/a/b/", "nodes": 3, "nodeSelector": {"pool": "gpu"}}
    claim: dict[str, Any] = {"size": "1Pi", "juicefs": {**STATIC["juicefs"], "warmup": warmup}}
    job = render(chart, claim).one("Job")
    assert (job.spec["completions"], job.spec["parallelism"]) == (3, 3)
    spec = job.spec["template"]["spec"]
    assert spec["containers"][0]["command"] == ["juicefs", "warmup", "/models/a/b"]
    assert spec["containers"][0]["image"] == "juicedata/mount:ce-v1.3.1"
    assert spec["nodeSelector"] == {"pool": "gpu"}
    (spread,) = spec["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    assert (
        spread["labelSelector"]["matchLabels"].items() <= job.spec["template"]["metadata"]["labels"].items()
    )
    other = render(chart, {**claim, "juicefs": {**claim["juicefs"], "warmup": {**warmup, "nodes": 4}}})
    assert other.one("Job").name != job.name  # a Job cannot change


def test_no_claim_means_no_object_and_no_warm_up_unless_asked(chart: Chart) -> None:
    assert render(chart, STATIC).find("Job") == []
    assert chart.render({"storage": {"claims": {}}}).names() == set()
