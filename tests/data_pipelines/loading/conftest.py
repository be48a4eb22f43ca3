"""Records built so that what the loader must do with them is known."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import simplejpeg

from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.metadata import shard_name, write_metadata
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.tfrecord import write_shard

MakeClip = Callable[..., ClipRecord]
WriteSource = Callable[..., TFRecordSource]


@pytest.fixture
def make_clip() -> MakeClip:
    """A genuine clip whose frame i is a 32 px square of grey level 4 i, with an impulse a frame."""

    def make(num_frames: int = 50, name: str = "clip", **changes: object) -> ClipRecord:
        frames = tuple(
            simplejpeg.encode_jpeg(np.full((32, 32, 3), 4 * i, np.uint8), 98, "RGB", "444")
            for i in range(num_frames)
        )
        clip = ClipRecord(
            clip_id=f"made/{name}#0",
            dataset="made",
            split="train",
            source_ids=(name,),
            pair_id=f"pair of {name}",
            method_video="none",
            method_audio="none",
            frames=frames,
            frame_times_ms=np.arange(num_frames) * 40.0,
            mouth_boxes=np.tile(np.float32([10, 18, 22, 26]), (num_frames, 1)),
            audio=np.arange(num_frames * 640).astype(np.int16),
            audio_offset_ms=0.0,
            label_video=0,
            label_audio=0,
            label_sync=1,
            provenance={},
        )
        return dataclasses.replace(clip, **changes)

    return make


@pytest.fixture
def without_sound() -> Callable[[ClipRecord], ClipRecord]:
    def change(clip: ClipRecord) -> ClipRecord:
        return dataclasses.replace(clip, audio=clip.audio[:0], label_audio=-1, label_sync=-1)

    return change


@pytest.fixture
def without_picture() -> Callable[[ClipRecord], ClipRecord]:
    def change(clip: ClipRecord) -> ClipRecord:
        return dataclasses.replace(
            clip,
            frames=(),
            frame_times_ms=clip.frame_times_ms[:0],
            mouth_boxes=clip.mouth_boxes[:0],
            label_video=-1,
            label_sync=-1,
        )

    return change


@pytest.fixture
def write_source(tmp_path: pathlib.Path) -> WriteSource:
    """Writes clips as the split `train` of a folder of `tmp_path`, three a shard, and opens it."""

    def write(
        clips: Sequence[ClipRecord], on_corrupt: str = "error", folder: str = "."
    ) -> TFRecordSource:
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        groups = [clips[i : i + 3] for i in range(0, len(clips), 3)]
        summaries = [
            write_shard(
                directory / shard_name("made", "train", i, len(groups)), map(encode_clip, group)
            )
            for i, group in enumerate(groups)
        ]
        write_metadata(directory, "made", {"train": summaries})
        return TFRecordSource(directory, "train", on_corrupt)

    return write
