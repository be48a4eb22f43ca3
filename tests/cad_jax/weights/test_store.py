"""Converted weights: written whole or not at all, loaded where they fit."""

import dataclasses
import json
import re
import shutil

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from cad_jax.models.functional import FunctionalModel
from cad_jax.models.lora import is_adapter
from cad_jax.models.vit import ViT
from cad_jax.settings.model import LoRAConfig, ViTConfig, WhisperConfig
from cad_jax.weights import safetensors_files
from cad_jax.weights.convert import TowerWeights
from cad_jax.weights.positions import resize_positions
from cad_jax.weights.published import WeightsError
from cad_jax.weights.store import (
    ARRAYS,
    INFO,
    load_tower,
    read_weights_info,
    verify_weights,
    write_tower,
)
from cad_jax.weights.towers import tower_model

CONFIG = ViTConfig(16, 8, width=32, depth=1, heads=2)


def random_weights(config=CONFIG, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    shapes = tower_model(config).shapes
    params = {n: rng.standard_normal(s.shape).astype(dtype) for n, s in shapes.items()}
    return TowerWeights(config, params)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of converted weights; not to be changed."""
    path = tmp_path_factory.mktemp("weights") / "clip"
    write_tower(random_weights(), ("model.safetensors",), path)
    return path


def test_what_was_written_comes_back(folder):
    params = load_tower(folder, CONFIG, tower_model(CONFIG).shapes)
    expected = random_weights().params
    assert set(params) == set(expected)
    for name, array in expected.items():
        assert isinstance(params[name], jax.Array)
        np.testing.assert_array_equal(params[name], array)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_stays_what_it_is(dtype, tmp_path):
    weights = random_weights(dtype=dtype)
    info = write_tower(weights, (), tmp_path / "clip")
    assert info.dtypes == (np.dtype(dtype).name,)
    arrays = load_file(tmp_path / "clip" / ARRAYS)
    for name, array in weights.params.items():
        assert arrays[name].dtype == dtype
        np.testing.assert_array_equal(arrays[name], array)
    params = load_tower(tmp_path / "clip", CONFIG, tower_model(CONFIG).shapes)
    kernel = params["blocks/0/mlp/up/kernel"]
    assert kernel.dtype == jnp.float32  # as the target says
    np.testing.assert_array_equal(kernel, weights.params["blocks/0/mlp/up/kernel"].astype("f4"))


def test_a_transposed_view_is_written_as_it_reads(tmp_path):
    """The file format's library writes memory as it lies."""
    weights = random_weights()
    weights.params["blocks/0/attention/out/kernel"] = (
        np.arange(1024.0, dtype="f4").reshape(32, 32).T
    )
    write_tower(weights, (), tmp_path / "clip")
    params = load_tower(tmp_path / "clip", CONFIG, tower_model(CONFIG).shapes)
    assert params["blocks/0/attention/out/kernel"][0, 1] == 32


def test_the_description(folder):
    info = read_weights_info(folder)
    assert info.kind == "clip"
    assert info.architecture == CONFIG
    assert info.dtypes == ("float32",)
    assert info.source_files == ("model.safetensors",)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["clip"]
    assert sorted(path.name for path in folder.iterdir()) == [INFO, ARRAYS]
    # Who may read the one may read the other.
    assert (folder / INFO).stat().st_mode == (folder / ARRAYS).stat().st_mode


def test_the_hash_is_of_names_shapes_dtypes_and_bytes(tmp_path):
    def hash_of(weights, name):
        return write_tower(weights, (), tmp_path / name).sha256

    weights = random_weights()
    first = hash_of(weights, "a")
    reordered = dict(reversed(weights.params.items()))
    assert hash_of(TowerWeights(CONFIG, reordered), "b") == first
    changed = {"name": random_weights(), "shape": random_weights(), "value": random_weights()}
    params = changed["name"].params
    params["ln_pre/scale"], params["ln_pre/bias"] = params["ln_pre/bias"], params["ln_pre/scale"]
    params = changed["shape"].params
    params["class_embedding"] = params["class_embedding"].reshape(4, 8)
    changed["value"].params["class_embedding"][0] += 1e-3
    changed["dtype"] = random_weights(dtype=np.float16)
    assert len({hash_of(weights, name) for name, weights in changed.items()} | {first}) == 5


def test_straight_onto_shardings_and_into_the_dtype_asked_for(folder):
    mesh = jax.make_mesh((8,), ("fsdp",), axis_types=(AxisType.Auto,))
    sharded = NamedSharding(mesh, PartitionSpec("fsdp"))
    whole = NamedSharding(mesh, PartitionSpec())

    def place(name, leaf):
        sharding = sharded if leaf.shape[0] % 8 == 0 else whole
        dtype = jnp.float32 if name.startswith("ln_") else jnp.bfloat16
        return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=sharding)

    shapes = tower_model(CONFIG).shapes
    params = load_tower(folder, CONFIG, {n: place(n, leaf) for n, leaf in shapes.items()})
    kernel = params["blocks/0/mlp/up/kernel"]
    assert kernel.sharding.is_equivalent_to(sharded, 2)
    assert kernel.dtype == jnp.bfloat16
    assert params["ln_pre/scale"].dtype == jnp.float32
    expected = random_weights().params
    for name, array in params.items():
        np.testing.assert_array_equal(array, expected[name].astype(array.dtype))


def test_adapters_are_left_to_the_initialiser(folder):
    lora = LoRAConfig(rank=2)
    model = FunctionalModel.create(lambda rngs: ViT(CONFIG, lora=lora, rngs=rngs))
    params = load_tower(folder, CONFIG, model.shapes)
    assert set(params) == {name for name in model.shapes if not is_adapter(name)}
    assert set(params) < set(model.shapes)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_positions_follow_the_image_size(dtype, folder):
    larger = dataclasses.replace(CONFIG, image_size=40)
    shapes = tower_model(larger).shapes
    target = {n: jax.ShapeDtypeStruct(leaf.shape, dtype) for n, leaf in shapes.items()}
    params = load_tower(folder, larger, target)
    saved = random_weights().params["position_embedding"]
    expected = resize_positions(saved, 26).astype(params["position_embedding"].dtype)
    np.testing.assert_array_equal(params["position_embedding"], expected)
    assert params["position_embedding"].dtype == dtype
    np.testing.assert_array_equal(
        params["stem/embedding/kernel"],
        random_weights().params["stem/embedding/kernel"].astype(dtype),
    )


def test_whispers_positions_are_computed(tmp_path):
    config = WhisperConfig(mels=16, width=32, depth=1, heads=2, max_tokens=100)
    write_tower(random_weights(config), (), tmp_path / "whisper")
    shorter = dataclasses.replace(config, max_tokens=50)
    params = load_tower(tmp_path / "whisper", shorter, tower_model(shorter).shapes)
    assert set(params) == set(random_weights(config).params)
    with pytest.raises(WeightsError, match="is of a WhisperConfig, not ViTConfig"):
        load_tower(tmp_path / "whisper", CONFIG, tower_model(CONFIG).shapes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 64, "heads": 4}, "width 32, not 64; heads 2, not 4"),
        ({"activation": "gelu"}, "activation 'quick_gelu', not 'gelu'"),
        ({"stem": "conv", "pool": "mean_max"}, "stem 'patch', not 'conv'; pool 'class', not"),
        ({"residual": True}, "residual False, not True"),
    ],
)
def test_another_tower_is_refused(changes, message, folder):
    config = dataclasses.replace(CONFIG, **changes)
    with pytest.raises(WeightsError, match=f"is of another tower: {message}"):
        load_tower(folder, config, tower_model(config).shapes)


def test_what_does_not_fit_is_named(folder):
    target = dict(tower_model(CONFIG).shapes)
    del target["class_embedding"]
    target["extra/kernel"] = target["ln_pre/scale"]
    target["ln_post/bias"] = jax.ShapeDtypeStruct((7,), jnp.float32)
    message = (
        r"missing extra/kernel; unexpected class_embedding; ln_post/bias is \(32,\), not \(7,\)"
    )
    with pytest.raises(WeightsError, match=message):
        load_tower(folder, CONFIG, target)


def test_the_same_again_is_nothing_new_and_others_are_refused(tmp_path):
    (tmp_path / "clip").mkdir()  # an empty folder is no obstacle
    first = write_tower(random_weights(), (), tmp_path / "clip")
    assert write_tower(random_weights(), (), tmp_path / "clip") == first
    with pytest.raises(WeightsError, match="holds other weights; choose another --output"):
        write_tower(random_weights(seed=1), (), tmp_path / "clip")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WeightsError, match="is not empty"):
        write_tower(random_weights(), (), tmp_path)
    with pytest.raises(WeightsError, match="is a file"):
        write_tower(random_weights(), (), tmp_path / "notes.txt")
    assert read_weights_info(tmp_path / "clip") == first


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("No space left on device (os error 28)")

    output = tmp_path / "deep" / "clip"
    with monkeypatch.context() as patch:
        patch.setattr(safetensors_files, "save_file", full)
        with pytest.raises(OSError, match=r"cannot write .*weights\.safetensors: No space left"):
            write_tower(random_weights(), (), output)
    assert list(output.parent.iterdir()) == []
    # What a killed run left behind is no obstacle.
    killed = output.parent / ".clip.partial"
    killed.mkdir()
    (killed / "half").write_text("")
    write_tower(random_weights(), (), output)
    assert [path.name for path in output.parent.iterdir()] == ["clip"]


def spoiled(folder, tmp_path, **changes):
    path = tmp_path / "spoiled"
    shutil.copytree(folder, path)
    values = json.loads((path / INFO).read_text()) | changes
    values = {name: value for name, value in values.items() if value is not None}
    (path / INFO).write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 1}, "is of another format; remove the folder and convert"),
        ({"kind": "bert"}, "is damaged"),
        ({"architecture": {"width": "wide"}}, "width must be int, not 'wide'"),
        ({"sha256": None}, r"is damaged \('sha256'\)"),
        ({"dtypes": 3}, "is damaged"),
    ],
)
def test_a_description_that_is_none(changes, message, folder, tmp_path):
    with pytest.raises(WeightsError, match=message):
        read_weights_info(spoiled(folder, tmp_path, **changes))


def refused(folder, config=CONFIG):
    """The one line with which both ways of reading refuse a folder."""
    with pytest.raises(WeightsError) as verified:
        verify_weights(folder, config)
    with pytest.raises(WeightsError) as loaded:
        load_tower(folder, config, tower_model(config).shapes)
    assert str(verified.value) == str(loaded.value)
    assert "\n" not in str(loaded.value)
    return str(loaded.value)


def test_the_hash_is_computed_from_what_is_there(folder, tmp_path):
    recorded = read_weights_info(folder).sha256
    assert verify_weights(folder) == recorded
    forged = spoiled(folder, tmp_path, sha256="0" * 64)
    assert refused(forged).startswith(f"{forged} holds weights {recorded[:12]}, not 000000000000:")


def test_no_flipped_byte_of_the_arrays_goes_unseen(folder, tmp_path):
    path = spoiled(folder, tmp_path)
    recorded = read_weights_info(path).sha256[:12]
    data = (folder / ARRAYS).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for position in (start, (start + len(data)) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[position] ^= 1
        (path / ARRAYS).write_bytes(changed)
        assert len(data) == (path / ARRAYS).stat().st_size
        line = refused(path)
        assert str(path) in line
        assert f", not {recorded}: changed or damaged" in line


def test_damaged_weights_are_not_taken_for_the_same_again(folder, tmp_path):
    path = spoiled(folder, tmp_path)
    data = bytearray((path / ARRAYS).read_bytes())
    data[-1] ^= 1
    (path / ARRAYS).write_bytes(data)
    with pytest.raises(WeightsError, match=r"changed or damaged; .* or remove the folder"):
        write_tower(random_weights(), (), path)


def change_of(name, change):
    def spoil(path):
        arrays = load_file(path)
        array = change(arrays.pop(name, None))
        save_file(arrays if array is None else arrays | {name: array}, path)

    return spoil


DAMAGE = {
    "missing file": (lambda path: path.unlink(), r"no such file: .*; remove the folder"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "no complete safetensors"),
    "empty": (
        lambda path: path.write_bytes(b""),
        "no complete safetensors .*; remove",
    ),
    "missing array": (change_of("ln_pre/bias", lambda _: None), "holds weights .*, not "),
    "extra array": (change_of("extra", lambda _: np.ones(2, "f4")), "holds weights .*, not "),
    "shape": (change_of("ln_pre/bias", lambda x: x.reshape(4, 8)), "holds weights .*, not "),
    "dtype": (change_of("ln_pre/bias", lambda x: x.view("i4")), "holds weights .*, not "),
}


@pytest.mark.parametrize(("spoil", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_arrays_are_one_line(spoil, message, folder, tmp_path):
    path = spoiled(folder, tmp_path)
    spoil(path / ARRAYS)
    line = refused(path)
    assert re.search(message, line), line
    assert str(path) in line


def test_a_damaged_description_is_one_line(folder, tmp_path):
    path = spoiled(folder, tmp_path)
    (path / INFO).write_text((path / INFO).read_text()[:-9])
    assert "weights.json is no JSON object" in refused(path)


def test_no_weights_say_how_to_make_them(tmp_path):
    assert re.search(r"no converted weights .* and run python scripts/conv", refused(tmp_path))


def test_a_pinned_hash_is_asked_of_the_arrays(folder):
    shapes, recorded = tower_model(CONFIG).shapes, read_weights_info(folder).sha256
    assert load_tower(folder, CONFIG, shapes, sha256=recorded)
    with pytest.raises(WeightsError, match=f"holds weights {recorded[:12]}, not ffffffffffff"):
        load_tower(folder, CONFIG, shapes, sha256="f" * 64)
