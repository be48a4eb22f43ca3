"""Forging without any resynthesis: delayed sound, another clip's sound, splices.

None of these may leave silence behind where there was none, or change the level: either would be a
shortcut around the forgery itself.
"""

import numpy as np
from jaxtyping import Float32

from data_pipelines.records.clip import SAMPLE_RATE

Sound = Float32[np.ndarray, " s"]

_FADE = 160  # samples, 10 ms
SHORTEST_DELAY, LONGEST_DELAY = 0.2, 0.6  # seconds; shorter ones pass as bad recordings


def delay(sound: Sound, seconds: float) -> Sound:
    """The sound later by `seconds` (earlier if negative), closed to a ring with a short cross-fade.

    What leaves at one end comes back at the other, so level and pauses stay as they were.
    """
    shift = round(seconds * SAMPLE_RATE) % len(sound)
    ring = sound.copy()
    if shift:
        # The end goes on, mirrored, while the beginning fades in.
        fade_in = np.linspace(0, 1, _FADE, dtype=np.float32)
        ring[:_FADE] = fade_in * sound[:_FADE] + (1 - fade_in) * sound[: -_FADE - 1 : -1]
    return np.roll(ring, shift)


def draw_delay(rng: np.random.Generator) -> float:
    """Seconds, either sign, long enough to be seen."""
    return float(rng.choice([-1, 1]) * rng.uniform(SHORTEST_DELAY, LONGEST_DELAY))


def replace(sound: Sound, other: Float32[np.ndarray, " n"]) -> Sound:
    """Another clip's sound, repeated or cut to the same length, at the same level."""
    return at_level(np.resize(other, len(sound)), sound)


def splice(sound: Sound, other: Float32[np.ndarray, " n"], rng: np.random.Generator) -> Sound:
    """A fifth to a half of the sound replaced by another clip's, with cross-fades."""
    length = int(len(sound) * rng.uniform(0.2, 0.5))
    start = int(rng.integers(0, len(sound) - length + 1))
    weight = np.zeros(len(sound), np.float32)
    weight[start : start + length] = 1
    weight = np.convolve(weight, np.ones(_FADE, np.float32) / _FADE, "same")
    return (sound + weight * (replace(sound, other) - sound)).astype(np.float32)


def at_level(sound: Sound, reference: Sound) -> Sound:
    """The sound as loud as a reference, clipped to [-1, 1]."""
    level, wanted = (np.sqrt(np.mean(x.astype(np.float64) ** 2)) for x in (sound, reference))
    return np.clip(sound * np.float32(wanted / max(level, 1e-6)), -1, 1)
