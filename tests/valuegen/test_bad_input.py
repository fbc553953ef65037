"""Every refusal is one line that names the input, the rule and the next step; nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.valuegen.broken_inputs import BROKEN_CONFIGS, BROKEN_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

QWEN = "fit Qwen3-8B --gpu H100"

# command, exit code, what the line must name: the input, the rule, the next step
REFUSALS = {
    "TP that does not divide the heads": (
        f"{QWEN} --tensor-parallel-size 3",
        3,
        ["--tensor-parallel-size 3", "32 attention heads", "use --tensor-parallel-size"],
    ),
    "a model that cannot fit": (
        "fit Llama-3.1-70B-Instruct --gpu T4",
        3,
        ["Llama-3.1-70B-Instruct on T4", "GiB are needed", "use --gpu"],
    ),
    "a context that is too long for the GPU": (
        "fit Qwen3-8B --gpu L4",
        3,
        ["--max-model-len 40960", "KV cache", "lower --max-model-len to"],
    ),
    "a context beyond the model's": (
        f"{QWEN} --max-model-len 41K",
        3,
        ["--max-model-len", "40960", "or less"],
    ),
    "a plan that nothing carries": (
        "plan Llama-3.1-70B-Instruct --gpu T4:4",
        3,
        ["Llama-3.1-70B-Instruct on T4", "GiB are needed", "use --gpu"],
    ),
    "too few GPUs offered": (
        "plan Qwen3-8B --gpu L40S:1 --concurrency 99",
        3,
        ["--gpu L40S:1", "99 requests", "offer 5"],
    ),
    "an unknown KV cache type": (f"{QWEN} --kv-cache-dtype fp3", 3, ["--kv-cache-dtype fp3", "use"]),
    "an unknown GPU": ("fit Qwen3-8B --gpu H1000", 2, ["--gpu H1000", "no such GPU", "did you mean H100"]),
    "an unknown GPU in a plan": (
        "plan Qwen3-8B --gpu L40SX:2",
        2,
        ["--gpu L40SX", "no such GPU", "did you mean L40S"],
    ),
    "a GPU count that is none": ("plan Qwen3-8B --gpu L40S:0", 2, ["--gpu", "'L40S:0'", "--help"]),
    "a GPU count in words": ("plan Qwen3-8B --gpu L40S:two", 2, ["--gpu", "'L40S:two'", "--help"]),
    "a price that is none": ("plan Qwen3-8B --price L40S=cheap", 2, ["--price", "'L40S=cheap'", "NAME=USD"]),
    "a negative price": ("plan Qwen3-8B --price L40S=-1", 2, ["--price", "'L40S=-1'", "NAME=USD"]),
    "an unknown model": ("plan Qwen3-9B", 2, ["Qwen3-9B", "no such file", "did you mean Qwen3-8B"]),
    "an empty model": ("plan ''", 2, ["MODEL", "is empty", "valuegen models"]),
    "no model": ("plan", 2, ["MODEL", "is required", "valuegen plan --help"]),
    "no GPU": ("fit Qwen3-8B", 2, ["--gpu", "is required", "valuegen fit --help"]),
    "no command": ("", 2, ["no command given", "valuegen --help"]),
    "an unknown command": ("nope", 2, ["nope", "valuegen --help"]),
    "an unknown option": (
        f"{QWEN} --tensor-parallel-sise 2",
        2,
        ["--tensor-parallel-sise", "--tensor-parallel-size"],
    ),
    "a size of zero": (
        f"{QWEN} --tensor-parallel-size 0",
        2,
        ["--tensor-parallel-size", "'0'", "at least 1"],
    ),
    "a negative size": (f"{QWEN} --max-num-seqs -1", 2, ["--max-num-seqs", "'-1'", "8192"]),
    "a number in words": (f"{QWEN} --max-model-len long", 2, ["--max-model-len", "'long'", "8k"]),
    "binary thousands with decimals": (
        f"{QWEN} --max-model-len 8.5K",
        2,
        ["--max-model-len", "'8.5K'", "decimals"],
    ),
    "a share above one": (
        f"{QWEN} --gpu-memory-utilization 1.5",
        2,
        ["--gpu-memory-utilization", "'1.5'", "at most 1"],
    ),
    "a share that is no number": (
        f"{QWEN} --gpu-memory-utilization nan",
        2,
        ["--gpu-memory-utilization", "'nan'"],
    ),
    "a vLLM that is too old": (
        f"{QWEN} --vllm-version 0.8.5",
        2,
        ["--vllm-version 0.8.5", "0.10 to 0.33", "0.33.0"],
    ),
    "an explanation as JSON": (f"{QWEN} --explain --json", 2, ["--explain", "provenance"]),
    "an automatic length in a plan": (
        "plan Qwen3-8B --max-model-len auto",
        2,
        ["--max-model-len auto", "one length", "number of tokens"],
    ),
    "values of a size": ("values 8B --gpu H100 --name mine", 2, ["8B", "no weights", "--source"]),
    "a source of another kind": (
        "values Qwen3-8B --gpu H100 --source gs://b/m",
        2,
        ["--source gs://b/m", "hf://org/name"],
    ),
    "a revision of a size": ("plan 8B --revision main", 2, ["8B", "Hub id", "--revision"]),
    "a revision of a path": ("plan . --revision main", 2, [".", "no revision", "--revision"]),
    "sizes for which no node has the GPUs": (
        "plan Qwen3-8B --gpu T4 --tensor-parallel-size 4 --data-parallel-size 2",
        3,
        ["--tensor-parallel-size 4 --data-parallel-size 2: 8 GPUs", "where 4 x T4 are offered", "lower one"],
    ),
    "no nodes": ("plan Qwen3-8B --max-nodes 0", 2, ["--max-nodes", "'0'", "at least 1"]),
    "GPUs of a node in words": (
        "plan Qwen3-8B --max-gpus-per-node all",
        2,
        ["--max-gpus-per-node", "'all' is no number"],
    ),
    "a profile of nobody": ("values Qwen3-8B --profile fast", 2, ["--profile", "'fast'", "'long-context'"]),
    "prices that are missing": (
        "plan Qwen3-8B --prices p.toml",
        2,
        ["--prices p.toml", "cannot be read", "correct the path"],
    ),
    "a picture in a missing folder": (
        "plan Qwen3-8B --plot gone/p.svg",
        2,
        ["gone/p.svg", "directory does not exist", "mkdir -p"],
    ),
    "variants of one configuration": (
        "values Qwen3-0.6B --gpu T4 --max-gpus-per-node 1 --variants",
        2,
        ["--variants", "only one configuration", "--gpu"],
    ),
    "something after models": ("models Qwen3-8B L4", 2, ["L4", "valuegen models --help"]),
    "a filter that leaves no model": ("models qwen9", 2, ["qwen9: matches none of `valuegen models`"]),
    "a filter that leaves no GPU": ("gpus zzz --slices", 2, ["zzz: matches none of `valuegen gpus`"]),
    "a split over slices": (
        "fit Qwen3-0.6B --gpu A100-MIG-1g.10gb --tensor-parallel-size 2",
        3,
        ["--tensor-parallel-size 2", "is a MIG slice", "--gpu A100-SXM4-80GB"],
    ),
    "a slice that no GPU has": (
        "fit Qwen3-0.6B --gpu L4-MIG-1g.10gb",
        2,
        ["--gpu L4-MIG-1g.10gb: no such GPU"],
    ),
    "an option that gpus lacks": ("gpus --jsno", 2, ["--jsno", "--json"]),
    "no shell": ("completion", 2, ["SHELL", "is required", "valuegen completion --help"]),
    "an unknown shell": ("completion tcsh", 2, ["'tcsh'", "'bash', 'zsh', 'fish'", "--help"]),
    "no values file": ("check", 2, ["VALUES", "is required", "valuegen check --help"]),
    "a values file that is missing": (
        "check nope.yaml",
        2,
        ["nope.yaml", "no such file", "name a values file"],
    ),
    "an unknown form": ("check a.yaml --format xml", 2, ["--format", "'xml'", "'sarif'"]),
    "a model of no key": ("check a.yaml --model Qwen3-8B", 2, ["--model", "'Qwen3-8B'", "KEY=MODEL"]),
    "storage without speed": ("check a.yaml --storage-speed 0", 2, ["--storage-speed", "'0'", "at least 1"]),
    "both outputs": (
        "values Qwen3-8B --gpu H100 -o a.yaml --into b.yaml",
        2,
        ["-o and --into", "exclude each other"],
    ),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(outcome: Any, code: int, names: list[str]) -> None:
    """The outcome is one line on stderr that names all of `names`, with that exit code."""
    assert outcome.code == code, outcome
    assert outcome.stderr.startswith("valuegen: ")
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.count(";") >= 1
    for name in names:
        assert name in outcome.stderr


@pytest.mark.parametrize(("command", "code", "names"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_one_line_with_the_input_the_rule_and_the_next_step(
    valuegen: Callable[..., Any], tmp_path: Path, command: str, code: int, names: list[str]
) -> None:
    arguments = ["" if word == "''" else word for word in command.split()]
    refused(valuegen(*arguments), code, names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", BROKEN_CONFIGS)
@pytest.mark.parametrize("command", ["fit", "plan", "values", "check"])
def test_a_broken_config_stops_every_command(
    valuegen: Callable[..., Any], tmp_path: Path, command: str, name: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    make, rule = BROKEN_CONFIGS[name]
    make(folder)
    body = {"source": {"uri": str(folder)}, "accelerator": {"product": "NVIDIA-L40S"}}
    (tmp_path / "values.yaml").write_text(json.dumps({"models": {"broken": body}}))
    before = sorted(tmp_path.rglob("*"))
    options = {"fit": ["--gpu", "H100"], "plan": [], "values": ["-o", "out.yaml"], "check": []}
    outcome = valuegen(command, "values.yaml" if command == "check" else folder, *options[command])
    if command == "check":
        refused(outcome, 3, ["values.yaml: 1 not judged"])
        assert rule in " ".join(outcome.stdout.split())
    else:
        refused(outcome, 2, ["model", rule])
        assert outcome.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", BROKEN_VALUES)
@pytest.mark.parametrize("command", ["check", "values"])
def test_a_broken_values_file_stops_every_command_that_reads_one(
    valuegen: Callable[..., Any], tmp_path: Path, command: str, name: str
) -> None:
    make, code, rule = BROKEN_VALUES[name]
    path = tmp_path / "values.yaml"
    make(path)
    stat = path.lstat() if path.is_symlink() or path.exists() else None
    options = ["Qwen3-8B", "--gpu", "L40S", "--into"] if command == "values" else []
    outcome = valuegen(command, *options, "values.yaml")
    if command == "check":
        refused(outcome, code, ["values.yaml"])
        assert rule in " ".join((outcome.stdout + outcome.stderr).split())
    else:
        refused(outcome, 2, ["values.yaml"])
    assert [entry.name for entry in tmp_path.iterdir()] == (["values.yaml"] if stat else [])
    if stat:
        assert (path.lstat().st_mtime_ns, path.lstat().st_ino) == (stat.st_mtime_ns, stat.st_ino)


def test_thirty_broken_inputs_are_tried() -> None:
    assert min(len(BROKEN_CONFIGS), len(BROKEN_VALUES)) >= 30


@pytest.mark.parametrize(
    ("output", "rule", "step"),
    [
        (".", "is a directory", "name a file in it"),
        ("/dev/null", "is no regular file", "leave -o out"),
        ("missing/out.yaml", "its directory does not exist", "mkdir -p"),
        ("/proc/out.yaml", "cannot be written", "choose another path"),
        ("file/out.yaml", "its directory does not exist", "mkdir -p"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(
    valuegen: Callable[..., Any], tmp_path: Path, output: str, rule: str, step: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused(valuegen("values", "Qwen3-8B", "--gpu", "L40S", "-o", output), 2, [output, rule, step])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_output_that_is_a_link_to_itself_is_refused(valuegen: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "out.yaml").symlink_to("out.yaml")
    refused(valuegen("values", "Qwen3-8B", "--gpu", "L40S", "-o", "out.yaml"), 2, ["out.yaml: cannot be"])
    assert [path.is_symlink() for path in tmp_path.iterdir()] == [True]


@pytest.mark.parametrize(
    ("into", "rule", "step"),
    [("missing.yaml", "no such file", "-o missing.yaml"), (".", "is a directory", "name a file in it")],
)
def test_a_file_to_update_that_is_none_is_refused(
    valuegen: Callable[..., Any], tmp_path: Path, into: str, rule: str, step: str
) -> None:
    refused(
        valuegen("values", "Qwen3-8B", "--gpu", "L40S", "--into", into), 2, [f"--into {into}", rule, step]
    )
    assert not list(tmp_path.iterdir())


def test_a_full_disk_behind_standard_output_is_refused() -> None:
    program = [sys.executable, "-c", "from valuegen.cli import main; main()", "gpus"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            program, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=environment
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("valuegen: standard output: cannot be written")


def test_a_plan_that_nothing_carries_writes_no_values(valuegen: Callable[..., Any], tmp_path: Path) -> None:
    outcome = valuegen("values", "Llama-3.1-70B-Instruct", "--gpu", "T4", "-o", "out.yaml")
    refused(outcome, 3, ["Llama-3.1-70B-Instruct on T4", "use --gpu"])
    assert outcome.stdout == ""
    assert not list(tmp_path.iterdir())
