"""A tiny set of *drawn* talking heads, for tests and for machines without real clips.

Cartoon faces made of ellipses, whose mouth opens with the loudness of a generated, syllable-like
buzz. Nothing about it is realistic and no result on it says anything about real forgeries; it only
has the properties the code relies on: lips that follow the sound, identities, and four kinds of
clip of which three are forged in a way that can be seen or heard.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from jaxtyping import Float, Float64, Int16, UInt8

from data_pipelines.records.clip import FAKE, FRAME_RATE, REAL, SAMPLE_RATE, ClipRecord
from data_pipelines.records.metadata import shard_name, write_metadata
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.table import write_tables
from data_pipelines.records.tfrecord import write_shard

Kind = Literal["genuine", "out_of_sync", "forged_picture", "forged_sound"]
KINDS: tuple[Kind, ...] = ("genuine", "out_of_sync", "forged_picture", "forged_sound")
NUM_IDENTITIES = 12
_SPLIT_OF_IDENTITY = ("train", "train", "train", "train", "val", "test")  # repeating
_CLIPS_PER_SHARD = 16
_JPEG_QUALITY = 92


@dataclasses.dataclass(frozen=True)
class _Identity:
    """How a head looks (colours in RGB, lengths relative to the picture's side) and sounds."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    background: tuple[int, int, int]
    width: float
    eyes: float
    mouth: float
    pitch: float  # Hz


def drawn_clips(
    count: int, seed: int, seconds: float = 2.0, size: int = 96
) -> Iterator[ClipRecord]:
    """Draws clips 0 .. count - 1; each is a pure function of (seed, its number, seconds, size).

    Every four consecutive clips are made from one original (`pair_id`): genuine, with the sound of
    another time (label_sync 0), with a blocky lower face, with a comb-filtered voice. Originals go
    round `NUM_IDENTITIES` heads, and a head belongs to one split: 8 train, 2 val, 2 test.

    Args:
        count: how many clips; 48 visit every head once.
        seed: chooses heads, voices and what they say.
        seconds: length of a clip, a multiple of 0.04 s.
        size: side of the square frames, pixels.
    """
    for number in range(count):
        original, kind = number // len(KINDS), KINDS[number % len(KINDS)]
        yield _draw_clip(seed, original, kind, seconds, size)


def write_drawn_set(
    directory: str | os.PathLike[str],
    count: int = 48,
    seed: int = 0,
    seconds: float = 2.0,
    size: int = 96,
) -> pathlib.Path:
    """Writes `drawn_clips` as a prepared directory named `drawn`; returns the directory.

    Raises:
        OSError: the directory cannot be made or written.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    payloads: dict[str, list[bytes]] = {}
    for clip in drawn_clips(count, seed, seconds, size):
        payloads.setdefault(clip.split, []).append(encode_clip(clip))
    summaries = {}
    for split, rows in payloads.items():
        shards = [rows[i : i + _CLIPS_PER_SHARD] for i in range(0, len(rows), _CLIPS_PER_SHARD)]
        summaries[split] = [
            write_shard(directory / shard_name("drawn", split, i, len(shards)), shard)
            for i, shard in enumerate(shards)
        ]
    write_metadata(directory, "drawn", summaries, description="Drawn heads, for tests only.")
    write_tables(directory)
    return directory


def _draw_clip(seed: int, original: int, kind: Kind, seconds: float, size: int) -> ClipRecord:
    number = original % NUM_IDENTITIES
    identity = _identity(seed, number)
    num_frames, num_samples = round(seconds * FRAME_RATE), round(seconds * SAMPLE_RATE)
    rng = np.random.default_rng([seed, 1, original])
    # Twice as long as the clip: the second half is the sound of another time.
    loudness = _loudness(2 * num_samples, rng)
    voice = _voice(loudness, identity.pitch, rng)
    sound = voice[num_samples:] if kind == "out_of_sync" else voice[:num_samples]
    if kind == "forged_sound":
        sound = _comb(sound)
    openings = loudness[:num_samples].reshape(num_frames, -1).mean(axis=1)
    frames, boxes = [], []
    sway = rng.uniform(0, 2 * np.pi, 2)
    for i, opening in enumerate(openings):
        offset = 0.02 * np.sin(2 * np.pi * 0.4 * i / FRAME_RATE + sway)
        image, box = _draw_head(identity, float(opening), offset, size)
        if kind == "forged_picture":
            image = _block_lower_face(image)
        frames.append(simplejpeg.encode_jpeg(image, _JPEG_QUALITY, "RGB", "444"))
        boxes.append(box)
    return ClipRecord(
        clip_id=f"drawn/{kind}/{original:05d}#0",
        dataset="drawn",
        split=_SPLIT_OF_IDENTITY[number % len(_SPLIT_OF_IDENTITY)],
        source_ids=(f"head{number:02d}",),
        pair_id=f"drawn/{original:05d}",
        method_video="blocks" if kind == "forged_picture" else "none",
        method_audio="comb" if kind == "forged_sound" else "none",
        frames=tuple(frames),
        frame_times_ms=np.arange(num_frames) * (1000 / FRAME_RATE),
        mouth_boxes=np.array(boxes, np.float32),
        audio=_to_int16(sound),
        audio_offset_ms=0.0,
        label_video=FAKE if kind == "forged_picture" else REAL,
        label_audio=FAKE if kind == "forged_sound" else REAL,
        label_sync=0 if kind == "out_of_sync" else 1,
        provenance={"generator": "drawn", "seed": str(seed)},
    )


def _identity(seed: int, number: int) -> _Identity:
    rng = np.random.default_rng([seed, 0, number])
    return _Identity(
        skin=_colour(rng, 140, 240),
        hair=_colour(rng, 10, 120),
        background=_colour(rng, 60, 220),
        width=rng.uniform(0.27, 0.36),
        eyes=rng.uniform(0.11, 0.16),
        mouth=rng.uniform(0.10, 0.15),
        pitch=rng.uniform(90, 240),
    )


def _colour(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = rng.integers(low, high, 3).tolist()
    return red, green, blue


def _loudness(num_samples: int, rng: np.random.Generator) -> Float64[np.ndarray, " s"]:
    """Syllables: humps of 120-300 ms and random height, with pauses between, in [0, 1]."""
    # The first is cut off: clips must not be told apart by the silence they begin with.
    lead = int(0.3 * SAMPLE_RATE)
    loudness = np.zeros(lead + num_samples)
    position = 0
    while position < len(loudness):
        hump = np.hanning(int(rng.uniform(0.12, 0.3) * SAMPLE_RATE)) * rng.uniform(0.4, 1.0)
        end = min(position + len(hump), len(loudness))
        loudness[position:end] = hump[: end - position]
        position = end + int(rng.exponential(0.08) * SAMPLE_RATE)
    return loudness[lead:]


def _voice(
    loudness: Float64[np.ndarray, " s"], pitch: float, rng: np.random.Generator
) -> Float64[np.ndarray, " s"]:
    """Twelve harmonics of a slightly wavering pitch, with the given loudness and a little hiss."""
    seconds = np.arange(len(loudness)) / SAMPLE_RATE
    phase = 2 * np.pi * pitch * (seconds + 0.002 * np.sin(2 * np.pi * 3 * seconds))
    buzz = sum(np.sin(h * phase) / h for h in range(1, 13))
    return 0.35 * loudness * buzz + 0.002 * rng.standard_normal(len(loudness))


def _comb(sound: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, " s"]:
    """A 1.5 ms echo and a ring modulation: notches and side bands, like a bad vocoder."""
    delay = 3 * SAMPLE_RATE // 2000
    echo = np.concatenate([np.zeros(delay), sound[:-delay]])
    ring = np.sin(2 * np.pi * 2400 * np.arange(len(sound)) / SAMPLE_RATE)
    return 0.6 * (sound + 0.7 * echo) + 0.4 * sound * ring


def _to_int16(sound: Float64[np.ndarray, " s"]) -> Int16[np.ndarray, " s"]:
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def _draw_head(
    identity: _Identity, opening: float, offset: Float[np.ndarray, "2"], size: int
) -> tuple[UInt8[np.ndarray, "h w 3"], tuple[float, float, float, float]]:
    """One frame, and the box around its mouth in pixels. `opening` in [0, 1]."""
    image = np.full((size, size, 3), identity.background, np.uint8)
    centre = np.array([0.5, 0.5]) + offset

    _ellipse(image, centre - (0, 0.08), (identity.width + 0.04, 0.40), identity.hair)
    _ellipse(image, centre, (identity.width, 0.40), identity.skin)
    for side in (-1, 1):
        eye = centre + np.array([side * identity.eyes, -0.10])
        _ellipse(image, eye, (0.050, 0.032), (250, 250, 250))
        _ellipse(image, eye, (0.022, 0.026), (30, 30, 40))
    mouth = centre + np.array([0, 0.20])
    across, down = identity.mouth * (1 - 0.2 * opening), 0.022 + 0.08 * opening
    _ellipse(image, mouth, (across, down), (170, 60, 70))
    _ellipse(image, mouth, (0.8 * across, max(down - 0.02, 0.004)), (50, 10, 15))
    box = size * np.array([*(mouth - (across, down)), *(mouth + (across, down))])
    x0, y0, x1, y1 = box.tolist()
    return image, (x0, y0, x1, y1)


def _ellipse(
    image: UInt8[np.ndarray, "h w 3"],
    at: Float[np.ndarray, "2"],
    radii: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    """Fills an ellipse in place; lengths are relative to the image's side."""
    scale = 16 * len(image)  # OpenCV takes four fractional bits
    x, y = (scale * at).round().astype(int).tolist()
    across, down = (max(1, round(scale * radius)) for radius in radii)
    cv2.ellipse(image, (x, y), (across, down), 0, 0, 360, colour, -1, cv2.LINE_AA, 4)


def _block_lower_face(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The lower face in blocks of a twenty-fifth of the side, darker and with hard borders."""
    size = len(image)
    top, bottom, left, right = (round(size * part) for part in (0.58, 0.86, 0.28, 0.72))
    region = image[top:bottom, left:right]
    small = cv2.resize(region, (11, 7), interpolation=cv2.INTER_AREA)
    blocks = cv2.resize(small, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
    forged = image.copy()
    forged[top:bottom, left:right] = cv2.convertScaleAbs(blocks, alpha=0.94)
    return forged
