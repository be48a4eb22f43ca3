"""model.bin: read as written, and never more memory than the file is long."""

import struct
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from cad_jax.weights.ctranslate2_files import is_ctranslate2, read_ctranslate2
from cad_jax.weights.published import WeightsError

ARRAYS = {
    "encoder/conv1/weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "encoder/half": np.arange(5, dtype=np.float16),
    "encoder/brain": np.arange(5, dtype=ml_dtypes.bfloat16),
    "encoder/num_heads": np.int16(8),
    "decoder/empty": np.zeros((0, 3), np.float32),
}
HEADER = struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + struct.pack("<I", 3)


@pytest.fixture
def write(tmp_path):
    def make(data: bytes):
        (tmp_path / "model.bin").write_bytes(data)
        return tmp_path / "model.bin"

    return make


def variable(shape=(2,), kind=0, length=8, name=b"encoder/a\0"):
    sizes = struct.pack(f"<{len(shape)}I", *shape)
    return (
        struct.pack("<H", len(name)) + name + struct.pack("<B", len(shape)) + sizes
        + struct.pack("<BI", kind, length)
    )  # fmt: skip


@pytest.mark.parametrize("version", [4, 5, 6])
def test_variables_and_aliases(version, write, make_ctranslate2):
    aliases = [("encoder/also", "encoder/half")]
    path = write(make_ctranslate2(ARRAYS, aliases, version=version))
    assert is_ctranslate2(path)
    published = read_ctranslate2(path)
    assert set(published.tensors) == {*ARRAYS, "encoder/also"}
    for name, array in ARRAYS.items():
        read = published.tensors[name]()
        assert (read.shape, read.dtype) == (np.shape(array), np.asarray(array).dtype)
        np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(published.tensors["encoder/also"](), ARRAYS["encoder/half"])


def test_every_cut_is_noticed(write, make_ctranslate2):
    data = make_ctranslate2({"encoder/half": ARRAYS["encoder/half"]}, [("a", "encoder/half")])
    for length in range(len(data)):
        with pytest.raises(WeightsError, match="no CTranslate2 model, or damaged"):
            read_ctranslate2(write(data[:length]))
    with pytest.raises(WeightsError, match="1 bytes too many"):
        read_ctranslate2(write(data + b"\0"))


HOSTILE = {
    "version": (struct.pack("<IH", 7, 12), "of CTranslate2 version 7; can read 4, 5, 6"),
    "variables": (HEADER + struct.pack("<I", 2**32 - 1), "it claims 4294967295 variables"),
    "cut": (HEADER + struct.pack("<I", 1) + variable()[:-2], "it is cut short"),
    "name": (HEADER + struct.pack("<I", 1) + variable(name=b"\xff\xfe\0"), "no name at byte 28"),
    "no end": (HEADER + struct.pack("<I", 1) + variable(name=b"abc"), "no name at byte 28"),
    "two ends": (HEADER + struct.pack("<I", 1) + variable(name=b"a\0b\0"), "no name at byte 28"),
    "rank": (HEADER + struct.pack("<I", 1) + variable(shape=(1,) * 255), "claims 255 dimensions"),
    "type": (HEADER + struct.pack("<I", 1) + variable(kind=6) + b"12345678", "of unknown type 6"),
    "length": (HEADER + struct.pack("<I", 1) + variable(length=4) + b"1234", "needs 8 bytes"),
    "huge": (
        HEADER + struct.pack("<I", 1) + variable(shape=(2**31, 2**31, 4), length=0),
        "needs 73786976294838206464 bytes",
    ),
    "not all there": (
        HEADER + struct.pack("<I", 1) + variable(shape=(2**29,), length=2**31),
        "and has 0 left",
    ),
    "twice": (
        HEADER + struct.pack("<I", 2) + 2 * (variable() + b"12345678"),
        "'encoder/a' is there twice",
    ),
    "alias": (
        HEADER + struct.pack("<II", 0, 1) + 2 * b"\2\0x\0",
        "'x' stands for 'x', which is not there",
    ),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_cost_one_line_and_no_memory(data, message, write):
    path = write(data)
    tracemalloc.start()
    with pytest.raises(WeightsError, match=message) as caught:
        read_ctranslate2(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert str(path) in str(caught.value)


def test_other_models_and_quantised_ones(write, make_ctranslate2):
    with pytest.raises(WeightsError, match="holds a 'TransformerSpec' model"):
        read_ctranslate2(write(make_ctranslate2(ARRAYS, specification="TransformerSpec")))
    quantised = {"encoder/conv1/weight": np.ones((2, 2), np.int8)}
    with pytest.raises(WeightsError, match=r"quantised \(encoder/conv1/weight is int8\); take"):
        read_ctranslate2(write(make_ctranslate2(quantised)))
