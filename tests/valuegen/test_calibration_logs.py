"""A start-up log becomes a record of the calibration."""

from __future__ import annotations

import tomllib

import pytest

import logs

WORDS = """\
(APIServer pid=1) INFO 08-05 12:12:24 [api_utils.py:345]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.26.1rc1.dev156+g0eec
(APIServer pid=1) INFO 08-05 [api_utils.py:273] non-default args: {'model_tag': 'm', 'max_model_len': 131072, \
'gpu_memory_utilization': 0.9, 'enable_prefix_caching': True, 'max_num_seqs': 16}
(EngineCore pid=2) INFO 08-05 [core.py:121] Initializing a V1 LLM engine (v0.26.1) with config: model='m', \
speculative_config=None, max_seq_len=131072, tensor_parallel_size=2, kv_cache_dtype=auto
(EngineCore pid=2) INFO 08-05 [gpu_model_runner.py:5405] Model loading took 56.93 GiB memory and 18.142578 seconds
(EngineCore pid=2) INFO 08-05 [gpu_worker.py:563] Available KV cache memory: 13.84 GiB
(EngineCore pid=2) INFO 08-05 [kv_cache_utils.py:2235] GPU KV cache size: 151,216 tokens
(EngineCore pid=2) INFO 08-05 [gpu_model_runner.py:6905] Graph capturing finished in 4 secs, took 0.11 GiB
(EngineCore pid=2) INFO 08-05 [gpu_worker.py:789] Free memory on device (78.84/79.25 GiB) on startup.
"""


def record(text: str) -> dict[str, object]:
    return logs.record(text, name="L001", gpu="A100-SXM4-80GB", model="m", source="a test")


def test_a_log_is_read_in_vllms_own_words() -> None:
    assert record(WORDS) == {
        "id": "L001",
        "vllm": "0.26.1rc1.dev156+g0eec",
        "engine": "V1",
        "model": "m",
        "gpu": "A100-SXM4-80GB",
        "settings": {
            "tensor_parallel_size": 2,
            "max_model_len": 131072,
            "max_num_seqs": 16,
            "gpu_memory_utilization": 0.9,
        },
        "weights_gib": 56.93,
        "kv_gib": 13.84,
        "tokens": 151216,
        "graphs_gib": 0.11,
        "memory_gib": 79.25,
        "source": "a test",
    }


def test_a_record_is_written_as_it_is_read() -> None:
    assert tomllib.loads(logs.toml(record(WORDS)))["record"] == [record(WORDS)]


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ("EngineCore failed to start.", "failed", True),
        ("Total non KV cache memory: 17.12GiB; torch peak memory increase: 1.89GiB;", "activation_gib", 1.89),
        ("non-torch forward increase memory: 0.25GiB; weights memory: 14.99GiB.", "non_torch_gib", 0.25),
        ("(8.58 GiB KV cache is needed, which is larger than the available", "needed_gib", 8.58),
    ],
)
def test_what_only_some_logs_say_is_kept(words: str, key: str, value: object) -> None:
    assert key not in record(WORDS)
    assert record(f"{WORDS}{words}\n")[key] == value


@pytest.mark.parametrize(("version", "kept"), [("0.10.1", True), ("0.16.0", True), ("0.17.0", False)])
def test_who_samples_counts_while_it_makes_a_difference(version: str, kept: bool) -> None:
    words = WORDS.replace("0.26.1rc1.dev156+g0eec", version)
    assert ("sampler" in record(f"{words}Using FlashInfer for top-p & top-k sampling.\n")) == kept


@pytest.mark.parametrize(
    ("text", "problem"), [("", "version"), ("vLLM API server version 0.12.0\n", "neither")]
)
def test_a_log_without_what_counts_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        record(text)
