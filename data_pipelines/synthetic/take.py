"""A take: one person saying one thing in one place, and the pictures of it.

Owns the performance's random stream, from which the genuine and the forged version are drawn alike.
The last takes are kept, since the two versions lie side by side.
"""

import dataclasses
import functools

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE
from data_pipelines.synthetic import motion, scene
from data_pipelines.synthetic.identity import Identity, make_identity
from data_pipelines.synthetic.presets import Preset
from data_pipelines.synthetic.renderer import Lighting, View, render
from data_pipelines.synthetic.speech import Utterance, draw_utterance
from data_pipelines.synthetic.visemes import mouth_track

PERFORMANCE, CAPTURE, FORGERY = range(3, 6)  # random streams of a take

Film = tuple[UInt8[np.ndarray, "t h w 3"], Float32[np.ndarray, "t 68 2"]]  # frames, landmarks

_GAMMA = 1 / 2.2


@dataclasses.dataclass(frozen=True)
class Stage:
    """What all takes of a data set have in common.

    Attributes:
        seed: of the data set.
        seconds: length of a take.
        frame_size: of the camera's frames, pixels.
        rendered_size: of the pictures they are reduced from, pixels.
    """

    seed: int
    seconds: float
    frame_size: int
    rendered_size: int

    @classmethod
    def of(cls, preset: Preset, seed: int) -> "Stage":
        """The stage of a preset."""
        rendered = round(preset.frame_size * preset.supersampling)
        return cls(seed, preset.seconds, preset.frame_size, rendered)


@dataclasses.dataclass(frozen=True)
class Take:
    """One person saying one thing in one place.

    Attributes:
        identity: who.
        utterance: what.
        lead: seconds by which the mouth is ahead of the sound.
        upper_face: [t u] weights of the facial units above the nose.
        pose: [t 6] of the head.
        lighting, view, background: where.
    """

    identity: Identity
    utterance: Utterance
    lead: float
    upper_face: Float32[np.ndarray, "t u"]
    pose: Float32[np.ndarray, "t 6"]
    lighting: Lighting
    view: View
    background: Float32[np.ndarray, "h h 3"]


@functools.lru_cache(maxsize=2)
def draw_take(stage: Stage, number: int, person: int) -> Take:
    """Take `number`, performed by a person; do not change its arrays."""
    rng = np.random.default_rng([stage.seed, number, PERFORMANCE])
    identity = make_identity(stage.seed, person)
    utterance = draw_utterance(identity.voice, rng, stage.seconds)
    sound = utterance.window(round(stage.seconds * SAMPLE_RATE))
    emphasis = motion.prosody(sound, round(stage.seconds * FRAME_RATE))
    return Take(
        identity=identity,
        utterance=utterance,
        lead=identity.style.lead + rng.normal(0, 0.012),
        upper_face=motion.draw_upper_face(rng, emphasis),
        pose=motion.draw_head_motion(rng, emphasis),
        lighting=scene.draw_lighting(rng),
        view=scene.draw_view(rng),
        background=scene.draw_background(rng, stage.rendered_size),
    )


@functools.lru_cache(maxsize=1)
def shoot_genuine(stage: Stage, number: int, person: int) -> Film:
    """The take as it was performed; do not change its arrays."""
    take = draw_take(stage, number, person)
    return shoot(stage, take, articulate(take, take.utterance))


def articulate(take: Take, utterance: Utterance, ahead: float = 0.0) -> Float32[np.ndarray, "t u"]:
    """Mouth weights of the take's person saying an utterance, `ahead` seconds early."""
    return mouth_track(
        utterance.phonemes,
        start=utterance.start + ahead,
        end=utterance.end,
        num_frames=len(take.pose),
        style=take.identity.style,
        lead=take.lead,
    )


def shoot(stage: Stage, take: Take, mouth: Float32[np.ndarray, "t u"]) -> Film:
    """Frames and landmarks (pixels of the frames) of a take with a given mouth."""
    size, scale = stage.frame_size, stage.frame_size / stage.rendered_size
    frames = np.empty((len(mouth), size, size, 3), np.uint8)
    landmarks = np.empty((len(mouth), 68, 2), np.float32)
    for index, (weights, pose) in enumerate(zip(take.upper_face + mouth, take.pose, strict=True)):
        shift = float(pose[motion.SHIFT_X])
        background = _seen_background(take.background, stage.rendered_size, shift)
        linear, points = render(take.identity, weights, pose, take.view, take.lighting, background)
        linear = cv2.resize(linear, (size, size), interpolation=cv2.INTER_AREA)
        frames[index] = np.clip(linear, 0, 1) ** np.float32(_GAMMA) * 255 + 0.5
        landmarks[index] = points * scale
    return frames, landmarks


def _seen_background(background: np.ndarray, size: int, shift: float) -> np.ndarray:
    """The part that a camera sees which follows the head a little."""
    margin = scene.BACKGROUND_MARGIN
    column = int(np.clip(margin + 2 * shift, 0, 2 * margin))
    return np.ascontiguousarray(background[margin : margin + size, column : column + size])
