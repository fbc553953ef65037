"""Engines other than vLLM: started, probed and told the chart's settings as each of them spells it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.render.conftest import RenderModel

    from charttest.plugin import Chart

KINDS = ("switches", "trueOnly", "lists", "repeated", "json", "values")
IMAGE = {"repository": "example.com/server", "tag": "1"}
SPLIT = {"parallelism": {"tensor": 2}}
KEY = {"secrets": {"apiKey": {"existingSecret": "keys"}}}


def pod(render_model: RenderModel, body: dict[str, Any], root: Any = None) -> dict[str, Any]:
    rendered = render_model(body, root=root, external={"Secret/keys"})
    found: dict[str, Any] = rendered.one("Deployment").spec["template"]["spec"]
    return found


def engine_file(chart: Chart, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((chart.path / f"files/engines/{name}.yaml").read_text())
    return found


# What the chart sets, in each engine's words: model, port, names, two GPUs; and how it is probed.
STARTS: list[tuple[dict[str, Any], list[str], str]] = [
    (
        {"engine": "sglang", **SPLIT},
        [
            "--model-path=org/model",
            "--port=8000",
            "--served-model-name=m",
            "--tensor-parallel-size=2",
            "--host=0.0.0.0",
            "--enable-metrics",
        ],
        "/health",
    ),
    ({"engine": "tgi", **SPLIT}, ["--model-id=org/model", "--port=8000", "--num-shard=2"], "/health"),
    (
        {"engine": "triton", **SPLIT},
        [
            "--http-port=8000",
            "--exit-timeout-secs=120",
            "--model-repository=/repository",
            "--grpc-port=8001",
            "--metrics-port=8002",
        ],
        "/v2/health/ready",
    ),
    ({"engine": "custom", "image": IMAGE}, [], "/health"),
]


@pytest.mark.parametrize(("body", "arguments", "probe"), STARTS, ids=lambda value: str(value)[:24])
def test_each_engine_is_told_the_same_settings_in_its_own_words(
    render_model: RenderModel, body: dict[str, Any], arguments: list[str], probe: str
) -> None:
    container = pod(render_model, body)["containers"][0]
    assert (container["args"] or []) == arguments
    assert container["startupProbe"]["httpGet"] == {"path": probe, "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": probe, "port": "http"}


def test_an_engine_without_a_command_starts_as_its_image_says(render_model: RenderModel) -> None:
    assert "command" not in pod(render_model, {"engine": "tgi"})["containers"][0]


@pytest.mark.parametrize("name", ["sglang", "tgi"])
def test_a_flag_table_has_one_spelling_per_flag_and_owns_only_its_own_flags(chart: Chart, name: str) -> None:
    engine = engine_file(chart, name)
    names = [flag for kind in KINDS for flag in engine["flags"][kind].split()]
    assert len(names) == len(set(names))
    assert set(engine["owned"]) - set(names) == set()
    settings = {flag.partition("=")[0][2:] for flag in engine["settings"].values()}
    assert settings - set(engine["owned"]) == set()


def test_arguments_of_triton_go_into_the_file_of_the_model(render_model: RenderModel) -> None:
    body = {
        "engine": "triton",
        "servedNames": ["llama"],
        "args": {"max_seq_len": 16384, "kv_cache_config": {"enable_block_reuse": True}},
        "parallelism": {"tensor": 4, "expert": True},
    }
    rendered = render_model(body)
    files = rendered.one("ConfigMap")["data"]
    assert yaml.safe_load(files["model.yaml"]) == {
        "backend": "pytorch",
        "kv_cache_config": {"enable_block_reuse": True},
        "max_seq_len": 16384,
        "model": "org/model",
        "moe_expert_parallel_size": 4,
        "tensor_parallel_size": 4,
        "triton_config": {"decoupled": True, "max_batch_size": 0},
    }
    spec = rendered.one("Deployment").spec["template"]["spec"]
    assert spec["initContainers"][0]["args"][-1] == "/repository/llama"
    ports = {port["name"]: port["port"] for port in rendered.one("Service").spec["ports"]}
    assert ports == {"http": 8000, "grpc": 8001}


def test_a_changed_argument_of_triton_rolls_its_pods(render_model: RenderModel) -> None:
    def checksum(length: int) -> str:
        body = {"engine": "triton", "args": {"max_seq_len": length}}
        metadata = render_model(body).one("Deployment").spec["template"]["metadata"]
        return str(metadata["annotations"]["checksum/config"])

    assert checksum(1024) != checksum(2048)


@pytest.mark.parametrize(
    ("engine", "variable"),
    [("vllm", "VLLM_API_KEY"), ("sglang", "SGLANG_STACK_API_KEY"), ("tgi", "API_KEY")],
)
def test_the_api_key_reaches_each_engine_as_a_reference(
    render_model: RenderModel, engine: str, variable: str
) -> None:
    container = pod(render_model, {"engine": engine}, KEY)["containers"][0]
    keys = {item["name"]: item for item in container["env"] if item["name"].endswith("API_KEY")}
    assert keys == {
        variable: {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": "keys", "key": "VLLM_API_KEY"}},
        }
    }
    assert ("--api-key=$(SGLANG_STACK_API_KEY)" in container["args"]) == (engine == "sglang")


def test_a_custom_engine_is_started_and_asked_as_its_values_say(render_model: RenderModel) -> None:
    body = {
        "engine": "custom",
        "image": IMAGE,
        "custom": {"command": ["server"], "port": 9000, "probePath": "/ready"},
        "args": {"model": "x", "quiet": True, "loud": False, "sizes": [1, 2], "limits": {"a": 1}},
    }
    container = pod(render_model, body)["containers"][0]
    assert container["command"] == ["server"]
    assert container["ports"] == [{"name": "http", "containerPort": 9000}]
    assert container["args"] == ['--limits={"a":1}', "--model=x", "--quiet", "--sizes", "1", "2"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/ready"


def test_parallelism_counts_the_gpus_of_a_custom_engine_and_its_args_split_the_model(
    render_model: RenderModel,
) -> None:
    body = {"engine": "custom", "image": IMAGE, "args": {"shards": 2}, **SPLIT}
    container = pod(render_model, body)["containers"][0]
    assert container["args"] == ["--shards=2"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2"}


# --- files/triton_repository.py ---


def make(chart: Chart, *paths: Path) -> subprocess.CompletedProcess[str]:
    program = chart.path / "files/triton_repository.py"
    return subprocess.run([sys.executable, program, *paths], capture_output=True, text=True, check=False)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A model folder as TensorRT-LLM ships it."""
    folder = tmp_path / "image/tensorrt_llm"
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.py").write_text("class TritonPythonModel: ...\n")
    (folder / "1/model.yaml").write_text("model: example\n")
    (folder / "config.pbtxt").write_text(
        'name: "tensorrt_llm"\nbackend: "python"\ninput [\n  {\n    name: "text_input"\n  }\n]\n'
    )
    return folder


def test_the_repository_holds_the_images_model_under_its_own_name(
    chart: Chart, template: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "model.yaml"
    settings.write_text("model: org/model\n")
    folder = tmp_path / "repository/llama"
    for _ in range(2):  # a restarted container does it again
        assert make(chart, template, settings, folder).returncode == 0
    assert (folder / "config.pbtxt").read_text() == (template / "config.pbtxt").read_text().replace(
        '"tensorrt_llm"', '"llama"'
    )
    assert (folder / "1/model.yaml").read_text() == "model: org/model\n"
    assert (folder / "1/model.py").is_file()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            lambda folder: (folder / "1/model.py").unlink(),
            "use an image whose tag ends in -trtllm-python-py3",
        ),
        (lambda folder: (folder / "config.pbtxt").write_text('backend: "x"'), 'has no line name: "..."'),
    ],
)
def test_an_image_without_the_template_is_named(
    chart: Chart, template: Path, tmp_path: Path, broken: Any, told: str
) -> None:
    broken(template)
    (tmp_path / "model.yaml").write_text("")
    done = make(chart, template, tmp_path / "model.yaml", tmp_path / "repository/m")
    assert done.returncode == 1
    assert told in done.stderr
    assert not (tmp_path / "repository").exists()
