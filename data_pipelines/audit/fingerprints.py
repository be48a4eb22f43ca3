"""What is kept of a clip to know it again: exact hashes, and vectors that survive an encoding.

Owns what is measured; who is compared with whom is in `leaks`. About 3 kB a clip.
"""

import dataclasses
import hashlib

import cv2
import librosa
import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8

from data_pipelines.media.remedies import SILENCE
from data_pipelines.records.clip import SAMPLE_RATE, ClipRecord

_FRAME_STEP = 12  # about half a second: heads move little between
_MOST = 8  # frames, and places of the sound, of a clip
_THUMB = 12  # pixels
_FFT, _HOP, _BANDS = 512, 160, 16
_REACH = 16  # spectra before and after an onset, 10 ms each
_APART = 30  # spectra between two places
_PATCH = 2 * _REACH * _BANDS // 2  # numbers; two spectra are averaged


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What a clip is known by.

    Attributes:
        clip_id: its name.
        source_ids: its identities.
        pair_id: its original; empty where that is unknown.
        file: sha256 of the file it is from; empty where that is unknown.
        picture, sound: sha256 of all frames, of all samples; empty without (or in silence).
        thumbs: small grey frames, evenly spaced from the first.
        onsets: log spectra around the loudest moments: the same ones wherever a clip is cut.
    """

    clip_id: str
    source_ids: tuple[str, ...]
    pair_id: str
    file: str
    picture: str
    sound: str
    thumbs: UInt8[np.ndarray, "n p"]
    onsets: UInt8[np.ndarray, "m q"]


def fingerprint_of(clip: ClipRecord) -> Fingerprint:
    """Takes a clip's fingerprint."""
    heard = clip.audio if np.any(np.abs(clip.audio.astype(int)) > SILENCE * 32768) else None
    return Fingerprint(
        clip_id=clip.clip_id,
        source_ids=clip.source_ids,
        pair_id=clip.pair_id,
        file=clip.provenance.get("sha256", ""),
        picture=hashlib.sha256(b"".join(clip.frames)).hexdigest() if clip.frames else "",
        sound="" if heard is None else hashlib.sha256(heard.tobytes()).hexdigest(),
        thumbs=_thumbs(clip),
        onsets=np.zeros((0, _PATCH), np.uint8) if heard is None else _onsets(heard / 32768),
    )


def _thumbs(clip: ClipRecord) -> UInt8[np.ndarray, "n p"]:
    rows = [
        cv2.resize(
            simplejpeg.decode_jpeg(frame, "GRAY")[..., 0],
            (_THUMB, _THUMB),
            interpolation=cv2.INTER_AREA,
        ).ravel()
        for frame in clip.frames[::_FRAME_STEP][:_MOST]
    ]
    return np.array(rows, np.uint8).reshape(len(rows), _THUMB**2)


def _onsets(sound: Float[np.ndarray, " s"]) -> UInt8[np.ndarray, "m q"]:
    """Patches of the log mel spectrogram, in half decibels, around its loudest moments."""
    mel = librosa.feature.melspectrogram(
        y=sound, sr=SAMPLE_RATE, n_fft=_FFT, hop_length=_HOP, n_mels=_BANDS
    )
    loudness = np.convolve(np.sqrt(mel.sum(axis=0)), np.hanning(11), "same")
    levels = np.clip(2 * (10 * np.log10(mel + 1e-10) + 100), 0, 255)
    patches, free = [], loudness.copy()
    free[:_REACH] = free[max(len(free) - _REACH, 0) :] = -1
    while len(patches) < _MOST and free.size and free.max() > 0.05 * loudness.max():
        centre = int(free.argmax())
        patch = levels[:, centre - _REACH : centre + _REACH]
        patches.append(patch.reshape(_BANDS, -1, 2).mean(axis=2).ravel())
        free[max(centre - _APART, 0) : centre + _APART] = -1
    return np.array(patches, np.uint8).reshape(len(patches), _PATCH)
