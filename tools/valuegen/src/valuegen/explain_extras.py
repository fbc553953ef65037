"""What LoRA, a draft and offloading change on a GPU, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.explanation import Explanation, counted, in_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.fit import FitResult, Rank


def explain_extras(result: FitResult, rank: Rank, section: str) -> Iterator[Explanation]:
    """Each of them that is used."""
    settings = result.settings
    if rank.lora_bytes:
        yield Explanation(
            section,
            "LoRA buffers",
            in_bytes(rank.lora_bytes),
            counted(result),
            (
                f"A and B of every module that takes adapters, for {settings.max_loras} adapters of rank "
                f"{settings.max_lora_rank}, and the indexes of tokens",
            ),
            "vLLM 0.33.0 lora/layers (create_lora_weights), lora/model_manager.py",
        )
    asked, draft = settings.speculative_config, result.model.config.draft
    if rank.draft_weights_bytes and asked is not None and draft is not None:
        yield Explanation(
            section,
            "draft",
            in_bytes(rank.draft_weights_bytes),
            "assumed" if draft.assumptions else counted(result),
            (
                f"weights of {draft.name}, method {asked.method}, without what it shares with the model; its "
                f"{len(draft.caches)} caches are in the KV blocks",
            ),
            "vLLM 0.33.0 v1/worker/gpu/spec_decode, model_executor/models",
        )
    if rank.offloaded_bytes:
        yield Explanation(
            section,
            "in host memory",
            in_bytes(rank.offloaded_bytes),
            "derived",
            (
                f"parameters of decoder layers up to --cpu-offload-gb {settings.cpu_offload_gb:g}"
                if not settings.offload_group_size
                else f"the last {settings.offload_num_in_group} of every {settings.offload_group_size} layers, without "
                f"room on the GPU for {settings.offload_prefetch_step} of them",
            ),
            "vLLM 0.33.0 model_executor/offloader",
        )
