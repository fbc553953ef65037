"""The commands print what a person needs in 80 columns, and the same as JSON."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.interruptible import INTERRUPTIBLE
from tests.valuegen.models import document

from valuegen import EngineSettings, Gpu, Model, fit, plan
from valuegen.catalog.gpus import all_gpus
from valuegen.catalog.models import all_models
from valuegen.cli import valuegen as group
from valuegen.cli.options import HumanInt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = sorted(group.commands)


def test_fit_prints_exactly_what_the_library_returns(valuegen: Callable[..., Any]) -> None:
    outcome = valuegen("fit", "Qwen3-8B", "--gpu", "L40S", "--max-model-len", "8K", "--json")
    result = fit(Model.load("Qwen3-8B"), Gpu.find("L40S"), EngineSettings(max_model_len=8192))
    assert outcome.code == 0
    assert json.loads(outcome.stdout) == result.to_dict()


def test_plan_prints_exactly_what_the_library_returns(valuegen: Callable[..., Any]) -> None:
    outcome = valuegen("plan", "Qwen3-8B", "--gpu", "L40S:2", "--gpu", "T4", "--concurrency", "20", "--json")
    document = json.loads(outcome.stdout)
    expected = plan(Model.load("Qwen3-8B"), [Gpu.find("L40S"), Gpu.find("T4")], concurrency=20).to_dict()
    assert outcome.code == 0
    assert document["request"]["gpus"][0] == {"name": "L40S", "at_most": 2, "usd_per_hour": 1.0}
    assert {c["gpu"]["name"] for c in document["candidates"]} == {
        c["gpu"]["name"] for c in expected["candidates"]
    }


def test_a_configuration_that_does_not_fit_is_shown_and_exits_with_3(valuegen: Callable[..., Any]) -> None:
    for extra in ([], ["--json"]):
        outcome = valuegen("fit", "Qwen3-8B", "--gpu", "L4", *extra)
        assert outcome.code == 3
        assert "--max-model-len" in outcome.stderr
    assert json.loads(outcome.stdout)["verdict"] == "too-big"


def test_the_catalogues_are_listed_in_full(valuegen: Callable[..., Any]) -> None:
    gpus, models = valuegen("gpus", "--slices"), valuegen("models")
    assert (gpus.code, models.code) == (0, 0)
    for gpu in all_gpus():
        assert re.search(rf"^{re.escape(gpu.name)} +\d", gpus.stdout, re.MULTILINE)
    for model in all_models():
        assert re.search(rf"^{re.escape(model.name)} ", models.stdout, re.MULTILINE)
    assert [entry["name"] for entry in json.loads(valuegen("gpus", "--json").stdout)["gpus"]] == [
        g.name for g in all_gpus()
    ]
    assert len(json.loads(valuegen("models", "--json").stdout)["models"]) == len(all_models())


def test_a_filter_narrows_the_catalogues_and_shows_what_nodes_say(valuegen: Callable[..., Any]) -> None:
    whole = valuegen("gpus", "a100-sxm4").stdout
    assert "nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB" in whole
    assert "-MIG-" not in whole
    assert "nvidia.com/mig-1g.10gb" in valuegen("gpus", "A100-80GB", "--slices").stdout
    assert "nvidia.com/mig-1g.10gb" in valuegen("gpus", "A100-80GB-MIG-1g.10gb").stdout
    assert "amd.com/gpu.product-name: AMD_Instinct_MI300X_OAM" in valuegen("gpus", "gfx942").stdout
    names = [line.split()[0] for line in valuegen("models", "qwen2.5").stdout.splitlines()[1:]]
    assert "Qwen2.5-7B-Instruct" in names
    assert all("qwen2.5" in name.lower() for name in names)
    for command in ("gpus", "models"):
        nothing = valuegen(command, "zzz")
        assert nothing.code == 2
        assert f"zzz: matches none of `valuegen {command}`" in nothing.stderr


PRINTED = [
    ["fit", "Qwen3-8B", "--gpu", "RTX-PRO-6000-MAX-Q-MIG-2g.48gb"],
    ["fit", "Qwen3-8B", "--gpu", "MI250X"],
    ["plan", "Qwen3-0.6B", "--gpu", "RTX-PRO-6000-MAX-Q-MIG-1g.24gb", "--gpu", "A100-MIG-1g.10gb"],
    ["gpus", "--slices"],
    ["gpus", "rtx-pro", "--slices"],
    ["models", "fp8"],
    ["fit", "Qwen3-8B", "--gpu", "L40S"],
    ["fit", "Qwen3-8B", "--gpu", "L4"],
    ["fit", "Llama-3.1-70B-Instruct", "--gpu", "T4"],
    [
        "fit",
        "Llama-3.1-70B-Instruct",
        "--gpu",
        "H100",
        "--tensor-parallel-size",
        "2",
        "--pipeline-parallel-size",
        "2",
        "--explain",
    ],
    ["fit", "Qwen3-8B", "--gpu", "H100", "--tensor-parallel-size", "3"],
    ["plan", "Qwen3-8B"],
    ["plan", "Llama-3.1-70B-Instruct", "--all"],
    ["plan", "Qwen2.5-72B-Instruct", "--concurrency", "300"],
    ["models"],
    ["gpus"],
]


@pytest.mark.parametrize("command", PRINTED, ids=" ".join)
def test_what_is_printed_fits_80_columns_without_colour(
    valuegen: Callable[..., Any], command: list[str]
) -> None:
    outcome = valuegen(*command)
    assert outcome.stdout
    for line in outcome.stdout.splitlines():
        assert len(line) <= 80, line
        assert line == line.rstrip()
        assert "\x1b" not in line


def test_the_plan_begins_with_the_cheapest_and_ends_with_the_next_step(valuegen: Callable[..., Any]) -> None:
    lines = valuegen("plan", "Qwen3-8B").stdout.splitlines()
    best = plan(Model.load("Qwen3-8B")).ranked[0]
    assert lines[0] == "Qwen3-8B: 16 requests of 8,192 tokens at once"
    assert lines[2].split() == [
        "each",
        "replica",
        "replicas",
        "GPUs",
        "USD/h",
        "at",
        "once",
        "KV",
        "tokens",
        "each",
    ]
    assert lines[3].startswith(f"{best.fit.gpus} x {best.fit.gpu.name} ")
    costs = [float(re.split(r" {2,}", line)[3]) for line in lines[3:] if " x " in line]
    assert costs == sorted(costs)
    assert lines[-1] == f"Next: valuegen values Qwen3-8B --gpu {best.fit.gpu.name} -o values.yaml"


def test_what_was_typed_for_a_plan_is_in_the_command_that_goes_on(valuegen: Callable[..., Any]) -> None:
    typed = "--concurrency 64 --price L40S=0.8 --max-model-len 16384 --kv-cache-dtype fp8 --no-enable-prefix-caching"
    printed = valuegen("plan", "Qwen3-8B", "--gpu", "L40S:4", *typed.split()).stdout
    step = shlex.split(printed.partition("Next: valuegen ")[2].replace("\\\n", ""))
    assert step == f"values Qwen3-8B --gpu L40S:4 {typed} -o values.yaml".split()
    again = valuegen(*step[:-2])
    assert again.code == 0
    assert "# 64 requests of 16384 tokens at once" in again.stdout


def test_explain_gives_every_number_of_a_gpu_a_formula_and_a_source(valuegen: Callable[..., Any]) -> None:
    text = valuegen("fit", "Qwen3-8B", "--gpu", "L40S", "--explain").stdout
    for number in (
        "GPU memory",
        "budget",
        "weights",
        "activation peak",
        "CUDA graphs",
        "outside PyTorch",
        "KV cache",
        "requests at once",
        "shared memory",
        "memory request",
        "memory limit",
        "CPUs",
        "model cache",
        "a block",
        "start-up",
        "drain",
    ):
        entry = re.search(
            rf"^{number}  .* (exact|derived|calibrated|assumed)\n  = .*\n(?:    .*\n)+", text, re.MULTILINE
        )
        assert entry is not None, number
        assert "\n    source: " in entry[0], number


@pytest.mark.parametrize(
    "name",
    ["Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-Next-80B-A3B-Instruct"],
)
def test_the_parts_that_explain_shows_add_up(
    valuegen: Callable[..., Any], in_folder: Path, name: str
) -> None:
    """Of a dense, an MoE, a latent and a hybrid model, on a page of 80 columns."""
    (in_folder / "config.json").write_text(json.dumps(document(name)))
    asked = ["--gpu", "H200", "--tensor-parallel-size", "8", "--max-model-len", "32K", "--profile", "latency"]
    page = valuegen("fit", "./", *asked, "--explain")
    assert page.code == 0
    assert max(map(len, page.stdout.splitlines())) <= 80
    rank = json.loads(valuegen("fit", "./", *asked, "--json").stdout)["ranks"][0]
    shown = re.search(r"^weights  +([\d,]+) bytes .*\n  = ((?:.*\n)+?)    every", page.stdout, re.MULTILINE)
    assert shown is not None
    assert int(shown[1].replace(",", "")) == rank["weights_bytes"]
    unit = {"GiB": 1024**3, "MiB": 1024**2}
    parts = re.findall(r"([\d.]+)\s+(GiB|MiB)", shown[2])
    total = sum(float(size) * unit[word] for size, word in parts)
    assert total == pytest.approx(rank["weights_bytes"], abs=len(parts) * 0.006 * 1024**3)


def test_values_are_printed_or_written(valuegen: Callable[..., Any], tmp_path: Path) -> None:
    printed = valuegen("values", "Qwen3-8B", "--gpu", "L40S")
    written = valuegen("values", "Qwen3-8B", "--gpu", "L40S", "-o", tmp_path / "values.yaml")
    assert (printed.code, written.code) == (0, 0)
    assert (tmp_path / "values.yaml").read_text() == printed.stdout
    assert written.stdout == ""
    document = json.loads(valuegen("values", "Qwen3-8B", "--gpu", "L40S", "--json").stdout)
    assert document == yaml.safe_load(printed.stdout)


@pytest.mark.parametrize(
    ("text", "number"),
    [("8192", 8192), ("8k", 8000), ("8K", 8192), ("1.5k", 1500), ("2M", 2 * 2**20), ("3g", 3 * 10**9)],
)
def test_counts_are_read_as_vllm_reads_them(text: str, number: int) -> None:
    assert HumanInt().convert(text, None, None) == number


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_names_its_options(valuegen: Callable[..., Any], command: str) -> None:
    outcome = valuegen(command, "--help")
    assert outcome.code == 0
    assert ("--json" in outcome.stdout) == (command != "completion")
    for parameter in group.commands[command].params:
        if parameter.param_type_name == "option":
            assert max(parameter.opts, key=len) in outcome.stdout
            assert parameter.help


def test_version_is_the_packages(valuegen: Callable[..., Any]) -> None:
    assert re.fullmatch(r"valuegen \d+\.\d+\.\d+, for vLLM 0\.33\n", valuegen("--version").stdout)


COMMAND = f"""{INTERRUPTIBLE}
from valuegen.cli import main
main()
"""


def process(*arguments: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Unbuffered, Python drops what a closed pipe does not take, without an error.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


def test_a_reader_that_leaves_is_no_error() -> None:
    running = process("plan", "Qwen3-8B", "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.read(10)
    running.stdout.close()
    errors = running.stderr.read()
    running.stderr.close()
    assert running.wait(timeout=30) == 141
    assert errors == b""


def test_ctrl_c_ends_with_130_and_one_line() -> None:
    """A long output that nobody reads on blocks until the interrupt."""
    running = process("plan", "Qwen3-8B", "--json")
    assert running.stdout is not None
    assert running.stdout.read(1) == b"{"
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert errors == b"valuegen: interrupted\n"
