"""Contact sheets of a synthetic set: its people, and every kind of forgery beside its genuine twin.

For people to look at: what is drawn here is what the records hold, crops and sound.
"""

import dataclasses
import os

import cv2
import librosa
import numpy as np
from jaxtyping import Int16, UInt8

from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.clip import SAMPLE_RATE, ClipRecord
from data_pipelines.synthetic.codecs import decode_jpeg
from data_pipelines.synthetic.generate import make_clip
from data_pipelines.synthetic.kinds import BOTH, GENUINE
from data_pipelines.synthetic.plan import ClipPlan, num_clips, plan_clip
from data_pipelines.synthetic.presets import Preset

_PEOPLE_ROWS = 4
_THUMB = 96  # pixels, height and width of a picture
_FRAMES = 5  # pictures of a clip
_SPECTRUM = 120  # pixels, width of a clip's spectrogram
_CAPTION = 84  # pixels, width
_ROW = _CAPTION + 2 * (_FRAMES * _THUMB + _SPECTRUM)
_MEL_BANDS, _DECIBELS = 48, 60.0  # rows and range of the spectrogram

_GREY = (190, 190, 190)

Picture = UInt8[np.ndarray, "h w 3"]


def write_sheet(path: str | os.PathLike[str], preset: Preset, seed: int) -> None:
    """Writes a PNG: some of the people above, below one take a kind, genuine left, forged right.

    Raises:
        OSError: the file cannot be written.
    """
    sheet = np.concatenate([people_sheet(preset, seed), kinds_sheet(preset, seed)])
    _, png = cv2.imencode(".png", sheet[:, :, ::-1])
    with atomic_writer(path) as write:
        write(png.tobytes())


def people_sheet(preset: Preset, seed: int) -> Picture:
    """A middle frame of a genuine clip of each of the first people."""
    columns = _ROW // _THUMB
    first = {plan.identity: plan for plan in _clips(preset, seed) if plan.modalities == BOTH}
    faces = [
        _thumbs(_make(seed, preset, dataclasses.replace(plan, kind=GENUINE)), 1)
        for plan in list(first.values())[: _PEOPLE_ROWS * columns]
    ]
    sheet = np.zeros((-(-len(faces) // columns) * _THUMB, _ROW, 3), np.uint8)
    for place, face in enumerate(faces):
        y, x = place // columns * _THUMB, place % columns * _THUMB
        sheet[y : y + _THUMB, x : x + _THUMB] = face
    return sheet


def kinds_sheet(preset: Preset, seed: int) -> Picture:
    """One row a kind: name, pictures and spectrogram of a genuine clip, the same of its forgery."""
    forged = [plan for plan in _clips(preset, seed) if plan.modalities == BOTH]
    examples = {plan.kind.name: plan for plan in reversed(forged) if plan.kind != GENUINE}
    rows = []
    for name, plan in sorted(examples.items()):
        twins = [_make(seed, preset, p) for p in (dataclasses.replace(plan, kind=GENUINE), plan)]
        strips = [np.hstack([_thumbs(clip, _FRAMES), _spectrogram(clip.audio)]) for clip in twins]
        rows.append(np.hstack([_caption(name), *strips]))
    return np.concatenate(rows)


def _clips(preset: Preset, seed: int) -> list[ClipPlan]:
    # All of them: the held-out kinds are at the end.
    return [plan_clip(preset, seed, index) for index in range(num_clips(preset))]


def _make(seed: int, preset: Preset, plan: ClipPlan) -> ClipRecord:
    return make_clip(seed, preset, plan, f"{preset.name}/sheet#0")


def _thumbs(clip: ClipRecord, count: int) -> Picture:
    """Frames evenly spaced over the clip, side by side."""
    places = np.linspace(0, len(clip.frames) - 1, count + 2).round().astype(int)[1:-1]
    frames = [decode_jpeg(clip.frames[place]) for place in places]
    size = (_THUMB, _THUMB)
    return np.hstack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def _spectrogram(audio: Int16[np.ndarray, " s"]) -> Picture:
    """Log-mel over time, low frequencies below, with the highest level white."""
    mel = librosa.feature.melspectrogram(
        y=audio.astype(np.float32) / 32768, sr=SAMPLE_RATE, n_fft=512, hop_length=160,
        n_mels=_MEL_BANDS,
    )  # fmt: skip
    decibels = librosa.power_to_db(mel, ref=np.max, top_db=_DECIBELS)
    grey = ((decibels / _DECIBELS + 1) * 255).astype(np.uint8)[::-1]
    resized = cv2.resize(grey, (_SPECTRUM, _THUMB), interpolation=cv2.INTER_AREA)
    return cv2.applyColorMap(resized, cv2.COLORMAP_INFERNO)[:, :, ::-1]


def _caption(text: str) -> Picture:
    panel = np.zeros((_THUMB, _CAPTION, 3), np.uint8)
    at = (4, _THUMB // 2)
    cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, _GREY, 1, cv2.LINE_AA)
    return panel
