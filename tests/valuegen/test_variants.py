"""`values --variants` writes one model on several GPUs, the cheapest for its capacity as the model itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.valuegen.checking import checked

from valuegen import Gpu, Model, UsageError, plan
from valuegen.autoscaling import Scaler
from valuegen.catalog.gpus import all_gpus
from valuegen.merge import merge_into
from valuegen.plan import GpuOffer
from valuegen.profiles import PROFILES
from valuegen.scaling import running_target
from valuegen.values import ValuesDocument, render
from valuegen.variants import variant_name, variants_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from valuegen.autoscaling import Mode


def document(model: str, *gpus: str, **options: Any) -> ValuesDocument:
    made = plan(Model.load(model), [Gpu.find(name) for name in gpus], **options)
    main, *others = variants_of(made)
    return render(made, main, variants=others)


def body(text: ValuesDocument) -> dict[str, Any]:
    found = yaml.safe_load(text.text)["models"][text.key]
    assert isinstance(found, dict)
    return found


def test_each_gpu_is_a_variant_with_its_cost_and_the_cheapest_for_its_capacity_is_the_model() -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find(name) for name in ("H100", "L40S", "A10", "B200")])
    main, *others = variants_of(made)
    assert {candidate.fit.gpu.name for candidate in (main, *others)} == {"H100-80GB", "L40S", "A10", "B200"}
    each = [entry.cost_per_replica / entry.requests_per_replica for entry in (main, *others)]
    assert each == sorted(each)
    written = body(render(made, main, variants=others))
    assert written["cost"] == f"{main.cost_per_replica:.2f}"
    assert list(written["variants"]) == [variant_name(entry) for entry in others]
    for entry in others:
        variant = written["variants"][variant_name(entry)]
        assert variant["cost"] == f"{entry.cost_per_replica:.2f}"
        assert variant["parallelism"]["tensor"] == entry.fit.settings.tensor_parallel_size
        assert variant["replicas"] == 1
        assert not {"source", "servedNames", "service", "variants"} & variant.keys()


def test_a_variant_sets_back_what_the_model_has_and_it_has_not() -> None:
    """FP8 keys and values on an L40S only; stages on T4s only."""
    written = body(document("Qwen3-8B", "L40S", "A10", profile="cost"))
    assert written["args"]["kv-cache-dtype"] == "fp8"
    assert written["variants"]["a10-tp2"]["args"]["kv-cache-dtype"] is None
    staged = body(document("phi-4", "T4", "H100"))
    sizes = [staged["parallelism"], *(each["parallelism"] for each in staged["variants"].values())]
    assert any(size.get("pipeline", 1) > 1 for size in sizes)
    if "pipeline" in sizes[0]:
        assert all("pipeline" in size for size in sizes)


def test_one_kind_of_gpu_gives_variants_of_its_splits() -> None:
    written = body(document("Qwen3-8B", "L40S"))
    assert {"main", *written["variants"]} == {"main", "l40s", "l40s-tp2"}


def test_without_named_gpus_there_are_three() -> None:
    assert len(body(document("Qwen3-8B"))["variants"]) == 2


@pytest.mark.parametrize("mode", ["hpa", "keda", "wva"])
def test_each_variant_has_a_scaler_with_targets_of_its_own(mode: Mode) -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("L40S"), Gpu.find("H100")])
    main, other = variants_of(made)
    model = body(render(made, main, variants=[other], scaler=Scaler(mode)))
    variant = model["variants"][variant_name(other)]
    assert model["replicas"] is None
    assert "replicas" not in variant
    assert model["autoscaling"]["mode"] == mode
    for candidate, scaling in ((main, model["autoscaling"]), (other, variant["autoscaling"])):
        assert scaling["minReplicas"] == 1
        targets = scaling.get("metrics", {})
        held = candidate.requests_per_replica
        assert targets.get("runningRequests") == (None if mode == "wva" else running_target(held))
    assert float(variant["cost"]) == other.cost_per_replica


@given(
    offered=st.integers(2, 24),
    concurrency=st.integers(1, 200),
    model=st.sampled_from(["Qwen3-8B", "phi-4", "Llama-3.1-70B-Instruct-FP8"]),
    gpu=st.sampled_from(["L40S", "H100", "A10"]),
    mode=st.sampled_from([None, "hpa", "keda", "wva"]),
)
@settings(max_examples=40, deadline=None)
def test_variants_of_one_gpu_never_take_more_than_is_offered(
    offered: int, concurrency: int, model: str, gpu: str, mode: Mode | None
) -> None:
    made = plan(Model.load(model), [GpuOffer(Gpu.find(gpu), offered)], concurrency=concurrency)
    if len(made.ranked) < 2:
        return
    try:
        main, *others = variants_of(made)
    except UsageError:  # no room beside the first
        return
    model_values = body(render(made, main, variants=others, scaler=Scaler(mode) if mode else None))
    taken = 0
    for candidate, written in zip(
        (main, *others), (model_values, *model_values["variants"].values()), strict=True
    ):
        most = written["autoscaling"]["maxReplicas"] if mode else written["replicas"]
        assert most >= (candidate.replicas if candidate is main else 1)
        taken += most * candidate.fit.gpus
    assert taken <= offered


def test_a_variant_without_room_beside_the_first_is_no_choice() -> None:
    with pytest.raises(UsageError) as error:
        variants_of(plan(Model.load("Qwen3-8B"), [GpuOffer(Gpu.find("L40S"), 2)], concurrency=40))
    assert error.value.message == (
        "--variants: the first configuration takes 2 of 2 x L40S, which leaves no room for another"
    )
    assert error.value.fix == "offer more GPUs with --gpu, or another GPU"


SLICE_IS_CHEAP = {"A100-SXM4-80GB-MIG-1g.10gb": 0.01}


def test_a_variant_sets_back_the_resource_of_a_slice() -> None:
    model = body(document("Qwen3-0.6B", "A100-80GB-MIG-1g.10gb", "L40S", prices=SLICE_IS_CHEAP))
    (variant,) = model["variants"].values()
    asked = {one["accelerator"]["product"]: one["accelerator"].get("resource") for one in (model, variant)}
    assert asked == {"NVIDIA-A100-SXM4-80GB": "nvidia.com/mig-1g.10gb", "NVIDIA-L40S": "nvidia.com/gpu"}


def test_a_single_configuration_is_no_choice() -> None:
    with pytest.raises(UsageError, match="--variants: only one configuration"):
        document("Qwen3-0.6B", "T4", settings=None, concurrency=1, max_gpus_per_node=1)


@settings(max_examples=25)
@given(
    model=st.sampled_from(["Qwen3-8B", "Qwen3-0.6B", "Llama-3.1-70B-Instruct-FP8", "phi-4"]),
    gpus=st.lists(st.sampled_from([gpu.name for gpu in all_gpus()]), min_size=2, max_size=5, unique=True),
    profile=st.sampled_from([None, *PROFILES]),
    concurrency=st.integers(1, 300),
)
def test_what_is_written_passes_check_and_the_schema_and_is_written_once(
    tmp_path_factory: pytest.TempPathFactory,
    model: str,
    gpus: list[str],
    profile: str | None,
    concurrency: int,
) -> None:
    made = plan(
        Model.load(model), [Gpu.find(name) for name in gpus], concurrency=concurrency, profile=profile
    )
    if len(made.ranked) < 2:
        return
    main, *others = variants_of(made)
    text = render(made, main, variants=others)  # which holds it to the chart's schema
    report = checked(text.data)
    assert report.findings == ()
    assert len(report.models) == 1 + len(others)
    assert all(result is not None and result.fits for result in report.models.values())
    path = tmp_path_factory.mktemp("into") / "values.yaml"
    path.write_text("# ours\nmodels: {}\n")
    assert merge_into(path, text)
    once = path.read_bytes()
    assert not merge_into(path, text)
    assert path.read_bytes() == once


def test_every_number_of_a_variant_has_its_reason(valuegen: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    asked = ["--gpu", "L40S", "--gpu", "H100", "--variants", "--profile", "cost", "-o", path]
    assert valuegen("values", "Qwen3-8B", *asked).code == 0
    lines = path.read_text().splitlines()
    numbers = [number for number, line in enumerate(lines) if re.search(r': "?[\d.]+(Gi|Mi)?"?$', line)]
    assert len(numbers) >= 22
    for number in numbers:
        assert lines[number - 1].lstrip().startswith("# "), lines[number]
    assert max(map(len, lines)) <= 110
    assert valuegen("check", path).code == 0
