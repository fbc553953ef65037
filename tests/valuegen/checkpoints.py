"""Checkpoints made in a test: safetensors headers before sparse data."""

from __future__ import annotations

import json
import struct
from math import prod
from typing import TYPE_CHECKING, Any

from valuegen.checkpoint import DTYPE_BITS, INDEX_FILE, CheckpointTensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# A shape of no family that valuegen has a file for; small enough to count by hand.
UNKNOWN = {
    "architectures": ["UnheardOfForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 2048,
    "dtype": "bfloat16",
}
TENSORS = {
    "model.embed_tokens.weight": (320, 64),
    **{
        f"model.layers.{layer}.{name}.weight": shape
        for layer in range(2)
        for name, shape in {
            "self_attn.q_proj": (64, 64),
            "self_attn.k_proj": (32, 64),
            "mlp.up_proj": (256, 64),
            "mlp.router": (8, 64),
            "norm": (64,),
        }.items()
    },
}


def entries(tensors: Iterable[CheckpointTensor]) -> tuple[dict[str, Any], int]:
    """(the header's object, bytes of data)."""
    end, header = 0, {}
    for tensor in tensors:
        begin, end = end, end + prod(tensor.shape) * DTYPE_BITS[tensor.dtype] // 8
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    return header, end


def encoded(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def safetensors(shapes: Mapping[str, tuple[int, ...]], dtype: str = "BF16") -> bytes:
    """A whole file, its data zeros."""
    header, size = entries(CheckpointTensor(name, dtype, shape) for name, shape in shapes.items())
    return encoded({"__metadata__": {"format": "pt"}, **header}) + bytes(size)


def in_shards(shapes: Mapping[str, tuple[int, ...]], count: int = 2) -> dict[str, bytes]:
    """The files of a checkpoint in several shards, with their index."""
    names = list(shapes)
    files, owners = {}, {}
    for number in range(count):
        shard, mine = f"model-{number}.safetensors", names[number::count]
        files[shard] = safetensors({name: shapes[name] for name in mine})
        owners.update(dict.fromkeys(mine, shard))
    return {**files, INDEX_FILE: json.dumps({"metadata": {}, "weight_map": owners}).encode()}


def folder(path: Path, files: Mapping[str, bytes], config: Mapping[str, Any] = UNKNOWN) -> Path:
    """A checkpoint's directory."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(dict(config)))
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path
