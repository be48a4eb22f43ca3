"""Runs the detector over clips and gathers what it says of each.

Owns the compiled scoring step, which evaluation, validation and single-file prediction share.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from cad_jax.models.functional import FunctionalModel, Params
from cad_jax.parallel import hosts
from cad_jax.parallel.mesh import check_divides, put_batch, replicated
from cad_jax.run.appearance import appearance
from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.types import Batch, Outputs
from data_pipelines.errors import UserError
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.views import View, centred
from data_pipelines.records.clip import FRAME_RATE

Scores = dict[str, np.ndarray]
Judge = Callable[[Outputs, Batch], dict[str, jax.Array]]


class ScoreError(UserError):
    """The detector says nothing of a clip that it ought to judge."""


class Scorer:
    """Scores batches and whole splits with one compiled step.

    Args:
        model: the detector.
        config: gives the clip's cut and the batch size.
        mesh: the devices.
        judge: what is said of each clip, see `clip_scores`.

    Attributes:
        model, mesh: as given.
    """

    def __init__(
        self,
        model: FunctionalModel,
        config: Experiment,
        mesh: Mesh,
        judge: Judge,
    ):
        self._config, self.model, self.mesh = config, model, mesh

        def score(params: Params, batch: Batch) -> dict[str, jax.Array]:
            scores = judge(model.merge(params)(batch), batch)
            rows = {"clip_index": batch["clip_index"], "valid": batch["valid"]}
            return scores | rows | {"faulty": faulty_scores(scores, batch)}

        # Replicated, so that every host sees the scores of the whole global batch.
        self._step = jax.jit(score, out_shardings=replicated(mesh))

    def batch(self, params: Mapping[str, jax.Array], batch: ClipBatch) -> Scores:
        """Scores of one batch; padding rows are left out.

        Raises:
            ScoreError: one is not finite although what it judges is there.
        """
        scores = jax.device_get(self._step(dict(params), put_batch(batch, self.mesh)))
        valid = scores.pop("valid")
        if faulty := np.count_nonzero(scores.pop("faulty") & valid):
            raise ScoreError(
                f"{faulty} of {np.count_nonzero(valid)} clips have scores that are not finite: the "
                "parameters are; go back to another checkpoint, or train with a lower "
                "optimizer.learning_rate"
            )
        return {name: values[valid] for name, values in scores.items()}

    def split(
        self,
        params: Mapping[str, jax.Array],
        source: TFRecordSource,
        title: str = "",
        view: View = centred,
        between: Callable[[], None] = lambda: None,
    ) -> Scores:
        """Scores of every clip of a split, in the source's order.

        Args:
            params: of the model.
            source: the clips.
            title: of a progress bar; none without.
            view: of the clips; those that it does not show are left out.
            between: called behind every batch; to end it there it raises, on all hosts.

        Raises:
            UserError: the devices cannot share the evaluation batch evenly; a score is not finite.
        """
        (scores,) = self.views(params, source, (view,), title, between)
        return scores

    def views(
        self,
        params: Mapping[str, jax.Array],
        source: TFRecordSource,
        views: Sequence[View],
        title: str = "",
        between: Callable[[], None] = lambda: None,
    ) -> Iterator[Scores]:
        """What `split` gives of each view in turn; one set of loader workers serves them all."""
        size = self._config.evaluation.batch_size
        check_divides(size, self.mesh, "config.evaluation.batch_size")
        each, hidden = -(-len(source) // size), not title or not hosts.is_lead()
        batches = self._batches(source, views)
        with tqdm(batches, title, each * len(views), leave=False, disable=hidden) as shown:
            rest = iter(shown)
            for _ in views:
                parts = []
                for batch in itertools.islice(rest, each):
                    parts.append(self.batch(params, batch))
                    between()
                scores = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
                order = np.argsort(scores["clip_index"])
                yield {name: values[order] for name, values in scores.items()}

    def _batches(self, source: TFRecordSource, views: Sequence[View]) -> Iterator[ClipBatch]:
        from data_pipelines.loading.pipeline import evaluation_batches  # a second; files need none

        return iter(
            evaluation_batches(
                source,
                batch_size=self._config.evaluation.batch_size,
                clip=self._config.data.clip,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
                workers=self._config.data.workers,
                views=views,
            )
        )


@functools.lru_cache(maxsize=1)
def make_scorer(config: Experiment, mesh: Mesh, judge: Judge | None = None) -> Scorer:
    """The scoring step; compiled once for a training and the evaluation that follows it.

    Args:
        config: the experiment.
        mesh: the devices.
        judge: what is said of each clip; `clip_scores` by default.
    """
    return Scorer(make_model(config), config, mesh, judge or clip_scores)


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
        embedding: [b d] the fused representation, from which p_fake is read.
    """
    both = batch["has_video"] & batch["has_audio"]
    radius = outputs.sync_curve.shape[1] // 2
    best = jnp.argmax(outputs.sync_curve, axis=1) - radius
    video_frames = batch["frame_mask"] & batch["has_video"][:, None]
    return {
        "p_fake": jax.nn.sigmoid(outputs.logit),
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
