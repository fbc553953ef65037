"""Writes OCI image archives: the same files give the same bytes. Layers go through disk, never through memory.

Source: the OCI image format and image layout specifications, and containerd's annotation for names.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OCI = "application/vnd.oci.image"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One path of an image: a file (from disk, or its content), a folder, or a link."""

    path: str  # without a leading slash
    source: Path | bytes | None = None  # None: a folder
    mode: int = 0o755
    link: str = ""


class _Hashing:
    """A file that knows the digest and size of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def write_archive(
    target: Path,
    names: Sequence[str],
    layers: Iterable[Iterable[Entry]],
    *,
    entrypoint: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    user: str = "",
    dated: bool = False,
) -> None:
    """Write `target`, an archive of one image with these full names, its layers from the bottom up.

    `dated` keeps the times of files, by which Python knows whether compiled code is of its source: without
    them a large program compiles itself anew at every start.

    OSError when a file cannot be read, or `target` not be written; then there is no new `target`.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        blobs: dict[str, Path] = {}
        described = [
            _layer(Path(folder) / f"layer{number}", blobs, entries, dated=dated)
            for number, entries in enumerate(layers)
        ]
        configuration = {
            "architecture": ARCHITECTURES[os.uname().machine],
            "os": "linux",
            "config": {
                "Entrypoint": list(entrypoint),
                "User": user,
                "Env": [f"{key}={value}" for key, value in sorted((environment or {}).items())],
            },
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in described]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": _document(Path(folder), blobs, "config.v1+json", configuration),
            "layers": described,
        }
        top = _document(Path(folder), blobs, "manifest.v1+json", manifest)
        index = {"schemaVersion": 2, "manifests": [{**top, "annotations": _name(name)} for name in names]}
        whole = Path(folder) / "archive"
        with tarfile.open(whole, "w") as archive:
            _add(archive, Entry("oci-layout", _json({"imageLayoutVersion": "1.0.0"}), 0o644))
            _add(archive, Entry("index.json", _json(index), 0o644))
            for digest, path in sorted(blobs.items()):
                _add(archive, Entry(f"blobs/{digest.replace(':', '/')}", path, 0o644))
        whole.replace(target)


def _name(name: str) -> dict[str, str]:
    return {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}


def _layer(path: Path, blobs: dict[str, Path], entries: Iterable[Entry], *, dated: bool) -> dict[str, Any]:
    with path.open("wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", bufsize=CHUNK_BYTES) as layer:  # type: ignore[call-overload]
            for entry in sorted(entries, key=lambda each: each.path):
                _add(layer, entry, dated=dated)
    blobs[hashing.digest] = path
    return {"mediaType": f"{OCI}.layer.v1.tar", "digest": hashing.digest, "size": hashing.size}


def _document(folder: Path, blobs: dict[str, Path], kind: str, content: dict[str, Any]) -> dict[str, Any]:
    text = _json(content)
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    blobs[digest] = folder / kind
    blobs[digest].write_bytes(text)
    return {"mediaType": f"{OCI}.{kind}", "digest": digest, "size": len(text)}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _add(archive: tarfile.TarFile, entry: Entry, *, dated: bool = False) -> None:
    member = tarfile.TarInfo(entry.path)
    member.mode = entry.mode
    if entry.link:
        member.type, member.linkname = tarfile.SYMTYPE, entry.link
        archive.addfile(member)
    elif entry.source is None:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif isinstance(entry.source, bytes):
        member.size = len(entry.source)
        archive.addfile(member, io.BytesIO(entry.source))
    else:
        status = entry.source.stat()
        member.size = status.st_size
        member.mtime = int(status.st_mtime) if dated else 0
        with entry.source.open("rb") as file:
            archive.addfile(member, file)
