"""Converted weights: written whole or not at all, loaded where they fit."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cad_jax.models.config import LoRAConfig, ViTConfig, WhisperConfig
from cad_jax.models.functional import FunctionalModel
from cad_jax.models.lora import Precision, is_adapter
from cad_jax.models.vit import ViT
from cad_jax.weights import store
from cad_jax.weights.architecture import tower_model
from cad_jax.weights.convert import TowerWeights
from cad_jax.weights.positions import resize_positions
from cad_jax.weights.published import WeightsError
from cad_jax.weights.store import load_tower, read_weights_info, write_tower

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


def test_the_description(folder):
    info = read_weights_info(folder)
    assert info.kind == "clip"
    assert info.architecture == CONFIG
    assert info.dtypes == ("float32",)
    assert info.source_files == ("model.safetensors",)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["clip"]
    assert sorted(path.name for path in folder.iterdir()) == ["parameters", "weights.json"]


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
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    shapes = tower_model(CONFIG, "bfloat16").shapes
    params = load_tower(folder, CONFIG, {n: place(n, leaf) for n, leaf in shapes.items()})
    kernel = params["blocks/0/mlp/up/kernel"]
    assert kernel.sharding.is_equivalent_to(sharded, 2)
    assert kernel.dtype == jnp.bfloat16
    assert params["ln_pre/scale"].dtype == jnp.float32  # norms stay float32
    expected = random_weights().params
    for name, array in params.items():
        np.testing.assert_array_equal(array, expected[name].astype(array.dtype))


def test_adapters_are_left_to_the_initialiser(folder):
    lora = LoRAConfig(rank=2)
    model = FunctionalModel.create(
        lambda rngs: ViT(CONFIG, lora=lora, precision=Precision(), rngs=rngs)
    )
    params = load_tower(folder, CONFIG, model.shapes)
    assert set(params) == {name for name in model.shapes if not is_adapter(name)}
    assert set(params) < set(model.shapes)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_positions_follow_the_image_size(dtype, folder):
    larger = dataclasses.replace(CONFIG, image_size=40)
    target = tower_model(larger, dtype).shapes
    params = load_tower(folder, larger, target)
    saved = random_weights().params["position_embedding"]
    expected = resize_positions(saved, 26).astype(params["position_embedding"].dtype)
    np.testing.assert_array_equal(params["position_embedding"], expected)
    assert params["position_embedding"].dtype == target["position_embedding"].dtype
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
        raise OSError(28, "No space left on device")

    output = tmp_path / "deep" / "clip"
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_json", full)
        with pytest.raises(OSError, match="No space left"):
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
    path.mkdir()
    values = json.loads((folder / "weights.json").read_text()) | changes
    values = {name: value for name, value in values.items() if value is not None}
    (path / "weights.json").write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "of another format"),
        ({"kind": "bert"}, "is damaged"),
        ({"architecture": {"width": "wide"}}, "width must be int, not 'wide'"),
        ({"sha256": None}, r"is damaged \('sha256'\)"),
        ({"dtypes": 3}, "is damaged"),
    ],
)
def test_a_description_that_is_none(changes, message, folder, tmp_path):
    with pytest.raises(WeightsError, match=message):
        read_weights_info(spoiled(folder, tmp_path, **changes))


def test_damaged_parameters_are_one_line(folder, tmp_path):
    shapes = tower_model(CONFIG).shapes
    path = spoiled(folder, tmp_path)
    with pytest.raises(WeightsError, match="parameters is damaged or incomplete") as caught:
        load_tower(path, CONFIG, shapes)
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match=r"no converted weights .* and run python scripts/conv"):
        load_tower(tmp_path, CONFIG, shapes)


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: None])
def test_every_file_is_missed(spoil, folder, tmp_path):
    files = [path for path in (folder / "parameters").rglob("*") if path.is_file()]
    assert len(files) > 3
    for file in files:
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        path = copy / file.relative_to(folder)
        data = spoil(path.read_bytes())
        path.unlink() if data is None else path.write_bytes(data)
        with pytest.raises(WeightsError, match="damaged or incomplete") as caught:
            load_tower(copy, CONFIG, tower_model(CONFIG).shapes)
        assert "\n" not in str(caught.value)
        shutil.rmtree(copy)
