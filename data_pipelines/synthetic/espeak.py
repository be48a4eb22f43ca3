"""espeak-ng through ctypes: text to samples and phoneme times, the same for the same text always.

Owns the binding to the library that the `espeakng-loader` wheel brings (GPL-3.0; used, not copied).
Knows nothing of voices as persons, windows or mouths.
"""

import _ctypes  # ctypes itself offers no way to close a library
import contextlib
import ctypes
import dataclasses
import os
from collections.abc import Iterator

import espeakng_loader
import numpy as np
from jaxtyping import Float32

from data_pipelines.errors import UserError

_SYNCHRONOUS, _PHONEME_EVENTS = 2, 1
_UTF8, _END_PAUSE = 1, 0x1000
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_LIST_TERMINATED, _PHONEME = 0, 7  # espeak_EVENT_TYPE
_SEED = 7


@dataclasses.dataclass(frozen=True)
class Phoneme:
    """A phoneme by espeak's mnemonic, and the second at which it begins (and the last one ends)."""

    start: float
    mnemonic: str


class SpeechError(UserError):
    """espeak-ng cannot start or lacks a voice."""


class _Identifier(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def synthesise(
    text: str, voice: str, *, words_per_minute: int, pitch: int, pitch_range: int
) -> tuple[Float32[np.ndarray, " s"], int, list[Phoneme]]:
    """Speaks a text.

    Args:
        text: what to say.
        voice: language and variant, e.g. `en-us+m3`.
        words_per_minute: 80 to 450.
        pitch, pitch_range: 0 to 100; 50 is the voice's own.

    Returns:
        Samples in [-1, 1], their rate in Hz, and the phonemes; pauses come as `_:` and the like.

    Raises:
        SpeechError: espeak-ng does not start, or has no such voice.
    """
    chunks: list[np.ndarray] = []
    phonemes: list[tuple[int, str]] = []

    def collect(samples, count: int, events) -> int:
        if count > 0 and samples:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _LIST_TERMINATED:
            if events[index].type == _PHONEME:
                mnemonic = events[index].id.string.decode("utf-8", "replace")
                phonemes.append((events[index].sample, mnemonic))
            index += 1
        return 0

    with _fresh_library() as (library, rate):
        callback = _Callback(collect)
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()):
            raise SpeechError(f"espeak-ng has no voice {voice!r}")
        for name, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(name, value, 0)
        encoded = text.encode() + b"\0"
        library.espeak_Synth(
            encoded, len(encoded), 0, 0, 0, _UTF8 | _END_PAUSE, None, None
        )  # fmt: skip
        library.espeak_Synchronize()
    if not chunks:
        raise SpeechError(f"espeak-ng said nothing for {text!r}")
    samples = np.concatenate(chunks).astype(np.float32) / 32768
    return samples, rate, [Phoneme(sample / rate, mnemonic) for sample, mnemonic in phonemes]


@contextlib.contextmanager
def _fresh_library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """Loads the library, and unloads it afterwards (7 ms in all).

    espeak-ng keeps phases in static memory, so a text sounds different from call to call, even
    after its own termination and seeding. Only unused memory makes an utterance repeatable.
    """
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        data = os.fsencode(espeakng_loader.get_data_path())
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS)
        if rate <= 0:
            raise SpeechError("espeak-ng does not start; reinstall the package espeakng-loader")
        library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        yield library, rate
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)
