"""Opens the sets an experiment names, makes the ones that can be made, measures their labels."""

import dataclasses
import logging
import os
import pathlib
import shutil

import numpy as np

from cad_jax.experiment import DataConfig, ExperimentConfig
from cad_jax.losses.total import LossConfig
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.preparation.spool import FINGERPRINT_FILE
from data_pipelines.records.clip import FAKE, UNKNOWN
from data_pipelines.records.metadata import INFO_FILE
from data_pipelines.synthetic.build import build_dataset, default_directory
from data_pipelines.synthetic.drawn import write_drawn_set
from data_pipelines.synthetic.presets import find_preset

log = logging.getLogger(__name__)


def build_data(config: ExperimentConfig) -> ExperimentConfig:
    """Makes the configured set if it has a builder and is not there yet; fills in its path.

    Raises:
        UserError: no such builder; the folder holds something else.
    """
    data = config.data
    if not data.builder:
        return config
    if data.builder == "drawn":
        path = pathlib.Path(data.path or "runs/drawn-set")
        if not (path / INFO_FILE).exists():
            write_drawn_set(path, count=96, seconds=3.0)
    else:
        preset = find_preset(data.builder)
        path = pathlib.Path(data.path or default_directory(preset, seed=0))
        build_dataset(path, preset, workers=os.cpu_count() or 1, progress=True)
    size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
    log.info("%s: %.0f MB in %s", data.builder, size, path)
    return dataclasses.replace(config, data=dataclasses.replace(data, path=str(path)))


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
    path = pathlib.Path(config.path) / FINGERPRINT_FILE
    if path.exists():
        shutil.copyfile(path, workdir / FINGERPRINT_FILE)


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
