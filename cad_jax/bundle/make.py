"""Makes a bundle of a run: scores its sets once more and fits how its answers are to be read."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cad_jax.bundle.card import CardFacts, Declined, model_card
from cad_jax.bundle.domain import Domain, fit_domain
from cad_jax.bundle.files import BundleError, refuse_occupied, save_bundle
from cad_jax.bundle.operating import Labelled, Operating, fit_operating
from cad_jax.data import (
    build_data,
    describe_split,
    made_preparation,
    open_evaluation,
    open_training,
)
from cad_jax.evaluation import groups
from cad_jax.evaluation.evaluate import score_table
from cad_jax.run.appearance import SEEN, SMALLEST
from cad_jax.run.judging import described_scores
from cad_jax.run.placement import LoadedRun, load_run
from cad_jax.run.preparation import run_preparation
from cad_jax.run.scores import Scores
from cad_jax.run.scoring import make_scorer
from cad_jax.settings.experiment import DataConfig
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.metadata import read_metadata

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


class _Split(NamedTuple):
    """Scored clips."""

    source: TFRecordSource
    scores: Scores


def write_bundle(
    workdir: pathlib.Path,
    folder: pathlib.Path,
    calibration: Sequence[pathlib.Path] = (),
    commit: str = "",
) -> Made:
    """Makes a bundle of a run's best checkpoint; frozen parameters come along.

    The run's sets must be where it was trained on them, or be ones that a builder makes.

    Args:
        workdir: of a finished run.
        folder: to be made.
        calibration: prepared sets of people whom the run has not seen. Their training and
            validation splits, too, say how its answers are to be read: the few genuine people of
            one validation split cannot tell the low rates that a verdict needs.
        commit: of this program, for the model card; empty for unknown.

    Raises:
        UserError: no such run, a pretraining, or one of too small pictures; its sets are gone; a
            calibration set is none, was trained on or has neither split; `folder` holds something.
        OSError: it cannot be written.
    """
    refuse_occupied(folder)  # before minutes of work, not after
    run = load_run(workdir)
    if run.config.stage == "pretrain":
        raise BundleError(f"{workdir} is a pretraining, which judges nothing yet")
    side = run.config.data.clip.image_size
    if side < SMALLEST:
        needed = f"what a picture looks like is measured on {SMALLEST} or more"
        raise BundleError(f"{workdir} sees pictures of {side} pixels; {needed}")
    run = run._replace(config=build_data(run.config))
    others = list(_calibration_splits(run.config.data, calibration))
    contents = tuple(describe_split(data, data.path, split) for data, split in others)
    for content in contents:
        if content in run.config.computed.data:
            raise BundleError(f"the run was trained on {content}: that is no calibration set")
    settings = run_preparation(workdir, made_preparation(run.config.data))
    operating, domain, declined = _measure(run, others)
    notice = DRAWN if run.config.data.builder else OTHERS
    facts = CardFacts(
        workdir, folder, run, tuple(calibration), contents, operating, declined, notice, commit
    )
    model_hash = save_bundle(
        folder, run.config, run.params, settings, operating, domain, notice, model_card(facts)
    )
    return Made(model_hash, operating, declined)


def _calibration_splits(
    data: DataConfig, calibration: Sequence[pathlib.Path]
) -> Iterator[tuple[DataConfig, str]]:
    """The splits that are calibrated on besides the run's own validation split."""
    wanted = (data.train_split, data.validation_split)
    for path in calibration:
        held = read_metadata(path).shard_lengths
        splits = [split for split in wanted if split in held]
        if not splits:
            raise BundleError(f"{path} has no split {' or '.join(map(repr, wanted))}")
        alone = dataclasses.replace(data, path=str(path), extra_paths=(), evaluate_paths=())
        yield from ((alone, split) for split in splits)


def _measure(
    run: LoadedRun, calibration: Sequence[tuple[DataConfig, str]]
) -> tuple[Operating, Domain, tuple[Declined, ...]]:
    data = run.config.data
    scorer = make_scorer(run.config, run.mesh, described_scores)

    def score(source: TFRecordSource, split: str) -> _Split:
        return _Split(source, scorer.split(run.params, source, f"scoring {split}"))

    training = open_training(data)
    every = -(-len(training) // MOST_CLIPS)
    seen = score(training.subset(range(0, len(training), every)), data.train_split)
    validation = score(open_evaluation(data, data.validation_split), data.validation_split)
    others = [score(open_evaluation(of, split), split) for of, split in calibration]
    unseen = np.concatenate([of.scores["features"] for of in (validation, *others)])
    domain = fit_domain(seen.scores["features"], unseen, SEEN)
    operating = fit_operating(_labelled([validation, *others]))
    tests = {name: score(open_evaluation(data, name), name) for name in data.test_splits}
    splits = {data.train_split: seen, data.validation_split: validation} | tests
    declined = tuple(_declined(domain, name, of.scores) for name, of in splits.items())
    return operating, domain, declined


def _labelled(splits: Sequence[_Split]) -> dict[str, Labelled]:
    """What each head said of the clips of all splits of which the truth is known."""
    found: dict[str, list[Labelled]] = {}
    for source, scores in splits:
        for name, labels, probabilities in groups.heads(score_table(source, scores)):
            rows = (labels >= 0) & np.isfinite(probabilities)
            found.setdefault(name, []).append(Labelled(labels[rows], probabilities[rows]))
    return {
        name: Labelled(*map(np.concatenate, zip(*of, strict=True))) for name, of in found.items()
    }


def _declined(domain: Domain, split: str, scores: Scores) -> Declined:
    beyond = domain.distance(scores["features"]) > 1
    return Declined(split, len(beyond), int(np.sum(beyond)))
