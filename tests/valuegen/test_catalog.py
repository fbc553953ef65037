"""The catalogues hold what they promise, and names are found as people write them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from valuegen import Gpu, GpuError, Model, catalog
from valuegen.catalog.gpus import DRIVER_KEEPS_MIB, all_gpus, price_date, slices, whole_gpus
from valuegen.catalog.models import CatalogModel, all_models, find_model
from valuegen.config import ModelConfig
from valuegen.weights import checkpoint_bytes, parameter_count

MIB = 1024**2
GIB = 1024**3
STATED = re.compile(r"(?<![\w.])(?P<size>\d+(?:\.\d+)?)(?P<unit>[bBmM])(?![\w.]|-A?\d+[bB])")
FILES = Path(catalog.__file__).parent

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
    "NVIDIA-GB200": 189471,
    "NVIDIA-GH200-480GB": 97871,
    "NVIDIA-GeForce-RTX-4090": 24564,
    "NVIDIA-GeForce-RTX-5090": 32607,
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": 97887,
    "Tesla-T4": 15360,
    "Tesla-V100-SXM2-32GB": 32768,
}

# What `nvidia-smi mig -lgip` and PyTorch on slices show, in GiB.
SLICES = {
    "A100-40GB-MIG-1g.5gb": 4.75,
    "A100-80GB-MIG-1g.10gb": 9.5,
    "A100-80GB-MIG-3g.40gb": 39.25,
    "H100-MIG-1g.20gb": 19.62,
    "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb": 39.5,
    "H200-MIG-1g.18gb": 16.0,
    "B200-MIG-1g.23gb": 20.5,
}


@pytest.mark.parametrize(("product", "smi_mib"), LABELS.items())
def test_a_node_label_finds_its_gpu_with_less_memory_than_nvidia_smi_shows(
    product: str, smi_mib: int
) -> None:
    gpu = Gpu.find(product)
    assert product in gpu.products
    # The driver keeps between 0.4 and 1.3 GiB of it.
    assert 0.95 * smi_mib <= gpu.memory_bytes / MIB < smi_mib


def test_no_measured_gpu_lacks_more_than_the_derived_ones_are_taken_to_lack() -> None:
    facts = tomllib.loads((FILES / "gpus.toml").read_text())["gpus"]
    measured = [entry for entry in facts.values() if "smi_mib" in entry and "memory_mib" in entry]
    assert len(measured) > 15
    for entry in measured:
        size = "larger" if entry["smi_mib"] > 64 * 1024 else "up to 64 GiB"
        assert entry["smi_mib"] - entry["memory_mib"] <= DRIVER_KEEPS_MIB[size]


def test_there_are_more_than_sixty_gpus_of_both_vendors() -> None:
    assert len(whole_gpus()) >= 60
    assert {gpu.arch for gpu in whole_gpus()} == {"", "gfx90a", "gfx942", "gfx950"}


@pytest.mark.parametrize(("name", "gib"), SLICES.items())
def test_a_slice_has_the_memory_that_was_read_on_one(name: str, gib: float) -> None:
    assert Gpu.find(name).memory_bytes / GIB == pytest.approx(gib, rel=1e-3)


@pytest.mark.parametrize("gpu", [gpu for gpu in whole_gpus() if slices(gpu)], ids=lambda gpu: gpu.name)
def test_slices_follow_from_their_gpu(gpu: Gpu) -> None:
    found = slices(gpu)
    for each in found:
        assert each.products == tuple(f"{product}-MIG-{each.profile}" for product in gpu.products)
        assert each.resource == f"nvidia.com/mig-{each.profile}"
        assert (each.node_products, each.label) == (gpu.products, gpu.label)
        count = each.max_per_node // gpu.max_per_node
        # As many as there can be together take no more than the GPU has, and cost no more.
        assert count * each.memory_bytes <= gpu.memory_bytes
        assert count * each.usd_per_hour <= gpu.usd_per_hour + 0.01
        assert any("slices" in text for text in each.assumptions)
    assert max(each.memory_bytes for each in found) > 0.95 * gpu.memory_bytes
    assert max(each.share for each in found) == 1


def test_amd_gpus_carry_amds_resource_and_label() -> None:
    gpu = Gpu.find("AMD_Instinct_MI300X_OAM")
    assert (gpu.name, gpu.resource, gpu.label) == ("MI300X", "amd.com/gpu", "amd.com/gpu.product-name")
    assert (gpu.compute, gpu.compute_capability) == ("gfx942", (9, 4))


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
    ("written", "meant"),
    [
        ("H1000", "H100"),
        ("L40SX", "L40S"),
        ("A100-80G", "A100"),
        ("B20", "B200"),
        ("H100-MIG-1g.11gb", "H100-MIG-1g.10gb"),
    ],
)
def test_an_unknown_gpu_is_refused_with_the_nearest_name(written: str, meant: str) -> None:
    with pytest.raises(GpuError, match=f"{written}: no such GPU.*did you mean [^?]*{meant}"):
        Gpu.find(written)


def test_a_name_that_looks_like_nothing_is_refused_without_a_guess() -> None:
    with pytest.raises(GpuError) as refused:
        Gpu.find("zzz")
    assert "did you mean" not in str(refused.value)
    assert "valuegen gpus" in refused.value.fix


def test_every_gpu_is_found_by_each_of_its_names_and_no_two_share_one() -> None:
    names = [(key, gpu) for gpu in all_gpus() for key in (gpu.name, *gpu.aliases, *gpu.products)]
    assert len({key.casefold() for key, _ in names}) == len(names)
    for key, gpu in names:
        assert Gpu.find(key.upper()) is gpu


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_a_gpu_states_its_source_and_a_price(gpu: Gpu) -> None:
    assert re.search(r"\d+\.\d+ (GiB|to)|nvidia-smi's \d+ MiB less", gpu.memory_source)
    assert 0 < gpu.usd_per_hour < 20
    assert gpu.max_together in ({1} if gpu.whole else {1, 4, 8, 16})
    # What no log shows is said to be assumed.
    assert bool(gpu.assumptions) == (gpu.memory_known != "measured" or not gpu.is_calibrated)


def test_prices_carry_their_month() -> None:
    assert re.fullmatch(r"20\d\d-\d\d", price_date())


def test_there_are_more_than_two_hundred_models_and_no_two_share_a_name() -> None:
    assert len(all_models()) > 200
    names = [key.casefold() for entry in all_models() for key in (entry.name, entry.hub)]
    assert len(set(names)) == len(names)


SOURCES = (
    r"config\.json of \S+ \(aiconfigurator-core 0\.12\.0\)",
    r"litgpt 0\.5\.13, config\.py: \S+",
    r"published architecture of \S+, entered by hand",
)


@pytest.mark.parametrize("entry", all_models(), ids=lambda entry: entry.name)
def test_a_catalogue_model_says_where_its_facts_come_from_and_has_the_published_size(
    entry: CatalogModel,
) -> None:
    model = Model.load(entry.name)
    assert (model.name, model.source, model.uri) == (entry.name, "config", f"hf://{entry.hub}")
    assert re.match("|".join(SOURCES), entry.source)
    assert find_model(entry.hub) is entry
    # A wrong key anywhere would move it: what is published is rounded by less.
    assert parameter_count(model.config) / 1e9 == pytest.approx(entry.parameters, rel=0.02)


# Named after what is active, or without the embeddings of a small model.
NAMED_OTHERWISE = {
    "Falcon3-1B-Instruct",
    "gemma-2-2b-it",
    "Llama-4-Maverick-17B-128E-Instruct",
    "Llama-4-Scout-17B-16E-Instruct",
}


@pytest.mark.parametrize(
    "entry",
    [entry for entry in all_models() if STATED.search(entry.name) and entry.name not in NAMED_OTHERWISE],
    ids=lambda entry: entry.name,
)
def test_a_size_in_a_models_name_is_the_one_that_is_published(entry: CatalogModel) -> None:
    found = STATED.search(entry.name)
    assert found is not None
    billions = float(found["size"]) / (1000 if found["unit"] in "mM" else 1)
    # Names leave out the embeddings (0.5B for 0.49, 1.5B for 1.78) and round at will (7B for 7.6).
    assert entry.parameters == pytest.approx(billions, rel=0.25)


GOLDEN = Path(__file__).parent / "golden" / "models"
# The whole model is there with its audio tower.
GOLDEN_HUB = {"google/gemma-4-E4B-it": "google/gemma-4-E4B-it-audio"}


def golden_file(entry: CatalogModel) -> Path:
    return GOLDEN / f"{GOLDEN_HUB.get(entry.hub, entry.hub).replace('/', '__')}.json"


@pytest.mark.parametrize(
    "entry", [entry for entry in all_models() if golden_file(entry).exists()], ids=lambda entry: entry.name
)
def test_a_catalogue_model_is_the_one_that_vllm_was_asked_about(entry: CatalogModel) -> None:
    golden = json.loads(golden_file(entry).read_text())
    asked = ModelConfig.from_dict(
        golden["config"], name=entry.name, hf_quant_config=golden["hf_quant_config"]
    )
    known = Model.load(entry.name).config
    assert checkpoint_bytes(known) == checkpoint_bytes(asked)
    assert known.kv_layers == asked.kv_layers
    assert known.max_model_len == asked.max_model_len


def test_a_model_is_found_by_its_hub_id_too() -> None:
    assert Model.load("Qwen/Qwen3-8B").uri == Model.load("qwen3-8b").uri == "hf://Qwen/Qwen3-8B"


def test_an_unknown_model_is_not_found() -> None:
    assert find_model("Qwen3-9B") is None
