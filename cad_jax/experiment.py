"""Everything that defines an experiment, as one typed, immutable, JSON-ready structure.

`configs/` fills it, the checkpoint carries it, training, evaluation and inference read it. The
parts that belong to a module are declared there and only gathered here.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

from cad_jax.config import ConfigError, differences, structure, unstructure
from cad_jax.losses.total import LossConfig
from cad_jax.models.config import CADConfig
from cad_jax.training.optimizer import OptimizerConfig
from data_pipelines.loading.settings import NO_AUGMENTATION, AugmentConfig, Balance, ClipSpec


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained and evaluated on.

    Attributes:
        path: a prepared set: shards, `dataset_info.json`, `features.json`. Empty: where the
            builder keeps its sets.
        clip: what is cut out of a record.
        builder: makes the set where it is not there: `drawn`, or a preset of
            `data_pipelines.synthetic.presets`. Empty: takes what is there.
        extra_paths: prepared sets trained on besides.
        evaluate_paths: prepared sets evaluated besides, trained on or not; each in the splits that
            it has.
        mixture_weights: how much of the training each set gives, `path` and then the extra ones, in
            any unit; empty for their sizes.
        balance: within each set, `class` trains on genuine and forged clips equally often, `method`
            besides on every way of forging; see `data_pipelines.loading.sampling`.
        genuine_only: of which sets training takes the genuine clips (label 0) alone, `none`, the
            `extra` ones or `all`; `augment.pseudo_fake` then makes the forged ones.
        train_split, validation_split: names of splits.
        test_splits: evaluated at the end, never used to choose anything.
        batch_size: clips a step, over all devices of all hosts.
        limit: use the first clips of the training set only (an overfitting check); 0 for all.
        features: read what frozen alignment towers make of each training clip (`--mode=features`
            stores it) instead of running them; windows are then the records' middles.
        workers: loader processes; 0 loads in a thread. Changes nothing but the speed.
        on_corrupt: what a corrupt record does: `error`, or `skip` to replace, count and name it.
        augment: what training does to it.
    """

    path: str
    clip: ClipSpec
    builder: str = ""
    extra_paths: tuple[str, ...] = ()
    evaluate_paths: tuple[str, ...] = ()
    mixture_weights: tuple[float, ...] = ()
    balance: Balance = "none"
    genuine_only: Literal["none", "extra", "all"] = "none"
    train_split: str = "train"
    validation_split: str = "val"
    test_splits: tuple[str, ...] = ("test",)
    batch_size: int = 16
    limit: int = 0
    features: bool = False
    workers: int = 0
    on_corrupt: Literal["error", "skip"] = "error"
    augment: AugmentConfig = AugmentConfig()

    def __post_init__(self) -> None:
        for name in ("extra_paths", "evaluate_paths"):
            if len({self.path, *getattr(self, name)}) <= len(getattr(self, name)):
                raise ValueError(f"{name} names a set twice, or path again")
        if self.genuine_only == "extra" and not self.extra_paths:
            raise ValueError("genuine_only is 'extra', but extra_paths names no set")
        if self.genuine_only == "all" and self.balance != "none":
            raise ValueError("balance needs forged clips, but genuine_only is 'all'")
        if self.features and self.augment != NO_AUGMENTATION:
            raise ValueError(
                "features are of unchanged clips: switch every augmentation off, or features"
            )
        self._check_weights()
        for name, least in (("batch_size", 1), ("limit", 0), ("workers", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")

    def _check_weights(self) -> None:
        sets = 1 + len(self.extra_paths)
        if not self.mixture_weights:
            return
        if len(self.mixture_weights) != sets:
            raise ValueError(f"mixture_weights needs {sets} numbers: of path and each extra path")
        if not all(0 < weight < math.inf for weight in self.mixture_weights):
            raise ValueError("mixture_weights must be positive; leave out a set without weight")
        if self.limit:
            raise ValueError("limit takes the first set's clips, mixture_weights wants all sets'")


@dataclasses.dataclass(frozen=True)
class InitConfig:
    """What the parameters are before the first step; a checkpoint in the work folder goes before.

    Attributes:
        video, audio: folders of converted weights (`scripts/convert_weights.py`) of the alignment
            path's towers; empty: random. Adapters always start at random.
        video_sha256, audio_sha256: content hash that these weights must have; empty: any. Training
            fills it in.
        run: work folder of another run, e.g. of a pretraining, whose best checkpoint gives all
            parameters, before `video` and `audio`. Empty: none.
        exclude: patterns of parameter names that are not taken from that run.
    """

    video: str = ""
    audio: str = ""
    video_sha256: str = ""
    audio_sha256: str = ""
    run: str = ""
    exclude: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """How the devices are arranged: `data` copies of the model, each spread over `fsdp` devices.

    Attributes:
        data, fsdp: axis sizes; one may be -1 for what the other leaves.
        sharding: (pattern, `fsdp` or `replicate`) rules over parameter names.
    """

    data: int = -1
    fsdp: int = 1
    sharding: tuple[tuple[str, str], ...] = ((".*", "replicate"),)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The loop's length and rhythm, in steps.

    Attributes:
        steps: optimiser steps.
        log_every: metrics are fetched and written.
        evaluate_every: the validation split is scored and a checkpoint is saved, here and at the
            end; 0 never.
        checkpoint_every: a checkpoint is saved besides.
        early_stop: stop after this many evaluations without a better AUC; 0 never.
        profile_at: first of five profiled steps; 0 never.
    """

    steps: int = 1000
    log_every: int = 20
    evaluate_every: int = 200
    checkpoint_every: int = 200
    early_stop: int = 0
    profile_at: int = 0

    def __post_init__(self) -> None:
        if self.evaluate_every < 0:
            raise ValueError(f"evaluate_every must be at least 0, not {self.evaluate_every}")
        for name in ("steps", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How clips are scored.

    Attributes:
        batch_size: clips at a time, over all devices.
        bootstrap: resamplings of identities behind each confidence interval.
    """

    batch_size: int = 32
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.bootstrap < 1:
            raise ValueError("batch_size and bootstrap must be at least 1")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """An experiment: the same configuration gives the same result."""

    data: DataConfig
    model: CADConfig
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    init: InitConfig = InitConfig()
    mesh: MeshConfig = MeshConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ExperimentConfig":
        """From nested mappings, as configs/ and checkpoints hold them.

        Raises:
            ConfigError: an unknown key (with the nearest right one), a wrong type or value.
        """
        return structure(cls, values)

    def to_mapping(self) -> dict[str, Any]:
        """The inverse of `from_mapping`, JSON-ready."""
        return unstructure(self)


# A run may be resumed with other values of these: they do not change what is computed.
RESUMABLE = (
    "config.data.path",
    "config.data.workers",
    "config.init.video",
    "config.init.audio",
    "config.init.run",
    "config.data.test_splits",
    "config.mesh",
    "config.evaluation",
    "config.train.log_every",
    "config.train.checkpoint_every",
    "config.train.profile_at",
)


# What the InfoNCE terms reach: towers without adapters, projectors, temperatures.
ALIGNMENT_PATH = "^(video_tower|audio_tower|align_video|align_audio|log_)(?!.*/lora_)"


def as_pretraining(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment's alignment path alone, on genuine clips, without any label of forgery.

    Towers are trained as far as the experiment trains them. There is no AUC to validate by, so the
    newest checkpoint counts.
    """
    off = dict.fromkeys(
        ("cls", "uni", "kl", "distill_feature", "distill_response", "mismatch"), 0.0
    )
    return dataclasses.replace(
        config,
        loss=dataclasses.replace(config.loss, **off),
        optimizer=dataclasses.replace(config.optimizer, scope=ALIGNMENT_PATH),
        data=dataclasses.replace(
            config.data,
            genuine_only="all",
            balance="none",
            augment=dataclasses.replace(config.data.augment, pseudo_fake=0.0),
        ),
        train=dataclasses.replace(config.train, evaluate_every=0),
    )


def refuse_other_experiment(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
    """Refuses to continue one experiment as another.

    Args:
        old, new: unstructured configurations, of the work folder and of the command.
        where: the work folder, for the message.

    Raises:
        ConfigError: they differ in more than `RESUMABLE`; names the settings.
    """
    changed = {
        name: values
        for name, values in differences(old, new).items()
        if not any(name == free or name.startswith(f"{free}.") for free in RESUMABLE)
    }
    if changed:
        parts = [f"{name} was {was!r}, now {now!r}" for name, (was, now) in changed.items()]
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
        raise ConfigError(
            f"{where} holds a run of another configuration: {'; '.join(parts[:3])}{more}; "
            "choose another --workdir or the old configuration"
        )
