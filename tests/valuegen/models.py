"""Real config.json documents and a resolved H100, for the tests beside this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from valuegen.config import ModelConfig
from valuegen.engine import EngineSettings, ResolvedSettings, resolve

FOLDER = Path(__file__).parent / "golden" / "models"
GIB = 1024**3


def _golden(name: str) -> dict[str, Any]:
    golden = json.loads((FOLDER / f"{name.replace('/', '__')}.json").read_text())
    assert isinstance(golden, dict)
    return golden


def document(name: str) -> dict[str, Any]:
    """The config.json of a golden model."""
    config = _golden(name)["config"]
    assert isinstance(config, dict)
    return config


def model(name: str, **changes: Any) -> ModelConfig:
    """A golden model, some keys of its config.json changed (None removes one)."""
    config = {key: value for key, value in (document(name) | changes).items() if value is not None}
    return ModelConfig.from_dict(config, name=name, hf_quant_config=_golden(name)["hf_quant_config"])


def on_h100(config: ModelConfig, **settings: Any) -> ResolvedSettings:
    """The settings resolved for an H100."""
    return resolve(
        config,
        EngineSettings(**settings),
        gpu_memory_bytes=85_029_158_912,
        gpu_name="NVIDIA H100 80GB HBM3",
        compute_capability=(9, 0),
    )
