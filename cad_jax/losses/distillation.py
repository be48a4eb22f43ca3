"""Distillation from the modality-specific paths into the fused representation.

Keeps fusion from washing out what only one modality shows. Students learn, teachers do not: the
gradient stops at the teacher's side, and without that stop all embeddings collapse to one point
(SimSiam, Chen and He 2021, section 4.1). `stop_gradient=False` exists to show just that.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cad_jax.losses.masks import masked_sum
from cad_jax.losses.term import Term, TermInputs
from cad_jax.numerics import unit
from cad_jax.types import MaskedSum


def feature_distillation(
    predicted: Float[Array, "b d"],
    specific: Float[Array, "b d"],
    mask: Bool[Array, " b"],
    stop_gradient: bool = True,
) -> MaskedSum:
    """Negative cosine of the predictor's output with the specific path (SimSiam, eq. 1).

    Args:
        predicted: made from the fused representation, the student.
        specific: pooled output of a modality-specific path, the teacher.
        mask: clips that have the modality.
        stop_gradient: whether the teacher is held fixed.

    Returns:
        The sum over clips, each in [-1, 1], and their number.
    """
    target = jax.lax.stop_gradient(specific) if stop_gradient else specific
    return masked_sum(-jnp.sum(unit(predicted) * unit(target), axis=-1), mask)


def response_distillation(
    student_logit: Float[Array, " b"],
    teacher_logit: Float[Array, " b"],
    mask: Bool[Array, " b"],
    temperature: float = 2.0,
    stop_gradient: bool = True,
) -> MaskedSum:
    """T^2 KL(teacher || student) of binary responses at temperature T (Hinton et al. 2015).

    Args:
        student_logit: the fused representation's opinion of one modality.
        teacher_logit: the modality-specific path's own.
        mask: clips that have the modality.
        temperature: T; the factor T^2 keeps the size of the gradients independent of it.
        stop_gradient: whether the teacher is held fixed.

    Returns:
        The sum over clips in nats, and their number.
    """
    if stop_gradient:
        teacher_logit = jax.lax.stop_gradient(teacher_logit)
    student = student_logit.astype(jnp.float32) / temperature
    teacher = teacher_logit.astype(jnp.float32) / temperature
    fake = jax.nn.log_sigmoid(teacher) - jax.nn.log_sigmoid(student)
    real = jax.nn.log_sigmoid(-teacher) - jax.nn.log_sigmoid(-student)
    divergence = jax.nn.sigmoid(teacher) * fake + jax.nn.sigmoid(-teacher) * real
    return masked_sum(temperature**2 * divergence, mask)


def _distill_feature(x: TermInputs) -> dict[str, MaskedSum]:
    stop = x.config.stop_gradient
    return {
        "distill_feature_video": feature_distillation(
            x.outputs.predicted_video, x.outputs.specific_video, x.masks.has_video, stop
        ),
        "distill_feature_audio": feature_distillation(
            x.outputs.predicted_audio, x.outputs.specific_audio, x.masks.has_audio, stop
        ),
    }


def _distill_response(x: TermInputs) -> dict[str, MaskedSum]:
    temperature, stop = x.config.distill_temperature, x.config.stop_gradient
    return {
        "distill_response_video": response_distillation(
            x.outputs.student_logit_video,
            x.outputs.logit_video,
            x.masks.has_video,
            temperature,
            stop,
        ),
        "distill_response_audio": response_distillation(
            x.outputs.student_logit_audio,
            x.outputs.logit_audio,
            x.masks.has_audio,
            temperature,
            stop,
        ),
    }


DISTILL_FEATURE = Term("distill_feature", _distill_feature)
DISTILL_RESPONSE = Term("distill_response", _distill_response)
