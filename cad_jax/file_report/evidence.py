"""What a report shows beside the verdict: what was seen, heard and said, window by window.

Owns the structure and how much of it is kept: whatever a file's length, pictures of at most
`MOST_PICTURED` windows. Knows nothing of pages.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import librosa
import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8

from cad_jax.bundle.operating import Operating
from cad_jax.run.scores import Scores
from cad_jax.verdicts.decide import Windows
from data_pipelines.loading.transforms import ClipRow
from data_pipelines.media.provenance import Provenance
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

MOST_PICTURED = 60
MELS, SLICES_PER_SECOND = 64, FRAME_RATE
FLOOR_DB, STEP_DB = -70.0, 0.4  # of the spectrogram's bytes
_JPEG_QUALITY = 80

_NOTHING = np.zeros(0)


@dataclasses.dataclass(frozen=True)
class SeenFrame:
    """A face crop that the detector saw.

    Attributes:
        time_s: seconds from the file's first frame on.
        jpeg: the picture.
        p_video: evidence that this frame is forged, in [0, 1].
    """

    time_s: float
    jpeg: bytes
    p_video: float


@dataclasses.dataclass(frozen=True)
class Moment:
    """One window of one face, or of sound alone.

    Attributes:
        start_s, end_s: seconds from the file's first frame or sample on.
        face: the track's number; None for sound alone.
        scores: p_fake, p_video, p_audio and p_mismatch as the verdict reads them; nan where a
            modality is missing.
        distance: from what the detector was trained on; 1 is as far as it knows.
        frames: what was seen; empty where nothing was, or where the pictures were not kept.
        sync_curve: [o] likeness of lips and sound by the sound's delay; empty without both.
        sound_times, p_sound: [t] seconds, and evidence that the sound is forged there; empty
            without sound.
        mel: [m n] the sound's spectrogram, `SLICES_PER_SECOND`; byte * `STEP_DB` + `FLOOR_DB` is
            the level in decibels, of which only differences mean anything.
    """

    start_s: float
    end_s: float
    face: int | None
    scores: Mapping[str, float]
    distance: float
    frames: tuple[SeenFrame, ...]
    sync_curve: Float[np.ndarray, " o"]
    sound_times: Float[np.ndarray, " t"]
    p_sound: Float[np.ndarray, " t"]
    mel: UInt8[np.ndarray, "m n"]

    @property
    def beyond(self) -> bool:
        """Whether the detector knows nothing like it: what it says of the window means nothing."""
        return self.distance > 1


def moments_of(
    rows: Sequence[ClipRow], scores: Scores, windows: Windows, operating: Operating
) -> Iterator[Moment]:
    """Judged windows as evidence.

    Args:
        rows: what the detector was given.
        scores: what it said of the rows, as `run.judging.described_scores`.
        windows: the same, as the verdict takes them.
        operating: how its scores are to be read.
    """
    read = {
        head: operating.calibrated(head, windows.scores[head]) for head in operating.temperatures
    }
    for index, row in enumerate(rows):
        start, face = float(windows.start_s[index]), int(windows.face[index])
        times = start + row["frame_times"].astype(np.float64)
        seen, heard = bool(row["has_video"]), bool(row["has_audio"])
        evidence = scores["timeline_video"][index]
        sounding = np.isfinite(scores["timeline_audio"][index]) & heard
        yield Moment(
            start,
            float(windows.end_s[index]),
            face if face >= 0 else None,
            {head: float(values[index]) for head, values in read.items()},
            float(windows.distance[index]),
            tuple(
                SeenFrame(float(times[k]), _jpeg(row["frames"][k]), float(evidence[k]))
                for k in np.flatnonzero(row["frame_mask"] & seen)
            ),
            scores["sync_curve"][index].astype(np.float64) if seen and heard else _NOTHING,
            times[sounding],
            scores["timeline_audio"][index][sounding].astype(np.float64),
            spectrogram(row["waveform"]) if heard else np.zeros((MELS, 0), np.uint8),
        )


class Evidence(NamedTuple):
    """What a report shows beside the verdict.

    Attributes:
        moments: what was seen, heard and said, as an `EvidenceCollector` keeps it.
        provenance: what the file says of itself; None where it cannot be read.
    """

    moments: Sequence[Moment]
    provenance: Provenance | None


class EvidenceCollector:
    """Takes windows as they are judged and holds no more pictures than a page can show.

    Attributes:
        moments: what is kept, in the order in which it came.
    """

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def add(self, moment: Moment) -> None:
        """Takes one more; lets pictures of others go where there are too many."""
        self.moments.append(moment)
        pictured = [n for n, known in enumerate(self.moments) if known.frames]
        if len(pictured) <= 2 * MOST_PICTURED:
            return
        kept = set(self._worth_showing(pictured))
        for number in pictured:
            if number not in kept:
                self.moments[number] = dataclasses.replace(self.moments[number], frames=())

    def _worth_showing(self, pictured: list[int]) -> list[int]:
        """Half of them the most suspicious, half one of each equal part of the time."""
        half = MOST_PICTURED // 2
        suspicious = sorted(pictured, key=lambda n: -suspicion(self.moments[n]))[:half]
        size = math.ceil(len(self.moments) / half)
        return [*suspicious, *{n // size: n for n in pictured}.values()]


def suspicion(moment: Moment) -> float:
    """The highest of its scores."""
    return max((p for p in moment.scores.values() if math.isfinite(p)), default=0.0)


def spectrogram(waveform: Float[np.ndarray, " s"]) -> UInt8[np.ndarray, "m n"]:
    """Mel levels as bytes, see `Moment.mel`; n is `SLICES_PER_SECOND` a second."""
    hop = SAMPLE_RATE // SLICES_PER_SECOND
    power = librosa.feature.melspectrogram(
        y=waveform.astype(np.float32), sr=SAMPLE_RATE, n_fft=1024, hop_length=hop, n_mels=MELS
    )[:, : len(waveform) // hop]
    level = librosa.power_to_db(power, ref=1.0, amin=10 ** (FLOOR_DB / 10), top_db=None)
    return np.clip(np.round((level - FLOOR_DB) / STEP_DB), 0, 255).astype(np.uint8)


def _jpeg(frame: UInt8[np.ndarray, "h w 3"]) -> bytes:
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(frame), quality=_JPEG_QUALITY, colorspace="RGB"
    )
