"""State dicts that torch saved; programs and objects are refused."""

import argparse
import pickle
import sys
import types
import zipfile

import ml_dtypes
import numpy as np
import pytest

from cad_jax.weights.published import WeightsError
from cad_jax.weights.torch_files import read_torch

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3, dtype=np.float16)}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="parity: pip install cad-jax[parity]")


@pytest.fixture
def save(torch, tmp_path):
    def write(value, **options):
        torch.save(value, tmp_path / "model.pt", **options)
        return tmp_path / "model.pt"

    return write


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict(zipped, torch, save):
    state = {name: torch.from_numpy(array) for name, array in ARRAYS.items()}
    state["half"] = torch.arange(4, dtype=torch.bfloat16)
    published = read_torch(save(state, _use_new_zipfile_serialization=zipped))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(published.tensors[name](), array)
        assert published.tensors[name]().dtype == array.dtype
    np.testing.assert_array_equal(
        published.tensors["half"](), np.arange(4, dtype=ml_dtypes.bfloat16)
    )


def test_settings_beside_any_file_are_read(torch, save):
    path = save({"a": torch.from_numpy(ARRAYS["a"])})
    (path.parent / "config.json").write_text('{"hidden_act": "gelu"}')
    (path.parent / "open_clip_config.json").write_text('{"model_cfg": {}}')
    settings = {"hidden_act": "gelu", "open_clip": {"model_cfg": {}}}
    assert read_torch(path).settings == settings


def test_openais_whisper_file(torch, save):
    state = {"a": torch.from_numpy(ARRAYS["a"]).T}  # not contiguous
    published = read_torch(save({"dims": {"n_mels": 80}, "model_state_dict": state}))
    assert published.settings == {"n_mels": 80}
    np.testing.assert_array_equal(published.tensors["a"](), ARRAYS["a"].T)


def test_fairseqs_checkpoint_without_its_objects(torch, save, monkeypatch):
    def made(self):
        pytest.fail("the object was made")

    module = types.ModuleType("fairseq.data.dictionary")
    module.Dictionary = type("Dictionary", (), {"__module__": module.__name__})
    for name in ("fairseq", "fairseq.data", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    dictionary = module.Dictionary()
    dictionary.symbols = ["<s>"]
    content = {
        "args": argparse.Namespace(lr=0.1),
        "cfg": {"model": {"layer_norm_first": True}},
        "model": {"a": torch.from_numpy(ARRAYS["a"])},
        "task_state": {"dictionaries": [dictionary]},
    }
    path = save(content)
    module.Dictionary.__init__ = made
    module.Dictionary.__setstate__ = made
    published = read_torch(path)
    assert published.settings == {"layer_norm_first": True}
    assert list(published.tensors) == ["a"]


def test_a_torchscript_archive_is_refused_with_a_way_out(tmp_path):
    path = tmp_path / "ViT-B-16.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ViT-B-16/constants.pkl", b"")
    with pytest.raises(WeightsError, match=r"TorchScript archive.*safetensors.*state_dict\(\)"):
        read_torch(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # deprecated, and still published
def test_a_real_torchscript_archive_is_one(torch, tmp_path):
    module = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    module.save(str(tmp_path / "module.pt"))
    with pytest.raises(WeightsError, match="TorchScript archive"):
        read_torch(tmp_path / "module.pt")


def test_objects_are_never_made(torch, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (pytest.fail, ("the file was executed",))

    for name, save in {
        "new.pt": lambda p: torch.save({"a": Hostile()}, p),
        "old.pt": lambda p: p.write_bytes(pickle.dumps(Hostile(), protocol=2)),
    }.items():
        save(tmp_path / name)
        with pytest.raises(WeightsError, match="torch refuses it as weights_only") as caught:
            read_torch(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{}, {"a": 1}, [1, 2], {"dims": {}, "model_state_dict": {}}])
def test_what_is_no_state_dict(content, save):
    with pytest.raises(WeightsError, match="is no state dict"):
        read_torch(save(content))


def test_without_torch_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "tiny.pt").write_bytes(b"\x80\x02 pickle")
    with pytest.raises(WeightsError, match=r"torch is not installed; .*safetensors.*pip install"):
        read_torch(tmp_path / "tiny.pt")
