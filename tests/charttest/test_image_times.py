"""Files in an image can keep their times: else Python compiles everything anew at every start."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

from charttest.images.oci import Entry, write_archive

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, name: str) -> Path:
    module = folder / "module.py"
    module.write_text("x = 1\n")
    os.utime(module, (1_700_000_000, 1_700_000_000))
    write_archive(folder / name, ["docker.io/library/a:b"], [[Entry("lib/module.py", module)]], dated=True)
    return folder / name


def test_a_file_keeps_its_time_by_which_python_knows_its_compiled_code(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path, "image")) as archive:
        blobs = [archive.extractfile(member) for member in archive if member.name.startswith("blobs/")]
        contents = [blob.read() for blob in blobs if blob]
    (layer,) = (content for content in contents if not content.startswith(b"{"))
    with tarfile.open(fileobj=io.BytesIO(layer)) as unpacked:
        assert unpacked.getmember("lib/module.py").mtime == 1_700_000_000
