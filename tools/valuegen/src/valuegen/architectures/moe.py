"""The block of experts that takes the MLP's place in a layer: router, routed experts, shared experts.

Source: vLLM 0.33.0 model_executor/layers/fused_moe/layer.py and the MoE class of each model's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense
from valuegen.architectures.base import MODEL_DTYPE, Experts, Linear, Module, Part, Place, Weight
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.keys import Keys


@dataclass(frozen=True)
class Block:
    """What differs between families. Names are relative to the layer."""

    experts: int
    width: int  # of one routed expert
    module: str = "mlp"
    router: str = "gate"
    router_dtype: str = MODEL_DTYPE
    router_bias: bool = False
    router_quantizable: bool = False  # the model's file hands the router a quantization method
    routing_bias: str | None = None  # float32, one number per expert; relative to `module`
    expert_bias: bool = False
    gated: bool = True
    inputs: int | None = None  # of the routed experts, where it is not the hidden size
    projections: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    checkpoint_module: str | None = None  # in a quantization config, where it is not `module`
    one_per_gpu: bool = False  # as in base.Experts
    even_width: bool = False  # as in base.Experts
    shared_width: int = 0  # of all shared experts together; 0: none
    shared: str = "shared_experts"
    shared_gate: str | None = None  # a vector that weighs the shared experts
    shared_sequence_parallel: bool = False  # as in base.Linear


def modules(
    s: dense.Sizes, block: Block, layers: Iterable[int], *, options: dense.Options
) -> tuple[Module, ...]:
    """The block in each of `layers`."""
    layers = tuple(layers)
    place = Place(layers=layers)
    layer = f"{options.prefix}model.layers.*."
    inside = f"{layer}{block.module}." if block.module else layer
    found: list[Module] = [
        Linear(
            f"{inside}{block.router}",
            place,
            s.hidden,
            (Part(block.experts, block.experts),),
            "replicated",
            bias=block.router_bias,
            quantizable=block.router_quantizable,
            dtype=block.router_dtype,
        ),
        Experts(
            f"{inside}experts",
            place,
            block.experts,
            block.inputs or s.hidden,
            block.width,
            matrices=2 if block.gated else 1,
            bias=block.expert_bias,
            projections=block.projections,
            checkpoint_name=f"{layer}{block.checkpoint_module}.experts" if block.checkpoint_module else "",
            one_per_gpu=block.one_per_gpu,
            even_width=block.even_width,
        ),
    ]
    if block.routing_bias is not None:
        found.append(Weight(f"{inside}{block.routing_bias}", place, (block.experts,), "float32"))
    if block.shared_gate is not None:
        one = (Part(1, 1),)
        gate = Linear(f"{inside}{block.shared_gate}", place, s.hidden, one, "replicated", quantizable=False)
        found.append(gate)
    if block.shared_width:
        found.extend(
            dense.mlp(
                s,
                block.shared_width,
                layers,
                options=options,
                name=f"{block.module}.{block.shared}",
                sequence_parallel=block.shared_sequence_parallel,
            )
        )
    return tuple(found)


def mixed(
    s: dense.Sizes, block: Block, sparse: tuple[bool, ...], *, options: dense.Options
) -> tuple[Module, ...]:
    """The block where `sparse` says so, one per layer, and the MLP elsewhere."""
    experts = [layer for layer, is_sparse in enumerate(sparse) if is_sparse]
    plain = [layer for layer, is_sparse in enumerate(sparse) if not is_sparse]
    found = modules(s, block, experts, options=options) if experts else ()
    if not plain:
        return found
    return (*found, *dense.mlp(s, s.intermediate, plain, options=options, name=block.module))


def by_step(keys: Keys, layers: int) -> tuple[bool, ...]:
    """Qwen's rule: every `decoder_sparse_step`-th layer has experts, `mlp_only_layers` have none."""
    step = keys.positive("decoder_sparse_step", 1)
    plain = keys.indexes("mlp_only_layers")
    return tuple(layer not in plain and (layer + 1) % step == 0 for layer in range(layers))
