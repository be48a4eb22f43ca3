"""What is said of each clip, on the device: the scoring step before it is compiled.

Knows nothing of files, sets or batches' origin.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from cad_jax.models.functional import FunctionalModel
from cad_jax.parallel.mesh import replicated
from cad_jax.run.appearance import appearance
from cad_jax.run.scores import Step
from cad_jax.types import Batch, Outputs, Params
from data_pipelines.records.clip import FRAME_RATE

Judge = Callable[[Outputs, Batch], dict[str, jax.Array]]


def scoring_step(model: FunctionalModel, mesh: Mesh, judge: Judge) -> Step:
    """The step that `run.scores.score_batch` takes, to be compiled by its first call.

    Args:
        model: the detector.
        mesh: the devices.
        judge: what is said of each clip, such as `clip_scores`.
    """

    def score(params: Params, batch: Batch) -> dict[str, jax.Array]:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            scores = judge(model.merge(params)(batch), batch)
        rows = {"clip_index": batch["clip_index"], "valid": batch["valid"]}
        return scores | rows | {"faulty": faulty_scores(scores, batch)}

    # Replicated, so that every host sees the scores of the whole global batch.
    return jax.jit(score, out_shardings=replicated(mesh))


def described_scores(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
    """`clip_scores`, and by what each clip is held against those that the detector knows.

    Returns:
        features: [b d], see `run.appearance.appearance`.
    """
    return clip_scores(outputs, batch) | {"features": appearance(batch)}


def clip_scores(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
    """What the detector says of each clip.

    Returns:
        p_fake, p_video, p_audio, p_mismatch: [b] probabilities; nan where the modality (for the
            mismatch: either) is missing.
        best_offset_ms: [b] by how much the sound would have to be shifted to fit the lips best:
            positive when it comes late. nan like p_mismatch.
        sync_curve: [b o].
        timeline_video, timeline_audio: [b t] probabilities at the face frames; nan where masked.
        embedding: [b d] the fused representation, from which the fusion's part of p_fake is read.
    """
    both = batch["has_video"] & batch["has_audio"]
    radius = outputs.sync_curve.shape[1] // 2
    best = jnp.argmax(outputs.sync_curve, axis=1) - radius
    video_frames = batch["frame_mask"] & batch["has_video"][:, None]
    return {
        "p_fake": jax.nn.sigmoid(outputs.verdict),
        "p_video": _where(batch["has_video"], jax.nn.sigmoid(outputs.logit_video)),
        "p_audio": _where(batch["has_audio"], jax.nn.sigmoid(outputs.logit_audio)),
        "p_mismatch": _where(both, jax.nn.sigmoid(outputs.logit_mismatch)),
        "best_offset_ms": _where(both, best * (1000.0 / FRAME_RATE)),
        "sync_curve": outputs.sync_curve,
        "timeline_video": _where(video_frames, jax.nn.sigmoid(outputs.frame_logits_video)),
        "timeline_audio": _where(
            batch["has_audio"][:, None], jax.nn.sigmoid(outputs.frame_logits_audio)
        ),
        "embedding": outputs.fused,
    }


def faulty_scores(scores: Mapping[str, jax.Array], batch: Batch) -> jax.Array:
    """[b]: whether a probability is not finite although its modality is there."""
    video, audio = batch["has_video"], batch["has_audio"]
    judged = {"p_fake": True, "p_video": video, "p_audio": audio, "p_mismatch": video & audio}
    faults = [
        there & ~jnp.isfinite(scores[name]) for name, there in judged.items() if name in scores
    ]
    return functools.reduce(jnp.logical_or, faults)


def _where(mask: jax.Array, values: jax.Array) -> jax.Array:
    return jnp.where(mask, values, jnp.nan)
