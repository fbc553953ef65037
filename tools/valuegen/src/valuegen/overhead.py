"""GPU memory that is neither weights nor KV cache: measured, so a point and a range.

vLLM runs one pass over a full batch before it sizes the KV cache (v1/worker/gpu_worker.py,
determine_available_memory) and takes from the budget what that pass needed at its peak. What
allocates there is known from vLLM's source and stands below as formulas; how much of it is alive at
the same time is measured: the coefficients are those of calibration.toml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from valuegen.frozen import dataclass
from valuegen.schemes import DTYPE_BYTES
from valuegen.split import padded_vocab
from valuegen.units import GIB, MIB, ceil_div

if TYPE_CHECKING:
    from valuegen.calibration import Calibration
    from valuegen.catalog.gpus import Gpu
    from valuegen.engine import ResolvedSettings
    from valuegen.shape import Encoder, Latent, Routed, Shape

MLP_COPIES = 3  # gate and up together, and their product, beside each other (layers/activation.py)
PIXEL_CHANNELS = 3
ATTENTION_COPIES = 3  # hidden states, residual and queries, beside the context of latent attention
MOST_CONTEXT_ROWS = 64 * 1024
PIPELINE_COPIES = 2  # hidden states and residual, received from the stage before and sent on
PIPELINE_ALONE = (0.07, 0.05, 0.3)  # GiB: a pipeline without tensor parallelism, two H100 on 0.19

# CUDA context and start-up buffers, taken from what --gpu-memory-utilization leaves over: at vLLM's
# start a data centre GPU of Hopper or later has 0.51 to 0.61 GiB in use, others 0.38 to 0.41.
CONTEXT_GIB = {"hopper": 0.62, "other": 0.42, "unified": 0.42}

# What MXFP4 experts take unseen by the profiling pass: gpt-oss ran out of memory while it warmed up with
# 2.4 GiB (0.14) and 4.0 GiB (0.19) left over, and started with 7.9.
OWN_BUFFERS = 2.4 * GIB

# vLLM's own estimate for layers with a recurrent state rose from 0.56 to 4.2 GiB with 0.26, for the same
# graphs (vLLM issue 50780); no log shows it for every model, so only the safe end follows.
RECURRENT_GRAPHS_SINCE, RECURRENT_GRAPHS = (0, 26), 7.5

# Dummy logits of the indexer (layers/sparse_attn_indexer.py, VLLM_SPARSE_INDEXER_MAX_LOGITS_MB).
INDEXER_LOGITS = 512 * MIB
# The kernels of sparse attention hold more than these formulas say: with the only log of DeepSeek-V4,
# on the first version that had it, the safe end has to reach 2.5 GiB further.
SPARSE_REACH = 2.5 * GIB

ENDS = ("point", "low", "high")

Kind = Literal["hopper", "other", "unified"]


@dataclass(frozen=True)
class Estimate:
    """Bytes: the likely figure and the range that the measurements span."""

    point: int
    low: int
    high: int

    @classmethod
    def of(cls, point: float, low: float, high: float) -> Estimate:
        """An estimate in whole bytes."""
        return cls(round(point), round(low), round(high))


def plus(*estimates: Estimate) -> Estimate:
    """The sum, at each end."""
    return Estimate(*(sum(getattr(each, end) for each in estimates) for end in ENDS))


def activation(
    shape: Shape, settings: ResolvedSettings, calibration: Calibration, *, first_stage: bool, last_stage: bool
) -> Estimate:
    """Peak of the profiling pass on a GPU of one pipeline stage."""
    point, low, high = (
        max(peaks(shape, settings, calibration, end, first_stage=first_stage, last_stage=last_stage).values())
        for end in ENDS
    )
    return Estimate.of(point, low, high + (SPARSE_REACH if shape.sparse else 0))


def peaks(
    shape: Shape,
    settings: ResolvedSettings,
    calibration: Calibration,
    end: str = "point",
    *,
    first_stage: bool,
    last_stage: bool,
) -> dict[str, float]:
    """Bytes of the peaks of a pass, one after the other; what one leaves behind counts in the next."""
    found = {}
    held = 0.0
    if shape.encoder is not None and first_stage:
        seen = images(shape.encoder, settings, shape.hidden_size)
        held += seen.pixels + seen.embeddings
        copies = getattr(calibration.encoder_copies, end)
        found["images"] = held + encoder_pass(shape.encoder, seen.patches, settings, copies)

    experts = expert_workspace(shape.routed, shape.hidden_size, settings) if shape.routed else 0
    found["a layer"] = held + layer_pass(shape, settings, getattr(calibration.residual_copies, end)) + experts
    if calibration.experts_keep_workspace:
        held += experts
    if shape.latent is not None:
        states = _element(settings) * settings.max_num_batched_tokens * ATTENTION_COPIES * shape.hidden_size
        found["attention"] = held + states + latent_context(shape.latent, settings)
    if last_stage and shape.computes_logits:
        found["the sampler"] = held + sampler_pass(shape, settings, getattr(calibration.sampler_bytes, end))
    return found


def layer_pass(shape: Shape, settings: ResolvedSettings, residual_copies: float) -> float:
    """Bytes of one layer over a full batch: hidden states, and the MLP's split among the GPUs."""
    width = MLP_COPIES * shape.intermediate_size / settings.tensor_parallel_size
    copies = residual_copies + (PIPELINE_COPIES if settings.pipeline_parallel_size > 1 else 0)
    hidden = copies * shape.streams * shape.hidden_size
    states = _element(settings) * settings.max_num_batched_tokens * (width + hidden)
    return states + (INDEXER_LOGITS if shape.sparse else 0)


def sampler_pass(shape: Shape, settings: ResolvedSettings, sampler_bytes: float) -> float:
    """Bytes while logits are sampled: the batch's last hidden states, and one row of logits per request.

    Tensor parallelism does not shrink it: every rank gathers all logits (v1/sample/ops).
    """
    rows = min(settings.max_num_batched_tokens, settings.max_num_seqs)
    states = settings.max_num_batched_tokens * shape.streams + rows
    hidden = _element(settings) * states * shape.hidden_size
    return hidden + sampler_bytes * rows * padded_vocab(shape.vocab_size)


def latent_context(latent: Latent, settings: ResolvedSettings) -> float:
    """Bytes of the earlier tokens of prompts, unfolded: as many as the chunked prefill takes at once.

    Source: vLLM 0.33.0 layers/attention/mla_attention.py (determine_chunked_prefill_workspace_size, forward).
    """
    pages = 4 * settings.max_num_seqs * settings.block_size
    rows = min(max(8 * settings.max_model_len, pages), MOST_CONTEXT_ROWS)
    heads = ceil_div(latent.heads, settings.tensor_parallel_size)
    return _element(settings) * rows * heads * latent.width


def expert_workspace(routed: Routed, hidden_size: int, settings: ResolvedSettings) -> int:
    """Bytes of the two buffers that the experts' kernels share.

    Source: vLLM 0.33.0 layers/fused_moe/experts/triton_moe.py and marlin_moe.py (workspace_shapes).
    """
    split = 1 if settings.enable_expert_parallel else settings.tensor_parallel_size
    width = ceil_div(routed.width, split)
    per_token = max(width, hidden_size) + max(2 * width, hidden_size)
    return _element(settings) * settings.max_num_batched_tokens * routed.per_token * per_token


@dataclass(frozen=True)
class Images:
    """The images that one pass may hold. Bytes; patches are counted."""

    patches: int
    pixels: int
    embeddings: int


def images(encoder: Encoder, settings: ResolvedSettings, hidden_size: int) -> Images:
    """As many of the largest images as the batch has tokens for, at least one.

    Source: vLLM 0.33.0 multimodal/encoder_budget.py, v1/core/encoder_cache_manager.py
    (compute_mm_encoder_budget).
    """
    count = max(1, settings.max_num_batched_tokens // encoder.tokens_per_image)
    tokens = count * encoder.tokens_per_image
    patches = tokens * encoder.patches_per_token
    element = _element(settings)
    return Images(
        patches=patches,
        pixels=element * patches * encoder.patch_size**2 * PIXEL_CHANNELS,
        embeddings=element * tokens * hidden_size,
    )


def encoder_pass(encoder: Encoder, patches: int, settings: ResolvedSettings, encoder_copies: float) -> float:
    """Bytes of one layer of the vision tower over all patches."""
    width = 2 * encoder.intermediate_size / settings.tensor_parallel_size
    return _element(settings) * patches * (width + encoder_copies * encoder.hidden_size)


def non_torch(settings: ResolvedSettings, gpu: Gpu, calibration: Calibration) -> Estimate:
    """Growth outside PyTorch on one GPU while vLLM starts: cuBLAS, NCCL, vLLM's own all-reduce."""
    growth = calibration.growth[kind_of(gpu)]
    group = settings.tensor_parallel_size
    if group == 1:
        alone = growth.alone
        pipeline = settings.pipeline_parallel_size > 1
        ends = PIPELINE_ALONE if pipeline else (alone.point, alone.low, alone.high)
    else:
        pair = growth.group if has_custom_all_reduce(gpu, group) else growth.plain_group
        peers = growth.per_peer * (group - 2)
        ends = (pair.point + peers, pair.low + peers, pair.high + peers)
    return Estimate.of(*(end * GIB for end in ends))


def has_custom_all_reduce(gpu: Gpu, group: int) -> bool:
    """Whether vLLM's own all-reduce runs: over NVLink, or between two GPUs on PCIe that reach each other.

    Source: vLLM 0.33.0 distributed/device_communicators/custom_all_reduce.py.
    """
    if gpu.compute_capability < (8, 0):
        return False
    if gpu.is_amd:  # platforms/rocm.py (use_custom_allreduce): MI300 and later, over its own links
        return gpu.interconnect == "xgmi" and gpu.compute_capability >= (9, 4)
    return gpu.interconnect == "nvlink" or group == 2


def cuda_graphs(shape: Shape, settings: ResolvedSettings, gpu: Gpu, calibration: Calibration) -> Estimate:
    """What the captured graphs hold. Since 0.21 vLLM sets it aside before it sizes the KV cache."""
    if settings.enforce_eager:
        return Estimate(0, 0, 0)
    layers = ceil_div(shape.layers, settings.pipeline_parallel_size)
    graphs, size = layers * graph_count(shape, settings, gpu), calibration.graph_bytes[kind_of(gpu)]
    high = size.high
    if shape.recurrent and calibration.minor >= RECURRENT_GRAPHS_SINCE:
        high *= RECURRENT_GRAPHS
    return Estimate.of(graphs * size.point, graphs * size.low, graphs * high)


def graph_count(shape: Shape, settings: ResolvedSettings, gpu: Gpu) -> int:
    """One graph per batch size for mixed batches, one more for pure decoding up to max_num_seqs.

    Source: vLLM 0.33.0 config/compilation.py (FULL_AND_PIECEWISE), v1/worker/gpu/cudagraph_utils.py.
    """
    sizes = capture_sizes(shape, settings, gpu)
    decoding = settings.max_num_seqs * (1 + settings.drafted_tokens)
    return len(sizes) + sum(1 for size in sizes if size <= decoding)


def capture_sizes(shape: Shape, settings: ResolvedSettings, gpu: Gpu) -> list[int]:
    """The batch sizes that vLLM captures: 1, 2, 4, then every 8 below 256, then every 16.

    Source: vLLM 0.33.0 config/vllm.py (_set_cudagraph_sizes).
    """
    ceiling = 1024 if gpu.compute_capability[0] == 10 else 512
    wanted = shape.graph_sizes_up_to or min(
        2 * settings.max_num_seqs * (1 + settings.drafted_tokens), ceiling
    )
    largest = min(wanted, settings.max_num_batched_tokens)
    small = [size for size in (1, 2, 4) if size <= largest]
    return [*small, *range(8, min(largest, 248) + 1, 8), *range(256, largest + 1, 16)]


def beside_budget(shape: Shape, settings: ResolvedSettings, gpu: Gpu, calibration: Calibration) -> int:
    """Bytes that what the budget leaves over must hold, at the safe end."""
    # Before 0.21 the graphs, too, come out of it.
    graphs = 0 if calibration.graphs_in_budget else cuda_graphs(shape, settings, gpu, calibration).high
    return context_bytes(gpu) + graphs + round(OWN_BUFFERS if shape.own_buffers else 0)


def context_bytes(gpu: Gpu) -> int:
    """What the GPU holds outside the budget before vLLM looks at it."""
    return round(CONTEXT_GIB[kind_of(gpu)] * GIB)


def kind_of(gpu: Gpu) -> Kind:
    """Hopper and the data centre GPUs after it, GPUs that share the host's memory (GB10), or all others."""
    if gpu.compute_capability == (12, 1):
        return "unified"
    return "hopper" if gpu.compute_capability[0] in (9, 10) else "other"


def _element(settings: ResolvedSettings) -> int:
    return int(DTYPE_BYTES[settings.dtype])
