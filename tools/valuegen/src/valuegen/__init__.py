"""Computes what vLLM needs on a GPU and writes the values of the vllm-stack chart.

from valuegen import EngineSettings, Gpu, Model, fit
result = fit(Model.load("Qwen3-8B"), Gpu.find("L40S"), EngineSettings(max_model_len=8192))
result.to_dict()  # exactly what `valuegen fit --json` prints
"""

from valuegen.catalog.gpus import Gpu
from valuegen.engine import EngineSettings
from valuegen.errors import GpuError, ModelError, OutputError, Reason, RefusedError, UsageError, ValuegenError
from valuegen.fit import FitResult, fit
from valuegen.model import Model
from valuegen.plan import Candidate, GpuOffer, Plan, plan

__all__ = [
    "Candidate",
    "EngineSettings",
    "FitResult",
    "Gpu",
    "GpuError",
    "GpuOffer",
    "Model",
    "ModelError",
    "OutputError",
    "Plan",
    "Reason",
    "RefusedError",
    "UsageError",
    "ValuegenError",
    "fit",
    "plan",
]
