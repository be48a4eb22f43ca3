"""What a study's results depend on besides their configuration, by content.

Owns the check that a set was prepared as the protocol says, and the hashes by which results are
told apart: of records, preparation, split and pretrained weights.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from cad_jax.data import describe_split, evaluated_sets
from cad_jax.settings.experiment import PER_HOST, TOWERS, DataConfig, Experiment
from cad_jax.settings.protocol import StudySet
from cad_jax.settings.structure import leaves
from data_pipelines.commands.prepare import settings_of
from data_pipelines.errors import UserError
from data_pipelines.records.metadata import INFO_FILE, recorded_preparation, recorded_split

Inputs = dict[str, str]


def check_set(wanted: StudySet) -> None:
    """Refuses a set that is not there or was made otherwise than the protocol says.

    Raises:
        UserError: names what differs and what makes the right one.
    """
    folder, (split, preparation) = pathlib.Path(wanted.path), wanted.commands()
    if not (folder / INFO_FILE).exists():
        raise UserError(f"{folder} is not prepared; with DIR for the data: {split}; {preparation}")
    found = recorded_split(folder) or {"name": "none recorded", "sha256": ""}
    if found["name"] != wanted.split or not found["sha256"].startswith(wanted.split_sha256):
        stated = f"{wanted.split} {wanted.split_sha256[:12]}".strip()
        raise UserError(
            f"{folder} is split by {found['name']} {found['sha256'][:12]}, the protocol says "
            f"{stated}; with DIR for the data: {split}; {preparation}"
        )
    made = recorded_preparation(folder).get("settings", {})
    asked = dataclasses.asdict(settings_of(wanted.preparation))
    for name, value in asked.items():
        if made.get(name) != value:
            raise UserError(
                f"{folder} was prepared with {name}={made.get(name)!r}, the protocol says "
                f"{value!r}; with DIR for the data: {preparation}"
            )


def describe_inputs(config: Experiment) -> Inputs:
    """The hashes of everything that is read, by name.

    Args:
        config: of any of a study's runs, its data there.

    Raises:
        UserError: a set, a split or weights are not there, or are damaged.
    """
    data = config.data
    found: Inputs = {}
    splits = dict.fromkeys((data.train_split, data.validation_split, *data.test_splits))
    for split in splits:
        found |= describe_records(data, split)
    for place, path in enumerate((data.path, *data.evaluate_paths)):
        if stamp := recorded_split(pathlib.Path(path)):
            found[f"split {place}"] = f"{stamp['name']}, sha256 {stamp['sha256']}"
    for tower in TOWERS:
        if folder := getattr(config.init, tower):
            # Imported here: it brings Flax, which towers from scratch need not load.
            from cad_jax.weights.store import read_weights_info

            found[f"weights {tower}"] = read_weights_info(pathlib.Path(folder)).sha256
    return found


def describe_records(data: DataConfig, split: str) -> Inputs:
    """The hashes of one split, of each set that has it, by name.

    Raises:
        UserError: no such set or split, or it is damaged.
    """
    sets = [data.path] if split == data.train_split else []
    sets = sets or [str(one.directory) for one in evaluated_sets(data, split)]
    return {
        f"data {split} {place}": describe_split(data, path, split)
        for place, path in enumerate(sets)
    }


def first_difference(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """The first input in which two results differ, for people; empty where they are of the same."""
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name, "nothing"), new.get(name, "nothing")
        if was != now:
            return f"{name} was {was!r}, now {now!r}"
    return ""


def configuration_hash(config: Experiment) -> str:
    """Of all settings that change a result; neither of places nor of the shape of the machine."""
    ignored = ("config.mesh", "config.computed", *PER_HOST)
    kept: dict[str, Any] = {
        name: value
        for name, value in leaves(config.to_mapping()).items()
        if not any(name == one or name.startswith(f"{one}.") for one in ignored)
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
