"""safetensors headers -> the tensors of a checkpoint; nothing is opened or fetched here.

A file is 8 bytes (the header's length, little endian), a JSON header, and the data. The rules are the
format's own (safetensors README and its validation): a header of at most 100 MB, offsets that cover
the data without a hole or an overlap, and as many bytes as shape and type ask for.
"""

from __future__ import annotations

import json
import re
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from valuegen.errors import ModelError
from valuegen.frozen import dataclass
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

INDEX_FILE, SINGLE_FILE = "model.safetensors.index.json", "model.safetensors"
LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
FIRST_READ = 64 * 1024  # bytes; holds most headers, so that one request is enough
LARGEST_DIMENSION = 2**63 - 1
MOST_DIMENSIONS = 32
SHARD_NAME = re.compile(r"[\w-][\w.-]*\.safetensors")

# Bits of an element by the format's name of the type.
DTYPE_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
FIX = "download the file again"


@dataclass(frozen=True)
class CheckpointTensor:
    """One tensor as the header of its file states it."""

    name: str
    dtype: str  # the format's name, such as BF16
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Numbers in it; 1 for a scalar."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return ceil_div(self.elements * DTYPE_BITS[self.dtype], 8)


@dataclass(frozen=True)
class Checkpoint:
    """Every tensor of a model, from the headers of its files."""

    files: tuple[str, ...]
    tensors: tuple[CheckpointTensor, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all tensors on disk, headers left out."""
        return sum(tensor.bytes for tensor in self.tensors)


class Files(Protocol):
    """Where a model's files are: a directory, or a repository of the Hub."""

    def read(self, name: str) -> bytes | None:
        """A small file; None if there is none of that name."""

    def start(self, name: str, size: int) -> tuple[bytes, int] | None:
        """The first `size` bytes of a file (fewer if it is shorter) and its whole length."""

    def place(self, name: str) -> str:
        """The file for a message."""

    def each(
        self, function: Callable[[str], tuple[CheckpointTensor, ...]], names: Iterable[str]
    ) -> Iterable[tuple[CheckpointTensor, ...]]:
        """`function` of every name, in order; several at a time where that is faster."""


def load(files: Files) -> Checkpoint | None:
    """The checkpoint's tensors; None if there is neither an index nor model.safetensors.

    Raises ModelError that names the file and the rule it breaks.
    """
    index = files.read(INDEX_FILE)
    if index is None:
        tensors = _tensors_of(files, SINGLE_FILE)
        return None if tensors is None else Checkpoint((SINGLE_FILE,), tensors)
    where = files.place(INDEX_FILE)
    owners = _owners(index, where)
    shards = tuple(sorted(set(owners.values())))
    found: dict[str, CheckpointTensor] = {}
    for shard, tensors in zip(shards, files.each(lambda name: _shard(files, name), shards), strict=True):
        # A tensor that stands in two shards is the one that the index names.
        found.update({each.name: each for each in tensors if owners.get(each.name, shard) == shard})
    for name in owners:
        if name not in found:
            raise ModelError(
                f"{where}: says that {_short(name)} is in {owners[name]}, whose header does not list it", FIX
            )
    return Checkpoint(shards, tuple(found.values()))


def parse(header: bytes, *, file: str, data_bytes: int) -> tuple[CheckpointTensor, ...]:
    """The tensors of one header (without its 8 bytes of length), before `data_bytes` of data.

    In the order of their data. Raises ModelError that names `file` and the rule.
    """
    spans = []
    for name, entry in parse_object(header, file=file, what="the header").items():
        if name != "__metadata__":
            spans.append(_entry(name, entry, file))
    spans.sort(key=lambda span: (span[0], span[1], span[2].name))
    end = 0
    for begin, stop, tensor in spans:
        if begin != end:
            wrong = "overlaps the one before it" if begin < end else "leaves a hole before it"
            raise ModelError(f"{file}: the data of {_short(tensor.name)} {wrong} (offset {begin})", FIX)
        end = stop
    if end != data_bytes:
        problem = "is truncated" if data_bytes < end else "has bytes that no tensor owns"
        raise ModelError(
            f"{file}: {problem}; its header describes {end} bytes of data, {data_bytes} follow", FIX
        )
    return tuple(tensor for _, _, tensor in spans)


def header_length(start: bytes, *, file: str, file_bytes: int) -> int:
    """Bytes of the header, from a file's first 8; ModelError if they cannot be true."""
    if len(start) < 8:
        raise ModelError(f"{file}: has {len(start)} bytes; a safetensors file begins with 8 of length", FIX)
    length = int.from_bytes(start[:8], "little")
    if length > LARGEST_HEADER:
        raise ModelError(
            f"{file}: says that its header has {length} bytes; at most {LARGEST_HEADER} are allowed", FIX
        )
    if 8 + length > file_bytes:
        raise ModelError(
            f"{file}: says that its header has {length} bytes; the file itself has {file_bytes}", FIX
        )
    return length


def parse_object(text: bytes, *, file: str, what: str = "it") -> dict[str, Any]:
    """A JSON object without repeated keys; ModelError names `file`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ModelError(f"{file}: {what} names a key twice", FIX)
        return found

    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except UnicodeDecodeError:
        raise ModelError(f"{file}: {what} is no text file", FIX) from None
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits
        at = (
            f"line {error.lineno}: {error.msg}"
            if isinstance(error, json.JSONDecodeError)
            else "nesting, size"
        )
        raise ModelError(f"{file}: {what} is no JSON ({at})", FIX) from None
    if not isinstance(document, dict):
        raise ModelError(f"{file}: {what} is no JSON object", FIX)
    return document


def _shard(files: Files, name: str) -> tuple[CheckpointTensor, ...]:
    tensors = _tensors_of(files, name)
    if tensors is None:
        raise ModelError(f"{files.place(name)}: no such file, but {INDEX_FILE} names it", FIX)
    return tensors


def _tensors_of(files: Files, name: str) -> tuple[CheckpointTensor, ...] | None:
    answer = files.start(name, FIRST_READ)
    if answer is None:
        return None
    start, size = answer
    length = header_length(start, file=files.place(name), file_bytes=size)
    if len(start) < 8 + length:
        answer = files.start(name, 8 + length)
        start, again = answer or (b"", 0)
        if again != size or len(start) < 8 + length:
            raise ModelError(f"{files.place(name)}: changed while it was read", "try again")
    return parse(start[8 : 8 + length], file=files.place(name), data_bytes=size - 8 - length)


def _owners(index: bytes, file: str) -> Mapping[str, str]:
    """Tensor -> shard, of an index file."""
    owners = parse_object(index, file=file).get("weight_map")
    if not isinstance(owners, dict) or not owners:
        raise ModelError(f"{file}: key weight_map must be an object that names the tensors", FIX)
    for shard in owners.values():
        # The name becomes part of a path.
        if not isinstance(shard, str) or not SHARD_NAME.fullmatch(shard):
            raise ModelError(
                f"{file}: names {_short(shard)}; a shard is a file beside it, *.safetensors", FIX
            )
    return owners


def _entry(name: str, entry: object, file: str) -> tuple[int, int, CheckpointTensor]:
    """(begin, end, tensor) of one entry of a header."""
    where = f"{file}: tensor {_short(name)}"
    if not isinstance(entry, dict):
        raise ModelError(f"{where}: must be an object", FIX)
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise ModelError(
            f"{where}: dtype is {_short(dtype)}; known are {', '.join(DTYPE_BITS)}", "convert the checkpoint"
        )
    if not _sizes(shape) or len(shape) > MOST_DIMENSIONS:
        raise ModelError(f"{where}: shape is {_short(shape)}; it must be a list of sizes", FIX)
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ModelError(f"{where}: data_offsets is {_short(offsets)}; it must be [begin, end]", FIX)
    tensor = CheckpointTensor(name, dtype, tuple(shape))
    begin, end = offsets
    if tensor.elements * DTYPE_BITS[dtype] != 8 * (end - begin):
        raise ModelError(
            f"{where}: data_offsets hold {end - begin} bytes; {dtype} of its shape needs {tensor.bytes}", FIX
        )
    return begin, end, tensor


def _sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item <= LARGEST_DIMENSION for item in value
    )


def _short(value: object) -> str:
    text = repr(value)  # also turns line breaks of a name into one line
    return text if len(text) <= 80 else f"{text[:77]}..."
