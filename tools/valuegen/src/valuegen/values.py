"""Plan -> values of the vllm-stack chart: commented text, checked against the chart's schema."""

from __future__ import annotations

import json
import re
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

from valuegen.autoscaling import block
from valuegen.errors import OutputError, UsageError
from valuegen.files import replace_file
from valuegen.frozen import dataclass
from valuegen.thresholds import thresholds
from valuegen.units import GIB, MIB, ceil_div
from valuegen.valuestext import context_of
from valuegen.variants import variant_name
from valuegen.yamledit import flow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import jinja2

    from valuegen.autoscaling import Scaler
    from valuegen.plan import Candidate, Plan
    from valuegen.thresholds import Objectives

KEY = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")  # a DNS-1035 label: it names a Service


VARIANTS = "The same model on other GPUs; `cost` against capacity tells a scaler which one to grow."


@dataclass(frozen=True)
class ValuesDocument:
    """One model's values, as text with comments and as data."""

    key: str  # below `models:`
    text: str  # a whole values file
    body: str  # the model's own lines, unindented
    data: dict[str, Any]
    root: str  # what belongs beside `models:`, for all models of the file; "" for nothing
    alerts: str  # `monitoring:` with the model's thresholds; "" for nothing


def render(
    made: Plan,
    candidate: Candidate,
    *,
    name: str | None = None,
    source: str | None = None,
    variants: Sequence[Candidate] = (),
    scaler: Scaler | None = None,
    objectives: Objectives | None = None,
) -> ValuesDocument:
    """The values that run one candidate of a plan, checked against the chart's schema.

    Settings that the plan was asked for are written even if vLLM would choose the same. Each of `variants`
    becomes one of the model's variants, which overrides what differs; each has a scaler of its own.
    With `objectives` the thresholds of the model's alerts are written as well. Raises UsageError if the
    model has no source, no key can be made of its name, the scaler's limits contradict the plan, or an
    objective can be no threshold.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  (not needed by fit and plan)

    environment = _environment()
    key = _key(name, candidate.fit.model.name)
    template = environment.get_template("model.yaml.j2")
    context = context_of(made.request, candidate, key, _source(candidate, source))
    context["autoscaling"] = _scaling(scaler, candidate, made)
    lines = template.render(context).rstrip("\n").splitlines()
    if variants:
        lines += ["# " + VARIANTS, "variants:"]
    for variant in variants:
        lines.append(f"  {variant_name(variant)}:")
        overrides = context_of(made.request, variant, key, context["uri"], main=candidate)
        overrides["autoscaling"] = _scaling(scaler, variant, made)
        lines += [f"    {line}" if line else line for line in template.render(overrides).splitlines()]
    body = "\n".join(lines)
    indented = "\n".join(f"    {line}" if line else line for line in lines)
    asks = scaler is not None and scaler.mode != "hpa"
    root = environment.get_template("scaling.yaml.j2").render().rstrip("\n") if asks else ""
    alerts = ""
    if objectives is not None:
        found = thresholds(candidate.fit, objectives)
        alerts = environment.get_template("thresholds.yaml.j2").render(key=key, thresholds=found).rstrip("\n")
    text = environment.get_template("values.yaml.j2").render(
        version=metadata.version("valuegen"),
        vllm_version=candidate.fit.vllm_version,
        key=key,
        body=indented,
        root="\n\n".join(filter(None, (root, alerts))),
    )
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    check(data, "the values")
    return ValuesDocument(key, text, body, data, root, alerts)


def _scaling(scaler: Scaler | None, candidate: Candidate, made: Plan) -> dict[str, Any] | None:
    return block(scaler, candidate, made.request.concurrency) if scaler is not None else None


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
    if not re.match(r"hf://[^/]+/[^/]+$|(pvc|s3|oci)://[^/]+/.+|/.+", uri):
        raise UsageError(
            f"--source {uri}: the chart reads hf://org/name, pvc://claim/path, oci://registry/name:tag,"
            " s3://bucket/path and /path",
            "use one of them",
        )
    return uri


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
