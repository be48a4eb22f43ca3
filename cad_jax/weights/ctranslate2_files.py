"""Reads CTranslate2's `model.bin`, the form in which faster-whisper's models are published.

Its layout, little-endian (see `ModelSpec._serialize` in CTranslate2): version u32; name of the
specification; revision u32; variables u32, and each: name, rank u8, dimensions u32, type u8, bytes
u32, data; then aliases u32, and each: alias, name. A string is its length u16, the zero at its end
counted. Every length is checked against the file before anything of that size is made.
"""

import functools
import os
import pathlib
import struct
from typing import BinaryIO

import ml_dtypes
import numpy as np

from cad_jax.weights.published import PublishedWeights, WeightsError

VERSIONS = (4, 5, 6)  # of one layout; before 4, types were sizes
SPECIFICATION = "WhisperSpec"
DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)

_MOST_VARIABLES, _HIGHEST_RANK = 100_000, 8


def is_ctranslate2(path: pathlib.Path) -> bool:
    """Whether the file starts as a `model.bin` does, of whatever version."""
    with path.open("rb") as file:
        start = file.read(6)
    return len(start) == 6 and 0 < struct.unpack("<I", start[:4])[0] < 100


def read_ctranslate2(path: pathlib.Path) -> PublishedWeights:
    """The variables of a Whisper model, with aliases resolved; data are read when asked for.

    Raises:
        WeightsError: damaged or cut short, of an unknown version, another kind of model, or
            quantised.
    """
    if not path.is_file():
        raise WeightsError(f"no such file: {path}")
    with path.open("rb") as file:
        reader = _Reader(path, file)
        version = reader.number("I")
        if version not in VERSIONS:
            known = ", ".join(map(str, VERSIONS))
            raise WeightsError(f"{path} is of CTranslate2 version {version}; can read {known}")
        name = reader.string()
        if name != SPECIFICATION:
            raise WeightsError(f"{path} holds a {name!r} model of CTranslate2, not {SPECIFICATION}")
        reader.number("I")  # revision: what changed between them are names, which are checked
        tensors = {}
        for _ in range(reader.count()):
            variable = reader.string()
            if variable in tensors:
                reader.refuse(f"{variable!r} is there twice")
            tensors[variable] = reader.variable(variable)
        for _ in range(reader.count()):
            alias, variable = reader.string(), reader.string()
            if variable not in tensors:
                reader.refuse(f"{alias!r} stands for {variable!r}, which is not there")
            tensors[alias] = tensors[variable]
        if reader.remaining():
            reader.refuse(f"{reader.remaining()} bytes too many")
    return PublishedWeights(path, (path,), tensors, {})


class _Reader:
    def __init__(self, path: pathlib.Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._size = os.fstat(file.fileno()).st_size

    def refuse(self, reason: str) -> None:
        raise WeightsError(f"{self._path} is no CTranslate2 model, or damaged: {reason}")

    def remaining(self) -> int:
        return self._size - self._file.tell()

    def number(self, kind: str) -> int:
        return struct.unpack(f"<{kind}", self._bytes(struct.calcsize(f"<{kind}")))[0]

    def count(self) -> int:
        count = self.number("I")
        if count > _MOST_VARIABLES:
            self.refuse(f"it claims {count} variables")
        return count

    def string(self) -> str:
        data = self._bytes(self.number("H"))
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = ""
        if not text.endswith("\0") or "\0" in text[:-1]:
            self.refuse(f"no name at byte {self._file.tell() - len(data)}")
        return text[:-1]

    def variable(self, name: str) -> functools.partial[np.ndarray]:
        """Skips the data, and returns what reads them."""
        rank = self.number("B")
        if rank > _HIGHEST_RANK:
            self.refuse(f"{name!r} claims {rank} dimensions")
        shape = tuple(self.number("I") for _ in range(rank))
        kind, length = self.number("B"), self.number("I")
        if kind >= len(DTYPES):
            self.refuse(f"{name!r} is of unknown type {kind}")
        dtype = np.dtype(DTYPES[kind])
        wanted = dtype.itemsize
        for size in shape:  # Python's integers: no overflow
            wanted *= size
        if length != wanted or length > self.remaining():
            self.refuse(
                f"{name!r} of shape {shape} needs {wanted} bytes; the file states {length} and "
                f"has {self.remaining()} left"
            )
        if shape and dtype.kind == "i" and name.startswith("encoder/"):
            raise WeightsError(
                f"{self._path} is quantised ({name} is {dtype}); take the model's float16 or "
                "float32 form"
            )
        start = self._file.tell()
        self._file.seek(length, os.SEEK_CUR)
        return functools.partial(_read, self._path, start, shape, dtype)

    def _bytes(self, length: int) -> bytes:
        if length > self.remaining():
            self.refuse("it is cut short")
        return self._file.read(length)


def _read(path: pathlib.Path, start: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    count = int(np.prod(shape, dtype=np.int64))
    return np.fromfile(path, dtype, count, offset=start).reshape(shape)
