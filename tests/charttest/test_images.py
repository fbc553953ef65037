"""Images written without a builder: valid OCI archives, the same bytes each time, with programs that run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from charttest.errors import UsageError
from charttest.images import tree
from charttest.images.engine import engine_archive, flag_table, pause_archive
from charttest.images.oci import Entry, write_archive

if TYPE_CHECKING:
    from pathlib import Path

NAME = "docker.io/library/small:1"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An image of two layers: a tree with everything a tree has, and one file over it."""
    source = tmp_path / "source"
    (source / "sub folder").mkdir(parents=True)
    (source / "sub folder/tool").write_text("#!/bin/sh\n")
    (source / "sub folder/tool").chmod(0o755)
    (source / "data").write_bytes(b"x" * 3_000_000)
    (source / "data").chmod(0o640)
    (source / "link").symlink_to("sub folder/tool")
    (source / "__pycache__").mkdir()
    target = tmp_path / "image.tar"
    layers = [
        tree.folder(source, "srv", tree.LEFT_OUT),
        [Entry("srv/over", b"over", 0o644), Entry("tmp", mode=0o1777)],
    ]
    write_archive(
        target, [NAME, f"{NAME}-too"], layers, entrypoint=["/srv/link"], environment={"B": "2", "A": "1"}
    )
    return target


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as file:
        member = file.extractfile(name)
        assert member is not None
        return member.read()


def blob(archive: Path, described: dict[str, Any]) -> bytes:
    """A blob by its description, which must be true."""
    content = read(archive, f"blobs/{described['digest'].replace(':', '/')}")
    assert described["size"] == len(content)
    assert described["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    return content


def test_every_description_has_the_digest_and_size_of_its_blob(archive: Path) -> None:
    index = json.loads(read(archive, "index.json"))
    assert json.loads(read(archive, "oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert names == [NAME, f"{NAME}-too"]
    manifest = json.loads(blob(archive, index["manifests"][0]))
    configuration = json.loads(blob(archive, manifest["config"]))
    assert configuration["config"] == {"Entrypoint": ["/srv/link"], "Env": ["A=1", "B=2"], "User": ""}
    for layer, difference in zip(manifest["layers"], configuration["rootfs"]["diff_ids"], strict=True):
        blob(archive, layer)
        assert layer["digest"] == difference


def test_modes_links_and_folders_survive(archive: Path, tmp_path: Path) -> None:
    index = json.loads(read(archive, "index.json"))
    manifest = json.loads(blob(archive, index["manifests"][0]))
    (tmp_path / "layer").write_bytes(blob(archive, manifest["layers"][0]))
    with tarfile.open(tmp_path / "layer") as layer:
        found = {member.name: member for member in layer}
    assert list(found) == ["srv/data", "srv/link", "srv/sub folder", "srv/sub folder/tool"]
    assert (found["srv/sub folder/tool"].mode, found["srv/data"].mode) == (0o755, 0o640)
    assert (found["srv/link"].linkname, found["srv/sub folder"].isdir()) == ("sub folder/tool", True)
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}


def test_a_layer_that_comes_twice_keeps_its_content(tmp_path: Path) -> None:
    layers = [[Entry("a", b"first", 0o644)], [Entry("a", b"first", 0o644)], [Entry("a", b"third", 0o644)]]
    write_archive(tmp_path / "image.tar", [NAME], layers)
    index = json.loads(read(tmp_path / "image.tar", "index.json"))
    manifest = json.loads(blob(tmp_path / "image.tar", index["manifests"][0]))
    contents = [blob(tmp_path / "image.tar", layer) for layer in manifest["layers"]]
    assert contents[0] == contents[1] != contents[2]
    assert b"third" in contents[2]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    for name in ("one", "two"):
        write_archive(tmp_path / name, [NAME], [[Entry("file", tmp_path / "file")]])
        os.utime(tmp_path / "file", (0, 0))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_is_half_written_when_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "image.tar", [NAME], [[Entry("file", tmp_path / "none")]])
    assert list(tmp_path.iterdir()) == []


def test_python_runs_in_an_image_that_has_nothing_else(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change the root folder")
    root = tmp_path / "root"
    for entry in tree.python():
        place = root / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            place.symlink_to(entry.link)
        elif entry.source is None:
            place.mkdir(exist_ok=True)
        else:
            assert not isinstance(entry.source, bytes)
            os.link(entry.source, place)
    script = "import http.client, json, ssl, hashlib, socket, threading; print(json.dumps({'ok': True}))"
    command = ["chroot", str(root), "/usr/local/bin/python3", "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/local/bin:/usr/sbin"}
    )
    assert (done.stdout, done.stderr) == ('{"ok": true}\n', "")


@pytest.mark.parametrize("text", ["", "a: 1", "flags: [a]", "flags: {switches: [a]}"])
def test_a_file_that_lists_no_flags_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "engine.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"engine\.yaml: `flags` is not a map .*; name the chart's"):
        flag_table(tmp_path / "engine.yaml")


def test_an_image_is_written_once(pytestconfig: pytest.Config) -> None:
    flags = pytestconfig.rootpath / pytestconfig.getini("test_engine")
    first = engine_archive(flags, [NAME])
    written = first.stat().st_mtime_ns
    assert engine_archive(flags, [NAME]) == first
    assert first.stat().st_mtime_ns == written
    assert engine_archive(flags, [f"{NAME}-too"]) != first
    assert pause_archive() == pause_archive()
