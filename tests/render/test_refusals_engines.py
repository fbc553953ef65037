"""What an engine or an accelerator cannot do is refused with the key, the rule and what to set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.render.test_refusals import refusal

if TYPE_CHECKING:
    from charttest.plugin import Chart

IMAGE = {"repository": "example.com/server", "tag": "1"}
CLAIM = {"name": "gpus", "deviceClassName": "gpu.nvidia.com"}

# What is wrong in the body of one model, and the line that says so after `models.m.`.
BODIES: list[tuple[dict[str, Any], str]] = [
    (
        {"engine": "custom"},
        "image.repository: engine custom has no image of its own; set it, and image.tag or image.digest",
    ),
    (
        {"engine": "custom", "image": {"repository": "r"}},
        "image.tag: engine custom has no tag of its own; set it, or image.digest",
    ),
    (
        {"custom": {"port": 9000}},
        "custom: only engine custom reads it, this is vllm; remove it, or set engine: custom",
    ),
    (
        {"engine": "custom", "image": IMAGE, "chatTemplate": "/t.jinja"},
        "chatTemplate: engine custom has no setting for it; remove it, or set engine: vllm",
    ),
    (
        {"engine": "tgi", "servedNames": ["a"]},
        "servedNames: engine tgi serves a model under its own path; remove it, clients ask for org/model",
    ),
    (
        {"engine": "sglang", "servedNames": ["a", "b"]},
        "servedNames: engine sglang serves a model under one name; set one",
    ),
    (
        {"engine": "triton", "servedNames": ["org/model"]},
        'servedNames: engine triton makes a folder of the name "org/model"; set one of letters, digits, dots and'
        " dashes",
    ),
    (
        {"engine": "tgi", "parallelism": {"pipeline": 2}},
        "parallelism.pipeline: engine tgi has no setting for it; remove it, or set engine: vllm",
    ),
    (
        {"engine": "tgi", "chatTemplate": "/t.jinja"},
        "chatTemplate: engine tgi has no setting for it; remove it, or set engine: vllm",
    ),
    (
        {"engine": "triton", "parallelism": {"data": 2}},
        "parallelism.data: engine triton has no setting for it; remove it, or set engine: vllm",
    ),
    (
        {"engine": "sglang", "args": {"max-model-len": 1}},
        "args.max-model-len: lmsysorg/sglang v0.5.23 has no such flag; see `sglang serve --help`",
    ),
    (
        {"engine": "sglang", "args": {"tp-size": 2}},
        "args.tp-size: the chart sets this flag; set parallelism.tensor",
    ),
    (
        {"engine": "tgi", "args": {"num-shard": 2}},
        "args.num-shard: the chart sets this flag; set parallelism.tensor",
    ),
    (
        {"engine": "triton", "args": {"tensor_parallel_size": 2}},
        "args.tensor_parallel_size: the chart sets this argument; set parallelism.tensor",
    ),
    (
        {"accelerator": {"resource": "nvidia.com/gpu.shared"}, "parallelism": {"tensor": 2}},
        "accelerator.resource: 2 shares of nvidia.com/gpu.shared may be one and the same GPU; set parallelism to one"
        " GPU, or a whole GPU as resource",
    ),
    (
        {"accelerator": {"claims": [CLAIM]}},
        'accelerator.resource: the claims ask for the devices already, nvidia.com/gpu would be a second set; set ""',
    ),
    (
        {"accelerator": {"resource": "", "product": "NVIDIA-L4", "claims": [CLAIM]}},
        "accelerator.product: a claim chooses its device by selectors, not by node labels; remove it, and set"
        " accelerator.claims[].selectors",
    ),
    (
        {"accelerator": {"resource": "", "claims": [{"name": "gpus"}]}},
        "accelerator.claims[0]: has 0 sources; set one of deviceClassName, resourceClaimTemplateName and"
        " resourceClaimName",
    ),
    (
        {"accelerator": {"resource": "", "claims": [{"name": "g", "resourceClaimName": "c"}]}, "replicas": 2},
        "accelerator.claims[0].resourceClaimName: 2 pods would share one claim; set deviceClassName or"
        " resourceClaimTemplateName",
    ),
    (
        {"accelerator": {"resource": "", "claims": [CLAIM, CLAIM]}},
        "accelerator.claims[1].name: gpus is already the name of another claim; rename it",
    ),
    *(
        (
            {"accelerator": {"product": product}},
            'accelerator.product: "NVIDIA H100 80GB HBM3" has spaces, and no node label has them; set it as the label'
            " says it, for example NVIDIA-H100-80GB-HBM3",
        )
        for product in ("NVIDIA H100 80GB HBM3", ["NVIDIA-L40S", "NVIDIA H100 80GB HBM3"])
    ),
    *(
        (
            {"resources": {part: {"nvidia.com/gpu": 8}}, "parallelism": {"tensor": 4}},
            f"resources.{part}.nvidia.com/gpu: the chart asks for the accelerator itself, 4 for each pod by"
            " parallelism; remove it, and set parallelism",
        )
        for part in ("requests", "limits")
    ),
]


@pytest.mark.parametrize(("body", "line"), BODIES, ids=lambda value: str(value)[:40])
def test_a_body_that_its_engine_cannot_run_is_refused(chart: Chart, body: dict[str, Any], line: str) -> None:
    model = {"source": {"uri": "hf://org/model"}, **body}
    assert refusal(chart, {"models": {"m": model}}).splitlines()[1:] == [f"  models.m.{line}"]


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("speculative", {"method": "ngram", "numTokens": 2}),
        ("kvOffload", {"backend": "native", "sizeGiB": 4}),
        ("warmup", {"prompts": ["Hello"]}),
        ("tls", {"existingSecret": "tls"}),
    ],
)
def test_a_feature_that_is_spelled_for_vllm_only_is_refused_by_name(
    chart: Chart, feature: str, value: dict[str, Any]
) -> None:
    model = {"source": {"uri": "hf://org/model"}, "engine": "sglang", feature: value}
    line = (
        f"  models.m.{feature}: engine sglang has no setting for it here; remove it, write the engine's own flags in"
        " args, or set engine: vllm"
    )
    assert line in refusal(chart, {"models": {"m": model}}).splitlines()
