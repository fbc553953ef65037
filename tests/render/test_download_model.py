"""The download: a model that is there is whole, an interrupted one goes on, and a failure says what to set."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.render.model_servers import COMMIT, Store, hub, object_store

PROGRAM = Path(__file__).parents[2] / "charts/vllm-stack/files/download_model.py"
FILES = {
    "config.json": b"{}",
    "weights/model.safetensors": b"w" * 70_000,
    "original/consolidated.pth": b"o" * 9,
}
HUB, S3 = "hf://org/model", "s3://bucket/models/model"


def environment(address: str, folder: Path, source: str = HUB, **other: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder / "home"),
        "HF_ENDPOINT": address,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SOURCE": source,
        "TARGET": str(folder / "claim" / "model"),
        "EXCLUDE": json.dumps(["original/*"]),
        **other,
    }


def run(address: str, folder: Path, source: str = HUB, **other: str) -> tuple[int, str]:
    """The exit code and the last line printed, which the pod's status shows."""
    done = subprocess.run(
        [sys.executable, PROGRAM],
        env=environment(address, folder, source, **other),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.strip().splitlines()[-1]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=[HUB, S3], ids=["hub", "s3"])
def source(request: pytest.FixtureRequest) -> str:
    if request.param == S3:
        pytest.importorskip("boto3", reason="boto3 is not installed here; `make venv` installs it")
    return str(request.param)


def serving(source: str, store: Store) -> Any:
    return hub(store) if source == HUB else object_store(store)


def test_a_model_arrives_whole_and_without_what_is_excluded(tmp_path: Path, source: str) -> None:
    with serving(source, Store(FILES)) as address:
        assert run(address, tmp_path, source) == (0, f"{source} is in {tmp_path}/claim/model")
    whole = {name: body for name, body in FILES.items() if not name.startswith("original")}
    assert tree(tmp_path / "claim") == {f"model/{name}": body for name, body in whole.items()}


def test_a_second_run_asks_nobody(tmp_path: Path, source: str) -> None:
    with serving(source, Store(FILES)) as address:
        run(address, tmp_path, source)
    nobody = "http://127.0.0.1:1"
    assert run(nobody, tmp_path, source) == (0, f"{source} is in {tmp_path}/claim/model already")


def test_a_revision_is_fetched_by_its_name(tmp_path: Path) -> None:
    with hub(Store(FILES)) as address:
        assert run(address, tmp_path, REVISION=COMMIT)[0] == 0


def test_a_killed_download_keeps_the_files_that_are_whole(tmp_path: Path) -> None:
    store = Store({"config.json": b"{}", "model.safetensors": os.urandom(24 << 20)}, stall_after=16 << 20)
    partial = tmp_path / "claim" / "model.partial"
    with hub(store) as address:
        program = subprocess.Popen([sys.executable, PROGRAM], env=environment(address, tmp_path))
        deadline = time.monotonic() + 60
        while not ((partial / "config.json").exists() and arriving(partial)):
            assert time.monotonic() < deadline, "nothing arrived"
            assert program.poll() is None
            time.sleep(0.05)
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert not (tmp_path / "claim" / "model").exists()
        store.stall_after = 0
        assert run(address, tmp_path)[0] == 0
    assert tree(tmp_path / "claim") == {f"model/{name}": body for name, body in store.files.items()}
    assert [name for name, _ in store.asked].count("config.json") == 1


def arriving(folder: Path) -> bool:
    """Whether a file has begun to arrive."""
    return any(path.stat().st_size for path in folder.rglob("*.incomplete"))


def test_a_connection_that_breaks_is_taken_up_where_it_was(tmp_path: Path) -> None:
    store = Store({"model.safetensors": os.urandom(24 << 20)}, break_after=16 << 20)
    with hub(store) as address:
        assert run(address, tmp_path)[0] == 0
    assert tree(tmp_path / "claim" / "model") == store.files
    first, second = (wanted for _, wanted in store.asked)
    assert first == ""
    assert int(second.removeprefix("bytes=").rstrip("-")) > 0


def test_files_of_an_object_store_that_are_whole_are_not_fetched_again(tmp_path: Path) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed here; `make venv` installs it")
    half = tmp_path / "claim" / "model.partial"
    half.mkdir(parents=True)
    (half / "config.json").write_bytes(FILES["config.json"])
    with object_store(store := Store(FILES)) as address:
        assert run(address, tmp_path, S3)[0] == 0
    assert {name for name, _ in store.asked} == {"weights/model.safetensors"}


# What goes wrong, and what the last line says.
REFUSALS: dict[str, tuple[str, Store, dict[str, str], str]] = {
    "no token": (
        HUB,
        Store(FILES, token="hf_right"),
        {},
        "hf://org/model: answered 401: no token was sent, or no such model; check source.uri, set"
        " secrets.huggingFace to a token with access, and accept the licence on the model's page",
    ),
    "wrong token": (
        HUB,
        Store(FILES, token="hf_right"),
        {"HF_TOKEN": "hf_wrong"},
        "hf://org/model: answered 401: the token may not read it, or no such model; check source.uri, set"
        " secrets.huggingFace to a token with access, and accept the licence on the model's page",
    ),
    "no such model": (
        "hf://org/other",
        Store(FILES),
        {},
        "hf://org/other: answered 404: no such model or default revision; check source.uri and source.revision",
    ),
    "no such revision": (
        HUB,
        Store(FILES),
        {"REVISION": "v9"},
        "hf://org/model: answered 404: no such model or revision v9; check source.uri and source.revision",
    ),
    "everything excluded": (
        HUB,
        Store(FILES),
        {"EXCLUDE": '["*"]'},
        "hf://org/model: no file is there; check source.uri and source.job.exclude",
    ),
    "a name that leads out": (
        HUB,
        Store({"../../etc/passwd": b"x"}),
        {},
        "hf://org/model: the file '../../etc/passwd' leads out of its folder",
    ),
    "wrong key": (
        S3,
        Store(FILES, token="right"),
        {},
        "s3://bucket/models/model: answered InvalidAccessKeyId: the credentials may not read it; check the keys in"
        " source.objectStorage.existingSecret and their policy",
    ),
    "no key": (
        S3,
        Store(FILES),
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        "s3://bucket/models/model: no credentials were found; set source.objectStorage.existingSecret, or"
        " serviceAccount.annotations",
    ),
    "no such bucket": (
        "s3://other/models/model",
        Store(FILES),
        {},
        "s3://other/models/model: answered NoSuchBucket: no such bucket or file; check source.uri",
    ),
    "no such folder": (
        "s3://bucket/models/other",
        Store(FILES),
        {},
        "s3://bucket/models/other: no file is there; check source.uri and source.job.exclude",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_another_try_cannot_help_is_refused_with_what_to_set(tmp_path: Path, case: str) -> None:
    source, store, other, line = REFUSALS[case]
    if source.startswith("s3://"):
        pytest.importorskip("boto3", reason="boto3 is not installed here; `make venv` installs it")
    with serving(HUB if source.startswith("hf://") else S3, store) as address:
        assert run(address, tmp_path, source, **other) == (3, line)
    assert not (tmp_path / "claim" / "model").exists()


def test_a_model_that_does_not_fit_is_refused_before_its_first_byte(tmp_path: Path, source: str) -> None:
    with serving(source, store := Store(FILES, sizes={"config.json": 2**60})) as address:
        code, line = run(address, tmp_path, source)
    assert code == 3
    assert line.startswith(f"{source}: needs 1073741824.0 GiB, the claim has ")
    assert line.endswith(" GiB free; enlarge the claim")
    assert store.asked == []


def test_a_claim_that_fills_up_meanwhile_is_said_to_be_full(tmp_path: Path) -> None:
    small = ("unshare", "--map-root-user", "--mount", "sh", "-c")
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path}"
    if shutil.which("unshare") is None or subprocess.run([*small, mount], check=False).returncode:
        pytest.skip("no small file system: unprivileged namespaces are not allowed here")
    store = Store({"model.safetensors": b"w" * (4 << 20)}, sizes={"model.safetensors": None})
    with hub(store) as address:
        done = subprocess.run(
            [*small, f'{mount} && exec "$0" "$1"', sys.executable, PROGRAM],
            env=environment(address, tmp_path),
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    full = "hf://org/model: the claim is full; enlarge it, the files that are whole are kept"
    assert (done.returncode, done.stdout.splitlines()[-1]) == (3, full)


def test_a_claim_that_cannot_be_written_to_says_who_must_be_let_in(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "claim").mkdir(mode=0o500)
    with hub(Store(FILES)) as address:
        code, line = run(address, tmp_path)
    assert code == 3
    assert line.endswith(f"give it to group {os.getgid()}")


def test_a_hub_that_does_not_answer_is_worth_another_try(tmp_path: Path, source: str) -> None:
    code, line = run("http://127.0.0.1:1", tmp_path, source)
    assert code == 1
    assert line.startswith(f"{source}: ")


def test_an_image_without_the_client_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-I", PROGRAM],
        env=environment("http://127.0.0.1:1", tmp_path),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    line = "hf://org/model: the image has no huggingface_hub; set source.job.image to one that has it\n"
    assert (done.returncode, done.stdout) == (3, line)


def test_two_downloads_of_one_model_wait_for_each_other(tmp_path: Path) -> None:
    with hub(store := Store(FILES)) as address:
        both = [
            subprocess.Popen([sys.executable, PROGRAM], env=environment(address, tmp_path)) for _ in range(2)
        ]
        assert [program.wait(timeout=60) for program in both] == [0, 0]
    assert sorted(name for name, _ in store.asked) == ["config.json", "weights/model.safetensors"]
