"""Prepares files whose content is known and holds the records against it.

The way is preparation's own, from file to record. Four figures say how right it is: pictures shown
at a wrong time, the sound's lag, colours, and how alike the crops are to those of the clip itself.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
import scipy.signal
import simplejpeg
from jaxtyping import Float, UInt8

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.lab.media_cases import SOUND_RATE, MediaCase
from data_pipelines.lab.media_writer import TalkingClip, number_on, talking_clip, write_case
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.decode import read_video
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.media.sound import read_audio
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE, ClipRecord

MOST_LAG_MS = 40.0
MOST_LAG_MP3_IN_AVI_MS = 69.0  # the container cannot state the encoder's delay
LEAST_CORRELATION = 0.93  # of a crop; a face 5 % narrower has 0.90
MOST_COLOUR = 6.0  # levels of 255
MOST_FRAME_ERROR = 0.75  # pictures, on average; half a picture of the slowest rate, 10/s, is 0.5

_CHUNK_S = 0.5  # of sound that is looked for at once
_REACH_S = 0.5  # how far around its place
_SETTINGS = PrepareSettings(size=112, window_s=2.0, stride_s=2.0)


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of a case.

    Attributes:
        case: how the clip was written.
        frames: in its records.
        frame_error: mean distance between the picture shown and the one due, in pictures.
        lag_ms: of the sound behind the picture where it is largest; nan without sound.
        colour: largest difference of a mean colour from the clip's crop, levels of 255.
        correlation: median over the frames of the crop with the clip's own crop.
        fault: why there are no figures; empty where there are.
    """

    case: MediaCase
    frames: int = 0
    frame_error: float = math.nan
    lag_ms: float = math.nan
    colour: float = math.nan
    correlation: float = math.nan
    fault: str = ""

    @property
    def faults(self) -> list[str]:
        """What is wrong; nothing where all is right."""
        if self.fault:
            return [self.fault]
        mp3_in_avi = self.case.suffix == "avi" and self.case.audio == "libmp3lame"
        most_lag = MOST_LAG_MP3_IN_AVI_MS if mp3_in_avi else MOST_LAG_MS
        wrong = {
            "frames": self.frame_error > MOST_FRAME_ERROR,
            "lag": bool(self.case.audio) and not abs(self.lag_ms) < most_lag,
            "colour": self.colour > MOST_COLOUR,
            "crop": self.correlation < LEAST_CORRELATION,
        }
        return [name for name, is_wrong in wrong.items() if is_wrong]


def check_media(cases: Iterable[MediaCase], folder: pathlib.Path) -> Iterator[Row]:
    """Writes each case into a folder, prepares it and yields its row."""
    clip = talking_clip()
    plain = MediaCase(name="truth", suffix="mkv", video="ffv1", audio="flac", pixels="bgr0")
    crops = [image for record in _records(write_case(plain, clip, folder)) for image in record[1]]
    for case in cases:
        path = write_case(case, clip, folder)
        try:
            yield _checked(case, path, clip, np.stack(crops))
        except MediaError as error:
            yield Row(case, fault=str(error))


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Lines for people, a row at a time."""
    yield f"{'case':<28}{'frames':>7}{'error':>7}{'lag ms':>8}{'colour':>8}{'crop':>7}"
    for row in rows:
        yield (
            f"{row.case.title:<28}{row.frames:>7}{row.frame_error:>7.2f}{row.lag_ms:>8.1f}"
            f"{row.colour:>8.1f}{row.correlation:>7.3f}  {', '.join(row.faults)}".rstrip()
        )


def _checked(
    case: MediaCase, path: pathlib.Path, clip: TalkingClip, truth: UInt8[np.ndarray, "t s s 3"]
) -> Row:
    numbers = _numbers(path)
    errors, lags, colours, correlations = [], [], [], []
    for record, crops in _records(path):
        shown = np.array([numbers[round(time)] for time in record.frame_times_ms])
        late = shown - record.frame_times_ms * FRAME_RATE / 1000
        length = len(clip.images)  # of a clip that comes several times
        late -= length * np.round((late - np.median(late)) / length)
        errors += list(np.abs(late - late.mean()))
        if record.has_audio:
            begin_s = (record.frame_times_ms[0] + record.audio_offset_ms) / 1000
            due_s = begin_s + late.mean() / FRAME_RATE - (case.sound_s - case.picture_s)
            lags += _lags(record, due_s, clip)
        for number, crop in zip(shown, crops, strict=True):
            mean = (crop.mean((0, 1)) - truth[number].mean((0, 1))).tolist()
            colours.append(max(map(abs, mean)))
            grey = np.stack([crop, truth[number]]).mean(axis=3).reshape(2, -1)
            correlations.append(np.corrcoef(grey)[0, 1])
    return Row(
        case,
        frames=len(errors),
        frame_error=float(np.mean(errors)),
        lag_ms=max(lags, key=abs, default=math.nan),
        colour=max(colours),
        correlation=float(np.median(correlations)),
    )


def _records(path: pathlib.Path) -> Iterator[tuple[ClipRecord, list[UInt8[np.ndarray, "s s 3"]]]]:
    """The records of a file with their crops."""
    source = ClipSource(path=path, key=path.name, dataset="check")
    for record in iterate_clips(source, _SETTINGS):
        yield record, [simplejpeg.decode_jpeg(jpeg) for jpeg in record.frames]


def _numbers(path: pathlib.Path) -> dict[int, int]:
    """Milliseconds of the 25 Hz grid -> the number of the picture shown there."""
    audio = read_audio(path, _SETTINGS.limits)
    frames = read_video(path, _SETTINGS.limits, restarts=audio.restarts if audio else ())
    numbers = {round(frame.time_s * 1000): number_on(frame.image) for frame in frames}
    if None in numbers.values():
        raise MediaError("no_frames", "pictures whose number cannot be read")
    return {time: number for time, number in numbers.items() if number is not None}


def _lags(record: ClipRecord, begin_s: float, clip: TalkingClip) -> list[float]:
    """Milliseconds by which each half second of a record's sound comes after its picture.

    Args:
        record: with sound.
        begin_s: what time of the clip should sound as the record's sound begins.
    """
    truth = scipy.signal.resample_poly(clip.sound, 1, SOUND_RATE // SAMPLE_RATE)
    sound = record.audio.astype(float) / 32768
    size, reach = round(_CHUNK_S * SAMPLE_RATE), round(_REACH_S * SAMPLE_RATE)
    padded = np.pad(truth, size + reach)
    lags = []
    for first in range(0, len(sound) - size + 1, size):
        chunk = sound[first : first + size]
        due = round(begin_s * SAMPLE_RATE) + first + size  # in the padded truth, after the reach
        around = padded[max(due, 0) : max(due + size + 2 * reach, 0)]
        if _is_speech(chunk) and len(around) == size + 2 * reach:
            found = _best_offset(around, chunk)
            lags.append(1000 * (reach - found) / SAMPLE_RATE)
    return lags


def _is_speech(chunk: Float[np.ndarray, " n"]) -> bool:
    return float(np.sqrt(np.mean(chunk**2))) > 0.003


def _best_offset(around: Float[np.ndarray, " m"], chunk: Float[np.ndarray, " n"]) -> int:
    """Where a chunk lies in what is around its place, by normalised correlation."""
    products = scipy.signal.correlate(around, chunk, mode="valid", method="fft")
    energy = np.convolve(around**2, np.ones(len(chunk)), mode="valid")
    return int(np.argmax(products / np.sqrt(np.maximum(energy, 1e-6))))
