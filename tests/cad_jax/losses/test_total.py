import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.losses.total import cad_losses
from cad_jax.parallel.mesh import put_batch, replicated
from cad_jax.settings.experiment import Priors
from cad_jax.settings.loss import LossConfig
from cad_jax.types import Outputs

EVERYTHING = LossConfig(kl=0.3, adjustment=1.0)
PRIORS = Priors(fake=0.7)
SCALARS = ("clip_scale", "frame_scale", "clip_bias")
DIFFERENTIABLE = (
    "logit", "specific_logits_video", "specific_logits_audio", "logit_mismatch",
    "student_logit_video", "student_logit_audio", "predicted_video", "predicted_audio",
    "z_video", "z_audio", "shared_video", "shared_audio", "clip_scale", "frame_scale",
)  # fmt: skip


def on_mesh(arrays, mesh):
    scalars = {k: jax.device_put(v, replicated(mesh)) for k, v in arrays.items() if k in SCALARS}
    return put_batch({k: v for k, v in arrays.items() if k not in SCALARS}, mesh) | scalars


def value_and_grads(step, config, mesh):
    outputs, labels = on_mesh(step[0], mesh), on_mesh(step[1], mesh)

    def loss(inputs):
        return cad_losses(Outputs(**(outputs | inputs)), labels, config, PRIORS, mesh)

    inputs = {name: outputs[name] for name in DIFFERENTIABLE}
    (total, terms), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(inputs)
    return total, terms, jax.tree.map(np.asarray, grads)


@pytest.mark.parametrize("form", ["auto", "dense", "gather", "ring"])
def test_eight_devices_equal_one(make_step, mesh, one_device, form):
    step = make_step(16)
    want_total, want_terms, want = value_and_grads(step, EVERYTHING, one_device)
    config = dataclasses.replace(EVERYTHING, info_nce=form)
    total, terms, grads = value_and_grads(step, config, mesh)
    np.testing.assert_allclose(total, want_total, rtol=2e-6)
    for name, term in want_terms.items():
        np.testing.assert_allclose(terms[name].total, term.total, rtol=2e-6, err_msg=name)
        assert float(terms[name].count) == float(term.count), name
    for name in DIFFERENTIABLE:
        assert np.any(want[name] != 0), name
        np.testing.assert_allclose(grads[name], want[name], rtol=2e-6, atol=1e-6, err_msg=name)


def test_the_sigmoid_contrast_takes_its_bias_from_the_outputs(make_step, one_device):
    """Nearly all pairs are no match: the bias is drawn down, and the softmax form ignores it."""
    slopes = {}
    for contrast in ("softmax", "sigmoid"):
        config = LossConfig(contrast=contrast)
        outputs, labels = make_step(16)
        arrays = on_mesh(outputs, one_device), on_mesh(labels, one_device)

        def loss(bias, config=config, arrays=arrays):
            outputs = Outputs(**(arrays[0] | {"clip_bias": bias}))
            return cad_losses(outputs, arrays[1], config, PRIORS, one_device)[0]

        slopes[contrast] = float(jax.jit(jax.grad(loss))(jnp.float32(0.0)))
    assert slopes["softmax"] == 0
    assert slopes["sigmoid"] > 0.1


def test_total_is_the_weighted_sum_of_means(make_step, one_device):
    total, terms, _ = value_and_grads(make_step(16), EVERYTHING, one_device)
    weights = {name: getattr(EVERYTHING, name.removesuffix("_video").removesuffix("_audio"))
               for name in terms}  # fmt: skip
    want = sum(weights[name] * float(term.mean()) for name, term in terms.items())
    np.testing.assert_allclose(total, want, rtol=1e-6)
    assert set(terms) == {
        "cls", "uni_video", "uni_audio", "align_clip", "align_frame", "kl", "mismatch",
        "distill_feature_video", "distill_feature_audio",
        "distill_response_video", "distill_response_audio",
    }  # fmt: skip


def test_a_term_without_weight_is_not_there(make_step, one_device):
    config = dataclasses.replace(EVERYTHING, uni=0.0, align_clip=0.0, kl=0.0)
    _, terms, grads = value_and_grads(make_step(16), config, one_device)
    assert not {"uni_video", "uni_audio", "align_clip", "kl"} & set(terms)
    assert grads["clip_scale"] == 0
    assert np.all(grads["shared_video"] == 0)


def test_padding_rows_change_nothing(make_step, one_device):
    outputs, labels = make_step(16)
    labels["valid"] = np.arange(16) < 8
    total, terms, _ = value_and_grads((outputs, labels), EVERYTHING, one_device)
    short = [{k: v[:8] if np.ndim(v) else v for k, v in part.items()} for part in (outputs, labels)]
    want_total, want_terms, _ = value_and_grads(short, EVERYTHING, one_device)
    np.testing.assert_allclose(total, want_total, rtol=1e-6)
    assert {k: float(v.count) for k, v in terms.items()} == {
        k: float(v.count) for k, v in want_terms.items()
    }


def test_only_genuine_clips_are_pulled_together(make_step, one_device):
    """A lip-synced forgery (sync unknown) is no anchor; a shifted genuine clip is a hard one."""
    outputs, labels = make_step(4)
    flags = np.ones(4, bool)
    labels |= {"has_video": flags, "has_audio": flags, "valid": flags}
    outputs |= {"align_mask": np.ones((4, 8), bool), "speech_mask": np.ones((4, 40), bool)}
    labels["pair"] = np.full(4, -1, np.int32)
    labels["label_video"] = np.array([0, 1, 0, 0], np.int32)
    labels["label_audio"] = np.array([0, 1, 0, -1], np.int32)
    labels["label_sync"] = np.array([1, -1, 0, -1], np.int32)
    config = LossConfig(kl=1.0)
    _, terms, grads = value_and_grads((outputs, labels), config, one_device)
    assert terms["align_clip"].count == 4  # clips 0 and 2, in both directions
    assert terms["kl"].count == 8  # the frames of clip 0
    assert terms["mismatch"].count == 2
    moved = np.any(grads["shared_video"] != 0, axis=(1, 2))
    np.testing.assert_array_equal(moved, [True, False, False, False])


def test_video_only_batches_leave_sound_alone(make_step, one_device):
    outputs, labels = make_step(16)
    labels["has_audio"] = np.zeros(16, bool)
    labels["label_audio"] = np.full(16, -1, np.int32)
    total, terms, grads = value_and_grads((outputs, labels), EVERYTHING, one_device)
    assert np.isfinite(total)
    for name in ("uni_audio", "align_clip", "align_frame", "kl", "mismatch"):
        assert terms[name].count == 0, name
    for name in ("specific_logits_audio", "z_audio", "shared_audio", "predicted_audio"):
        np.testing.assert_array_equal(grads[name], 0, err_msg=name)
    assert all(np.all(np.isfinite(grad)) for grad in grads.values())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cls": -1.0}, "loss weight cls=-1.0"),
        ({"kl": float("nan")}, "loss weight kl=nan"),
        ({"distill_temperature": 0.0}, "distill_temperature=0.0"),
        ({"offset_near": 15}, "no negatives"),
    ],
)
def test_config_refuses_what_cannot_train(wrong, message):
    with pytest.raises(ValueError, match=message):
        LossConfig(**wrong)


def test_outputs_carry_every_field(make_step):
    """The builder in conftest must not lag behind the structure it imitates."""
    outputs, _ = make_step(4)
    assert set(outputs) == {field.name for field in dataclasses.fields(Outputs)}
