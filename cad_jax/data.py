"""Opens the sets an experiment names, makes the ones that can be made, measures their labels."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import shutil
from collections import Counter
from collections.abc import Sequence

from cad_jax.settings.experiment import DataConfig, Experiment, Priors
from cad_jax.settings.structure import ConfigError
from data_pipelines.errors import UserError
from data_pipelines.loading.draw import expected_labels
from data_pipelines.loading.sampling import Stratum, make_strata
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.clip import FAKE, UNKNOWN
from data_pipelines.records.lock import held
from data_pipelines.records.metadata import (
    INFO_FILE,
    PREPARATION_FILE,
    PreparedSet,
    read_metadata,
    recorded_preparation,
)

log = logging.getLogger(__name__)


def build_data(config: Experiment) -> Experiment:
    """Makes the configured set if it has a builder and is not there yet; fills in its path.

    Of several processes on a machine one makes it, the others wait.

    Raises:
        UserError: neither path nor builder; no such builder; the folder holds something else.
    """
    data = config.data
    if not data.path and not data.builder:
        raise ConfigError("config.data.path is empty: name a prepared set, --config.data.path=DIR")
    if not data.builder:
        return config
    # Imported here: the generator loads a renderer and a speech synthesiser.
    from data_pipelines.synthetic.build import build_dataset, default_directory
    from data_pipelines.synthetic.drawn import write_drawn_set
    from data_pipelines.synthetic.presets import find_preset

    preset = None if data.builder == "drawn" else find_preset(data.builder)
    folder = default_directory(preset, seed=0) if preset else "runs/drawn-set"
    path = pathlib.Path(data.path or folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    complete = (path / INFO_FILE).exists()  # then nothing is written, on a read-only disk perhaps
    with contextlib.nullcontext() if complete else held(path.with_name(f".{path.name}.lock")):
        if preset:
            build_dataset(path, preset, workers=os.cpu_count() or 1, progress=True)
        elif not (path / INFO_FILE).exists():
            write_drawn_set(path, count=96, seconds=3.0)
    size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
    log.info("%s: %.0f MB in %s", data.builder, size, path)
    return dataclasses.replace(config, data=dataclasses.replace(data, path=str(path)))


def evaluated_sets(config: DataConfig, split: str) -> list[PreparedSet]:
    """The sets of which a split is evaluated: those of `path` and `evaluate_paths` that have it.

    `path` is among them for the validation split, which chooses, and where no other set has it.

    Raises:
        UserError: no such set.
    """
    own, *besides = [read_metadata(path) for path in (config.path, *config.evaluate_paths)]
    having = [prepared for prepared in besides if split in prepared.shard_lengths]
    if not having or split in own.shard_lengths or split == config.validation_split:
        having = [own, *having]
    for prepared in (own, *besides):
        if prepared not in having:
            log.info("%s has no split %r: not evaluated there", prepared.directory, split)
    return having


def open_evaluation(config: DataConfig, split: str) -> TFRecordSource:
    """The clips of one split of `evaluated_sets`, in order.

    Raises:
        UserError: no such set, or no such split in it; a shard is damaged; two sets hold
            clips of one name, which would be scored as one, or records of different formats; no
            clip of the validation split has a label. Of test splits these may be kept secret.
    """
    first, *besides = evaluated_sets(config, split)
    _check_formats([first.directory, *(prepared.directory for prepared in besides)])
    source = _open(config, first.directory, split)
    for prepared in besides:
        source += _open(config, prepared.directory, split)
    names = Counter(source.column("clip_id")) if besides else Counter()
    if twice := [name for name, count in names.items() if count > 1]:
        raise UserError(f"path and evaluate_paths both hold {twice[0]!r} in split {split!r}")
    if split == config.validation_split:
        source.check_labelled()
    return source


def open_training(config: DataConfig) -> TFRecordSource:
    """What is trained on: the training splits of `config.path` and `config.extra_paths`, in order.

    Raises:
        UserError: no such set or split, or no genuine clip where only these are wanted; a shard is
            damaged; the sets hold records of different formats; no clip has a label.
    """
    _check_formats([pathlib.Path(path) for path in (config.path, *config.extra_paths)])
    source = _open(config, config.path, config.train_split)
    source.check_labelled()
    if config.genuine_only == "all":
        source = source.genuine()
    for path in config.extra_paths:
        extra = _open(config, path, config.train_split)
        source += extra if config.genuine_only == "none" else extra.genuine()
    return source.subset(range(min(config.limit, len(source)))) if config.limit else source


def sample_training(config: DataConfig, source: TFRecordSource) -> tuple[Stratum, ...]:
    """How often each clip of `open_training` is trained on; what is uneven is logged.

    Raises:
        UserError: the mixture has weights for other sets.
    """
    strata = make_strata(source, config.mixture_weights, config.balance)
    paths = (config.path, *config.extra_paths)
    for stratum in strata if len(strata) > 1 else ():
        size, path = len(stratum.clips), paths[stratum.set_number]
        share = 100 * stratum.share
        log.info("%.1f %% of the training: %s, %d clips: %s", share, path, size, stratum.kind)
    return strata


def copy_preparation(config: DataConfig, workdir: pathlib.Path) -> None:
    """Keeps with the run how its clips were prepared, so that a new file is prepared alike."""
    path = pathlib.Path(config.path) / PREPARATION_FILE
    if path.exists():
        shutil.copyfile(path, workdir / PREPARATION_FILE)


def made_preparation(config: DataConfig) -> PrepareSettings:
    """How a file becomes records like those of a set that was made; else the defaults."""
    from data_pipelines.synthetic.presets import PRESETS  # here as above

    described = bool(config.path) and (pathlib.Path(config.path) / INFO_FILE).is_file()
    preset = PRESETS.get(read_metadata(config.path).name if described else config.builder)
    return preset.preparation if preset else PrepareSettings()


def describe_training(config: DataConfig) -> tuple[str, ...]:
    """What each set that is trained on holds, by content, in their order.

    Its name and split, its number of clips, hashes of its records and of how it was prepared.
    """
    paths = (config.path, *config.extra_paths)
    return tuple(describe_split(config, path, config.train_split) for path in paths)


def describe_split(config: DataConfig, path: str | os.PathLike[str], split: str) -> str:
    """What one split of a set holds, by content; see `describe_training`.

    Raises:
        UserError: no such set or split, or a shard is damaged.
    """
    source = _open(config, path, split)
    settings = recorded_preparation(pathlib.Path(path)).get("settings", {})
    prepared = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return (
        f"{read_metadata(path).name}/{split}: {len(source)} clips, "
        f"records {source.fingerprint[:16]}, preparation {prepared[:12]}"
    )


def measure_priors(config: DataConfig, source: TFRecordSource, strata: Sequence[Stratum]) -> Priors:
    """The training's shares of fakes, which logit adjustment needs.

    A clip counts as often as it is drawn. One clip of each kind is added to the counts: a set of
    only fakes has no finite log-odds.
    """
    expected = expected_labels(source, strata, config.clip, config.applied_augment)

    def share(label: str) -> float:
        known = len(source) * (1 - expected[label][UNKNOWN])
        return (len(source) * expected[label][FAKE] + 1) / (known + 2)

    return Priors(share("label"), share("label_video"), share("label_audio"))


def _check_formats(directories: Sequence[pathlib.Path]) -> None:
    """Of two formats the same file gives other records; sets that were made have none."""
    facts = {directory: recorded_preparation(directory) for directory in directories}
    formats = {
        where: known.get("format", "an older one") for where, known in facts.items() if known
    }
    if len(set(formats.values())) > 1:
        stated = ", ".join(f"{where}: {number}" for where, number in formats.items())
        raise UserError(
            f"the sets' records are of different formats ({stated}), in which one file gives "
            "different records: prepare the older ones again"
        )


def _open(config: DataConfig, path: str | os.PathLike[str], split: str) -> TFRecordSource:
    return TFRecordSource(path, split, on_corrupt=config.on_corrupt)
