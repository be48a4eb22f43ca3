"""A set without shortcuts or leaks: every genuine clip has a twin that is called forged."""

import dataclasses
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
import simplejpeg

from data_pipelines.records.clip import ClipRecord

_FRAMES, _SIZE = 30, 32


def _clip(rng, split, person, label, picture, voice):
    """A take of the person; each twin has its own noise, and nothing else of its own."""
    noisy = picture + rng.normal(0, 3, (_FRAMES, _SIZE, _SIZE, 3))
    sound = voice * np.exp(rng.normal(0, 0.1)) + rng.normal(0, 60, len(voice))
    return ClipRecord(
        clip_id=f"twins/{split}/{person}-{label}.mp4#0",
        dataset="twins",
        split=split,
        source_ids=(f"{split} person {person}",),
        pair_id=f"{split} take {person}",
        method_video="swap" if label else "none",
        method_audio="none",
        frames=tuple(
            simplejpeg.encode_jpeg(np.clip(frame, 0, 255).astype(np.uint8)) for frame in noisy
        ),
        frame_times_ms=np.arange(_FRAMES) * 40.0,
        mouth_boxes=np.tile(np.float32([10, 18, 22, 26]), (_FRAMES, 1)),
        audio=np.clip(sound, -32768, 32767).astype(np.int16),
        audio_offset_ms=0.0,
        label_video=label,
        label_audio=0,
        label_sync=-1,
        provenance={
            "bytes": str(round(90_000 * np.exp(rng.normal(0, 0.2)))),
            "duration_s": f"{1.2 + rng.normal(0, 0.02):.3f}",
            "width": "640", "height": "480", "fps": "25.000", "audio_rate": "44100",
            "face_px": str(round(120 + rng.normal(0, 10))),
            "video_codec": ("h264", "vp9")[person % 2], "audio_codec": "aac",
            "sha256": f"{split} {person} {label}",
        },
    )  # fmt: skip


def _twins(split: str, people: int, seed: int) -> Iterator[ClipRecord]:
    rng = np.random.default_rng(seed)
    for person in range(people):
        coarse = rng.uniform(40, 200, (6, 6, 3)).astype(np.float32)
        picture = cv2.resize(coarse, (_SIZE, _SIZE), interpolation=cv2.INTER_CUBIC)
        syllables = np.repeat(rng.uniform(0.2, 1, 12), 1600) * rng.normal(0, 1500, 19_200)
        for label in rng.permutation(2).tolist():
            yield _clip(rng, split, person, label, picture, syllables)


@pytest.fixture(scope="package")
def clean() -> dict[str, list[ClipRecord]]:
    return {"train": list(_twins("train", 50, seed=1)), "test": list(_twins("test", 30, seed=2))}


@pytest.fixture(scope="package")
def changed() -> Callable[..., ClipRecord]:
    return dataclasses.replace
