"""Flags that vLLM refuses together, or without each other, for every model.

Source: vLLM 0.33.0 entrypoints/common/cli_args.py (validate_parsed_serve_args), engine/arg_utils.py
(create_speculative_config, create_engine_config), config/parallel.py, config/scheduler.py
(verify_max_model_len), config/lora.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.checks.model import Found, Rule, Subject
from valuegen.units import human_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.serve.words import Flag

# flag -> the flag without which vLLM refuses it
NEEDS = {
    "enable-auto-tool-choice": "tool-call-parser",
    "enable-elastic-ep": "enable-eplb",
    "enable-log-outputs": "enable-log-requests",
    "numa-bind-cpus": "numa-bind",
    "numa-bind-nodes": "numa-bind",
}
# flag -> the flag with which vLLM refuses it
EXCLUDES = {"enable-per-request-metrics": "disable-log-stats"}
# flag -> (JSON flag, its key) that says the same; vLLM takes one of the two
SAME = {
    "attention-backend": ("attention-config", "backend"),
    "cudagraph-capture-sizes": ("compilation-config", "cudagraph_capture_sizes"),
    "enable-flashinfer-autotune": ("kernel-config", "enable_flashinfer_autotune"),
    "max-cudagraph-capture-size": ("compilation-config", "max_cudagraph_capture_size"),
    "spec-method": ("speculative-config", "method"),
    "spec-model": ("speculative-config", "model"),
    "spec-tokens": ("speculative-config", "num_speculative_tokens"),
}
# (smaller, larger, the larger one's default when it is unset)
AT_MOST = (("max-loras", "max-cpu-loras"), ("max-num-active-seqs", "max-num-seqs"))


def _look(subject: Subject) -> Iterator[Found]:
    used = {flag.name: flag for flag in subject.flags if flag.value not in (None, False)}
    for name, needed in NEEDS.items():
        if name in used and needed not in used:
            yield _of(used[name], f"vLLM refuses it without --{needed}", f"set {needed}, or remove it")
    for name, other in EXCLUDES.items():
        if name in used and other in used:
            yield _of(used[name], f"vLLM refuses it with --{other}", "remove one of them")
    for name, (json_flag, key) in SAME.items():
        if name in used and any(key in _keys(flag) for flag in subject.flags if flag.name == json_flag):
            yield _of(
                used[name], f"--{json_flag} says {key} too, and vLLM takes one of them", "remove one of them"
            )
    yield from _numbers(subject)
    yield from _prefill(subject)
    if "enable-eplb" in used:
        yield from _expert_balance(subject, used["enable-eplb"])


def _numbers(subject: Subject) -> Iterator[Found]:
    for small, large in AT_MOST:
        first, second = subject.last(small), subject.last(large)
        low, high = _count(first), _count(second)
        if first is not None and low is not None and high is not None and low > high:
            yield _of(
                first, f"{low} is more than --{large} {high}", f"raise {large} to {low}, or lower {small}"
            )
    threshold = subject.last("long-prefill-token-threshold")
    count = _count(threshold)
    if threshold is not None and count is not None and subject.result is not None:
        longest = subject.result.settings.max_model_len
        if count > longest:
            yield _of(threshold, f"{count} is more than max-model-len {longest}", f"lower it to {longest}")


def _prefill(subject: Subject) -> Iterator[Found]:
    chunked = subject.last("enable-chunked-prefill")
    if chunked is None or chunked.value is not False or subject.result is None:
        return
    settings = subject.result.settings
    if settings.max_num_batched_tokens < settings.max_model_len:
        yield _of(
            chunked,
            f"without it max-num-batched-tokens {settings.max_num_batched_tokens} must hold a whole request "
            f"of max-model-len {settings.max_model_len}",
            f"remove it, or set max-num-batched-tokens to {settings.max_model_len}",
        )


def _expert_balance(subject: Subject, flag: Flag) -> Iterator[Found]:
    sizes = subject.workload.section("parallelism")
    if not sizes.get("expert") and subject.last("enable-expert-parallel") is None:
        yield _of(flag, "vLLM refuses it without expert parallelism", "set parallelism.expert: true")
    elif (sizes.get("tensor") or 1) * (sizes.get("data") or 1) == 1:
        yield _of(flag, "vLLM refuses it on one GPU", "raise parallelism.tensor or data, or remove it")


def _of(flag: Flag, message: str, fix: str) -> Found:
    return Found(flag.at, f"{flag.written}: {message}", fix)


def _keys(flag: Flag) -> set[str]:
    """The keys that one use of a JSON flag sets."""
    import json  # noqa: PLC0415  (only for JSON flags)

    if flag.key:
        return {flag.key.partition(".")[0]}
    value: Any = flag.value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (json.JSONDecodeError, RecursionError):
            return set()
    return set(value) if isinstance(value, dict) else set()


def _count(flag: Flag | None) -> int | None:
    """The number of a flag; None if it is not set or none, which flag-value reports."""
    if flag is None or isinstance(flag.value, bool | list | dict):
        return None
    try:
        return human_int(str(flag.value))
    except ValueError:
        return None


RULE = Rule(
    id="flag-conflict",
    sentence="No two flags exclude each other, and none lacks another that it needs.",
    fix="remove one of them, or add the one that is needed",
    look=_look,
)
