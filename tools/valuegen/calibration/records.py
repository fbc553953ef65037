"""The start-up logs of records.toml, with vLLM's defaults of their version and GPU filled in."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valuegen import kvcache, shape, weights
from valuegen.architectures.base import text_keys
from valuegen.calibration import NEWEST, OLDEST, Minor, default_utilization, minor_of, select
from valuegen.catalog.gpus import Gpu
from valuegen.config import ModelConfig
from valuegen.engine import EngineSettings, ResolvedSettings, resolve
from valuegen.errors import ValuegenError
from valuegen.keys import Keys
from valuegen.model import Model
from valuegen.overhead import Estimate, activation, cuda_graphs, non_torch
from valuegen.units import GIB

if TYPE_CHECKING:
    from valuegen.shape import Shape

FOLDER = Path(__file__).parent
# Before, the logged tokens were those of one group's blocks (v1/core/kv_cache_utils.py).
TOKENS_PER_REQUEST_SINCE = (0, 21)


@dataclass(frozen=True)
class Run:
    """What decides the memory beside weights and cache, where a log states all of it."""

    shape: Shape
    settings: ResolvedSettings
    gpu: Gpu

    @property
    def budget(self) -> int:
        """Bytes that --gpu-memory-utilization grants."""
        return ceil(self.gpu.memory_bytes * self.settings.gpu_memory_utilization)

    @property
    def samples(self) -> bool:
        """Whether the GPU that wrote the log samples: the first one of a pipeline does not."""
        return self.settings.pipeline_parallel_size == 1


@dataclass(frozen=True)
class Record:
    """One start-up log."""

    stated: dict[str, Any]  # as records.toml has it
    document: dict[str, Any] | None  # the model's config.json, where it is known
    gpu: Gpu | None

    @property
    def id(self) -> str:
        """Its name in records.toml."""
        return str(self.stated["id"])

    @property
    def minor(self) -> Minor:
        """The vLLM version, (-1, -1) if the log does not state it."""
        return minor_of(self.stated.get("vllm", ""))

    def gib(self, key: str) -> float | None:
        """A figure of the log."""
        return self.stated.get(f"{key}_gib")

    @cached_property
    def config(self) -> ModelConfig | None:
        """The model as valuegen reads it; None for a family that it has no file for."""
        if self.document is None:
            return None
        try:
            return ModelConfig.from_dict(
                self.document["config"],
                name=self.stated["model"],
                hf_quant_config=self.document.get("hf_quant_config"),
            )
        except ValuegenError:
            return None

    @cached_property
    def shape(self) -> Shape | None:
        """What of the model decides the memory of a pass."""
        return None if self.document is None else _shape(self.document["config"], self.stated)

    @cached_property
    def run(self) -> Run | None:
        """The stated settings over vLLM's defaults; None without a model, GPU, version or group size."""
        stated = self.stated["settings"]
        if (
            self.gpu is None
            or self.shape is None
            or self.minor < OLDEST
            or "tensor_parallel_size" not in stated
        ):
            return None
        settings = _settled(self.config, stated, self.gpu, self.minor)
        return Run(self.shape, settings, self.gpu)

    @property
    def model(self) -> object:
        """What is left out together: every log of the same model, however it is quantized."""
        return self.shape or self.stated.get("model")

    @cached_property
    def weights(self) -> float | None:
        """Bytes per GPU, stated or counted."""
        stated = self.gib("weights")
        return self.counted_weights if stated is None else stated * GIB

    @cached_property
    def counted_weights(self) -> float | None:
        """Bytes per GPU as valuegen counts them; None where it cannot, or refuses."""
        if self.config is None or "quantized_otherwise" in self.stated:
            return None
        tensor = self.stated["settings"].get("tensor_parallel_size")
        if tensor is None:
            return None
        settings = _settled(self.config, self.stated["settings"], self.gpu or Gpu.find("H100"), NEWEST)
        try:
            stages = settings.pipeline_parallel_size
            return max(weights.loaded_weights_bytes(self.config, settings, stage) for stage in range(stages))
        except ValuegenError:
            return None

    @cached_property
    def kv_bytes(self) -> float | None:
        """Bytes of the KV cache per GPU: stated, or what the stated tokens or blocks take."""
        if (stated := self.gib("kv")) is not None:
            return stated * GIB
        if self.config is None or self.run is None:
            return None
        layout = kvcache.layout(self.config, self.run.settings)
        if "blocks" in self.stated:
            return float(self.stated["blocks"] * layout.bytes_per_block)
        if "tokens" in self.stated and len(layout.groups) > 1 and self.minor < TOKENS_PER_REQUEST_SINCE:
            blocks = self.stated["tokens"] / layout.block_size * len(layout.groups)
            return float(blocks * layout.bytes_per_block)
        if "tokens" in self.stated:
            return float(self.stated["tokens"] / layout.max_model_len * layout.bytes_per_request)
        return None


def read() -> list[Record]:
    """Every record of records.toml, in its order."""
    document = tomllib.loads((FOLDER / "records.toml").read_text(encoding="utf-8"))
    models = json.loads((FOLDER / "models.json").read_text(encoding="utf-8"))
    return [
        Record(
            stated=stated,
            document=models.get(stated.get("model")),
            gpu=_gpu(stated, document["gpu"]) if "gpu" in stated else None,
        )
        for stated in document["record"]
    ]


@dataclass(frozen=True)
class Parts:
    """What a calibration says of one log's GPU, beside weights and KV cache."""

    activation: Estimate
    non_torch: Estimate
    graphs: Estimate
    graphs_in_budget: bool

    def total(self, end: str) -> int:
        """Bytes taken from the budget, at one end of the estimates."""
        parts = (self.activation, self.non_torch, *([self.graphs] if self.graphs_in_budget else []))
        return sum(getattr(part, end) for part in parts)


def predicted(record: Record, document: dict[str, Any]) -> Parts | None:
    """What a calibration document predicts for a log; None where its model or settings are not known."""
    if (run := record.run) is None:
        return None
    fitted = select(document, record.minor)
    return Parts(
        activation=activation(run.shape, run.settings, fitted, first_stage=True, last_stage=run.samples),
        non_torch=non_torch(run.settings, run.gpu, fitted),
        graphs=cuda_graphs(run.shape, run.settings, run.gpu, fitted),
        graphs_in_budget=fitted.graphs_in_budget,
    )


def _gpu(stated: dict[str, Any], others: dict[str, Any]) -> Gpu:
    name = stated["gpu"]
    if name in others:
        facts = others[name]
        memory = stated.get("memory_gib", facts["memory_gib"])
        capability = tuple(facts["compute_capability"])
        link = facts["interconnect"]
        return Gpu(name, (name,), (), capability, round(memory * GIB), "the logs", link, 1, 0.0)
    known = Gpu.find(name)
    memory = stated.get("memory_gib")
    if memory is None:
        return known
    return Gpu(
        known.name,
        known.products,
        (),
        known.compute_capability,
        round(memory * GIB),
        "the log",
        known.interconnect,
        known.max_per_node,
        0.0,
    )


def _settled(config: ModelConfig | None, stated: dict[str, Any], gpu: Gpu, minor: Minor) -> ResolvedSettings:
    """vLLM's defaults depend on the model in nothing that matters here but its dtype: any dense one will do."""
    settings = EngineSettings(
        **{"max_model_len": 8192, "gpu_memory_utilization": default_utilization(minor)} | stated
    )
    return resolve(
        config or Model.load("Qwen3-8B").config,
        settings,
        gpu_memory_bytes=gpu.memory_bytes,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
    )


def _shape(config: dict[str, Any], stated: dict[str, Any]) -> Shape:
    """From config.json alone, so that a log counts whether or not valuegen has the model's family."""
    keys = Keys(config, model=stated["model"])
    text = text_keys(keys)
    read_shape = shape.read(
        keys,
        architecture=keys.strings("architectures")[0] if keys.has("architectures") else "",
        vocab_size=text.positive("vocab_size"),
        hidden_size=text.positive("hidden_size"),
        intermediate_size=text.positive("intermediate_size", 1),
        layers=text.positive("num_hidden_layers"),
    )
    return replace(
        read_shape,
        encoder=None if stated.get("text_only") else read_shape.encoder,
        computes_logits=not stated.get("pooling"),
    )
