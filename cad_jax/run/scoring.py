"""Runs the detector over clips and gathers what it says of each.

Owns the scoring of splits, which validation, evaluation and bundles share.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from cad_jax.models.functional import FunctionalModel
from cad_jax.parallel import hosts
from cad_jax.parallel.mesh import check_divides
from cad_jax.run.judging import Judge, clip_scores, scoring_step
from cad_jax.run.placement import make_model
from cad_jax.run.scores import Scores, score_batch
from cad_jax.settings.experiment import Experiment
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.pipeline import evaluation_batches
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.views import View, centred


class Scorer:
    """Scores batches and whole splits with one compiled step.

    Args:
        model: the detector.
        config: gives the clip's cut and the batch size.
        mesh: the devices.
        judge: what is said of each clip, such as `clip_scores`.
    """

    def __init__(
        self,
        model: FunctionalModel,
        config: Experiment,
        mesh: Mesh,
        judge: Judge,
    ):
        self._config, self._mesh = config, mesh
        self._step = scoring_step(model, mesh, judge)

    def batch(self, params: Mapping[str, jax.Array], batch: ClipBatch) -> Scores:
        """Scores of one batch, as `score_batch`."""
        return score_batch(self._step, params, batch, self._mesh)

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
        check_divides(size, self._mesh, "config.evaluation.batch_size")
        each, hidden = -(-len(source) // size), not title or not hosts.is_lead()
        batches = self._batches(source, views)
        with tqdm(batches, title, each * len(views), leave=False, disable=hidden or None) as shown:
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
def make_scorer(config: Experiment, mesh: Mesh, judge: Judge = clip_scores) -> Scorer:
    """The scoring step; compiled once for a training and the evaluation that follows it.

    Args:
        config: the experiment.
        mesh: the devices.
        judge: what is said of each clip.
    """
    return Scorer(make_model(config), config, mesh, judge)
