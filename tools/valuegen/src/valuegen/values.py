"""Plan -> values of the vllm-stack chart: commented text, checked against the chart's schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

from valuegen.catalog.gpus import price_date
from valuegen.engine import batch_defaults
from valuegen.errors import OutputError, UsageError
from valuegen.files import replace_file
from valuegen.host import ENGINE_INIT_SECONDS, LEAST_STARTUP_SECONDS
from valuegen.units import GIB, MIB, ceil_div
from valuegen.weights import checkpoint_bytes
from valuegen.words import gib, requests
from valuegen.yamledit import flow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import jinja2

    from valuegen.engine import EngineSettings
    from valuegen.fit import FitResult
    from valuegen.plan import Candidate, Plan, Request

KEY = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")  # a DNS-1035 label: it names a Service
# Settings that the chart has keys of its own for, or that follow from them.
OWN_KEYS = {
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "enable_expert_parallel",
}
# Settings that decide the plan, so they are written even when vLLM's default is what is wanted.
ALWAYS = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")


@dataclass(frozen=True)
class ValuesDocument:
    """One model's values, as text with comments and as data."""

    key: str  # below `models:`
    text: str  # a whole values file
    body: str  # the model's own lines, unindented
    data: dict[str, Any]


def render(
    made: Plan, candidate: Candidate, *, name: str | None = None, source: str | None = None
) -> ValuesDocument:
    """The values that run one candidate of a plan, checked against the chart's schema.

    Settings that the plan was asked for are written even if vLLM would choose the same.
    Raises UsageError if the model has no source, or no key can be made of its name.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  (not needed by fit and plan)

    environment = _environment()
    key = _key(name, candidate.fit.model.name)
    context = _context(made.request, candidate, key, _source(candidate, source))
    body = environment.get_template("model.yaml.j2").render(context).rstrip("\n")
    indented = "\n".join(f"    {line}" if line else line for line in body.splitlines())
    text = environment.get_template("values.yaml.j2").render(
        version=metadata.version("valuegen"),
        vllm_version=candidate.fit.vllm_version,
        key=key,
        body=indented,
    )
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    check(data, "the values")
    return ValuesDocument(key, text, body, data)


def check(data: Any, what: str) -> None:
    """Raise OutputError with the first key that the chart's schema refuses."""
    import jsonschema  # noqa: PLC0415  (not needed by fit and plan)

    validator = jsonschema.Draft7Validator(schema())
    error = min(
        validator.iter_errors(data), key=lambda found: list(map(str, found.absolute_path)), default=None
    )
    if error is not None:
        path = ".".join(str(part) for part in error.absolute_path) or "the file"
        raise OutputError(
            f"{what}: {path}: {error.message}", "correct it: the chart would refuse it with the same words"
        )


def schema() -> dict[str, Any]:
    """The package's own copy of charts/vllm-stack/values.schema.json; a test keeps the two equal."""
    text = resources.files("valuegen.templates").joinpath("values.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def write(path: Path, text: str) -> None:
    """Write a whole values file, atomically."""
    replace_file(path, text)


def _key(name: str | None, model_name: str) -> str:
    if name is not None:
        if not KEY.fullmatch(name):
            raise UsageError(
                f"--name {name}: a model's key is a DNS label that begins with a letter",
                "use lower-case letters, digits and -, at most 63 of them",
            )
        return name
    key = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-")[:63].rstrip("-")
    if not KEY.fullmatch(key):
        raise UsageError(
            f"{model_name}: no key of the values can be made of this name", "set one with --name"
        )
    return key


def _source(candidate: Candidate, source: str | None) -> str:
    uri = candidate.fit.model.uri if source is None else source
    if not uri:
        raise UsageError(
            f"{candidate.fit.model.name}: a size has no weights to serve",
            "name a model, or say where the weights are with --source hf://org/name",
        )
    if not re.match(r"hf://[^/]+/[^/]+$|pvc://[^/]+/.+|/.+", uri):
        raise UsageError(
            f"--source {uri}: the chart reads hf://org/name, pvc://claim/path and /path", "use one of them"
        )
    return uri


def _context(request: Request, candidate: Candidate, key: str, uri: str) -> dict[str, Any]:
    result = candidate.fit
    settings, host, model = result.settings, result.host, result.model
    products = result.gpu.products
    return {
        "origin": _origin(candidate, uri) + _assumed(candidate),
        "uri": uri,
        "revision": model.revision if model.uri == uri else "",
        "served_name": model.name if model.name != key else "",
        "product": products[0] if len(products) == 1 else list(products),
        "settings": settings,
        "replicas": candidate.replicas,
        "args": list(_arguments(candidate, request.settings)),
        "host": host,
        "cost": f"{result.gpus * candidate.offer.price:.2f}",
        "reason": _reasons(candidate, request.concurrency),
    }


def _origin(candidate: Candidate, uri: str) -> str:
    model = candidate.fit.model
    if model.uri != uri:
        return "As asked for."
    if uri.startswith("/"):
        return "The path must be in the image too; --source pvc://claim/path names a volume instead."
    return f"From the {model.origin}." if model.origin.startswith("catalogue") else f"From {model.origin}."


def _assumed(candidate: Candidate) -> str:
    """What a reader of the values must know of a model that rests on its headers or on a size."""
    if candidate.fit.model.source == "safetensors":
        return " Its weights on disk are exact; their split over GPUs and the KV cache are assumed."
    return " The model's shape is assumed from its size." if candidate.fit.model.source == "size" else ""


def _reasons(candidate: Candidate, concurrency: int) -> dict[str, str]:
    """A sentence for each number."""
    result = candidate.fit
    settings, gpu, price = result.settings, result.gpu, candidate.offer.price
    weights = max(rank.weights_bytes for rank in result.ranks)
    checkpoint = checkpoint_bytes(result.model.config)
    workers = "1 GPU" if result.gpus == 1 else f"{result.gpus} GPUs"
    return {
        "product": f"{gib(gpu.memory_bytes)} each as CUDA counts it, {price:.2f} USD per hour.",
        "tensor": f"GPUs that share every layer: {gib(weights)} of weights on each.",
        "replicas": f"{requests(concurrency)} of {settings.max_model_len} tokens at once, "
        f"{candidate.requests_per_replica} in each replica.",
        "cpu": f"One busy process for each of {workers}, the API server and the engine core.",
        "memory_request": "Processes, pinned token ids and shared memory (a proposal: measure your own).",
        "memory_limit": "The same with room to load one shard of the checkpoint per GPU.",
        "shared_memory": "1 GiB for NCCL"
        + ("." if result.gpus == 1 else f", and the message rings of {result.gpus} workers."),
        "cache": f"Checkpoint of {gib(checkpoint)} and 10 %, and 5 GiB of compiled kernels.",
        "startup": f"{gib(checkpoint)} at {result.pace.storage_bytes_per_second / 1e6:g} MB/s (--storage-speed) and "
        f"{ENGINE_INIT_SECONDS} s of engine start; at least {LEAST_STARTUP_SECONDS}.",
        "drain": f"An answer of {result.pace.longest_answer_tokens} tokens (--longest-answer) at "
        f"{result.pace.tokens_per_second} per second; keep it above your longest request.",
        "cost": f"USD per replica and hour: {workers} at {price:.2f} "
        + ("(your price)." if price != gpu.usd_per_hour else f"(list price of {price_date()}, assumed)."),
    }


def _arguments(candidate: Candidate, asked: EngineSettings) -> Iterator[tuple[str, Any, str]]:
    """(flag without dashes, value, reason) of every engine argument that is written."""
    result = candidate.fit
    settings, capacity = result.settings, result.capacity
    tokens = f"{capacity.tokens}" if capacity else "no"
    cache = f"the KV cache holds {tokens} tokens in all" if result.bytes_per_block else "there is no KV cache"
    reasons = {
        "max_model_len": f"Longest request in tokens; {cache}.",
        "max_num_seqs": "Requests in one batch" + _batch_reason(result, asked),
        "max_num_batched_tokens": "Tokens in one batch"
        + (", vLLM's default on this GPU." if asked.max_num_batched_tokens is None else ", as asked for."),
        "gpu_memory_utilization": "Share of the GPU's memory for vLLM; the rest is for the CUDA context.",
    }
    for name in ALWAYS:
        yield name.replace("_", "-"), getattr(settings, name), reasons[name]
    for field in fields(asked):
        value = getattr(asked, field.name)
        if value is not None and field.name not in OWN_KEYS and field.name not in ALWAYS:
            yield field.name.replace("_", "-"), getattr(value, "text", value), "As asked for."
    quantization = result.model.config.quantization
    if quantization is not None and quantization.needs_deprecated_flag:
        yield "allow-deprecated-quantization", True, f"vLLM 0.33 starts {quantization.method} only with it."


def _batch_reason(result: FitResult, asked: EngineSettings) -> str:
    if asked.max_num_seqs is not None:
        return ", as asked for."
    _, default = batch_defaults(result.gpu.memory_bytes, result.gpu.name, result.gpu.compute_capability)
    if result.settings.max_num_seqs < default:
        return f"; vLLM's default of {default} would take the room of the model."
    return ", vLLM's default on this GPU."


def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415  (not needed by fit and plan)

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("valuegen", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (YAML, not HTML; strings go through the yaml filter)
    )
    environment.filters["yaml"] = flow
    environment.filters["quantity"] = _quantity
    return environment


def _quantity(size: int) -> str:
    """Bytes as a Kubernetes quantity, exact: whole Gi, else whole Mi rounded up."""
    return f"{size // GIB}Gi" if size % GIB == 0 else f"{ceil_div(size, MIB)}Mi"
