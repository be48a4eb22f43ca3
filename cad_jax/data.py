"""Opens the sets an experiment names, makes the ones that can be made, measures their labels."""

import dataclasses
import logging
import os
import pathlib
import shutil

from cad_jax.experiment import DataConfig, ExperimentConfig
from cad_jax.losses.total import LossConfig
from data_pipelines.loading.pseudo_fake import fake_shares
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.preparation.spool import FINGERPRINT_FILE
from data_pipelines.records.clip import UNKNOWN
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
    """The clips of one split of `config.path`.

    Raises:
        UserError: no such set or split; a shard is damaged.
    """
    return TFRecordSource(config.path, split, on_corrupt=config.on_corrupt)


def open_training(config: DataConfig) -> TFRecordSource:
    """What is trained on: the training splits of `config.path` and `config.extra_paths`, in order.

    Raises:
        UserError: no such set or split, or no genuine clip where only these are wanted; a shard is
            damaged.
    """
    source = open_split(config, config.train_split)
    if config.genuine_only == "all":
        source = source.genuine()
    for path in config.extra_paths:
        extra = TFRecordSource(path, config.train_split, on_corrupt=config.on_corrupt)
        source += extra if config.genuine_only == "none" else extra.genuine()
    return source.subset(range(min(config.limit, len(source)))) if config.limit else source


def copy_preparation(config: DataConfig, workdir: pathlib.Path) -> None:
    """Keeps with the run how its clips were prepared, so that a new file is prepared alike."""
    path = pathlib.Path(config.path) / FINGERPRINT_FILE
    if path.exists():
        shutil.copyfile(path, workdir / FINGERPRINT_FILE)


def measure_priors(config: ExperimentConfig, source: TFRecordSource) -> LossConfig:
    """The loss with the training set's shares of fakes, which logit adjustment needs.

    One clip of each kind is added to the counts: a set of only fakes has no finite log-odds.
    """
    shares = [fake_shares(clip, config.data.augment) for clip in source.summaries]

    def share(label: str) -> float:
        known = sum(getattr(clip, label) != UNKNOWN for clip in source.summaries)
        return (sum(clip[label] for clip in shares) + 1) / (known + 2)

    return dataclasses.replace(
        config.loss,
        prior_fake=share("label"),
        prior_fake_video=share("label_video"),
        prior_fake_audio=share("label_audio"),
    )
