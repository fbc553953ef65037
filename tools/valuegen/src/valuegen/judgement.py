"""One workload of a values file -> how `fit` judges it on every GPU that it may get."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.calibration import calibration
from valuegen.catalog.gpus import MIG, NVIDIA_LABEL, Gpu
from valuegen.checks import unknown_gpu, unknown_model, unknown_version
from valuegen.checks.model import Found, Subject
from valuegen.document import EXACT_VERSION
from valuegen.errors import GpuError, ModelError, UsageError
from valuegen.fit import fit
from valuegen.model import Model
from valuegen.serve.features import from_features
from valuegen.serve.settings import ValueOfFlagError, engine_settings
from valuegen.serve.words import from_map, from_words
from valuegen.workload import VLLM, chart

if TYPE_CHECKING:
    from valuegen.fit import FitResult
    from valuegen.serve.words import Flag
    from valuegen.workload import Workload

RELEASE = re.compile(r"v?(\d+\.\d+\.\d+)(?:[-.+_].*)?")
MIG_RESOURCE = "nvidia.com/mig-"


def judge_workload(workload: Workload, name: str | None, bytes_per_second: int) -> Subject:
    """The workload with its judgements, or with what stands in their way.

    `name` is what the model is called, where its source cannot be read; weights are read with
    `bytes_per_second`.
    """
    if workload.engine != VLLM:
        return Subject(workload, (), None, (), {}, bytes_per_second)
    words = from_words(workload.body.get("extraArgs") or [])
    flags = (*from_features(workload.body), *from_map(workload.section("args")), *words)
    missing: dict[str, list[Found]] = {}
    model = _model(workload, name, missing)
    gpus = _gpus(workload, missing)
    version = _version(workload, flags, missing)
    results: tuple[FitResult, ...] = ()
    if model is not None and version is not None:
        try:
            # Where a flag that the chart sets is repeated, the pod is planned by the chart's key.
            free = [flag for flag in flags if flag.name not in chart()["owned"]]
            sizes = workload.section("parallelism")
            settings, nodes = engine_settings(sizes, free), int(sizes.get("nodes") or 1)
            results = tuple(fit(model, gpu, settings, vllm_version=version, nodes=nodes) for gpu in gpus)
        except ValueOfFlagError:  # which the rule flag-value reports
            results = ()
        except ModelError as error:  # of a draft
            own = bool(workload.section("speculative").get("method"))
            at = ("speculative", "model") if own else ("args", "speculative-config")
            missing[unknown_model.RULE.id] = [Found(at, error.message.partition(": ")[2], error.fix)]
    told = {rule: tuple(found) for rule, found in missing.items()}
    return Subject(workload, flags, model, results, told, bytes_per_second)


def _model(workload: Workload, name: str | None, missing: dict[str, list[Found]]) -> Model | None:
    source = workload.section("source")
    uri = str(source.get("uri") or "")
    rule = unknown_model.RULE
    fix = rule.fix.replace("KEY", workload.model)
    if not uri:
        found = Found(
            ("source", "uri"), "no source is set", "set hf://org/name, pvc://claim/path or a path", "error"
        )
        missing[rule.id] = [found]
        return None
    revision = str(source.get("revision") or "") or None
    try:
        if name is not None:
            return Model.load(name)
        if uri.startswith("hf://"):
            return Model.load(uri.removeprefix("hf://"), revision=revision)
        if uri.startswith("/"):
            return Model.load(uri)
    except ModelError as error:
        missing[rule.id] = [Found(("source", "uri"), error.message, f"{error.fix}; or {fix}")]
        return None
    missing[rule.id] = [Found(("source", "uri"), f"{uri}: a volume cannot be read from here", fix)]
    return None


def _gpus(workload: Workload, missing: dict[str, list[Found]]) -> tuple[Gpu, ...]:
    """Every type of GPU that a pod of the workload may get, each once."""
    accelerator, rule = workload.section("accelerator"), unknown_gpu.RULE
    at = ("accelerator", "product")
    resource = str(accelerator.get("resource") or "")
    if not resource:
        fix = "measure it; --ignore unknown-gpu leaves this out"
        why = "no GPU is asked for: engines on CPU are not judged"
        if accelerator.get("claims"):
            why = "which GPU accelerator.claims get is not known: a pod with claims is not judged"
        found = Found(("accelerator", "resource"), why, fix)
        missing[rule.id] = [found]
        return ()
    products = accelerator.get("product") or _selected(workload)
    if not products:
        missing[rule.id] = [Found(at, "no product is set: a pod may get any GPU", rule.fix)]
        return ()
    gpus: dict[str, Gpu] = {}
    for product in [products] if isinstance(products, str) else products:
        label = product
        if resource.startswith(MIG_RESOURCE) and MIG not in product:  # the label names the whole GPU
            label = f"{product}{MIG}{resource.removeprefix(MIG_RESOURCE)}"
        try:
            gpu = Gpu.find(label)
        except GpuError as error:
            message = error.message.removeprefix("--gpu ")
            missing.setdefault(rule.id, []).append(Found(at, message, error.fix))
            continue
        gpus[gpu.name] = gpu
    return tuple(gpus.values())


def _selected(workload: Workload) -> str:
    """The product that the node selector asks for."""
    selector = workload.section("scheduling").get("nodeSelector") or {}
    return str(selector.get(workload.section("accelerator").get("productLabel") or NVIDIA_LABEL) or "")


def _version(workload: Workload, flags: tuple[Flag, ...], missing: dict[str, list[Found]]) -> str | None:
    """The vLLM version of the image; None if it is one that cannot be judged."""
    image, rule = workload.section("image"), unknown_version.RULE
    tag = str(image.get("tag") or "")
    at = ("image", "tag")
    if not tag and image.get("digest"):
        message = f"a digest says no version: judged as vLLM {EXACT_VERSION}"
        missing[rule.id] = [
            Found(("image", "digest"), message, "set image.tag too; the digest still decides")
        ]
        return EXACT_VERSION
    release = RELEASE.fullmatch(tag or chart()["tag"])
    if release is None:
        missing[rule.id] = [Found(at, f"{tag} says no version: judged as vLLM {EXACT_VERSION}", rule.fix)]
        return EXACT_VERSION
    try:
        calibration(release[1])
    except UsageError as error:
        missing[rule.id] = [Found(at, error.message.removeprefix("--vllm-version "), rule.fix)]
        return None
    if flags and release[1].rpartition(".")[0] != EXACT_VERSION.rpartition(".")[0]:
        message = f"the flags of vLLM {release[1]} are not known: held against those of {EXACT_VERSION}"
        missing[rule.id] = [Found(at, message, rule.fix)]
    return release[1]
