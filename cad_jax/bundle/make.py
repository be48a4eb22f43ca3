"""Makes a bundle of a run: scores its sets once more and fits how its answers are to be read."""

import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cad_jax.bundle.card import CardFacts, Declined, model_card
from cad_jax.bundle.domain import Domain, fit_domain
from cad_jax.bundle.files import BundleError, refuse_occupied, save_bundle
from cad_jax.bundle.operating import Labelled, Operating, fit_operating
from cad_jax.data import build_data, open_evaluation, open_training
from cad_jax.evaluation import groups
from cad_jax.evaluation.evaluate import score_table
from cad_jax.run.appearance import SIZES
from cad_jax.run.judging import described_scores
from cad_jax.run.placement import LoadedRun, load_run
from cad_jax.run.preparation import run_preparation
from cad_jax.run.scores import Scores
from cad_jax.run.scoring import Scorer, make_scorer
from data_pipelines.loading.source import TFRecordSource

MOST_CLIPS = 20_000  # of the training split, evenly taken, that the domain is fitted on

DRAWN = "trained on drawn faces: no evidence about a real person"
OTHERS = "trained on the sets that its model card names: no evidence about clips of another kind"


class Made(NamedTuple):
    """A bundle that was written.

    Attributes:
        model_hash: as `LoadedBundle.model_hash`.
        operating: what was fitted.
        declined: what the domain leaves out of each split.
    """

    model_hash: str
    operating: Operating
    declined: tuple[Declined, ...]


def write_bundle(workdir: pathlib.Path, folder: pathlib.Path, commit: str = "") -> Made:
    """Makes a bundle of a run's best checkpoint; frozen parameters come along.

    The run's sets must be where it was trained on them, or be ones that a builder makes.

    Args:
        workdir: of a finished run.
        folder: to be made.
        commit: of this program, for the model card; empty for unknown.

    Raises:
        UserError: no such run, or a pretraining; its sets are gone; `folder` holds something.
        OSError: it cannot be written.
    """
    refuse_occupied(folder)  # before minutes of work, not after
    run = load_run(workdir)
    if run.config.stage == "pretrain":
        raise BundleError(f"{workdir} is a pretraining, which judges nothing yet")
    run = run._replace(config=build_data(run.config))
    settings = run_preparation(workdir)
    operating, declined = _measure(run)
    notice = DRAWN if run.config.data.builder else OTHERS
    facts = CardFacts(workdir, folder, run, operating, declined, notice, commit)
    model_hash = save_bundle(
        folder, run.config, run.params, settings, operating, notice, model_card(facts)
    )
    return Made(model_hash, operating, declined)


def _measure(run: LoadedRun) -> tuple[Operating, tuple[Declined, ...]]:
    data = run.config.data
    scorer = make_scorer(run.config, run.mesh, described_scores)
    training = open_training(data)
    every = -(-len(training) // MOST_CLIPS)
    seen = _score(scorer, run, training.subset(range(0, len(training), every)), data.train_split)
    source = open_evaluation(data, data.validation_split)
    scores = _score(scorer, run, source, data.validation_split)
    domain = fit_domain(seen["features"], scores["features"], SIZES)
    operating = fit_operating(dict(_labelled(source, scores)), domain)
    tests = ((name, open_evaluation(data, name)) for name in data.test_splits)
    others = {name: _score(scorer, run, source, name) for name, source in tests}
    splits = {data.train_split: seen, data.validation_split: scores} | others
    return operating, tuple(_declined(domain, name, of) for name, of in splits.items())


def _score(scorer: Scorer, run: LoadedRun, source: TFRecordSource, split: str) -> Scores:
    return scorer.split(run.params, source, f"scoring {split}")


def _labelled(source: TFRecordSource, scores: Scores) -> Iterator[tuple[str, Labelled]]:
    for name, labels, probabilities in groups.heads(score_table(source, scores)):
        rows = (labels >= 0) & np.isfinite(probabilities)
        yield name, Labelled(labels[rows], probabilities[rows])


def _declined(domain: Domain, split: str, scores: Scores) -> Declined:
    beyond = domain.distance(scores["features"]) > domain.limit
    return Declined(split, len(beyond), int(np.sum(beyond)))
