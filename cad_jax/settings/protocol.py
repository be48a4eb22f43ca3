"""A protocol: all that a study's figures depend on, stated so that another person repeats it.

Owns what `configs/protocols/` may say, and the variants that a study may compare. Knows nothing of
runs or results.
"""

import dataclasses
import runpy
from collections.abc import Mapping
from typing import Any, Literal

from cad_jax.settings.experiment import Experiment
from cad_jax.settings.presets import complete, find_config
from cad_jax.settings.structure import ConfigError
from data_pipelines.errors import nearest
from data_pipelines.metrics.standard import standard_metrics

# Variant -> the option of the preset that makes it: what is compared where a protocol says nothing,
USUAL = {
    "full": "without=nothing",
    "no-alignment": "without=alignment",
    "no-distillation": "without=distillation",
    "neither": "without=both",
    "naive-fusion": "without=fusion",
    "video-only": "without=audio",
    "audio-only": "without=video",
}
# and the parts of alignment and of the specific path, each taken out alone.
PARTS = {
    "no-kl": "without=kl",
    "no-contrast": "without=contrast",
    "no-clip-contrast": "without=clip_contrast",
    "no-frame-contrast": "without=frame_contrast",
    "no-adapters": "without=adapters",
}
TRAINED = USUAL | PARTS
# Not trained: the specific heads of `full`, put together by `study.late_fusion`.
LATE = ("late-maximum", "late-noisy-or", "late-logistic")
VARIANTS = (*TRAINED, *LATE)

METRICS = tuple(standard_metrics(threshold=0.5))


@dataclasses.dataclass(frozen=True)
class StudySet:
    """A prepared set, and how another person prepares the same.

    Attributes:
        path: where it lies.
        reader: what reads it, see `scripts/prepare.py`.
        options: of the reader, `NAME=VALUE`.
        split: the split's full name: scheme and parameters, as `scripts/splits.py` prints it. A set
            that was divided otherwise is refused.
        split_sha256: of the split, or its beginning; empty while nobody has made it.
        preparation: flags of `scripts/prepare.py` that change a record; a set that was prepared
            otherwise is refused.
    """

    path: str
    reader: str
    split: str
    options: tuple[str, ...] = ()
    split_sha256: str = ""
    preparation: tuple[str, ...] = ()

    def commands(self) -> tuple[str, str]:
        """What makes it: the command of the split and that of the preparation."""
        scheme, *parameters = self.split.split()
        flags = [f"--scheme={scheme}"]
        for name, value in (parameter.split("=") for parameter in parameters):
            flag = f"--{name.replace('_', '-')}"
            flags.append(f"{flag} {value.replace('/', ' ')}" if "/" in value else f"{flag}={value}")
        options = "".join(f" --option {option}" for option in self.options)
        read = f"--reader={self.reader} --root=DIR{options}"
        file, changes = f"{self.path}-split.json", "".join(f" {flag}" for flag in self.preparation)
        return (
            f"python scripts/splits.py {read} {' '.join(flags)} --output={file}",
            f"python scripts/prepare.py {read} --split={file}{changes} --output={self.path}",
        )


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is compared, on what, how often and by which figures.

    Attributes:
        preset: a config file and its options, e.g. `configs/cad.py:size=tiny`; it needs the option
            `without`.
        sets: the first is trained on and tested; of the others only tests are, so nothing is chosen
            on them. None: what the preset's builder makes.
        changes: settings in which the training differs from the preset, nested.
        variants: names of `VARIANTS`; no two may be the same training.
        seeds: each variant is trained with each.
        metrics: names of `METRICS` that the table gives.
        unit: what is counted: a `video` (its windows' mean probability) or a `clip` (one window).
        draws: resamples of people behind each interval.
    """

    preset: str
    sets: tuple[StudySet, ...] = ()
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    variants: tuple[str, ...] = (*USUAL, *LATE)
    seeds: tuple[int, ...] = (0, 1, 2)
    metrics: tuple[str, ...] = ("auc", "average_precision", "equal_error_rate", "balanced_accuracy")
    unit: Literal["video", "clip"] = "video"
    draws: int = 1000

    def __post_init__(self) -> None:
        for name, known in (("variants", VARIANTS), ("metrics", METRICS)):
            for value in getattr(self, name):
                if value not in known:
                    raise ConfigError(f"protocol: {name}: {value!r}: {nearest(value, known)}")
        if not (self.variants and self.seeds and self.metrics):
            raise ConfigError("protocol: variants, seeds and metrics must each name something")
        for one in self.sets[1:]:
            if not one.split.startswith("test_only"):
                raise ConfigError(
                    f"protocol: {one.path} must be split `test_only`: it chooses nothing"
                )
        if self.changes.get("init", {}).get("run"):
            raise ConfigError("protocol: init.run is another run, which no hash of a study covers")
        if set(self.variants) & set(LATE) and "full" not in self.variants:
            raise ConfigError("protocol: late fusion is of the heads of `full`, which is not there")

    def trained(self) -> tuple[str, ...]:
        """The variants that have to be trained."""
        return tuple(name for name in self.variants if name in TRAINED)

    def experiment(self, variant: str, seed: int) -> Experiment:
        """What one run is.

        Raises:
            ConfigError: the preset or a change names no setting.
        """
        file, _, options = self.preset.partition(":")
        argument = ",".join(filter(None, [options, TRAINED[variant]]))
        try:
            preset = runpy.run_path(str(find_config(file)))["get_config"](argument)
        except (OSError, KeyError) as error:
            raise ConfigError(f"protocol: {self.preset} is no preset: {error}") from None
        places: dict[str, Any] = {"seed": seed}
        if self.sets:
            own, *others = (one.path for one in self.sets)
            places["data"] = {"path": own, "evaluate_paths": tuple(others)}
        tree = complete(preset.to_dict(), self.changes, places)
        return Experiment.from_mapping(tree.to_dict())


def find_protocol(choice: str) -> tuple[str, Protocol]:
    """What a command line names: `embedded`, `fakeavceleb:ethnicity` or a file of one's own.

    A file's `PROTOCOLS` holds its protocols by name; without one the first is taken.

    Returns:
        Its name, and the protocol.

    Raises:
        ConfigError: no such file or protocol; says which come near.
    """
    place, _, name = choice.partition(":")
    file = find_config(place if place.endswith(".py") else f"configs/protocols/{place}.py")
    if not file.is_file():
        folder = find_config("configs/protocols/embedded.py").parent
        known = [path.stem for path in folder.glob("*.py")]
        raise ConfigError(f"no protocol {place!r}: {nearest(place, known)}")
    protocols: dict[str, Protocol] = runpy.run_path(str(file))["PROTOCOLS"]
    name = name or next(iter(protocols))
    if name not in protocols:
        raise ConfigError(f"no protocol {name!r} in {place}: {nearest(name, protocols)}")
    whole = file.stem if name == file.stem else f"{file.stem}:{name}"
    return whole, protocols[name]
