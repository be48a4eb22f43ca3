"""The record as bytes: a `ClipRecord` as tf.train.Example, without TensorFlow.

Owns the mapping of fields to features, in forms that TFDS's feature connectors parse (see
`metadata.tfds_features`), and the checks every record passes on its way in and out. Knows nothing
of shards or files, and leaves the frames as JPEG bytes: the loader decodes those it chooses.
"""

# Protobuf makes its message classes when imported, unseen by type checkers.
# pyright: reportAttributeAccessIssue=false

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from data_pipelines.records.clip import FRAME_RATE, UNKNOWN, ClipRecord, sync_delay_ms

TEXTS = ("clip_id", "dataset", "split", "pair_id", "method_video", "method_audio")
LABELS = ("label_video", "label_audio", "label_sync")
FLAGS = ("has_video", "has_audio")  # derived, stored for readers that are not ours; so is `label`
ARRAYS = {"frame_times_ms": "<f8", "mouth_boxes": "<f4", "audio": "<i2"}  # as little-endian bytes

_MEDIA = frozenset({b"frames", b"audio", b"mouth_boxes"})  # what the clip table does without


def encode_clip(clip: ClipRecord) -> bytes:
    """Serialises a clip as tf.train.Example; equal clips give equal bytes.

    Times are stored as float64, mouth boxes as float32, `audio_offset_ms` as float32.

    Raises:
        ValueError: the clip contradicts itself (see `check_clip`).
    """
    check_clip(clip)
    features = {name: _bytes(getattr(clip, name).encode()) for name in TEXTS}
    features |= {name: _integer(getattr(clip, name)) for name in (*LABELS, *FLAGS, "label")}
    features |= {
        name: _bytes(np.ascontiguousarray(getattr(clip, name), dtype).tobytes())
        for name, dtype in ARRAYS.items()
    }
    features["source_ids"] = _bytes(*(identity.encode() for identity in clip.source_ids))
    features["frames"] = _bytes(*clip.frames)
    features["audio_offset_ms"] = tf_feature_pb2.Feature(
        float_list=tf_feature_pb2.FloatList(value=[clip.audio_offset_ms])
    )
    features["provenance"] = _bytes(json.dumps(clip.provenance, sort_keys=True).encode())
    example = tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def decode_clip(payload: bytes) -> ClipRecord:
    """The clip that `encode_clip` made these bytes of. Arrays are read-only views of the bytes.

    Raises:
        ValueError: the bytes are no clip; names the field.
    """
    try:
        features = tf_example_pb2.Example.FromString(payload).features.feature
    except DecodeError as error:
        raise ValueError(f"not a tf.train.Example ({error})") from error
    clip = ClipRecord(
        clip_id=_text(features, "clip_id"),
        dataset=_text(features, "dataset"),
        split=_text(features, "split"),
        source_ids=_texts(features, "source_ids"),
        pair_id=_text(features, "pair_id"),
        method_video=_text(features, "method_video"),
        method_audio=_text(features, "method_audio"),
        frames=tuple(_values(features, "frames")),
        frame_times_ms=_array(features, "frame_times_ms"),
        mouth_boxes=_rows_of_four(_array(features, "mouth_boxes")),
        audio=_array(features, "audio"),
        audio_offset_ms=_float(features, "audio_offset_ms"),
        label_video=_int(features, "label_video"),
        label_audio=_int(features, "label_audio"),
        label_sync=_int(features, "label_sync"),
        provenance=_provenance(_text(features, "provenance")),
    )
    check_clip(clip)
    return clip


def clip_facts(payload: bytes | memoryview) -> dict[str, Any]:
    """What a clip table says of a record (see `table`); media are stepped over, not read.

    Through a memory map this touches a few kB a record instead of hundreds. The payload's CRC is
    therefore not checked here.

    Raises:
        ValueError: the bytes are no clip; names the field.
    """
    entries = dict(_entries(payload))
    kept = b"".join(bytes(entry) for name, entry in entries.items() if name not in _MEDIA)
    try:
        features = tf_feature_pb2.Features.FromString(kept).feature
    except DecodeError as error:
        raise ValueError(f"not a tf.train.Example ({error})") from error
    provenance = _provenance(_text(features, "provenance"))
    return {
        **{name: _text(features, name) for name in TEXTS},
        "source_ids": _texts(features, "source_ids"),
        **{name: _int(features, name) for name in (*FLAGS, *LABELS, "label")},
        "sync_delay_ms": sync_delay_ms(_int(features, "label_sync"), provenance),
        "num_frames": len(_array(features, "frame_times_ms")),
        "num_samples": _num_bytes(entries, "audio") // np.dtype(ARRAYS["audio"]).itemsize,
        "audio_offset_ms": _float(features, "audio_offset_ms"),
    }


def check_clip(clip: ClipRecord) -> None:
    """Refuses a clip that contradicts itself.

    Raises:
        ValueError: fields of unequal length, times off the 40 ms grid, boxes or times that are not
            finite, labels other than 1, 0, -1, or a label for a modality that is not there.
    """
    problem = _contradiction(clip)
    if problem:
        raise ValueError(f"clip {clip.clip_id!r}: {problem}")


def _contradiction(clip: ClipRecord) -> str:
    """What is wrong with a clip; empty where nothing is."""
    num_frames = len(clip.frames)
    if len(clip.frame_times_ms) != num_frames or len(clip.mouth_boxes) != num_frames:
        return (
            f"{num_frames} frames, {len(clip.frame_times_ms)} times, "
            f"{len(clip.mouth_boxes)} mouth boxes; they must be as many"
        )
    if not (np.isfinite(clip.frame_times_ms).all() and np.isfinite(clip.mouth_boxes).all()):
        return "frame_times_ms and mouth_boxes must be finite"
    if not np.isfinite(clip.audio_offset_ms):
        return f"audio_offset_ms is {clip.audio_offset_ms}"
    steps = np.diff(clip.frame_times_ms)
    if not np.allclose(steps, 1000 / FRAME_RATE, rtol=0, atol=1.0):
        return f"frame_times_ms must advance by 40 ms; they do by {steps.min()} to {steps.max()}"
    for name in LABELS:
        if getattr(clip, name) not in (1, 0, UNKNOWN):
            return f"{name} is {getattr(clip, name)}; it must be 1, 0 or -1"
    if not clip.has_video and (clip.label_video, clip.label_sync) != (UNKNOWN, UNKNOWN):
        return "without frames, label_video and label_sync must be -1"
    if not clip.has_audio and (clip.label_audio, clip.label_sync) != (UNKNOWN, UNKNOWN):
        return "without audio, label_audio and label_sync must be -1"
    return ""


def _bytes(*values: bytes) -> tf_feature_pb2.Feature:
    return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=values))


def _integer(value: int) -> tf_feature_pb2.Feature:
    return tf_feature_pb2.Feature(int64_list=tf_feature_pb2.Int64List(value=[int(value)]))


def _values(features, name: str) -> list[bytes]:
    # Not features[name]: indexing a protobuf map adds what is missing.
    if name not in features:
        raise ValueError(f"the record has no field {name!r}")
    return list(features[name].bytes_list.value)


def _one(features, name: str) -> bytes:
    values = _values(features, name)
    if len(values) != 1:
        raise ValueError(f"field {name!r} holds {len(values)} byte strings; it must hold one")
    return values[0]


def _text(features, name: str) -> str:
    return _one(features, name).decode()


def _texts(features, name: str) -> tuple[str, ...]:
    return tuple(value.decode() for value in _values(features, name))


def _array(features, name: str) -> np.ndarray:
    return np.frombuffer(_one(features, name), ARRAYS[name])


def _int(features, name: str) -> int:
    if name not in features or len(features[name].int64_list.value) != 1:
        raise ValueError(f"field {name!r} must hold one integer")
    return int(features[name].int64_list.value[0])


def _float(features, name: str) -> float:
    if name not in features or len(features[name].float_list.value) != 1:
        raise ValueError(f"field {name!r} must hold one number")
    return float(features[name].float_list.value[0])


def _rows_of_four(flat: np.ndarray) -> np.ndarray:
    if flat.size % 4:
        raise ValueError(f"field 'mouth_boxes' holds {flat.size} numbers; it must hold 4 a frame")
    return flat.reshape(-1, 4)


def _provenance(text: str) -> dict[str, str]:
    provenance = json.loads(text)
    if not isinstance(provenance, dict):
        raise ValueError("field 'provenance' must be a JSON object")
    return {str(key): str(value) for key, value in provenance.items()}


def _entries(payload: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Walks Example > Features > map entries by their lengths: (name, the entry whole)."""
    view = memoryview(payload)
    start, end = _field(view, 0, 0x0A)  # Example.features
    position = start
    while position < end:
        entry, entry_end = _field(view, position, 0x0A)  # Features.feature, a map entry
        key, key_end = _field(view, entry, 0x0A)  # its key
        if max(entry_end, key_end) > end:
            raise ValueError("not a tf.train.Example (a length points beyond its message)")
        yield bytes(view[key:key_end]), view[position:entry_end]
        position = entry_end


def _num_bytes(entries: Mapping[bytes, memoryview], name: str) -> int:
    """Bytes of a field's one byte string, by the lengths of what encloses it."""
    if name.encode() not in entries:
        raise ValueError(f"the record has no field {name!r}")
    view = entries[name.encode()]
    start, end = _field(view, 0, 0x0A)  # the map entry
    _, start = _field(view, start, 0x0A)  # its key, and after it
    for tag in (0x12, 0x0A, 0x0A):  # its value, Feature.bytes_list, BytesList.value
        start, end = _field(view, start, tag)
    return end - start


def _field(view: memoryview, position: int, tag: int) -> tuple[int, int]:
    """Start and end of the length-delimited protobuf field whose tag stands at `position`."""
    if position >= len(view) or view[position] != tag:
        raise ValueError("not a tf.train.Example (unexpected field)")
    length = 0
    for count, byte in enumerate(view[position + 1 : position + 6]):
        length |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            start = position + count + 2
            if start + length > len(view):
                break
            return start, start + length
    raise ValueError("not a tf.train.Example (a length points beyond its message)")
