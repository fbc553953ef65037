"""Write models/*.json from folders with vLLM's own figures: `carry_over.py SOURCE...`.

A file has `config` (the keys that memory depends on), `hf_quant_config`, `max_model_len`, `ungraded` (why
weights are not compared, or null) and `cases`. A case has `name`, `settings` (EngineSettings),
`pipeline_stage`, and either `refused` (vLLM's own words) or `weights` and `kv`. A row of `kv` is
[max_model_len, bytes_per_block, blocks_per_request, groups, capacities]; groups are
[how many, layers, page_bytes, blocks_per_request], page_bytes as in `page`; a capacity, one for each of
AVAILABLE_GIB, is [num_blocks, max_concurrency, tokens] or, where vLLM does not start,
[num_blocks, max_concurrency, null, longest max_model_len that does].
"""

from __future__ import annotations

import json
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "models"
AVAILABLE_GIB = (5, 20, 60)
ARCHITECTURES = {
    "ApertusForCausalLM",
    "ArceeForCausalLM",
    "BailingMoeForCausalLM",
    "BailingMoeV2ForCausalLM",
    "BertForSequenceClassification",
    "BertModel",
    "BloomForCausalLM",
    "Cohere2ForCausalLM",
    "CohereForCausalLM",
    "CwmForCausalLM",
    "DeciLMForCausalLM",
    "DeepseekV32ForCausalLM",
    "DeepseekV3ForCausalLM",
    "DeepseekV4ForCausalLM",
    "Ernie4_5ForCausalLM",
    "Ernie4_5_MoeForCausalLM",
    "Exaone4ForCausalLM",
    "ExaoneForCausalLM",
    "FalconForCausalLM",
    "FalconH1ForCausalLM",
    "GPT2LMHeadModel",
    "GPTBigCodeForCausalLM",
    "GPTJForCausalLM",
    "GPTNeoXForCausalLM",
    "Gemma2ForCausalLM",
    "Gemma3ForCausalLM",
    "Gemma3ForConditionalGeneration",
    "Gemma4ForCausalLM",
    "Gemma4ForConditionalGeneration",
    "GemmaForCausalLM",
    "Glm4ForCausalLM",
    "Glm4MoeForCausalLM",
    "Glm4vForConditionalGeneration",
    "Glm4vMoeForConditionalGeneration",
    "GlmForCausalLM",
    "GlmMoeDsaForCausalLM",
    "GptOssForCausalLM",
    "GraniteForCausalLM",
    "GraniteMoeForCausalLM",
    "GraniteMoeHybridForCausalLM",
    "GraniteMoeSharedForCausalLM",
    "HunYuanDenseV1ForCausalLM",
    "InternLM2ForCausalLM",
    "InternLM3ForCausalLM",
    "InternVLChatModel",
    "KimiK25ForConditionalGeneration",
    "KimiK3ForConditionalGeneration",
    "Lfm2ForCausalLM",
    "Llama4ForConditionalGeneration",
    "LlamaForCausalLM",
    "LlavaForConditionalGeneration",
    "LlavaNextForConditionalGeneration",
    "Mamba2ForCausalLM",
    "MambaForCausalLM",
    "MiMoForCausalLM",
    "MiMoV2FlashForCausalLM",
    "MiniMaxM2ForCausalLM",
    "MiniMaxM3SparseForConditionalGeneration",
    "Ministral3ForCausalLM",
    "Mistral3ForConditionalGeneration",
    "MistralForCausalLM",
    "MistralModel",
    "MixtralForCausalLM",
    "ModernBertForSequenceClassification",
    "ModernBertModel",
    "NemotronForCausalLM",
    "NemotronHForCausalLM",
    "OPTForCausalLM",
    "Olmo2ForCausalLM",
    "Olmo3ForCausalLM",
    "OlmoForCausalLM",
    "OlmoeForCausalLM",
    "Phi3ForCausalLM",
    "PhiForCausalLM",
    "PhiMoEForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen2MoeForCausalLM",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM",
    "Qwen3NextForCausalLM",
    "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration",
    "Qwen3_5ForConditionalGeneration",
    "Qwen3_5MoeForConditionalGeneration",
    "SeedOssForCausalLM",
    "SmolLM3ForCausalLM",
    "StableLmForCausalLM",
    "Starcoder2ForCausalLM",
    "WhisperForConditionalGeneration",
    "XLMRobertaForSequenceClassification",
    "XLMRobertaModel",
}
# Keys without a say in memory; dropped to keep the files small.
IRRELEVANT = re.compile(
    r"_token_id$|_token_index$|dropout|_eps$|initializer_range|use_cache|transformers_version|_pdrop$|hidden_act"
    r"|softcapping|observer|query_pre_attn|pretraining_tp|mm_tokens_per_image|quantization_status|global_compress"
    r"|\.experts\.[1-9]"  # the first expert speaks for all
)


def main(sources: list[Path]) -> None:
    """Replace every file of models/."""
    TARGET.mkdir(exist_ok=True)
    for old in TARGET.glob("*.json"):
        old.unlink()
    for path in sorted(path for source in sources for path in (source / "cases").glob("*.json")):
        folder = path.parent.parent / "configs" / path.stem
        config = json.loads((folder / "config.json").read_text())
        figures = json.loads(path.read_text())
        if (config.get("architectures") or [None])[0] in ARCHITECTURES and is_read(figures):
            document = model(figures, config, folder)
            name = path.name.replace("--", "__")
            (TARGET / name).write_text(dumped(document))


def is_read(figures: dict[str, Any]) -> bool:
    """Whether vLLM knows the config.json's model at all."""
    return any(case.get("error_kind") != "unsupported-model" for case in figures["cases"].values())


def dumped(document: dict[str, Any]) -> str:
    """JSON with one case a line, so that a changed figure is a changed line."""
    cases = ",\n".join(json.dumps(case, separators=(",", ":")) for case in document.pop("cases"))
    head = json.dumps(document, separators=(",", ":"))[:-1]
    return f'{head},\n"cases":[\n{cases}\n]}}\n'


def model(figures: dict[str, Any], config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One model's file."""
    quantization = folder / "hf_quant_config.json"
    cases, suspect = figures["cases"], figures.get("suspect", "")
    # A size that straddles groups in one case does so in every case of that size.
    doubtful = {case["tp"] for case in cases.values() if case.get("doubtful")}
    return {
        "config": trimmed(config),
        "hf_quant_config": json.loads(quantization.read_text()) if quantization.exists() else None,
        "max_model_len": figures.get("model_max_len"),
        "ungraded": "config.json names no quantization method" if "UNQUANTIZED" in suspect else None,
        "cases": [row(name, case, doubtful) for name, case in cases.items()],
    }


def trimmed(value: Any) -> Any:
    """The same document without the irrelevant keys."""
    if isinstance(value, dict):
        return {key: trimmed(item) for key, item in value.items() if not IRRELEVANT.search(key)}
    return value


def row(name: str, case: dict[str, Any], doubtful: set[int]) -> dict[str, Any]:
    """One case."""
    tp, pp, rank = (int(number or 0) for number in sizes(name))
    settings: dict[str, Any] = {
        "tensor_parallel_size": tp,
        "max_num_batched_tokens": 8192,
        "max_num_seqs": 1024,
        **({"pipeline_parallel_size": pp} if pp else {}),
        **option(name),
    }
    result: dict[str, Any] = {"name": name, "settings": settings, "pipeline_stage": rank // tp}
    if not case["accepted"]:
        return result | {"refused": case["error"].split("[type=")[0].strip()[:120]}
    failed = [figures["error"] for figures in case["kv"]["lens"].values() if "error" in figures]
    if failed:  # built, but vLLM cannot plan its KV cache
        return result | {"refused": failed[0][:120]}
    if tp in doubtful:
        return result | {"refused": "built, but groups straddle GPUs: a real checkpoint would not load"}
    kv = [lengths(int(length), figures) for length, figures in case["kv"]["lens"].items()]
    return result | {"weights": case["weight_bytes"], "in_flight": case["max_in_flight_tokens"], "kv": kv}


def sizes(name: str) -> tuple[str | None, ...]:
    """(tp, pp, rank) of a case's name."""
    match = re.match(r"tp(\d+)(?:_pp(\d+)_rank(\d+))?", name)
    assert match is not None, name
    return match.groups()


def option(name: str) -> dict[str, Any]:
    """The engine option that a case's name ends with."""
    known: dict[str, dict[str, Any]] = {
        "mbt2048": {"max_num_batched_tokens": 2048},
        "noasync": {"async_scheduling": False},
        "nohybrid": {"disable_hybrid_kv_cache_manager": True},
        "noprefix": {"enable_prefix_caching": False},
        "kvfp8": {"kv_cache_dtype": "fp8"},
        "bs64": {"block_size": 64},
        "ep": {"enable_expert_parallel": True},
        "fp8": {"quantization": "fp8"},
        "dcp2": {"decode_context_parallel_size": 2},
        "dcp8": {"decode_context_parallel_size": 8},
    }
    last = name.rsplit("_", 1)[-1]
    plain = re.fullmatch(r"tp\d+|rank\d+", last) is not None
    return {} if plain else known[last]


def lengths(length: int, figures: dict[str, Any]) -> list[Any]:
    """One max_model_len."""
    keys = [(g["layers"], page(g), g["blocks_per_req"]) for g in figures["groups"]]
    groups = [[len(list(same)), *key] for key, same in groupby(keys)]
    fitting = [capacity(figures[f"avail_{gib}GiB"]) for gib in AVAILABLE_GIB]
    return [length, figures["bytes_per_block"], figures["blocks_per_request"], groups, fitting]


def page(group: dict[str, Any]) -> int | list[int]:
    """Bytes of a block in each layer, or, where vLLM takes layers of several kinds together, [in all]."""
    size: int = group["page_bytes"]
    return [size] if group["spec"] == "UniformTypeKVCacheSpecs" else size


def capacity(figures: dict[str, Any]) -> list[Any]:
    """What one amount of memory holds."""
    if figures["fits"]:
        return [figures["num_blocks"], figures["concurrency"], figures["kv_tokens"]]
    longest = re.search(r"estimated maximum model length is (\d+)", figures["error"])
    return [figures["num_blocks"], figures["concurrency"], None, int(longest[1]) if longest else None]


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
