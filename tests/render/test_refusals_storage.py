"""Sources and claims that cannot work are refused with the key, the rule and what to set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.render.test_refusals import refusal

from charttest.helm import HelmError

if TYPE_CHECKING:
    from charttest.plugin import Chart


def job(uri: str = "hf://org/m", claim: str = "", **other: Any) -> dict[str, Any]:
    return {"source": {"uri": uri, "download": "job", "job": {"claim": claim, **other}}}


SOURCES = "set hf://org/name, pvc://claim/path, oci://registry/name:tag, s3://bucket/path or an absolute path in the image"
# The body of one model, and the line that says what is wrong after `models.m.`.
BODIES: list[tuple[dict[str, Any], str]] = [
    *(
        ({"source": {"uri": uri}}, f'source.uri: "{uri}" is no model source; {SOURCES}')
        for uri in (
            "hf://",
            "hf://a/b/c",
            "pvc://",
            "pvc:///x",
            "s3://bucket",
            "oci://name:tag",
            "/",
            "hf://a/b c",
        )
    ),
    (
        {"source": {"uri": "pvc://c/x", "revision": "v1"}},
        "source.revision: only a hf:// source has revisions; remove it",
    ),
    (
        {"source": {"uri": "hf://org/m", "path": "x"}},
        "source.path: only an oci:// source has a folder beside its name; remove it, and write the path into source.uri",
    ),
    (
        {"source": {"uri": "oci://registry.example.com/m"}},
        "source.uri: oci://registry.example.com/m has neither tag nor digest, so pods could get different models; add"
        " :tag or @sha256:…",
    ),
    (
        {"source": {"uri": "s3://bucket/m"}, "args": {"load-format": "safetensors"}},
        "args.load-format: safetensors cannot read s3://; set runai_streamer or runai_streamer_sharded, or"
        " source.download: job",
    ),
    (
        {"source": {"uri": "hf://org/m", "job": {"claim": "c"}}},
        "source.job.claim: nothing is downloaded into it; set source.download: job, or remove it",
    ),
    (
        job(),
        "source.job.claim: a download needs a claim to keep the model on; set the name of a claim of storage.claims, or"
        " of the namespace",
    ),
    (
        job("pvc://c/m", "c"),
        "source.download: only hf:// and s3:// can be downloaded by a job, pvc://c/m is mounted as it is; set download:"
        " engine",
    ),
    (
        job(claim="one-node"),
        "source.job.claim: the Job and the pods both mount one-node, which only one node can; set"
        " storage.claims.one-node.accessModes: [ReadWriteMany], or download: engine with cache.type: claim",
    ),
    (
        job(claim="nfs"),
        "source.job.hook: a hook runs before the volume of storage.claims.nfs exists; set hook: false, or make the claim"
        " before and set storage.claims.nfs.existing",
    ),
    (
        {"source": {"uri": "hf://org/m"}, "cache": {"type": "claim", "size": 40}},
        "cache.size: 40 is less than 1 MiB; set the unit that is meant, for example 40Gi",
    ),
    (
        job(claim="juicefs"),
        "source.job.hook: a hook runs before the volume of storage.claims.juicefs exists; set hook: false, or make the"
        " claim before and set storage.claims.juicefs.existing",
    ),
]
GOOD = {
    "one-node": {"size": "1Gi", "accessModes": ["ReadWriteOnce"]},
    "nfs": {"size": "1Gi", "nfs": {"server": "s", "path": "/p"}},
    "juicefs": {"size": "1Gi", "juicefs": {"existingSecret": "s"}},
}
NAMED = [(f"m{number}", *case) for number, case in enumerate(BODIES)]


@pytest.fixture(scope="module")
def said(chart: Chart) -> list[str]:
    values = {"storage": {"claims": GOOD}, "models": {name: body for name, body, _ in NAMED}}
    return [line.strip() for line in refusal(chart, values).splitlines()]


@pytest.mark.parametrize(("name", "_body", "line"), NAMED, ids=[json.dumps(case[1]) for case in NAMED])
def test_a_bad_source_is_refused_with_key_rule_and_next_step(
    said: list[str], name: str, _body: dict[str, Any], line: str
) -> None:
    assert [text for text in said if text.startswith(f"models.{name}.")] == [f"models.{name}.{line}"]


def test_an_image_volume_is_refused_below_the_kubernetes_that_has_it(chart: Chart) -> None:
    values = {"models": {"m": {"source": {"uri": "oci://registry.example.com/m:v1"}}}}
    with pytest.raises(HelmError) as error:
        chart.render(values, kube_version="1.30")
    assert (
        "models.m.source.uri: oci:// needs image volumes, which Kubernetes has from 1.31 and this one, v1.30, has not;"
        " copy the model to a claim and set pvc://claim/path" in error.value.output
    )
    assert chart.render(values, kube_version="1.31").find("Deployment")


# A claim, and what is said about it after `storage.claims.`; two pods have their models on it.
CREDENTIALS = "set existingSecret: the Secret with name, metaurl, storage, bucket, access-key and secret-key"
NFS = {"server": "s", "path": "/p"}
CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({}, "NAME.size: a claim needs a size; set the sizes of its models and a fifth more, for example 200Gi"),
    (
        {"size": "1Gi", "accessModes": ["ReadWriteOnce"]},
        "NAME.accessModes: 2 pods mount it, which only one node can; set [ReadWriteMany], or replicas: 1",
    ),
    (
        {"size": "1Gi", "accessModes": ["ReadWriteOncePod"]},
        "NAME.accessModes: 2 pods mount it, which only one node can; set [ReadWriteMany], or replicas: 1",
    ),
    (
        {"existing": "x", "size": "1Gi", "annotations": {}},
        "NAME.annotations: a claim that exists is used as it is; remove annotations, size",
    ),
    ({"existing": "x", "nfs": NFS}, "NAME: existing and nfs exclude each other; set one of them"),
    (
        {"size": "1Gi", "nfs": NFS, "csi": {"driver": "d", "volumeHandle": "h"}},
        "NAME: nfs and csi exclude each other; set one of them",
    ),
    (
        {"size": "1Gi", "storageClassName": "fast", "nfs": NFS},
        "NAME.storageClassName: nfs decides where the volume comes from; remove it",
    ),
    ({"size": 500}, "NAME.size: 500 is less than 1 MiB; set the unit that is meant, for example 500Gi"),
    ({"size": "500m"}, "NAME.size: 500m is less than 1 MiB; set the unit that is meant, for example 500Gi"),
    ({"size": "1Gi", "juicefs": {}}, f"NAME.juicefs: the file system needs its credentials; {CREDENTIALS}"),
    (
        {"size": "1Gi", "dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}, "nfs": NFS},
        "NAME.dataSource: nfs decides where the volume comes from; remove it",
    ),
    (
        {"size": "1Gi", "mountOptions": ["ro"]},
        "NAME.mountOptions: the StorageClass decides them; set them there, or a volume of your own (nfs, csi, juicefs)",
    ),
    (
        {"size": "1Gi", "juicefs": {"cacheDir": "/x"}},
        f"NAME.juicefs: the file system needs its credentials; {CREDENTIALS}",
    ),
    (
        {"size": "1Gi", "juicefs": {"existingSecret": "s", "secret": {"name": "x"}}},
        f"NAME.juicefs: existingSecret and secret exclude each other; {CREDENTIALS}",
    ),
    (
        {"size": "1Gi", "juicefs": {"existingSecret": "s", "provisioning": "static", "pathPattern": "x"}},
        "NAME.juicefs.pathPattern: a static volume shows the whole file system; remove it, or set mountOptions:"
        " [subdir=…]",
    ),
]


def test_a_bad_claim_is_refused_with_key_rule_and_next_step(chart: Chart) -> None:
    claims = {f"c{number:02}": claim for number, (claim, _) in enumerate(CLAIMS)}
    models = {name: {"source": {"uri": f"pvc://{name}/x"}, "replicas": 2} for name in claims}
    lines = refusal(chart, {"storage": {"claims": claims}, "models": models}).splitlines()
    wanted = [
        f"storage.claims.{line.replace('NAME', name)}" for name, (_, line) in zip(claims, CLAIMS, strict=True)
    ]
    assert [line.strip() for line in lines] == ["vllm-stack cannot render these values:", *wanted]


def test_a_claim_whose_name_is_no_label_is_refused(chart: Chart) -> None:
    values = {
        "storage": {"claims": {"My_Models": {"size": "1Gi"}}},
        "models": {"m": {"source": {"uri": "hf://o/m"}}},
    }
    assert (
        "storage.claims.My_Models: the name is no DNS-1035 label (a-z, 0-9 and -, beginning with a letter, at most 63);"
        " rename it" in refusal(chart, values)
    )


def test_the_pods_of_all_models_on_a_claim_are_counted_together(chart: Chart) -> None:
    claim = {"size": "1Gi", "accessModes": ["ReadWriteOnce"]}
    models = {name: {"source": {"uri": f"pvc://c/{name}"}} for name in ("a", "b")}
    text = refusal(chart, {"storage": {"claims": {"c": claim}}, "models": models})
    assert "storage.claims.c.accessModes: 2 pods mount it, which only one node can" in text


# A value that the schema refuses, under storage.claims.c or models.m.source.
TYPES: list[tuple[dict[str, Any], str, str]] = [
    ({"size": "lots"}, "/storage/claims/c/size", "'lots' does not match pattern"),
    ({"accessModes": []}, "/storage/claims/c/accessModes", "minItems"),
    ({"accessModes": ["RWX"]}, "/storage/claims/c/accessModes/0", "value must be one of 'ReadWriteOnce'"),
    ({"nfs": {"server": "s"}}, "/storage/claims/c/nfs", "missing property 'path'"),
    ({"nfs": {"server": "s", "path": "p"}}, "/storage/claims/c/nfs/path", "'p' does not match pattern '^/'"),
    ({"csi": {"driver": "d"}}, "/storage/claims/c/csi", "missing property 'volumeHandle'"),
    ({"mountOptions": ["-o ro"]}, "/storage/claims/c/mountOptions/0", "'-o ro' does not match pattern"),
    (
        {"mountPropagation": "Bidirectional"},
        "/storage/claims/c/mountPropagation",
        "value must be one of 'None'",
    ),
    (
        {"juicefs": {"provisioning": "auto"}},
        "/storage/claims/c/juicefs/provisioning",
        "value must be one of 'dynamic'",
    ),
    (
        {"juicefs": {"warmup": {"nodes": 0}}},
        "/storage/claims/c/juicefs/warmup/nodes",
        "minimum: got 0, want 1",
    ),
]
SOURCE_TYPES: list[tuple[dict[str, Any], str, str]] = [
    ({"download": "auto"}, "/models/m/source/download", "value must be one of 'engine', 'job'"),
    ({"job": {"hook": "yes"}}, "/models/m/source/job/hook", "got string, want null or boolean"),
    (
        {"objectStorage": {"endpoint": "minio:9000"}},
        "/models/m/source/objectStorage/endpoint",
        "does not match pattern",
    ),
]


@pytest.mark.parametrize(("claim", "path", "message"), TYPES, ids=[case[1] for case in TYPES])
def test_a_claim_of_the_wrong_type_is_refused_with_its_path(
    chart: Chart, claim: dict[str, Any], path: str, message: str
) -> None:
    text = refusal(chart, {"storage": {"claims": {"c": claim}}})
    assert any(f"at '{path}'" in line and message in line for line in text.splitlines()), text


@pytest.mark.parametrize(("source", "path", "message"), SOURCE_TYPES, ids=[case[1] for case in SOURCE_TYPES])
def test_a_source_of_the_wrong_type_is_refused_with_its_path(
    chart: Chart, source: dict[str, Any], path: str, message: str
) -> None:
    text = refusal(chart, {"models": {"m": {"source": source}}})
    assert any(f"at '{path}'" in line and message in line for line in text.splitlines()), text
