"""Measures the figures that the README states; every figure is the median of interleaved runs.

Timings on a shared machine drift, so each command runs in turn with its yardstick (`helm version`,
a bare Python). The ratio is what counts: the median of the ratios of every turn, in which both were
slow or fast together.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement

import valuegen
from charttest import parts
from charttest.cluster import LocalCluster
from charttest.node.configuration import PAUSE_IMAGE

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bench"},
    "spec": {"containers": [{"name": "main", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}]},
}
# A process that searches twenty types: those that clouds rent, then those with the most memory.
TWENTY = """
from valuegen import Model, plan
from valuegen.catalog.gpus import whole_gpus
types = sorted(whole_gpus(), key=lambda gpu: (not gpu.planned, -gpu.memory_bytes))[:20]
made = plan(Model.load("Qwen3-8B"), types)
assert len({candidate.fit.gpu.name for candidate in made.candidates}) == 20
"""
ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "vllm-stack"


def main() -> None:
    """Parse the options, measure, print one line per figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20, help="runs of each command (default 20)")
    options.add_argument("--no-cluster", action="store_true", help="leave out the cluster's start")
    arguments = options.parse_args()

    with tempfile.TemporaryDirectory(prefix="vllm-stack-bench-") as folder:
        for name, commands in _rows(Path(folder)).items():
            taken = measure(commands, arguments.runs)
            yardstick, *others = taken
            for command in others:
                turns = zip(taken[command], taken[yardstick], strict=True)
                ratio = statistics.median(seconds / against for seconds, against in turns)
                print(
                    f"{name:<10} {command:<28} {statistics.median(taken[command]):7.3f} s"
                    f"   {ratio:5.2f} x {yardstick} ({statistics.median(taken[yardstick]):.3f} s)"
                )
    print(f"{'valuegen':<10} {'installed, with dependencies':<28} {_installed_megabytes():7.1f} MB")
    if not arguments.no_cluster:
        print(f"{'cluster':<10} {'up and ready':<28} {_cluster_up_seconds(runs=3):7.3f} s   (median of 3)")
        for what, seconds in _node_seconds(runs=3).items():
            print(f"{'real node':<10} {what:<28} {seconds:7.3f} s   (median of 3)")


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Wall seconds of each command in every turn; all run in turn `runs` times after one warm-up round."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    # An installed package has its bytecode; a checkout writes it in the warm-up round.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for turn in range(runs + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _rows(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The commands by table row; the first of each row is the yardstick of the others."""
    values = {count: _values_file(folder, count) for count in (2, 200)}
    rows = {}
    for name in ("helm-4", "helm-3"):
        helm = str(parts.find(name))
        rows[name] = {
            "helm version": [helm, "version"],
            **{
                f"template, {n} models": [helm, "template", "r", str(CHART), "-f", str(f)]
                for n, f in values.items()
            },
            # Where the time goes: what Helm takes to read so many objects, from a chart without any logic.
            "the same objects, no logic": [
                helm,
                "template",
                "r",
                str(_static_chart(folder, helm, values[200])),
            ],
        }
    command = shutil.which("valuegen", path=str(Path(sys.executable).parent))
    if command is None:
        raise SystemExit("bench: valuegen is not installed beside this Python; run `make venv`")
    rows["valuegen"] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "plan Qwen3-8B": [command, "plan", "Qwen3-8B"],
        "plan over 20 GPU types": [sys.executable, "-c", TWENTY],
        "plan Qwen3-8B --json": [command, "plan", "Qwen3-8B", "--json"],
        "fit, headers of 64 layers": [command, "fit", str(_checkpoint(folder)), "--gpu", "L40S"],
        "--help": [command, "--help"],
    }
    return rows


def _installed_megabytes() -> float:
    """MB (10^6 bytes) of what pip installs for valuegen and everything that it needs to run."""
    found: dict[str, metadata.Distribution] = {}
    wanted = ["valuegen"]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = metadata.distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name.lower())
    paths = {
        Path(str(distribution.locate_file(file)))
        for name, distribution in found.items()
        if name != "valuegen"  # an editable install lists no files of its own
        for file in distribution.files or []
    }
    package = Path(valuegen.__file__).parent
    paths |= {path for path in package.rglob("*") if "__pycache__" not in path.parts}
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def _values_file(folder: Path, models: int) -> Path:
    """A values file with that many one-GPU models."""
    body = {"source": {"uri": "hf://Qwen/Qwen3-8B"}, "accelerator": {"product": "NVIDIA-L40S"}}
    path = folder / f"{models}-models.yaml"
    path.write_text(yaml.safe_dump({"models": {f"model-{i}": dict(body) for i in range(models)}}))
    return path


def _static_chart(folder: Path, helm: str, values: Path) -> Path:
    """A chart of one file, which holds what the real chart renders for those values."""
    command = [helm, "template", "r", str(CHART), "-f", str(values)]
    rendered = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    path = folder / Path(helm).name
    (path / "templates").mkdir(parents=True)
    (path / "Chart.yaml").write_text("{apiVersion: v2, name: static, version: 0.0.0}\n")
    (path / "templates" / "all.yaml").write_text(rendered.replace("{{", "{ {"))
    return path


def _checkpoint(folder: Path) -> Path:
    """A model of no known family: config.json, and a safetensors header before sparse data."""
    sizes = {"hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000}
    config = {
        "architectures": ["BenchForCausalLM"],
        "num_hidden_layers": 64,
        "max_position_embeddings": 8192,
        "dtype": "bfloat16",
    }
    shape, size, header = [1024, 1024], 2 * 1024 * 1024, {}
    names = [f"model.layers.{layer}.mlp.experts.{n}.w1.weight" for layer in range(64) for n in range(64)]
    for number, name in enumerate(names):
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [number * size, (number + 1) * size]}
    text = json.dumps(header).encode()
    path = folder / "checkpoint"
    path.mkdir()
    (path / "config.json").write_text(json.dumps({**config, **sizes}))
    with (path / "model.safetensors").open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + len(names) * size)
    return path


def _cluster_up_seconds(runs: int) -> float:
    """Median seconds from nothing to a cluster whose nodes and default ServiceAccount are ready."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        with LocalCluster():
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _node_seconds(runs: int) -> dict[str, float]:
    """Median seconds of a cluster with one real node, of that node, of a pod on it, and of its end."""
    taken: dict[str, list[float]] = {}

    def note(what: str, since: float) -> None:
        taken.setdefault(what, []).append(time.perf_counter() - since)

    with tempfile.TemporaryDirectory(prefix="vllm-stack-bench-") as folder:
        pools = Path(folder) / "nodes.yaml"
        pools.write_text("- {name: real, gpus: 2, cpu: '64', memory: 512Gi, runtime: containerd}\n")
        for _ in range(runs):
            start = time.perf_counter()
            cluster = LocalCluster(node_pools=pools)
            if reason := cluster.why_not_real():
                print(f"real node: not measured: {reason}")
                return {}
            with cluster:
                note("cluster up with it", start)
                taken.setdefault("Ready after the API server", []).append(_ready_after(cluster))
                start = time.perf_counter()
                cluster.kubectl.apply(POD)
                cluster.kubectl("wait", "--for=condition=Ready", "pod/bench", "--timeout=30s")
                note("pod Ready after apply", start)
                start = time.perf_counter()
            note("cluster down with a pod", start)
    return {what: statistics.median(seconds) for what, seconds in taken.items()}


def _ready_after(cluster: LocalCluster) -> float:
    """Whole seconds from the API server's first object to the node being Ready, by its own clock."""
    (node,) = cluster.kubectl.get("nodes")
    ready = next(each for each in node["status"]["conditions"] if each["type"] == "Ready")
    first = cluster.kubectl.get("namespace", "kube-system")["metadata"]["creationTimestamp"]
    moments = [datetime.fromisoformat(text) for text in (first, ready["lastTransitionTime"])]
    return (moments[1] - moments[0]).total_seconds()


if __name__ == "__main__":
    main()
