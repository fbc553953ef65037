"""Where a model comes from: what the engine is told, what the pod mounts, and what fetches it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.test_notes import advice

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.plugin import Chart
    from charttest.render import Rendered

L40S = {"product": "NVIDIA-L40S"}
CLAIM = ["PersistentVolumeClaim/models"]


def job_source(uri: str = "hf://org/model", claim: str = "models", **other: Any) -> dict[str, Any]:
    job = {"claim": claim, **other.pop("job", {})}
    return {"source": {"uri": uri, "download": "job", "job": job, **other}}


def pod(rendered: Rendered, kind: str = "Deployment", name: str | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = rendered.one(kind, name).spec["template"]["spec"]
    return spec


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def models_mount(spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The volume with the models, and how the engine mounts it."""
    volume = next(volume for volume in spec["volumes"] if volume["name"] == "models")
    mounts = spec["containers"][0]["volumeMounts"]
    return volume, next(mount for mount in mounts if mount["name"] == "models")


# What the engine is told


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"uri": "hf://org/model"}, ["org/model"]),
        ({"uri": "hf://org/model", "revision": "v1"}, ["org/model", "--revision=v1"]),
        ({"uri": "pvc://models/a/b"}, ["/models/a/b"]),
        ({"uri": "pvc://models"}, ["/models"]),
        ({"uri": "oci://registry.example.com/m:v1"}, ["/models"]),
        ({"uri": "oci://registry.example.com/m:v1", "path": "/a/b/"}, ["/models/a/b"]),
        ({"uri": "s3://bucket/a/b"}, ["s3://bucket/a/b", "--load-format=runai_streamer"]),
        ({"uri": "/opt/model"}, ["/opt/model"]),
    ],
    ids=json.dumps,
)
def test_the_engine_is_told_where_its_model_is(
    render_model: RenderModel, source: dict[str, Any], told: list[str]
) -> None:
    args = pod(render_model({"source": source}, external=CLAIM))["containers"][0]["args"]
    assert args[0] == told[0]
    about = {argument for argument in args if argument.startswith(("--revision", "--load-format"))}
    assert about == set(told[1:])


def test_a_load_format_of_the_user_stays_the_only_one(render_model: RenderModel) -> None:
    body = {"source": {"uri": "s3://bucket/a"}, "args": {"load-format": "runai_streamer_sharded"}}
    args = pod(render_model(body))["containers"][0]["args"]
    assert [argument for argument in args if "load-format" in argument] == [
        "--load-format=runai_streamer_sharded"
    ]


def test_an_image_with_the_model_is_mounted_read_only_by_its_digest(render_model: RenderModel) -> None:
    reference = "registry.example.com/m@sha256:" + "0" * 64
    rendered = render_model({"source": {"uri": f"oci://{reference}"}, "image": {"pullPolicy": "Always"}})
    volume, mount = models_mount(pod(rendered))
    assert volume["image"] == {"reference": reference, "pullPolicy": "Always"}
    assert mount == {"name": "models", "mountPath": "/models", "readOnly": True}


def test_an_object_store_is_reached_by_its_address_region_and_keys(render_model: RenderModel) -> None:
    store = {"endpoint": "https://minio", "region": "eu", "existingSecret": "keys"}
    body = {"source": {"uri": "s3://bucket/a", "objectStorage": store}}
    got = environment(pod(render_model(body, external=["Secret/keys"]))["containers"][0])
    for name in ("AWS_ENDPOINT_URL", "RUNAI_STREAMER_S3_ENDPOINT"):
        assert got[name] == "https://minio"
    assert got["AWS_REGION"] == got["AWS_DEFAULT_REGION"] == "eu"
    keys = {name: got[name]["secretKeyRef"] for name in got if "KEY" in name or "TOKEN" in name}
    assert {ref["name"] for ref in keys.values()} == {"keys"}
    assert keys["AWS_SESSION_TOKEN"]["optional"] is True
    assert "optional" not in keys["AWS_SECRET_ACCESS_KEY"]


def test_object_storage_of_the_defaults_reaches_only_models_from_there(chart: Chart) -> None:
    rendered = chart.render(
        {
            "defaults": {"source": {"objectStorage": {"endpoint": "https://minio"}}},
            "models": {"a": {"source": {"uri": "s3://bucket/a"}}, "b": {"source": {"uri": "hf://org/b"}}},
        }
    )
    assert "AWS_ENDPOINT_URL" in environment(pod(rendered, name="r-a")["containers"][0])
    assert "AWS_ENDPOINT_URL" not in environment(pod(rendered, name="r-b")["containers"][0])


# Downloads by a Job


def test_a_downloaded_model_is_read_from_the_claim_and_nobody_asks_the_hub(render_model: RenderModel) -> None:
    rendered = render_model(job_source(revision="v1"), external=CLAIM)
    spec = pod(rendered)
    container = spec["containers"][0]
    volume, mount = models_mount(spec)
    assert container["args"][0] == environment(pod(rendered, "Job")["containers"][0])["TARGET"]
    assert not any(argument.startswith("--revision") for argument in container["args"])
    assert environment(container)["HF_HUB_OFFLINE"] == "1"
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert mount["readOnly"] is True


def test_the_hub_can_be_asked_again_for_what_is_not_downloaded(render_model: RenderModel) -> None:
    body = {**job_source(), "env": {"HF_HUB_OFFLINE": "0"}}
    rendered = render_model(body, external=CLAIM)
    assert environment(pod(rendered)["containers"][0])["HF_HUB_OFFLINE"] == "0"
    assert "HF_HUB_OFFLINE" not in environment(pod(rendered, "Job")["containers"][0])


def test_a_job_runs_the_program_and_can_neither_call_the_api_nor_hide_why_it_failed(
    chart: Chart, render_model: RenderModel
) -> None:
    rendered = render_model({**job_source(), "startup": {"budgetSeconds": 1234}}, external=CLAIM)
    job = rendered.one("Job")
    spec = job.spec["template"]["spec"]
    container = spec["containers"][0]
    program = (chart.path / "files/download_model.py").read_text()
    assert (container["command"], container["args"]) == (["python3", "-c"], [program])
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert spec["automountServiceAccountToken"] is False
    assert job.spec["activeDeadlineSeconds"] == 1234
    code = re.search(r"^REFUSED = (\d+)$", program, re.M)
    assert code
    (rule,) = job.spec["podFailurePolicy"]["rules"]
    assert rule == {
        "action": "FailJob",
        "onExitCodes": {"containerName": container["name"], "operator": "In", "values": [int(code[1])]},
    }


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (job_source(), True),
        (job_source(revision="v2"), False),
        (job_source("hf://org/other"), False),
        (job_source("hf://other/model"), False),
        (job_source("s3://org/model"), False),
        (job_source(claim="others"), False),
    ],
    ids=["same", "revision", "name", "organisation", "scheme", "claim"],
)
def test_there_is_one_job_per_claim_source_and_revision(
    chart: Chart, other: dict[str, Any], same: bool
) -> None:
    rendered = chart.render(
        {"models": {"a": job_source(), "b": other}}, external=[*CLAIM, "PersistentVolumeClaim/others"]
    )
    jobs = rendered.find("Job")
    assert len(jobs) == (1 if same else 2)
    places = {
        (job.spec["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], target)
        for job in jobs
        for target in [environment(job.spec["template"]["spec"]["containers"][0])["TARGET"]]
    }
    assert len(places) == len(jobs)


URIS = st.from_regex(r"(hf://[A-Za-z0-9._-]{1,30}/[A-Za-z0-9._-]{1,90}|s3://[a-z0-9-]{3,20}(/[^\s/]{1,30}){1,4})", fullmatch=True)  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(uris=st.lists(URIS, min_size=60, max_size=60, unique=True))
def test_no_two_models_on_a_claim_share_a_folder(chart: Chart, uris: list[str]) -> None:
    models = {f"m{number}": job_source(uri) for number, uri in enumerate(uris)}
    rendered = chart.render({"models": models}, external=CLAIM)
    targets = [
        environment(job.spec["template"]["spec"]["containers"][0])["TARGET"] for job in rendered.find("Job")
    ]
    assert len(targets) == len(set(targets)) == len(uris)
    assert all(re.fullmatch(r"/models/[A-Za-z0-9._-]{10,57}", target) for target in targets)


def test_a_hook_comes_with_its_own_account_and_secret(chart: Chart) -> None:
    values = {
        "models": {"m": job_source()},
        "secrets": {"huggingFace": {"token": "hf_x"}},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "role"}},
    }
    rendered = chart.render(values, external=CLAIM)
    hooked = {f"{item.kind}": item for item in rendered.objects if is_hook(item) and item.kind != "Pod"}
    assert set(hooked) == {"Job", "Secret", "ServiceAccount"}
    spec = hooked["Job"].spec["template"]["spec"]
    assert spec["serviceAccountName"] == hooked["ServiceAccount"].name
    assert hooked["ServiceAccount"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == "role"
    secret = environment(spec["containers"][0])["HF_TOKEN"]["secretKeyRef"]
    assert secret == {"name": hooked["Secret"].name, "key": "HF_TOKEN"}
    order = {
        kind: int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for kind, item in hooked.items()
    }
    assert max(order["Secret"], order["ServiceAccount"]) < order["Job"]


def is_hook(item: dict[str, Any]) -> bool:
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def test_a_job_beside_the_pods_is_waited_for_and_uses_the_release_own_account(chart: Chart) -> None:
    values = {
        "models": {"m": job_source(job={"hook": False})},
        "secrets": {"huggingFace": {"token": "hf_x"}},
    }
    rendered = chart.render(values, external=CLAIM)
    assert [item.kind for item in rendered.objects if is_hook(item)] == ["Pod"]  # the one of `helm test`
    job, spec = pod(rendered, "Job"), pod(rendered)
    (wait,) = spec["initContainers"]
    assert environment(wait)["TARGET"] == environment(job["containers"][0])["TARGET"]
    assert job["serviceAccountName"] == spec["serviceAccountName"]


@pytest.mark.parametrize(
    ("change", "renamed"), [({"image": {"tag": "v9"}}, True), ({"replicas": 3}, False)], ids=json.dumps
)
def test_a_job_beside_the_pods_that_changes_is_another_job(
    render_model: RenderModel, change: dict[str, Any], renamed: bool
) -> None:
    """A Job's template is immutable: an upgrade that changed it would fail."""
    body = job_source(job={"hook": False})
    before, after = (render_model(b, external=CLAIM).one("Job").name for b in (body, {**body, **change}))
    assert (before != after) == renamed


def test_an_account_that_exists_is_used_by_the_hook_too(chart: Chart) -> None:
    account = {"create": False, "name": "mine"}
    rendered = chart.render(
        {"models": {"m": job_source()}, "serviceAccount": account}, external=[*CLAIM, "ServiceAccount/mine"]
    )
    assert pod(rendered, "Job")["serviceAccountName"] == "mine"
    assert rendered.find("ServiceAccount") == []


@pytest.mark.parametrize(
    ("job", "place", "value"),
    [
        ({"nodeSelector": {"pool": "cpu"}}, ("nodeSelector",), {"pool": "cpu"}),
        ({"tolerations": [{"operator": "Exists"}]}, ("tolerations",), [{"operator": "Exists"}]),
        ({"image": "python:3.13"}, ("containers", 0, "image"), "python:3.13"),
        ({"resources": {"limits": {"cpu": "2"}}}, ("containers", 0, "resources", "limits"), {"cpu": "2"}),
    ],
    ids=["nodeSelector", "tolerations", "image", "resources"],
)
def test_what_is_set_for_the_job_reaches_the_job_only(
    render_model: RenderModel, job: dict[str, Any], place: tuple[str | int, ...], value: Any
) -> None:
    before = render_model({**job_source(), "accelerator": L40S}, external=CLAIM)
    after = render_model({**job_source(job=job), "accelerator": L40S}, external=CLAIM)
    found: Any = pod(after, "Job")
    for part in place:
        found = found[part]
    assert found == value
    assert pod(before) == pod(after)


def test_a_job_asks_for_no_gpu(render_model: RenderModel) -> None:
    resources = pod(render_model({**job_source(), "accelerator": L40S}, external=CLAIM), "Job")["containers"][
        0
    ]["resources"]
    assert not any("/" in name for part in resources.values() for name in part)


def test_null_leaves_out_what_a_source_sets_by_default(render_model: RenderModel) -> None:
    nulls = {"uri": "hf://org/model", "job": None, "objectStorage": None, "download": None, "path": None}
    assert render_model({"source": nulls}).find("Deployment")
    bare = job_source(job={"resources": None, "exclude": None, "hook": None})
    container = pod(render_model(bare, external=CLAIM), "Job")["containers"][0]
    assert "resources" not in container
    assert environment(container)["EXCLUDE"] == "[]"


def test_a_download_of_a_branch_is_worth_knowing(chart: Chart) -> None:
    body = {**job_source(), "replicas": 2}
    assert "the Job fetches hf://org/model once; what its branch gets later is not seen" in advice(
        chart, body
    )
    pinned = {**job_source(revision="b968826d9c46dd6066d109eabc6255188de91218"), "replicas": 2}
    assert "what its branch gets later" not in advice(chart, pinned)
