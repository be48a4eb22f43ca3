"""Everything that defines an experiment, as one typed, immutable, JSON-ready structure.

These dataclasses are the only place where a setting, its default and its meaning stand. `configs/`
states what its presets change, the checkpoint carries the whole, everything else reads it. Knows
nothing of JAX.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

from cad_jax.settings.loss import LossConfig, needs_labels
from cad_jax.settings.model import CADConfig
from cad_jax.settings.optimizer import OptimizerConfig
from cad_jax.settings.structure import structure, to_tree, unstructure
from data_pipelines.loading.settings import NO_AUGMENTATION, AugmentConfig, Balance, ClipSpec

# Towers whose published weights `InitConfig` may name; of the model's parts, `NAME_tower`.
TOWERS = ("video", "audio", "specific_video", "specific_audio")

# Hosts may differ in these: the same content may lie elsewhere on each.
PER_HOST = (
    "config.data.path",
    "config.data.extra_paths",
    "config.data.evaluate_paths",
    "config.data.workers",
    *(f"config.init.{tower}" for tower in TOWERS),
    "config.init.run",
)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained and evaluated on.

    Attributes:
        path: a prepared set: shards, `dataset_info.json`, `features.json`. Empty: where the
            builder keeps its sets.
        clip: what is cut out of a record; the paper's 16 faces of 224 pixels.
        builder: makes the set where it is not there: `drawn`, or a preset of
            `data_pipelines.synthetic.presets`. Empty: takes what is there.
        extra_paths: prepared sets trained on besides.
        evaluate_paths: prepared sets evaluated besides, trained on or not; each in the splits that
            it has. A test split may be theirs alone.
        mixture_weights: how much of the training each set gives, `path` and then the extra ones, in
            any unit; empty for their sizes.
        balance: within each set, `class` trains on genuine and forged clips equally often, `method`
            besides on every way of forging; see `data_pipelines.loading.sampling`.
        genuine_only: of which sets training takes the genuine clips (label 0) alone, `none`, the
            `extra` ones or `all`; `augment.pseudo_fake` then makes the forged ones.
        train_split: the split that is trained on.
        validation_split: chooses checkpoints and the threshold.
        test_splits: evaluated at the end, never used to choose anything.
        batch_size: clips a step, over all devices of all hosts.
        limit: use the first clips of the training set only (an overfitting check); 0 for all.
        features: read what frozen alignment towers make of each training clip (`--mode=features`
            stores it) instead of running them; windows are then the records' middles, and nothing
            is augmented.
        workers: loader processes; 0 loads in a thread. Changes nothing but the speed.
        on_corrupt: what a corrupt record does: `error`, or `skip` to replace, count and name it.
        accept_changed: go on with a run although the sets it was trained on have changed.
        augment: what training does to it.
    """

    path: str = ""
    clip: ClipSpec = ClipSpec(seconds=3.2, frames=16, image_size=224)
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
    accept_changed: bool = False
    augment: AugmentConfig = AugmentConfig()

    def __post_init__(self) -> None:
        for name in ("extra_paths", "evaluate_paths"):
            if len({self.path, *getattr(self, name)}) <= len(getattr(self, name)):
                raise ValueError(f"{name} names a set twice, or path again")
        if self.genuine_only == "extra" and not self.extra_paths:
            raise ValueError("genuine_only is 'extra', but extra_paths names no set")
        if self.genuine_only == "all" and self.balance != "none":
            raise ValueError("balance needs forged clips, but genuine_only is 'all'")
        self._check_weights()
        for name, least in (("batch_size", 1), ("limit", 0), ("workers", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")

    @property
    def applied_augment(self) -> AugmentConfig:
        """What training does to a clip: nothing where features of unchanged clips are read."""
        return NO_AUGMENTATION if self.features else self.augment

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
        video: folder of converted weights (`scripts/convert_weights.py`) of the alignment path's
            picture tower; empty: random. Adapters always start at random.
        audio: the same of its sound tower.
        specific_video, specific_audio: the same of the specific path's own towers.
        run: work folder of another run, e.g. of a pretraining, whose best checkpoint gives all
            parameters, before the weights of towers. Empty: none.
        exclude: patterns of parameter names that are not taken from that run.
    """

    video: str = ""
    audio: str = ""
    specific_video: str = ""
    specific_audio: str = ""
    run: str = ""
    exclude: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """How the devices are arranged: `data` copies of the model, each spread over `fsdp` devices.

    Attributes:
        data: how many devices hold a copy of the parameters each, or -1 for what `fsdp` leaves.
        fsdp: over how many devices each copy is spread, or -1 for what `data` leaves.
        slices: TPU slices that only the data centre's network joins; `data` runs across them.
        sharding: (pattern, `fsdp` or `replicate`) rules over parameter names; the first that fits.
        shard_from: parameters of fewer entries are whole on every device.
    """

    data: int = -1
    fsdp: int = 1
    slices: int = 1
    sharding: tuple[tuple[str, str], ...] = ((".*", "fsdp"),)
    shard_from: int = 2**16


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The loop's length and rhythm, in steps.

    Attributes:
        steps: optimiser steps.
        log_every: metrics are fetched and written.
        evaluate_every: the validation split is scored and a checkpoint is saved, here and at the
            end; 0 never.
        checkpoint_every: a checkpoint is saved besides.
        keep_newest: how many of the newest checkpoints are kept. With 1 there is none to go back to
            when it is damaged.
        keep_best: how many are kept besides, the best by validation AUC; see `run.validation`.
        early_stop: stop after this many evaluations without a better AUC; 0 never.
        profile_at: the first step that is traced, into the folder `profile`; 0 none.
        profile_steps: how many are.
        microbatches: each device passes its clips through the model in so many parts, one after
            another, for one more forward pass: memory of one part, the gradient of the whole batch.
    """

    steps: int = 1000
    log_every: int = 20
    evaluate_every: int = 200
    checkpoint_every: int = 200
    keep_newest: int = 2
    keep_best: int = 1
    early_stop: int = 0
    profile_at: int = 0
    profile_steps: int = 5
    microbatches: int = 1

    def __post_init__(self) -> None:
        least = dict.fromkeys(("evaluate_every", "keep_best", "profile_at"), 0)
        positive = ("steps", "log_every", "checkpoint_every", "keep_newest", "profile_steps")
        least |= dict.fromkeys((*positive, "microbatches"), 1)
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, not {getattr(self, name)}")

    def evaluates_at(self, step: int) -> bool:
        """Whether the validation split is scored after this step."""
        rhythm = self.evaluate_every
        return bool(rhythm) and step > 0 and (step == self.steps or step % rhythm == 0)


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
class Priors:
    """Shares of forged clips among those that training draws, each within 0 and 1.

    Attributes:
        fake: of everything; 0.5 until it is measured.
        fake_video: of the pictures.
        fake_audio: of the sounds.
    """

    fake: float = 0.5
    fake_video: float = 0.5
    fake_audio: float = 0.5


@dataclasses.dataclass(frozen=True)
class Computed:
    """What a run finds out when it starts, and keeps; not meant to be set.

    A value that is there already, from a run's own `config.json`, must be the one that is found:
    other data or other weights are refused.

    Attributes:
        data: what each set that is trained on holds: its name, its number of clips, the hash of its
            records and of its preparation.
        video, audio: hashes of the alignment path's towers' converted weights.
        specific_video, specific_audio: those of the specific path's own.
        run: step and hash of the parameters that `init.run` gave.
        code: hash of the program; other code is reported, not refused.
        priors: shares of forged clips.
    """

    data: tuple[str, ...] = ()
    video: str = ""
    audio: str = ""
    specific_video: str = ""
    specific_audio: str = ""
    run: str = ""
    code: str = ""
    priors: Priors = Priors()


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment: the same configuration gives the same result.

    Attributes:
        stage: `train` the detector, or `pretrain` its alignment path alone, without any label of
            forgery; see `configs/pretrain.py`.
        data: what is trained and evaluated on.
        model: the detector.
        loss: the objective.
        optimizer: how parameters move.
        init: what they are before the first step.
        mesh: how the devices are arranged.
        train: the loop's length and rhythm.
        evaluation: how clips are scored.
        seed: of everything random.
        computed: what a run finds out when it starts.
    """

    stage: Literal["train", "pretrain"] = "train"
    data: DataConfig = DataConfig()
    model: CADConfig = CADConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    init: InitConfig = InitConfig()
    mesh: MeshConfig = MeshConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0
    computed: Computed = Computed()

    def __post_init__(self) -> None:
        size, wanted = self.data.clip.mouth_size, self.model.lips.image_size
        if self.model.align_tower == "lips" and size != wanted:
            raise ValueError(
                f"data.clip.mouth_size is {size}, but model.lips takes mouth crops of {wanted} "
                "pixels: set one to the other"
            )
        for own in ("video", "audio"):
            if getattr(self.init, f"specific_{own}") and own not in self.model.specific_towers:
                raise ValueError(f"init.specific_{own} needs {own!r} in model.specific_towers")
        labelled = needs_labels(self.loss)
        if self.stage == "pretrain" and labelled:
            raise ValueError(
                f"stage is 'pretrain', but loss.{labelled[0]} needs labels of forgery, or parts "
                "that a pretraining leaves alone: set it to 0, or take configs/pretrain.py"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Experiment":
        """From nested mappings, as configs/ and checkpoints hold them; what is left out is default.

        Raises:
            ConfigError: an unknown key (with the nearest right one), a wrong type or value.
        """
        return structure(cls, values)

    def to_mapping(self) -> dict[str, Any]:
        """The inverse of `from_mapping`, JSON-ready."""
        return unstructure(self)

    def to_tree(self) -> dict[str, Any]:
        """Every setting as nested dictionaries, tuples left as they are."""
        return to_tree(self)
