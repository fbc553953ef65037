"""Values files for the tests of `check`, and a Hub that is not there."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from valuegen import EngineSettings, Gpu, GpuOffer, Model, ModelError, plan
from valuegen.check import CheckReport, check
from valuegen.values import render
from valuegen.valuesfile import Place, Values, overlay

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted((ROOT / "charts/vllm-stack/ci").glob("*-values.yaml"))
KEY = "qwen3-8b"

# One model with a variant; line 2 and line 6 each hold a value that is too small.
SEVERAL = """\
x-drain: &drain
  drainSeconds: 0
defaults:
  accelerator: {product: NVIDIA-L40S}
  startup:
    budgetSeconds: 100
models:
  a:
    source: {uri: hf://Qwen/Qwen3-8B}
    args: {max-model-len: 4096}
    shutdown:
      <<: *drain
      preStopSeconds: 5
    variants:
      big:
        accelerator:
          product: NVIDIA-H100-80GB-HBM3
        startup: {budgetSeconds: 600}
      gone: {enabled: false}
  b:
    enabled: no
    source: {uri: hf://no/such}
  c: null
"""


@cache
def _good() -> dict[str, Any]:
    made = plan(Model.load("Qwen3-8B"), [GpuOffer(Gpu.find("L40S"))], EngineSettings(tensor_parallel_size=2))
    return render(made, made.ranked[0]).data


def good(**changes: Any) -> dict[str, Any]:
    """Qwen3-8B on two L40S with every figure written out, as `valuegen values` does, and changes of the model."""
    return overlay(_good(), {"models": {KEY: changes}})


def checked(data: dict[str, Any], **options: Any) -> CheckReport:
    """The report on values that stand in no file."""
    return check(Values(data, {}, Place("values.yaml", 1)), **options)


def unreachable(repo_id: str, *_: Any, **__: Any) -> None:
    """The Hub, from a machine without a network."""
    raise ModelError(f"{repo_id}: the Hugging Face Hub cannot be reached", "connect it")
