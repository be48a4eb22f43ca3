"""Stored tower features: what frozen towers make of each clip, as shards beside the clips' own.

Owns the folder `features-<key>`, its description and its records. The key is a hash of all that the
features depend on, so that stale ones are never found. Knows nothing of towers: bfloat16 travels as
its bits.
"""

# Protobuf makes the attributes of its messages at run time, unseen by type checkers.
# pyright: reportAttributeAccessIssue=false

import hashlib
import itertools
import json
import mmap
import os
import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from jaxtyping import UInt16
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from data_pipelines.errors import UserError
from data_pipelines.records.atomic import write_json
from data_pipelines.records.tfrecord import RecordError, read_index, read_payload, write_shard

DESCRIPTION = "description.json"
SHARD_RECORDS = 500
_BITS = np.dtype("<u2")


class ClipFeatures(NamedTuple):
    """What the towers make of one clip, as bits of bfloat16.

    Attributes:
        clip_id: the record's.
        video: a feature an alignment frame.
        audio: a feature a token.
    """

    clip_id: str
    video: UInt16[np.ndarray, "k d"]
    audio: UInt16[np.ndarray, "n c"]


def features_folder(directory: str | os.PathLike[str], facts: Mapping[str, Any]) -> pathlib.Path:
    """Where the features that `facts` (JSON-ready) describe lie in a prepared directory."""
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return pathlib.Path(directory) / f"features-{key[:16]}"


def write_features(
    directory: str | os.PathLike[str],
    facts: Mapping[str, Any],
    clips: Iterable[ClipFeatures],
) -> pathlib.Path:
    """Writes features; the folder appears whole or not at all.

    Args:
        directory: the prepared set they are of.
        facts: all that they depend on, JSON-ready.
        clips: consumed once and never held together.

    Returns:
        The folder.

    Raises:
        OSError: it cannot be written.
    """
    folder = features_folder(directory, facts)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    names: list[str] = []

    def payloads(part: Iterable[ClipFeatures]) -> Iterable[bytes]:
        for clip in part:
            names.append(clip.clip_id)
            yield _encode(clip)

    remaining = iter(clips)
    try:
        for number in itertools.count():
            part = list(itertools.islice(remaining, 1))
            if not part:
                break
            rest = itertools.islice(remaining, SHARD_RECORDS - 1)
            write_shard(_shard(partial, number), payloads(itertools.chain(part, rest)))
        write_json({"facts": facts, "clips": names}, partial / DESCRIPTION)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


class FeatureStore:
    """The stored features of one prepared set, by clip. A pickled copy opens its own maps."""

    def __init__(self, directory: str | os.PathLike[str], facts: Mapping[str, Any]) -> None:
        """Opens what `write_features` wrote for these facts.

        Raises:
            UserError: there is none, or of other weights, records or cuts; a shard is missing.
        """
        self.folder = features_folder(directory, facts)
        description = self.folder / DESCRIPTION
        if not description.is_file():
            others = sorted(path.name for path in self.folder.parent.glob("features-*"))
            known = f"; {', '.join(others)} are of others" if others else ""
            raise UserError(
                f"{directory} holds no features of these weights, records and cuts{known}: make "
                "them with --mode=features"
            )
        names = json.loads(description.read_bytes())["clips"]
        self._maps: dict[int, mmap.mmap] = {}
        self._entries: dict[str, tuple[int, int, int]] = {}
        for number in range(-(-len(names) // SHARD_RECORDS)):
            index = read_index(_shard(self.folder, number)).tolist()
            part = names[number * SHARD_RECORDS :][: len(index)]
            self._entries |= {
                name: (number, *entry) for name, entry in zip(part, index, strict=True)
            }

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, clip_id: str) -> ClipFeatures:
        """The features of a clip.

        Raises:
            UserError: there are none of it, or they are corrupt.
        """
        if clip_id not in self._entries:
            raise UserError(f"{self.folder} holds no features of {clip_id!r}: remove it and run "
                            "--mode=features again")  # fmt: skip
        number, offset, length = self._entries[clip_id]
        shard = _shard(self.folder, number)
        if number not in self._maps:
            with shard.open("rb") as file:
                self._maps[number] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        payload = read_payload(shard, self._maps[number], offset, length)
        try:
            return _decode(payload)
        except (DecodeError, ValueError) as error:
            raise RecordError(shard, offset, str(error)) from error

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_maps": {}}


def _shard(folder: pathlib.Path, number: int) -> pathlib.Path:
    return folder / f"features.tfrecord-{number:05d}"


def _encode(clip: ClipFeatures) -> bytes:
    fields = {"clip_id": _bytes(clip.clip_id.encode())}
    for name in ("video", "audio"):
        array = getattr(clip, name)
        fields[name] = _bytes(np.ascontiguousarray(array, _BITS).tobytes())
        fields[f"{name}_shape"] = tf_feature_pb2.Feature(
            int64_list=tf_feature_pb2.Int64List(value=array.shape)
        )
    example = tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=fields))
    return example.SerializeToString(deterministic=True)


def _decode(payload: bytes) -> ClipFeatures:
    fields = tf_example_pb2.Example.FromString(payload).features.feature
    arrays = [
        np.frombuffer(fields[name].bytes_list.value[0], _BITS).reshape(
            list(fields[f"{name}_shape"].int64_list.value)
        )
        for name in ("video", "audio")
    ]
    return ClipFeatures(fields["clip_id"].bytes_list.value[0].decode(), *arrays)


def _bytes(value: bytes) -> tf_feature_pb2.Feature:
    return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))
