"""The real vLLM reads every command line that the chart renders, and lays groups out as the chart counts them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charttest import programs
from charttest.checks import Manifests
from charttest.images import vllm

if TYPE_CHECKING:
    from collections.abc import Callable

    from charttest.plugin import Chart
    from charttest.render import Rendered

READER = Path(__file__).with_name("reader.py")
# A mixture of experts, which alone may be balanced externally; only its configuration is read.
EXPERTS = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "num_hidden_layers": 2,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "vocab_size": 320,
    "max_position_embeddings": 4096,
}
Read = Any  # (lines, *options) -> what is said of each


@pytest.fixture(scope="module")
def read(say: Callable[[str], None]) -> Read:
    """What vLLM says of command lines."""
    python = vllm.environment(say) / "bin/python"

    def read(lines: list[list[str]], *options: str) -> list[dict[str, Any]]:
        environment = os.environ | vllm.ENVIRONMENT | {"VLLM_LOGGING_LEVEL": "ERROR"}
        command = [str(python), str(READER), *options]
        done = programs.run(command, stdin=json.dumps(lines), env=environment, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return read


def commands(rendered: Rendered, rank: int | None = None) -> list[tuple[list[str], dict[str, Any]]]:
    """The command line of every vLLM container, the variables of groups filled in, and the container."""
    found = []
    for pod in Manifests(rendered.objects).pods:
        engine = pod.spec["containers"][0]
        if engine.get("command") == ["vllm", "serve"]:
            worker = int(pod.labels["vllm-stack.io/role"] == "worker") if rank is None else rank
            values = {
                "LWS_WORKER_INDEX": str(worker),
                "LWS_LEADER_ADDRESS": "10.0.0.1",
                "VLLM_HOST_IP": "10.0.0.1",
            }
            words = list(engine["args"])
            for name, value in values.items():
                words = [word.replace(f"$({name})", value) for word in words]
            found.append((words, engine))
    return found


def test_vllm_accepts_every_command_line_of_every_scenario(chart: Chart, read: Read) -> None:
    lines = {
        f"{scenario.name} {number}": words
        for scenario in chart.scenarios
        for number, (words, _) in enumerate(
            commands(chart.render(*scenario.values, external=scenario.external))
        )
    }
    assert len(lines) > 15
    told = dict(zip(lines, read(list(lines.values())), strict=True))
    assert {name: said for name, said in told.items() if said} == {}


# Sizes, and for each pod of the group: the first copy that it has, how many, and its place among the pods of one.
LAYOUTS: list[tuple[dict[str, Any], list[tuple[int, int, int]]]] = [
    ({"tensor": 2, "pipeline": 2, "nodes": 2}, [(0, 1, 0), (0, 1, 1)]),
    ({"data": 4, "nodes": 2, "expert": True}, [(0, 2, 0), (2, 2, 0)]),
    ({"data": 2, "tensor": 4, "nodes": 4}, [(0, 1, 0), (0, 1, 1), (1, 1, 0), (1, 1, 1)]),
    ({"data": 4, "nodes": 2, "expert": True, "balancing": "hybrid"}, [(0, 2, 0), (2, 2, 0)]),
    ({"data": 2, "tensor": 2, "nodes": 2, "expert": True, "balancing": "external"}, [(0, 1, 0), (1, 1, 0)]),
]


def test_vllm_lays_groups_out_as_the_chart_counts_their_gpus(
    chart: Chart, read: Read, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(EXPERTS))
    lines, gpus = [], []
    for sizes, pods in LAYOUTS:
        model = {"source": {"uri": str(tmp_path)}, "parallelism": sizes, "args": {"dtype": "float32"}}
        rendered = chart.render({"models": {"m": model}})
        for rank in range(len(pods)):
            leader, worker = commands(rendered, rank)
            words, engine = worker if rank else leader
            lines.append(words)
            gpus.append(int(engine["resources"]["limits"]["nvidia.com/gpu"]))
    told = read(lines, "--layout")
    assert [said.get("error") for said in told] == [None] * len(lines)
    keys = ("data_parallel_rank", "data_parallel_size_local", "node_rank_within_dp")
    laid_out = [tuple(said[key] for key in keys) for said in told]
    assert laid_out == [pod for _, pods in LAYOUTS for pod in pods]
    used = [
        said["world_size"] // said["nnodes_within_dp"] * said["data_parallel_size_local"] for said in told
    ]
    assert used == gpus
    modes = [sizes.get("balancing", "internal") for sizes, pods in LAYOUTS for _ in pods]
    for mode, said in zip(modes, told, strict=True):
        assert said["data_parallel_hybrid_lb"] is (mode == "hybrid")
        assert said["data_parallel_external_lb"] is (mode == "external")
