"""A take and its forgery: what happens before the camera and the microphone.

Owns how each kind of forgery is staged with the functions of `data_pipelines.forgeries`. The result
is clean: capture comes after, with one law for all.
"""

import dataclasses

import numpy as np
import scipy.ndimage
from jaxtyping import Float32, UInt8

from data_pipelines.forgeries import picture, vocoders
from data_pipelines.forgeries.regions import regions_of_landmarks
from data_pipelines.forgeries.sound import draw_delay
from data_pipelines.forgeries.traces import Traces
from data_pipelines.records.clip import SAMPLE_RATE
from data_pipelines.synthetic import kokoro, motion
from data_pipelines.synthetic.espeak import Phoneme
from data_pipelines.synthetic.identity import make_identity, traits_of, voice_of
from data_pipelines.synthetic.kinds import AUDIO_ONLY, NONE, VIDEO_ONLY
from data_pipelines.synthetic.plan import ClipPlan
from data_pipelines.synthetic.presets import Preset
from data_pipelines.synthetic.speech import Utterance, draw_utterance
from data_pipelines.synthetic.take import (
    FORGERY,
    Stage,
    Take,
    articulate,
    draw_take,
    shoot,
    shoot_genuine,
)

_DAMPED = 0.9  # a smoothed mouth also opens less


@dataclasses.dataclass(frozen=True)
class Performance:
    """What camera and microphone are given.

    Attributes:
        frames: RGB at 25 Hz, free of noise; none without picture.
        landmarks: of the face that is seen.
        audio: dry sound at 16 kHz; none without sound.
        phonemes: heard, in seconds after the clip's start.
        delay: seconds by which the sound is late against the lips; None where they do not match.
        mask: 1 where the picture was manipulated.
        people: numbers of everybody whose look or voice is in it.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    landmarks: Float32[np.ndarray, "t 68 2"]
    audio: Float32[np.ndarray, " s"]
    phonemes: tuple[Phoneme, ...]
    delay: float | None
    mask: Float32[np.ndarray, "t h w"]
    people: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Picture:
    frames: np.ndarray
    landmarks: np.ndarray
    mask: np.ndarray
    donor: int | None = None
    delay: float | None = 0.0


def perform(preset: Preset, seed: int, plan: ClipPlan) -> Performance:
    """Stages the planned clip."""
    stage = Stage.of(preset, seed)
    take = draw_take(stage, plan.take, plan.identity)
    rng = np.random.default_rng([seed, plan.take, FORGERY])
    num_samples = round(preset.seconds * SAMPLE_RATE)
    heard, voice_donor = take.utterance, None
    if plan.kind.audio == "tts":
        voice_donor = _borrow(seed, plan, rng)
        heard = draw_utterance(voice_of(seed, voice_donor), rng, preset.seconds)
    if plan.modalities == AUDIO_ONLY:
        shown = _no_picture(preset)
    else:
        shown = _show(preset, stage, plan, take, rng)
    dry = heard.window(num_samples)
    if plan.kind.audio in kokoro.METHODS:
        female = take.identity.traits.female
        audio = kokoro.respeak(heard, dry, rng, plan.kind.audio, female=female)
    else:
        audio = _sound(dry, plan.kind.audio, preset, rng)
    matches = plan.kind.audio != "tts"
    people = [plan.identity, shown.donor, voice_donor]
    return Performance(
        frames=shown.frames,
        landmarks=shown.landmarks,
        audio=audio[:0] if plan.modalities == VIDEO_ONLY else audio,
        phonemes=_inside(heard, preset.seconds),
        delay=shown.delay if matches else None,
        mask=shown.mask,
        people=tuple(dict.fromkeys(person for person in people if person is not None)),
    )


def _show(
    preset: Preset, stage: Stage, plan: ClipPlan, take: Take, rng: np.random.Generator
) -> _Picture:
    """The picture of a take, forged in the planned way."""
    method, traces, own = plan.kind.video, preset.traces, take.utterance
    if method == NONE:
        return _untouched(*shoot_genuine(stage, plan.take, plan.identity))
    if method == "lag":
        delay = draw_delay(rng)
        return _untouched(*shoot(stage, take, articulate(take, own, ahead=delay)), delay=delay)
    if method == "wrong":
        other = draw_utterance(take.identity.voice, rng, stage.seconds)
        return _untouched(*shoot(stage, take, articulate(take, other)), delay=None)
    if method == "mouth":
        return _regenerate(stage, take, rng, traces)
    if method == "swap":
        return _swap(stage, plan, take, rng, traces)
    if method == "smooth":
        mouth = articulate(take, own)
        mouth = scipy.ndimage.uniform_filter1d(mouth, 9, axis=0, mode="nearest") * _DAMPED
        frames, landmarks = shoot(stage, take, mouth)
        faces = regions_of_landmarks(landmarks).faces
        frames, mask = picture.smooth_over_time(frames, faces, rng)
        return _Picture(frames, landmarks, mask)
    if method == "neural":
        frames, landmarks = shoot_genuine(stage, plan.take, plan.identity)
        faces = regions_of_landmarks(landmarks).faces
        frames, mask = picture.autoencode(frames, faces, rng, traces)
        return _Picture(frames, landmarks, mask)
    raise ValueError(f"no way to stage a picture of kind {method!r}")


def _regenerate(stage: Stage, take: Take, rng: np.random.Generator, traces: Traces) -> _Picture:
    """Footage in which the person said something else, with a mouth made for the sound."""
    other = draw_utterance(take.identity.voice, rng, stage.seconds)
    frames, landmarks = shoot(stage, take, articulate(take, other))
    mouth = articulate(take, take.utterance) * np.float32(rng.uniform(0.8, 1.05))
    generated, visible = shoot(stage, take, mouth)
    boxes = regions_of_landmarks(landmarks).mouths
    frames, mask = picture.regenerate_mouth(frames, generated, boxes, rng, traces)
    return _Picture(frames, visible, mask)


def _swap(
    stage: Stage, plan: ClipPlan, take: Take, rng: np.random.Generator, traces: Traces
) -> _Picture:
    """Another person's face with the same motion, in slightly other light and pose."""
    donor = _borrow(stage.seed, plan, rng)
    frames, landmarks = shoot_genuine(stage, plan.take, plan.identity)
    relit = dataclasses.replace(
        take.lighting,
        colours=take.lighting.colours * np.float32(np.exp(rng.normal(0, 0.1))),
        ambient=take.lighting.ambient * np.float32(np.exp(rng.normal(0, 0.1))),
    )
    pose = take.pose.copy()
    pose[:, [motion.YAW, motion.PITCH, motion.ROLL]] += rng.normal(0, 0.02, 3).astype(np.float32)
    mouth = articulate(take, take.utterance)
    actor = dataclasses.replace(
        take, identity=make_identity(stage.seed, donor), pose=pose, lighting=relit
    )
    face, visible = shoot(stage, actor, mouth)
    outlines = regions_of_landmarks(landmarks).faces
    frames, mask = picture.swap_face(frames, face, outlines, rng, traces)
    return _Picture(frames, visible, mask, donor=donor)


def _sound(
    dry: Float32[np.ndarray, " s"], method: str, preset: Preset, rng: np.random.Generator
) -> Float32[np.ndarray, " s"]:
    if method == NONE:
        return dry
    if method == "world":
        return vocoders.convert_voice(dry, rng, preset.traces)
    if method in ("mel", "tts"):
        return vocoders.resynthesise_mel(dry, rng, preset.traces)
    if method == "lpc":
        return vocoders.resynthesise_lpc(dry, rng)
    if method == "pitch":
        return vocoders.shift_pitch(dry, rng)
    raise ValueError(f"no way to make a sound of kind {method!r}")


def _borrow(seed: int, plan: ClipPlan, rng: np.random.Generator) -> int:
    """Another person of the split, of the same sex where there is one."""
    female = make_identity(seed, plan.identity).traits.female
    others = [number for number in rng.permutation(list(plan.pool)) if number != plan.identity]
    return int(next((n for n in others if traits_of(seed, int(n)).female == female), others[0]))


def _inside(utterance: Utterance, seconds: float) -> tuple[Phoneme, ...]:
    moved = (
        dataclasses.replace(phoneme, start=phoneme.start - utterance.start)
        for phoneme in utterance.phonemes
    )
    return tuple(phoneme for phoneme in moved if 0 <= phoneme.start < seconds)


def _untouched(frames: np.ndarray, landmarks: np.ndarray, delay: float | None = 0.0) -> _Picture:
    return _Picture(frames, landmarks, np.zeros(frames.shape[:3], np.float32), delay=delay)


def _no_picture(preset: Preset) -> _Picture:
    size = preset.frame_size
    frames = np.empty((0, size, size, 3), np.uint8)
    return _Picture(frames, np.empty((0, 68, 2), np.float32), np.empty((0, size, size), np.float32))
