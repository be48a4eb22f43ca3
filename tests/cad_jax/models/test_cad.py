import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cad_jax.models.cad import CAD
from cad_jax.settings.model import LipsConfig, LoRAConfig, WhisperConfig

pytestmark = pytest.mark.slow

ABLATIONS = {
    "default": {},
    "mean fusion": {"fusion": "mean"},
    "video only": {"streams": "video"},
    "audio only": {"streams": "audio"},
    "no LoRA": {"lora": LoRAConfig(rank=0)},
    "no depth": {"cross_depth": 0, "fusion_depth": 0},
    "bfloat16": {"compute_dtype": "bfloat16", "frozen_dtype": "bfloat16"},
}


@pytest.fixture(params=["shared", "separate"])
def kind(request, shared_config, separate_config):
    """(configuration, whether the alignment path has dense mouth crops)."""
    return (shared_config, False) if request.param == "shared" else (separate_config, True)


def finite(tree):
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        assert jnp.all(jnp.isfinite(leaf)), jax.tree_util.keystr(path)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_shapes_and_dtypes_of_every_ablation(kind, ablation, make_batch, abstract):
    config, dense = kind
    config = dataclasses.replace(config, **ABLATIONS[ablation])
    parameters, outputs = abstract(config, make_batch(dense))
    b, t, k, g, o = 3, 4, 20 if dense else 4, 20, 31
    d, e = config.width, config.embedding
    expected = {
        "specific_logits_video": (b, 1 + config.texture_statistics),
        "specific_logits_audio": (b, 1 + config.voice_statistics),
        "frame_logits_video": (b, t), "frame_logits_audio": (b, t), "z_video": (b, k, e),
        "z_audio": (b, g, e), "grid_index": (b, k), "align_mask": (b, k), "speech_mask": (b, g),
        "shared_video": (b, k, d), "shared_audio": (b, k, d), "specific_video": (b, d),
        "specific_audio": (b, d), "predicted_video": (b, d), "predicted_audio": (b, d),
        "fused": (b, d), "sync_curve": (b, o), "clip_scale": (), "frame_scale": (),
        "clip_bias": (),
    }  # fmt: skip
    other = {"grid_index": jnp.int32, "align_mask": bool, "speech_mask": bool}
    for name, leaf in outputs.items():
        assert leaf.shape == expected.get(name, (b,)), name
        assert leaf.dtype == other.get(name, jnp.float32), name
    towers = {name.split("/")[0] for name in parameters if "tower" in name}
    absent = {"video only": "audio", "audio only": "video"}.get(ablation, "none")
    assert towers
    assert not any(absent in tower for tower in towers)


def test_parameter_names_read_well_in_rules(shared_config, separate_config, make_batch, abstract):
    names, _ = abstract(shared_config, make_batch(False))
    assert {
        "video_tower/stem/embedding/kernel",
        "video_tower/class_embedding",
        "video_tower/blocks/0/attention/query/lora_a",
        "video_tower/blocks/0/mlp/down/lora_b",
        "audio_tower/blocks/0/attention/value/bias",
        "audio_tower/ln_post/scale",
        "align_video/embedding/kernel",
        "cross_attention/video_blocks/0/attention/key/kernel",
        "specific_audio/null",
        "fusion/blocks/0/mlp_norm/bias",
        "student_video/predictor/up/kernel",
        "log_clip_scale",
    } <= set(names)
    assert not any(name.startswith("specific_video_tower") for name in names)
    names, _ = abstract(separate_config, make_batch(True))
    assert any(name.startswith("specific_video_tower") for name in names)
    assert not any("lora" in name for name in names)


def test_the_alignment_path_ignores_the_adapters(shared_config, make_batch, apply):
    state, run = apply(shared_config)
    batch = make_batch(False)
    adapted = jax.tree.map(lambda x: x, state)
    for path, variable in nnx.to_flat_state(adapted):
        if path[-1] == "lora_b":
            variable.set_value(variable.get_value() + 0.3)
    before, after = run(state, batch), run(adapted, batch)
    for name in ("z_video", "z_audio", "shared_video", "shared_audio", "sync_curve"):
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    for name in ("specific_video", "specific_audio"):
        assert jnp.max(jnp.abs(before[name] - after[name])) > 1e-3, name


def test_the_students_teach_the_fusion_and_nothing_before_it(shared_config, make_batch, apply):
    state, run = apply(shared_config)
    batch = make_batch(False)

    def students(state):
        outputs = run(state, batch)
        return outputs["predicted_video"].sum() + outputs["student_logit_audio"].sum()

    grads = nnx.to_flat_state(jax.grad(students)(state))
    moved = {path[0] for path, leaf in grads if jnp.any(leaf.get_value() != 0)}
    assert moved == {"fusion", "student_video", "student_audio"}


def test_a_video_only_clip_does_not_depend_on_the_waveform(kind, make_batch, apply):
    config, dense = kind
    state, run = apply(config)
    batch = make_batch(dense) | {"has_audio": jnp.asarray([False, True, False])}
    noisy = batch | {"waveform": batch["waveform"] + jnp.asarray([[5.0], [0.0], [0.5]])}
    silent, loud = run(state, batch), run(state, noisy)
    jax.tree.map(np.testing.assert_array_equal, silent, loud)
    assert not jnp.any(silent["speech_mask"][jnp.asarray([0, 2])])
    np.testing.assert_array_equal(silent["sync_curve"][0], 0.0)


def test_an_audio_only_clip_does_not_depend_on_the_pixels(kind, make_batch, apply):
    config, dense = kind
    state, run = apply(config)
    batch = make_batch(dense) | {"has_video": jnp.asarray([False, True, False])}
    absent = ~batch["has_video"][:, None, None, None, None]
    other = batch | {
        name: jnp.where(absent, 255 - batch[name], batch[name])
        for name in ("frames", "mouth_frames")
    }
    jax.tree.map(np.testing.assert_array_equal, run(state, batch), run(state, other))


def test_null_tokens_decide_for_a_missing_modality_alone(shared_config, make_batch, apply):
    state, run = apply(shared_config)
    batch = make_batch(False) | {"has_audio": jnp.asarray([False, True, True])}
    moved = jax.tree.map(lambda x: x, state)
    noise = np.random.default_rng(3).standard_normal(shared_config.width)
    for path, variable in nnx.to_flat_state(moved):
        if path in (("specific_audio", "null"), ("cross_attention", "null_audio")):
            variable.set_value(jnp.asarray(noise, jnp.float32))
    before, after = run(state, batch), run(moved, batch)
    for name in ("logit_audio", "specific_audio", "shared_video", "logit"):
        change = jnp.abs(before[name] - after[name]).reshape(3, -1).max(axis=1)
        assert change[0] > 1e-5, name
        np.testing.assert_array_equal(change[1:], 0.0, err_msg=name)


def test_frames_that_do_not_exist_change_nothing(kind, make_batch, apply):
    config, dense = kind
    state, run = apply(config)
    batch = make_batch(dense)
    for mask, frames in (("frame_mask", "frames"), ("mouth_mask", "mouth_frames")):
        batch[mask] = batch[mask].at[0, -2:].set(False)
        other = batch | {frames: batch[frames].at[0, -2:].set(255)}
        jax.tree.map(np.testing.assert_array_equal, run(state, batch), run(state, other))


def test_slots_for_frames_that_do_not_exist_are_free(separate_config, make_batch, apply):
    state, run = apply(separate_config)
    batch = make_batch(True)
    padded = dict(batch)
    for name in (
        "frames",
        "frame_times",
        "frame_mask",
        "mouth_frames",
        "mouth_times",
        "mouth_mask",
    ):
        filler = jnp.zeros_like(batch[name][:, :2])
        padded[name] = jnp.concatenate([batch[name], filler], axis=1)
    plain, more = run(state, batch), run(state, padded)
    for name in ("logit_video", "logit_mismatch", "specific_video", "sync_curve"):
        np.testing.assert_allclose(plain[name], more[name], atol=1e-5, err_msg=name)


def hostile(batch):
    """A clip with nothing, one all masked, one silent of a single frame."""
    keep = jnp.asarray([False, False, True])[:, None]
    batch = batch | {
        "has_video": jnp.asarray([False, True, True]),
        "has_audio": jnp.asarray([False, True, True]),
        "waveform": batch["waveform"] * jnp.asarray([[1.0], [1.0], [0.0]]),
        "waveform_mask": batch["waveform_mask"] & keep,
    }
    for name in ("frame_mask", "mouth_mask"):
        batch[name] = batch[name] & keep & (jnp.arange(batch[name].shape[1]) < 1)
    return batch


def test_outputs_and_gradients_are_always_finite(kind, make_batch, apply, differentiate):
    config, dense = kind
    state, run = apply(config)
    batch = hostile(make_batch(dense))
    finite(run(state, batch))
    finite(differentiate(config)(state, batch))


@pytest.mark.parametrize("ablation", ["mean fusion", "video only", "audio only"])
def test_outputs_of_ablations_are_always_finite(ablation, shared_config, make_batch, apply):
    state, run = apply(dataclasses.replace(shared_config, **ABLATIONS[ablation]))
    finite(run(state, hostile(make_batch(False))))


def test_every_parameter_takes_part(kind, make_batch, apply, differentiate):
    config, dense = kind
    batch = make_batch(dense) | {
        "has_video": jnp.asarray([True, False, True]),
        "has_audio": jnp.asarray([True, True, False]),
    }
    gradient = differentiate(config)(apply(config)[0], batch)
    idle = {
        "/".join(map(str, path))
        for path, leaf in nnx.to_flat_state(gradient)
        if not jnp.any(leaf.get_value())
    }
    # A's gradient is zero as long as B is.
    assert {name for name in idle if not name.endswith("lora_a")} == set()


def test_lips_serve_the_alignment_path_each_clip_on_its_own(separate_config, make_batch, apply):
    lips = LipsConfig(8, 2, "image", 16, 1, 2, position_kernel=4, position_groups=2)
    config = dataclasses.replace(separate_config, align_tower="lips", lips=lips)
    state, run = apply(config)
    batch = make_batch(True)
    batch["mouth_mask"] = batch["mouth_mask"].at[1, 12:].set(False)
    other = {name: batch[name].at[2].set(255 - batch[name][2]) for name in ("mouth_frames",)}
    masked = {"mouth_frames": batch["mouth_frames"].at[1, 12:].set(7)}
    before, after = run(state, batch), run(state, batch | other)
    for name, value in before.items():
        assert np.isfinite(value).all(), name
        if value.ndim:
            np.testing.assert_allclose(value[:2], after[name][:2], atol=1e-5, err_msg=name)
    assert np.abs(before["z_video"][2] - after["z_video"][2]).max() > 1e-3
    jax.tree.map(np.testing.assert_array_equal, before, run(state, batch | masked))


def test_grid_index_and_masks_follow_the_batch(separate_config, make_batch, apply):
    state, run = apply(separate_config)
    batch = make_batch(True)
    batch["waveform_mask"] = batch["waveform_mask"].at[1, 10:].set(False)
    outputs = run(state, batch)
    np.testing.assert_array_equal(outputs["grid_index"], np.tile(np.arange(20), (3, 1)))
    np.testing.assert_array_equal(outputs["speech_mask"].sum(axis=1), [20, 10, 20])
    assert outputs["clip_scale"] == pytest.approx(1 / 0.07)
    assert outputs["clip_bias"] == 0


def test_the_sigmoid_contrast_has_a_bias_and_begins_as_in_siglip(shared_config):
    """Zhai et al. 2023, section 3.2: temperature exp(log 10), bias -10."""
    model = CAD(shared_config, rngs=nnx.Rngs(0), contrast="sigmoid")
    assert float(model.log_clip_scale[...]) == pytest.approx(np.log(10))
    assert float(model.log_frame_scale[...]) == pytest.approx(-np.log(0.07))
    assert model.clip_bias is not None
    assert float(model.clip_bias[...]) == -10.0


def test_runs_sharded_over_clips_with_auto_axes(separate_config, make_batch, apply):
    state, run = apply(separate_config)
    batch = make_batch(True)
    mesh = jax.make_mesh((3,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:3])
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    sharded = run(state, jax.device_put(batch, sharding))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), run(state, batch), sharded
    )
    assert sharded["logit"].sharding.spec == sharding.spec


def test_says_what_does_not_fit(shared_config, separate_config, make_batch, abstract):
    def refuses(config, batch, message):
        with pytest.raises(ValueError, match=message):
            abstract(config, batch)

    batch = make_batch(False)
    refuses(shared_config, batch | {"waveform": batch["waveform"][:, :-160]}, "bins of 40 ms")
    refuses(shared_config, make_batch(True), r"\(8, 8\) pixels; the tower takes 32")
    short = WhisperConfig(mels=16, width=32, depth=1, heads=2, max_tokens=10)
    refuses(dataclasses.replace(shared_config, audio=short), batch, "80 mel frames; at most 20")
    empty = {name: batch[name][:, :0] for name in ("frames", "frame_times", "frame_mask")}
    refuses(separate_config, batch | empty, "no slot")
