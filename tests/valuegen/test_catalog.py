"""The catalogues hold what they promise, and names are found as people write them."""

from __future__ import annotations

import re

import pytest

from valuegen import Gpu, GpuError, Model
from valuegen.catalog.gpus import all_gpus, price_date
from valuegen.catalog.models import CatalogModel, all_models, find_model

MIB = 1024**2

# nvidia.com/gpu.product -> nvidia-smi's memory in MiB, from the labels of real nodes.
LABELS = {
    "NVIDIA-A10": 23028,
    "NVIDIA-A10G": 23028,
    "NVIDIA-A100-PCIE-40GB": 40960,
    "NVIDIA-A100-80GB-PCIe": 81920,
    "NVIDIA-A100-SXM4-40GB": 40960,
    "NVIDIA-A100-SXM4-80GB": 81920,
    "NVIDIA-H100-PCIe": 81559,
    "NVIDIA-H100-80GB-HBM3": 81559,
    "NVIDIA-H100-NVL": 95830,
    "NVIDIA-H200": 143771,
    "NVIDIA-H200-NVL": 143771,
    "NVIDIA-L4": 23034,
    "NVIDIA-L40S": 46068,
    "NVIDIA-B200": 183359,
    "Tesla-T4": 15360,
}


@pytest.mark.parametrize(("product", "smi_mib"), LABELS.items())
def test_a_node_label_finds_its_gpu_with_less_memory_than_nvidia_smi_shows(
    product: str, smi_mib: int
) -> None:
    gpu = Gpu.find(product)
    assert product in gpu.products
    # The driver keeps between 0.4 and 0.9 GiB of it; up to 1.1 on the largest.
    assert 0.97 * smi_mib <= gpu.memory_bytes / MIB < smi_mib


def test_every_label_of_a_known_node_is_in_the_catalogue_and_nothing_else() -> None:
    assert {product for gpu in all_gpus() for product in gpu.products} == set(LABELS)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("h100", "H100-80GB"),
        ("H100_80GB", "H100-80GB"),
        ("NVIDIA-H100-80GB-HBM3", "H100-80GB"),
        ("a100-80gb", "A100-SXM4-80GB"),
        ("A100-40GB", "A100-SXM4-40GB"),
        (" l40s ", "L40S"),
    ],
)
def test_a_gpu_is_found_by_name_alias_and_label_in_any_spelling(written: str, name: str) -> None:
    assert Gpu.find(written).name == name


@pytest.mark.parametrize(
    ("written", "meant"), [("H1000", "H100"), ("L40", "L40S"), ("A100-80G", "A100"), ("B20", "B200")]
)
def test_an_unknown_gpu_is_refused_with_the_nearest_name(written: str, meant: str) -> None:
    with pytest.raises(GpuError, match=f"{written}: no such GPU.*did you mean [^?]*{meant}"):
        Gpu.find(written)


def test_a_name_that_looks_like_nothing_is_refused_without_a_guess() -> None:
    with pytest.raises(GpuError) as refused:
        Gpu.find("zzz")
    assert "did you mean" not in str(refused.value)
    assert "valuegen gpus" in refused.value.fix


def test_no_two_gpus_share_a_name_alias_or_label() -> None:
    names = [key.casefold() for gpu in all_gpus() for key in (gpu.name, *gpu.aliases, *gpu.products)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_a_gpu_states_its_source_and_a_price(gpu: Gpu) -> None:
    assert re.search(r"\d+\.\d+ (GiB|to)", gpu.memory_source)
    assert 0 < gpu.usd_per_hour < 20
    assert gpu.max_per_node in {4, 8}


def test_prices_carry_their_month() -> None:
    assert re.fullmatch(r"20\d\d-\d\d", price_date())


@pytest.mark.parametrize("entry", all_models(), ids=lambda entry: entry.name)
def test_a_catalogue_model_loads_and_says_where_its_facts_come_from(entry: CatalogModel) -> None:
    model = Model.load(entry.name)
    assert (model.name, model.source, model.uri) == (entry.name, "config", f"hf://{entry.hub}")
    assert entry.source.startswith(("config.json of", "published architecture of"))


def test_a_model_is_found_by_its_hub_id_too() -> None:
    assert Model.load("Qwen/Qwen3-8B").uri == Model.load("qwen3-8b").uri == "hf://Qwen/Qwen3-8B"


def test_an_unknown_model_is_not_found() -> None:
    assert find_model("Qwen3-9B") is None
