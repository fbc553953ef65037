"""Values are commented, hold the plan, are what the chart accepts, and keep what a person wrote."""

from __future__ import annotations

import json
import os
import re
from difflib import ndiff
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from valuegen import EngineSettings, Gpu, Model, OutputError, UsageError, plan
from valuegen.files import replace_file
from valuegen.merge import merge_into
from valuegen.values import ValuesDocument, check, render, schema

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


def values(
    model: str, gpu: str, *, name: str | None = None, source: str | None = None, **settings: Any
) -> ValuesDocument:
    made = plan(Model.load(model), [Gpu.find(gpu)], EngineSettings(**settings))
    return render(made, made.ranked[0], name=name, source=source)


def test_the_packages_schema_is_the_charts() -> None:
    chart = ROOT / "charts" / "vllm-stack" / "values.schema.json"
    copy = ROOT / "tools" / "valuegen" / "src" / "valuegen" / "templates" / "values.schema.json"
    assert copy.read_bytes() == chart.read_bytes()


def test_the_text_holds_what_the_plan_found() -> None:
    made = plan(Model.load("Qwen3-32B"), [Gpu.find("H100")], concurrency=50)
    best = made.ranked[0]
    body = yaml.safe_load(render(made, best).text)["models"]["qwen3-32b"]
    host = best.fit.host
    assert host is not None
    assert body["source"] == {"uri": "hf://Qwen/Qwen3-32B"}
    assert body["servedNames"] == ["Qwen3-32B"]
    assert body["accelerator"] == {"product": "NVIDIA-H100-80GB-HBM3"}
    assert body["parallelism"] == {"tensor": best.fit.settings.tensor_parallel_size}
    assert body["replicas"] == best.replicas
    assert body["args"] == {
        "max-model-len": 8192,
        "max-num-seqs": 1024,
        "max-num-batched-tokens": 8192,
        "gpu-memory-utilization": 0.92,
    }
    assert body["resources"]["requests"]["cpu"] == str(host.cpu)
    assert body["resources"]["limits"]["memory"] == f"{host.memory_limit_bytes // 1024**3}Gi"
    assert body["sharedMemory"]["size"] == f"{host.shared_memory_bytes // 1024**2}Mi"
    assert body["startup"]["budgetSeconds"] == host.startup_seconds
    assert body["shutdown"]["drainSeconds"] == host.drain_seconds
    assert float(body["cost"]) * body["replicas"] == pytest.approx(best.cost_per_hour)


def test_only_what_was_asked_for_is_added_to_the_arguments() -> None:
    document = values(
        "Qwen3-8B", "H100", kv_cache_dtype="fp8", enforce_eager=True, enable_prefix_caching=False
    )
    arguments = yaml.safe_load(document.text)["models"]["qwen3-8b"]["args"]
    assert arguments["kv-cache-dtype"] == "fp8"
    assert arguments["enforce-eager"] is True
    assert arguments["enable-prefix-caching"] is False
    assert "tensor-parallel-size" not in arguments
    assert "dtype" not in arguments
    assert "allow-deprecated-quantization" not in arguments


def test_a_deprecated_quantization_gets_the_flag_without_which_vllm_refuses_it(tmp_path: Path) -> None:
    golden = ROOT / "tests/valuegen/golden/models/meta-llama__Llama-3.1-405B-Instruct-FP8.json"
    (tmp_path / "config.json").write_text(json.dumps(json.loads(golden.read_text())["config"]))
    document = values(str(tmp_path), "H200", name="llama-405b", source="hf://meta-llama/a")
    assert (
        yaml.safe_load(document.text)["models"]["llama-405b"]["args"]["allow-deprecated-quantization"] is True
    )
    assert "# vLLM 0.33 starts fbgemm_fp8 only with it." in document.text


@pytest.mark.parametrize(
    ("model", "gpu", "settings"),
    [
        ("Qwen3-8B", "H200", {}),
        ("phi-4", "T4", {"max_model_len": 4096}),
        ("Llama-3.1-70B-Instruct", "L40S", {"pipeline_parallel_size": 2, "tensor_parallel_size": 4}),
        ("Qwen3-8B", "L40S", {"tensor_parallel_size": 1, "data_parallel_size": 2}),
        ("Qwen3-8B", "H200-MIG-3g.71gb", {}),
        ("Qwen3-8B", "MI355X", {}),
        ("Llama-4-Maverick-17B-128E-Instruct", "GB300", {"tensor_parallel_size": 4}),
    ],
)
def test_every_number_has_a_comment_with_its_reason(model: str, gpu: str, settings: dict[str, Any]) -> None:
    lines = values(model, gpu, **settings).text.splitlines()
    numbers = [number for number, line in enumerate(lines) if re.search(r': "?[\d.]+(Gi|Mi)?"?$', line)]
    assert len(numbers) >= 13
    for number in numbers:
        assert lines[number - 1].lstrip().startswith("# "), lines[number]
    assert max(map(len, lines)) <= 110


def test_a_slice_is_asked_for_by_its_resource_on_nodes_labelled_with_the_whole_gpu() -> None:
    text = values("Qwen3-8B", "A100-MIG-3g.40gb").text
    assert yaml.safe_load(text)["models"]["qwen3-8b"]["accelerator"] == {
        "resource": "nvidia.com/mig-3g.40gb",
        "product": "NVIDIA-A100-SXM4-80GB",
    }
    assert "# Assumed: what is neither weights nor KV cache" in text


def test_an_amd_gpu_is_asked_for_by_amds_resource_and_label() -> None:
    assert yaml.safe_load(values("Qwen3-8B", "MI300X").text)["models"]["qwen3-8b"]["accelerator"] == {
        "resource": "amd.com/gpu",
        "productLabel": "amd.com/gpu.product-name",
        "product": ["AMD_Instinct_MI300X_OAM", "AMD_Instinct_MI300X_VF"],
    }


def test_a_gpu_of_several_labels_is_written_as_a_list() -> None:
    body = yaml.safe_load(values("Qwen3-8B", "H200").text)["models"]["qwen3-8b"]
    assert body["accelerator"]["product"] == ["NVIDIA-H200", "NVIDIA-H200-NVL"]


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("Qwen2.5-7B-Instruct", "qwen2-5-7b-instruct"),
        ("phi-4", "phi-4"),
        ("Mistral-Nemo-Instruct-2407", "mistral-nemo-instruct-2407"),
    ],
)
def test_a_key_is_made_of_the_models_name(model: str, key: str) -> None:
    document = values(model, "H100")
    assert document.key == key
    assert ("servedNames" in document.data["models"][key]) == (model != key)


@pytest.mark.parametrize("name", ["Qwen", "8b", "a_b", "-a", "a-", "a" * 64, ""])
def test_a_name_that_is_no_dns_label_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="DNS label"):
        values("Qwen3-8B", "H100", name=name)


def test_a_size_needs_a_source() -> None:
    with pytest.raises(UsageError, match="--source"):
        values("8B", "H100", name="mine")
    document = values("8B", "H100", name="mine", source="pvc://models/mine")
    assert document.data["models"]["mine"]["source"] == {"uri": "pvc://models/mine"}


@pytest.mark.parametrize("source", ["hf://one", "gs://bucket/x", "org/name", "http://x/y"])
def test_a_source_that_the_chart_cannot_read_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="--source"):
        values("Qwen3-8B", "H100", source=source)


def test_what_the_schema_refuses_is_named_by_its_key() -> None:
    data = values("Qwen3-8B", "H100").data
    data["models"]["qwen3-8b"]["replicaCuont"] = 2
    with pytest.raises(OutputError, match=r"models\.qwen3-8b: .*replicaCuont"):
        check(data, "a test")
    assert schema()["additionalProperties"] is False


# --into -------------------------------------------------------------------------------------------

HAND_WRITTEN = """\
# Our models; ask ops before you change a number.
x-shared: &shared
  priorityClassName: "high"   # quoted on purpose

models:
  # The small one.
  tiny:
    source: {uri: hf://org/tiny}
    accelerator:
      product: NVIDIA-L4
    scheduling:
      <<: *shared
    extraArgs:
    - --seed
    - "7"

# How it is reached.
routing:
  kind: none
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "values.yaml"
    path.write_text(HAND_WRITTEN)
    return path


def test_a_model_is_added_and_every_other_line_stays(file: Path) -> None:
    assert merge_into(file, values("Qwen3-8B", "L40S"))
    after = file.read_text()
    changes = [line for line in ndiff(HAND_WRITTEN.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert changes[0] == "+   qwen3-8b:"
    assert all(line.startswith("+ ") for line in changes)
    loaded = yaml.safe_load(after)
    assert list(loaded["models"]) == ["tiny", "qwen3-8b"]
    assert "# The name in API requests" in after
    assert after.index("qwen3-8b:") < after.index("# How it is reached.")


def test_twice_changes_nothing(file: Path) -> None:
    document = values("Qwen3-8B", "L40S")
    assert merge_into(file, document)
    once, stamp = file.read_bytes(), file.stat().st_mtime_ns
    assert not merge_into(file, document)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (once, stamp)


def test_an_update_sets_the_numbers_and_keeps_what_a_person_added(file: Path) -> None:
    merge_into(file, values("Qwen3-8B", "L40S"))
    edited = file.read_text().replace(
        "      max-model-len: 8192\n", "      max-model-len: 8192  # agreed with the team\n      seed: 7\n"
    )
    file.write_text(edited + "tests:\n  enabled: false\n")
    assert merge_into(file, values("Qwen3-8B", "L40S", max_model_len=4096))
    after = file.read_text()
    loaded = yaml.safe_load(after)
    arguments = loaded["models"]["qwen3-8b"]["args"]
    assert (arguments["max-model-len"], arguments["seed"]) == (4096, 7)
    assert loaded["tests"] == {"enabled": False}
    assert "max-model-len: 4096  # agreed with the team" in after
    for comment in re.findall(r"#.*", HAND_WRITTEN):
        assert comment in after
    assert '"high"' in after


def test_an_update_touches_only_the_numbers_that_changed_and_their_reasons(file: Path) -> None:
    merge_into(file, values("Qwen3-8B", "L40S"))
    before = file.read_text().splitlines()
    merge_into(file, values("Qwen3-8B", "L40S", max_num_seqs=255))
    after = file.read_text().splitlines()
    assert len(before) == len(after)
    changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    assert [line for line in changed if not line.startswith("#")] == ["max-num-seqs: 255"]
    assert "# Requests in one batch, as asked for." in changed


def test_reasons_follow_their_numbers_and_a_persons_comments_stay(file: Path) -> None:
    merge_into(file, values("Qwen3-8B", "L40S"))
    file.write_text(
        file.read_text().replace(
            "      # Tokens in one batch, vLLM's default on this GPU.",
            "      # Ask Eve before you change it.",
        )
    )
    fresh = values("Qwen3-8B", "H100", kv_cache_dtype="fp8")
    merge_into(file, fresh)
    after = file.read_text()
    assert "# Ask Eve before you change it." in after
    stale = [
        line
        for line in values("Qwen3-8B", "L40S").body.splitlines()
        if "#" in line and line not in fresh.body
    ]
    assert len(stale) > 3
    for line in stale:
        assert line.strip() not in after
    assert re.search(r"# As asked for\.\n +kv-cache-dtype: fp8\n", after)
    assert not merge_into(file, fresh)


REPLICAS = "    replicas: 3 # three\n"
LAYOUTS = {
    "four spaces": "models:\n    qwen3-8b:\n        source:\n            uri: hf://a/b   # old\n",
    "in braces": "models:\n  qwen3-8b: {source: {uri: hf://a/b}, args: {}, replicas: 3} # three\n",
    "sequences below their key": f"models:\n  qwen3-8b:\n    servedNames:\n    - x\n    - y\n{REPLICAS}",
    "empty values": f"models:\n  qwen3-8b:\n    args:\n    resources: ~\n    cache: null\n{REPLICAS}",
    "an empty value at the end": f"models:\n  qwen3-8b:\n{REPLICAS}    args:\n",
    "a mapping at the end": f"models:\n  qwen3-8b:\n{REPLICAS}    args:\n      max-model-len: 5 # five\n",
    "quotes": f"models:\n  'qwen3-8b':\n    \"source\": {{'uri': 'hf://a/b'}}\n{REPLICAS}    cost: '7'",
    "an anchor": f"models:\n  qwen3-8b: &q\n{REPLICAS}  other:\n    <<: *q\n    source: {{uri: hf://a/b}}\n",
    "other line ends": "models:\r\n  qwen3-8b:\r\n    replicas: 3 # three\r\n",
    "text after": f"models:\n  qwen3-8b:\n{REPLICAS}\n  # next\n  other:\n    replicas: 1\n# end\n",
    "a block of text": "models:\n  qwen3-8b:\n    chatTemplate: |\n      a: b\n      # c\n\ntests: {}\n",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_model_is_updated_in_whatever_layout_it_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_bytes(text.encode())
    document = values("Qwen3-8B", "L40S")
    assert merge_into(path, document)
    after = path.read_bytes().decode()
    before, loaded = yaml.safe_load(text), yaml.safe_load(after)
    # What valuegen writes is there, and every other value is as it was.
    assert loaded["models"]["qwen3-8b"] == {
        **before["models"]["qwen3-8b"],
        **document.data["models"]["qwen3-8b"],
    }
    assert {key: value for key, value in loaded.items() if key != "models"} == {
        key: value for key, value in before.items() if key != "models"
    }
    for comment in re.findall(r"#[^\r\n]*", text):
        assert comment in after
    assert after.count("\r") == (after.count("\n") if "\r" in text else 0)
    assert not merge_into(path, document)


def test_an_alias_is_not_written_through(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("x-r: &r\n  requests: {cpu: 1}\nmodels:\n  qwen3-8b:\n    resources: *r\n")
    before = path.read_text()
    with pytest.raises(UsageError, match=r"models\.qwen3-8b\.resources: is an alias"):
        merge_into(path, values("Qwen3-8B", "L40S"))
    assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "models: {}\n",
        "models:\n",
        "models: # none\n\nrouting: {kind: none}\n",
        "routing:\n  kind: none",
    ],
)
def test_a_file_without_models_gets_its_first(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    assert merge_into(path, values("Qwen3-8B", "L40S"))
    loaded = yaml.safe_load(path.read_text())
    assert list(loaded["models"]) == ["qwen3-8b"]
    assert ("routing" in loaded) == ("routing" in text)
    assert not merge_into(path, values("Qwen3-8B", "L40S"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("- a\n- b\n", "no YAML mapping"),
        ("just words\n", "no YAML mapping"),
        ("a: [1, 2\n", "no YAML"),
        ("models: [a, b]\n", "models: is no mapping"),
        ("models: {a: {source: {uri: hf://o/n}}}\n", "braces"),
        ("models:\n  qwen3-8b: 7\n", "models.qwen3-8b: is no mapping"),
        ("models:\n  a:\n    replicaCuont: 2\n", "replicaCuont"),
        ("a: 1\na: 2\n", "no YAML"),
    ],
)
def test_a_file_that_is_no_values_file_is_refused_and_left_alone(
    valuegen: Callable[..., Any], tmp_path: Path, text: str, rule: str
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    outcome = valuegen("values", "Qwen3-8B", "--gpu", "L40S", "--into", str(path))
    assert outcome.code == 2
    assert rule in outcome.stderr
    assert str(path) in outcome.stderr
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


BY_HAND = {
    "speculative": ("speculative-config", "{method: suffix}"),
    "lora": ("max-loras", "2"),
    "kvOffload": ("kv-offloading-size", "4"),
}


@pytest.mark.parametrize("part", BY_HAND)
def test_a_feature_that_a_person_wrote_as_a_flag_stays_and_is_not_said_twice(
    valuegen: Callable[..., Any], tmp_path: Path, part: str
) -> None:
    asked = {
        "speculative": ["--speculative-config", '{"method": "ngram", "num_speculative_tokens": 4}'],
        "lora": ["--enable-lora"],
        "kvOffload": ["--kv-offloading-size", "8"],
    }
    flag, value = BY_HAND[part]
    path = tmp_path / "values.yaml"
    by_hand = f"      {flag}: {value}  # ours\n"
    path.write_text(f"models:\n  m:\n    source: {{uri: hf://Qwen/Qwen3-8B}}\n    args:\n{by_hand}")
    command = ["values", "Qwen3-8B", "--gpu", "H100", "--name", "m", "--into", str(path)]
    everything = [word for words in asked.values() for word in words]
    outcome = valuegen(*command, *everything)
    assert outcome.code == 0
    assert f"{path}: args.{flag} is kept; remove it to get {part} from here\n" in outcome.stderr
    after = path.read_text()
    assert by_hand in after
    assert set(asked) & yaml.safe_load(after)["models"]["m"].keys() == set(asked) - {part}
    again = valuegen(*command, *everything)
    assert (again.code, path.read_text()) == (0, after)


# Files --------------------------------------------------------------------------------------------


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode_and_link(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("old")
    real.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    replace_file(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]


def test_a_new_file_gets_the_mode_that_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "new.yaml", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "new.yaml").stat().st_mode & 0o777 == 0o640
