"""A prepared directory's description: `dataset_info.json` and `features.json` beside the shards.

Owns the shards' names and the two files that make TFDS open the directory. The files are plain
JSON; reading them needs no TFDS. Knows nothing of the shards' content beyond the list of features.
"""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pipelines.errors import UserError, nearest
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.schema import FLAGS, LABELS, TEXTS
from data_pipelines.records.tfrecord import ShardSummary

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

INFO_FILE, FEATURES_FILE = "dataset_info.json", "features.json"
PREPARATION_FILE = "preparation.json"  # how the clips were made from files; made-up sets have none
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


@dataclasses.dataclass(frozen=True)
class PreparedSet:
    """What a prepared directory holds.

    Attributes:
        directory: where it lies.
        name, version, description: as given to `write_metadata`.
        shard_lengths: split -> number of clips in each of its shards.
    """

    directory: pathlib.Path
    name: str
    version: str
    description: str
    shard_lengths: dict[str, tuple[int, ...]]

    def shards(self, split: str) -> list[pathlib.Path]:
        """The split's shards, in order.

        Raises:
            UserError: there is no such split; names those there are.
        """
        if split not in self.shard_lengths:
            hint = nearest(split, self.shard_lengths)
            raise UserError(f"{self.directory} has no split {split!r}; {hint}")
        count = len(self.shard_lengths[split])
        return [self.directory / shard_name(self.name, split, i, count) for i in range(count)]


def shard_name(name: str, split: str, index: int, count: int) -> str:
    """TFDS's name for shard `index` of `count`, e.g. `clips-train.tfrecord-00000-of-00003`."""
    return f"{name}-{split}.tfrecord-{index:05d}-of-{count:05d}"


def write_metadata(
    directory: str | os.PathLike[str],
    name: str,
    shards: Mapping[str, Sequence[ShardSummary]],
    *,
    version: str = "1.0.0",
    description: str = "",
) -> None:
    """Writes `features.json` and then `dataset_info.json`, whose presence says the set is complete.

    Args:
        directory: where the shards lie.
        name: the set's name, the shards' prefix: lower case letters, digits, underscores.
        shards: split -> what `write_shard` returned for each of its shards, in order.
        version: three numbers, e.g. `1.0.0`.
        description: one line or more for people.

    Raises:
        UserError: TFDS could not read such a name or version.
        OSError: the files cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"name {name!r}: use lower case letters, digits and underscores")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise UserError(f"version {version!r}: use three numbers such as 1.0.0")
    directory = pathlib.Path(directory)
    info = {
        "name": name,
        "version": version,
        "description": description,
        "fileFormat": "tfrecord",
        "disableShuffling": True,
        "splits": [
            {
                "name": split,
                "filepathTemplate": _TEMPLATE,
                # int64 is a string in protobuf's JSON.
                "shardLengths": [str(shard.num_records) for shard in summaries],
                "numBytes": str(sum(shard.num_bytes for shard in summaries)),
            }
            for split, summaries in shards.items()
        ],
    }
    _write_json(directory / FEATURES_FILE, tfds_features().to_json())
    _write_json(directory / INFO_FILE, info)


def read_metadata(directory: str | os.PathLike[str]) -> PreparedSet:
    """Reads `dataset_info.json`.

    Raises:
        UserError: no such directory, no finished set in it, or the file is not what
            `write_metadata` wrote; says what to do.
    """
    directory = pathlib.Path(directory)
    path = directory / INFO_FILE
    if not directory.is_dir():
        raise UserError(f"no such directory: {directory}; prepare the data set first")
    if not path.is_file():
        raise UserError(
            f"{directory} holds no prepared set: {INFO_FILE} is missing; prepare it, or let an "
            "interrupted preparation finish"
        )
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        return PreparedSet(
            directory=directory,
            name=info["name"],
            version=info["version"],
            description=info.get("description", ""),
            shard_lengths={
                split["name"]: tuple(int(length) for length in split.get("shardLengths", []))
                for split in info["splits"]
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a prepared set's description ({error!r})") from error


def recorded_split(directory: pathlib.Path) -> dict[str, str] | None:
    """Name and sha256 of the split that a set was prepared with; None where none is recorded.

    Raises:
        UserError: as `recorded_preparation`.
    """
    return recorded_preparation(directory).get("split")


def recorded_preparation(directory: pathlib.Path) -> dict[str, Any]:
    """How a set was made from files; empty for one that was not.

    Raises:
        UserError: what says so is damaged.
    """
    file = directory / PREPARATION_FILE
    if not file.exists():
        return {}
    try:
        facts = json.loads(file.read_bytes())
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise UserError(f"{file} is damaged; bring it back, or prepare the set again")
    return facts


def tfds_features() -> "tfds.features.FeaturesDict":
    """The record's features as TFDS parses them.

    `audio` is a Tensor rather than an Audio feature because the latter cannot even be constructed
    where TensorFlow is not installed.
    """
    # Imported here: it takes a second that readers and their worker processes do not need.
    from tensorflow_datasets import features

    fields: dict[str, features.FeatureConnector] = {
        **{name: features.Text() for name in (*TEXTS, "provenance")},
        **{name: features.Scalar(np.int64) for name in (*LABELS, "label")},
        **{name: features.Scalar(np.bool_) for name in FLAGS},
        "source_ids": features.Sequence(features.Text()),
        "frames": features.Sequence(features.Image(shape=(None, None, 3), encoding_format="jpeg")),
        "frame_times_ms": features.Tensor(shape=(None,), dtype=np.float64, encoding="bytes"),
        "mouth_boxes": features.Tensor(shape=(None, 4), dtype=np.float32, encoding="bytes"),
        "audio": features.Tensor(shape=(None,), dtype=np.int16, encoding="bytes"),
        "audio_offset_ms": features.Scalar(np.float32),
    }
    return features.FeaturesDict(fields)


def _write_json(path: pathlib.Path, content: object) -> None:
    with atomic_writer(path) as write:
        # Sorted: TFDS lists features in the order of a set, which changes from run to run.
        write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())
