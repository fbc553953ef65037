"""A Hub id is read by range requests: no weights, every failure one line with a next step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.valuegen.checkpoints import TENSORS, UNKNOWN, in_shards, safetensors
from tests.valuegen.hub_server import COMMIT, HubServer

from valuegen import Model, ModelError, download
from valuegen.catalog.models import find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILES = {"config.json": json.dumps(UNKNOWN).encode(), **in_shards(TENSORS)}
TOKEN = "hf_secret"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(download, "WAITS", (0.0,) * 3)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(files=FILES).running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def refused(model: str = "org/model", **options: Any) -> str:
    """The one line that says why."""
    with pytest.raises(ModelError) as error:
        Model.load(model, **options)
    line = str(error.value)
    assert "\n" not in line
    assert model in line
    assert error.value.fix
    return line


def test_headers_are_read_without_the_weights_and_then_offline(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {**TENSORS, "model.layers.0.huge.weight": (4096, 4096)}
    hub.files = {"config.json": FILES["config.json"], "model.safetensors": safetensors(big)}
    online = Model.load("org/model")
    assert online.source == "safetensors"
    assert online.checkpoint is not None
    assert online.checkpoint.bytes > 32 * 2**20
    assert hub.sent < 2**20
    assert all(each.range for each in hub.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.asked.clear()
    assert Model.load("org/model").checkpoint == online.checkpoint
    assert hub.asked == []


def test_a_header_larger_than_the_first_read_is_asked_for_again(hub: HubServer) -> None:
    many = {f"model.layers.0.{number}.weight": (1,) for number in range(2000)}
    hub.files = {"config.json": FILES["config.json"], "model.safetensors": safetensors(many)}
    loaded = Model.load("org/model").checkpoint
    assert loaded is not None
    assert len(loaded.tensors) == 2000
    assert len([each for each in hub.asked if each.path.endswith("model.safetensors")]) == 2


def test_a_server_without_ranges_is_read_too(hub: HubServer) -> None:
    hub.ranges = False
    loaded = Model.load("org/model").checkpoint
    assert loaded is not None
    assert len(loaded.tensors) == len(TENSORS)


def test_the_network_gone_the_cache_answers(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    online = Model.load("org/model")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert Model.load("org/model").checkpoint == online.checkpoint
    assert "/org/model/resolve/main/config.json" in {each.path for each in hub.asked}


def test_a_cached_commit_is_not_asked_for_again(hub: HubServer) -> None:
    Model.load("org/model", revision=COMMIT)
    hub.asked.clear()
    Model.load("org/model", revision=COMMIT)
    assert hub.asked == []


def test_weights_in_the_cache_are_read_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As huggingface_hub lays it out: a ref, and a snapshot of links to blobs."""
    repository = tmp_path / "cache" / "hub" / "models--org--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for number, (name, content) in enumerate(FILES.items()):
        blob = repository / "blobs" / str(number)
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        (snapshot / name).symlink_to(blob)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Model.load("org/model").source == "safetensors"
    (snapshot / "model-0.safetensors").unlink()
    assert "its cache does not have the header of model-0.safetensors" in refused()
    (snapshot / "config.json").unlink()
    assert "its cache does not have config.json" in refused()


def test_what_is_kept_is_found_by_huggingface_hub(hub: HubServer, tmp_path: Path) -> None:
    other = pytest.importorskip("huggingface_hub", reason="not in this environment")
    Model.load("org/model")
    cache = tmp_path / "cache" / "hub"
    found = other.try_to_load_from_cache("org/model", "config.json", cache_dir=cache)
    assert found == str(cache / "models--org--model" / "snapshots" / COMMIT / "config.json")
    missing = other.try_to_load_from_cache("org/model", "hf_quant_config.json", cache_dir=cache)
    assert missing is other.file_download._CACHED_NO_EXIST
    assert other.try_to_load_from_cache("org/model", "model-0.safetensors", cache_dir=cache) is None
    assert hub.asked


def test_a_redirect_to_another_host_does_not_carry_the_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.token = TOKEN
    with HubServer(files=FILES).running() as store:
        hub.redirect = store.url
        assert Model.load("org/model").checkpoint is not None
        assert store.asked
        assert all(each.token is None and each.range for each in store.asked)
        assert all(each.token == f"Bearer {TOKEN}" for each in hub.asked)


def test_a_redirect_on_the_same_host_keeps_the_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.token, hub.redirect = TOKEN, hub.url
    assert Model.load("org/model").checkpoint is not None
    assert any(each.path.startswith("/store/") for each in hub.asked)


def test_the_token_of_a_login_is_used(hub: HubServer, tmp_path: Path) -> None:
    hub.token = TOKEN
    assert "HF_TOKEN" in refused()
    (tmp_path / "cache" / "token").parent.mkdir(exist_ok=True)
    (tmp_path / "cache" / "token").write_text(f"{TOKEN}\n")
    assert Model.load("org/model").checkpoint is not None


@pytest.mark.parametrize("location", ["file:///etc", "ftp://127.0.0.1"])
def test_a_redirect_out_of_http_is_not_followed(hub: HubServer, location: str) -> None:
    hub.redirect = location
    assert "answers 302" in refused()


@pytest.mark.parametrize("failure", [500, 502, 503, 429, 0], ids=lambda status: str(status or "dropped"))
def test_a_failure_that_passes_is_tried_again(hub: HubServer, failure: int) -> None:
    hub.failures = [failure] * 3
    assert Model.load("org/model").checkpoint is not None


@pytest.mark.parametrize(
    ("failure", "rule", "step"),
    [
        (500, "answers 500", "try later"),
        (429, "limits requests (429)", "try again"),
        (0, "connection was dropped, 4 times", "give a directory"),
    ],
)
def test_a_failure_that_stays_is_refused_after_four_attempts(
    hub: HubServer, failure: int, rule: str, step: str
) -> None:
    hub.failures = [failure] * 9
    line = refused()
    assert rule in line
    assert step in line
    assert len(hub.asked) == 4


def test_a_long_wait_is_told_and_not_waited_for(hub: HubServer) -> None:
    hub.failures, hub.retry_after = [429], "300"
    assert "try again in 300 s" in refused()
    assert len(hub.asked) == 1


def test_retry_after_may_be_a_date() -> None:
    assert download.retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    later = download.retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"})
    assert later is not None
    assert later > 10**6
    assert download.retry_after({"retry-after": "soon"}) is None


def test_a_repository_that_cannot_be_read_is_refused(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is gated; accept its licence" in refused("org/gated")
    assert "no such repository" in refused("org/none")
    assert "no revision v9; check --revision" in refused(revision="v9")
    assert "is no name of a revision" in refused(revision="../../etc")
    monkeypatch.setenv("HF_TOKEN", "wrong")
    assert "refuses the token (401)" in refused("org/none")
    assert hub.asked


def test_no_network_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "cannot be reached (connection refused); give a directory" in refused()
    monkeypatch.setenv("HF_ENDPOINT", "ftp://127.0.0.1")
    with pytest.raises(ModelError, match="is no http:// or https:// address"):
        Model.load("org/model")


def test_what_is_not_cached_is_refused_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set and it is not in the cache); give a directory" in refused()


def test_a_header_that_lies_is_refused_by_its_file(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = {**FILES, "model-1.safetensors": FILES["model-1.safetensors"][:-1]}
    assert "org/model/model-1.safetensors: is truncated" in refused()
    hub.files = {**FILES, "model-1.safetensors": b""}
    monkeypatch.setenv("HF_HOME", str(tmp_path / "another"))
    assert "org/model/model-1.safetensors: has 0 bytes" in refused()


def test_a_revision_is_read_and_reaches_the_values(hub: HubServer, valuegen: Callable[..., Any]) -> None:
    entry = find_model("Qwen3-8B")
    assert entry is not None
    hub.files = {"config.json": json.dumps(dict(entry.config)).encode()}
    written = valuegen("values", "org/model", "--revision", "v1", "--gpu", "L40S", "--json")
    assert written.code == 0, written.stderr
    assert json.loads(written.stdout)["models"]["model"]["source"] == {
        "uri": "hf://org/model",
        "revision": "v1",
    }
    assert hub.asked[0].path == "/org/model/resolve/v1/config.json"
