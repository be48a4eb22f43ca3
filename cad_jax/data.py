"""Opens the sets an experiment names, makes the ones that can be made, measures their labels."""

import dataclasses
import logging
import pathlib
import shutil

import numpy as np

from cad_jax.experiment import DataConfig
from cad_jax.losses.total import LossConfig
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.clip import FAKE, UNKNOWN
from data_pipelines.records.metadata import INFO_FILE
from data_pipelines.synthetic.drawn import write_drawn_set

log = logging.getLogger(__name__)

PREPARATION_FILE = "preparation.json"


def build_data(config: DataConfig) -> None:
    """Makes the set at `config.path` if it has a builder and is not there yet."""
    if config.builder == "drawn" and not (pathlib.Path(config.path) / INFO_FILE).exists():
        log.info("drawing the cartoon set into %s", config.path)
        write_drawn_set(config.path, count=96, seconds=3.0)


def open_split(config: DataConfig, split: str) -> TFRecordSource:
    """The clips of one split; of the training split only the first `config.limit`, if that is set.

    Raises:
        UserError: no such set or split; a shard is damaged.
    """
    source = TFRecordSource(config.path, split, on_corrupt=config.on_corrupt)
    if config.limit and split == config.train_split:
        return source.subset(range(min(config.limit, len(source))))
    return source


def copy_preparation(config: DataConfig, workdir: pathlib.Path) -> None:
    """Keeps with the run how its clips were prepared, so that a new file is prepared alike."""
    path = pathlib.Path(config.path) / PREPARATION_FILE
    if path.exists():
        shutil.copyfile(path, workdir / PREPARATION_FILE)


def measure_priors(loss: LossConfig, source: TFRecordSource) -> LossConfig:
    """The loss with the training set's shares of fakes, which logit adjustment needs.

    One clip of each kind is added to the counts: a set of only fakes has no finite log-odds.
    """

    def share(label: str) -> float:
        labels = np.array([getattr(clip, label) for clip in source.summaries])
        return float(((labels == FAKE).sum() + 1) / ((labels != UNKNOWN).sum() + 2))

    return dataclasses.replace(
        loss,
        prior_fake=share("label"),
        prior_fake_video=share("label_video"),
        prior_fake_audio=share("label_audio"),
    )
