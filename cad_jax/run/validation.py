"""By what a checkpoint is chosen: the validation AUC, of verdicts or, in a pretraining, of sync.

Owns the figures of each stage and how they are averaged over data sets. Test splits choose nothing.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from cad_jax.run.alignment import alignment_figures, in_sync_clips
from cad_jax.run.scoring import make_scorer
from cad_jax.settings.experiment import Experiment
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.ranking import auc

# Stage -> the figure that chooses its checkpoints; the larger, the better.
CHOSEN_BY = {"train": "auc", "pretrain": "sync_auc"}


class Validation(NamedTuple):
    """What was found on the validation split.

    Attributes:
        chosen_by: the figure that chooses the checkpoint.
        of_sets: data set -> figure -> value; nan where a set cannot tell.
    """

    chosen_by: str
    of_sets: Mapping[str, Mapping[str, float]]

    @property
    def auc(self) -> float:
        """What chooses the checkpoint; nan if no set can tell."""
        return self.means()[self.chosen_by]

    def means(self) -> dict[str, float]:
        """Each figure's mean over the data sets.

        Scores of different sets are not comparable, so they are not pooled, and a small set counts
        as much as a large one. A set that cannot tell is left out; nan if none can.
        """
        names = next(iter(self.of_sets.values()))
        return {name: _mean([figures[name] for figures in self.of_sets.values()]) for name in names}

    def scalars(self) -> dict[str, float]:
        """What is logged: `validation/<figure>`, and with several data sets that of each."""
        logged = {f"validation/{name}": value for name, value in self.means().items()}
        for of, figures in self.of_sets.items() if len(self.of_sets) > 1 else ():
            logged |= {f"validation/{name}/{of}": value for name, value in figures.items()}
        return logged


def validated(config: Experiment, source: TFRecordSource) -> TFRecordSource:
    """The clips of a split that the stage can be validated on.

    Raises:
        UserError: a pretraining, and there are none.
    """
    return in_sync_clips(config, source) if config.stage == "pretrain" else source


def validate(
    config: Experiment,
    mesh: Mesh,
    params: Mapping[str, jax.Array],
    source: TFRecordSource,
    between: Callable[[], None] = lambda: None,
) -> Validation:
    """What the parameters do on the clips of `validated`.

    A detector: AUC of p_fake, `auc`. A pretraining: see `alignment_figures`.

    Args:
        config: the experiment.
        mesh: where the parameters are.
        params: all of them, by name.
        source: the clips.
        between: called behind every batch; to end it there it raises, on all hosts.

    Raises:
        ScoreError: a score is not finite.
    """
    of = _alignment if config.stage == "pretrain" else _verdicts
    return Validation(CHOSEN_BY[config.stage], of(config, mesh, params, source, between))


def _verdicts(
    config: Experiment,
    mesh: Mesh,
    params: Mapping[str, jax.Array],
    source: TFRecordSource,
    between: Callable[[], None],
) -> dict[str, dict[str, float]]:
    scores = make_scorer(config, mesh).split(params, source, between=between)
    labels = source.column("label")[scores["clip_index"]]
    names = source.column("dataset")[scores["clip_index"]]
    rows = {str(name): (names == name) & (labels >= 0) for name in np.unique(names)}
    counts = {name: count_scores(labels[of], scores["p_fake"][of]) for name, of in rows.items()}
    return {name: {"auc": float(auc(of))} for name, of in counts.items()}


def _alignment(
    config: Experiment,
    mesh: Mesh,
    params: Mapping[str, jax.Array],
    source: TFRecordSource,
    between: Callable[[], None],
) -> dict[str, dict[str, float]]:
    names = source.column("dataset")
    sets = {str(name): source.subset(np.flatnonzero(names == name)) for name in np.unique(names)}
    return {name: alignment_figures(config, mesh, params, of, between) for name, of in sets.items()}


def _mean(values: list[float]) -> float:
    defined = [value for value in values if math.isfinite(value)]
    return sum(defined) / len(defined) if defined else math.nan
