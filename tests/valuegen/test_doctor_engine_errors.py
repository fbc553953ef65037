"""Every start-up error of the table is recognised in a real log, and none shadows another."""

from __future__ import annotations

import pytest

from valuegen.doctor.engine_errors import engine_errors, last_words, translate
from valuegen.doctor.findings import RULES

WORKER = "(Worker_TP0 pid=71) ERROR 11-21 17:02:03 [multiproc_executor.py:860] "
CORE = "(EngineCore pid=61) ERROR 11-21 17:02:04 [core.py:1040] "
END = (
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {'EngineCore': 1}"
)
CACHE = (
    "ValueError: To serve at least one request with the model's max seq len (131072), (16.0 GiB KV cache is needed, "
    "which is larger than the available KV cache memory (9.52 GiB). {}Try increasing `gpu_memory_utilization`"
)

# Lines as vLLM 0.33.0 prints them -> id, and words of the translation.
LINES: dict[str, tuple[str, str]] = {
    "vllm: error: unrecognized arguments: --no-such-flag": ("engine-flag", "vLLM has no --no-such-flag"),
    "vllm serve: error: argument --max-model-len: invalid human_readable_int_or_auto value: '8x'": (
        "engine-flag",
        "--max-model-len: invalid",
    ),
    "KeyError: 'invalid tool call parser: hermez (chose from { hermes })'": (
        "engine-flag",
        "tool call parser hermez",
    ),
    "FileNotFoundError: the supplied chat template path doesn't exist": (
        "engine-flag",
        "chat template does not exist",
    ),
    "ValueError: VLLM_PORT 'tcp://10.0.0.1:8000' appears to be a URI.": (
        "engine-flag",
        "VLLM_PORT is tcp://10.0.0.1",
    ),
    "RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 160 MiB required, 64 MiB free. Increase": (
        "engine-files",
        "/dev/shm is too small: 160 MiB are needed at once, 64 MiB are free",
    ),
    "Error while creating shared memory segment /dev/shm/nccl-x (size 9637888), error: No space left on device (28)": (
        "engine-files",
        "too small for NCCL",
    ),
    "OSError: [Errno 28] No space left on device: '/cache/huggingface/x'": (
        "engine-files",
        "the cache is full",
    ),
    "PermissionError: [Errno 13] Permission denied: '/cache/huggingface'": (
        "engine-files",
        "the cache cannot be written",
    ),
    CACHE.format("Based on the available memory, the estimated maximum model length is 77952. "): (
        "engine-memory",
        "one request of 131072 tokens needs 16.0 GiB, 9.52 GiB are left",
    ),
    CACHE.format(""): ("engine-memory", "one request of 131072 tokens needs 16.0 GiB"),
    "ValueError: No available memory for the cache blocks. Try increasing": (
        "engine-memory",
        "leave no memory",
    ),
    "ValueError: Free memory on device cuda:0 (10.1/44.39 GiB) on startup is less than desired GPU memory": (
        "engine-memory",
        "10.1 of 44.39 GiB are free",
    ),
    "AssertionError: Error in memory profiling. Initial free memory 3 GiB, current free memory 4 GiB.": (
        "engine-memory",
        "another process freed memory",
    ),
    "ValueError: max_num_seqs (256) exceeds available Mamba cache blocks (100). Each decode": (
        "engine-memory",
        "holds the state of 100 requests",
    ),
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB.": ("engine-memory", "too small"),
    "ValueError: User-specified max_model_len (65536) is greater than the derived max_model_len "
    "(max_position_embeddings=40960 or model_max_length=None in model's config.json).": (
        "engine-model",
        "65536 is longer than the model's own 40960",
    ),
    "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: x)": (
        "engine-model",
        "no access to it",
    ),
    "Access to model meta-llama/Llama-3.1-8B is restricted. You must be authenticated": (
        "engine-model",
        "no token that may read it was sent",
    ),
    "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error": ("engine-model", "no such revision"),
    "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error": (
        "engine-model",
        "knows no such model",
    ),
    "urllib3.exceptions.MaxRetryError: Max retries exceeded with url: /api/models": (
        "engine-network",
        "Hub cannot",
    ),
    "OSError: /models/x does not appear to have a file named config.json.": (
        "engine-model",
        "has no config.json",
    ),
    "HFValidationError: Repo id must be in the form 'repo_name': '/models/a/b'": (
        "engine-model",
        "there is no model",
    ),
    "RuntimeError: Cannot find any model weights with `/models/x`": ("engine-model", "has no weights"),
    "safetensors_rust.SafetensorError: Error while deserializing header": ("engine-model", "not whole"),
    "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling": (
        "engine-model",
        "object store",
    ),
    "ValueError: Model architectures ['FooForCausalLM'] are not supported for now. Supported": (
        "engine-model",
        "architecture ['FooForCausalLM']",
    ),
    "RuntimeError: consider setting `trust_remote_code=True` in LLM or using": (
        "engine-model",
        "code of its own",
    ),
    "ValueError: LoRA rank 64 is greater than max_lora_rank 16.": (
        "engine-model",
        "rank 64, the engine has room for 16",
    ),
    "ValueError: World size (4) is larger than the number of available GPUs (2) in this node.": (
        "engine-hardware",
        "is to use 4 GPUs and the pod has 2",
    ),
    "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).": (
        "engine-model",
        "parallelism.tensor 8 does not divide the model's 28",
    ),
    "NotImplementedError: Pipeline parallelism is not supported for this model.": (
        "engine-model",
        "pipeline stages",
    ),
    "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
    "Your Tesla T4 GPU has compute capability 7.5.": (
        "engine-hardware",
        "the GPU, Tesla T4, has no bfloat16",
    ),
    "ValueError: The quantization method modelopt is not supported for the current GPU. Minimum capability: 89.": (
        "engine-hardware",
        "cannot compute with modelopt: it needs compute capability 89",
    ),
    "ValueError: Unknown quantization method: bitsandbytes. Must be one of ['awq']": (
        "engine-model",
        "no quantization bitsandbytes",
    ),
    "ValueError: Quantization method specified in the model config (awq) does not match the quantization "
    "method specified in the `quantization` argument (gptq).": (
        "engine-model",
        "says gptq, the checkpoint is awq",
    ),
    "RuntimeError: Failed to infer device type, please set": ("engine-hardware", "sees no GPU"),
    "RuntimeError: The NVIDIA driver on your system is too old (found version 12020).": (
        "engine-hardware",
        "driver",
    ),
    "RuntimeError: CUDA error: uncorrectable ECC error encountered": ("engine-hardware", "the GPU is broken"),
    "RuntimeError: NCCL error: unhandled system error": ("engine-network", "NCCL"),
    "OSError: [Errno 98] Address already in use": ("engine-network", "port is taken"),
    "torch.distributed.DistNetworkError: The client socket has timed out after 600000ms": (
        "engine-network",
        "do not reach each other",
    ),
    "TimeoutError: Timed out waiting for engine core processes to start. This is often caused by slow weight loading "
    "for large models. Waited 600s (configured by VLLM_ENGINE_READY_TIMEOUT_S).": (
        "startup-budget",
        "waited 600 s",
    ),
    "ModuleNotFoundError: No module named 'nixl'": (
        "engine-error",
        "lacks a package: No module named 'nixl'",
    ),
    "  Value error, EPLB requires tensor parallelism [type=value_error, input_value=x, input_type=ArgsKwargs]": (
        "engine-error",
        "vLLM refuses its settings: EPLB requires tensor parallelism",
    ),
    "ValueError: something that nobody has seen": (
        "engine-error",
        "cannot start: something that nobody has seen",
    ),
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.": (
        "engine-crash",
        "crashes",
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_translated_among_what_is_printed_around_it(line: str) -> None:
    rule, words = LINES[line]
    log = f"INFO 11-21 17:02:01 [api_server.py:1] vLLM\n{WORKER}{line}\n{CORE}Exception: WorkerProc failed\n{END}\n"
    found = translate(log, failed=True)
    assert found is not None
    assert found.reason.code == rule
    assert words in found.reason.message
    assert found.line == line.strip()
    assert "{" not in found.reason.message.replace(line, "")
    assert "{" not in found.reason.fix


def test_every_entry_of_the_table_is_the_answer_to_some_line() -> None:
    answers = set()
    for line in LINES:
        answers.add(next(error.pattern.pattern for error in engine_errors() if error.pattern.search(line)))
    assert answers == {error.pattern.pattern for error in engine_errors()}


def test_every_entry_has_an_id_of_the_rules_and_a_source() -> None:
    for error in engine_errors():
        assert error.id in RULES
        assert all((error.why, error.fix, error.source))


def test_a_log_that_says_nothing_known_is_not_translated() -> None:
    assert translate("INFO 11-21 17:02:01 [api_server.py:1] ready\n", failed=True) is None
    assert translate("", failed=True) is None


def test_an_engine_that_ended_well_is_not_explained_by_what_a_request_caused() -> None:
    log = "ValueError: a request asked for too much\nEngine core died: crash\n"
    found = translate(log, failed=False)
    assert found is not None
    assert found.reason.code == "engine-crash"


def test_the_last_words_are_the_last_line_without_its_prefix() -> None:
    assert last_words(f"one\n{CORE}two\n\n") == "two"
    assert last_words("") == ""
