"""What the head and the upper face do while talking: nods, turns, blinks, gaze, brows.

Owns the random motion; the mouth's is speech (see `visemes`). Brows and nods follow loudness and
pitch a little, as speakers' do.
"""

import numpy as np
import scipy.signal
from jaxtyping import Float, Float32

from data_pipelines.records.clip import FRAME_RATE
from data_pipelines.synthetic.head import load_head

# Columns of a pose: radians, centimetres.
YAW, PITCH, ROLL, SHIFT_X, SHIFT_Y, BODY_YAW = range(6)


def prosody(audio: Float[np.ndarray, " s"], num_frames: int) -> Float[np.ndarray, " t"]:
    """How emphatic the speech is at each frame: loudness and brightness, mean 0, deviation 1.

    Brightness (zero crossings of the voiced parts) stands in for the pitch.
    """
    blocks = audio[: len(audio) // num_frames * num_frames].reshape(num_frames, -1)
    loudness = np.sqrt(np.mean(blocks**2, axis=1))
    voiced = loudness > 0.2 * loudness.max()
    crossings = np.mean(np.diff(np.signbit(blocks), axis=1), axis=1) * voiced
    emphasis = _standardised(loudness) + 0.5 * _standardised(crossings)
    low_pass = scipy.signal.butter(2, 0.25, output="sos")
    return _standardised(scipy.signal.sosfiltfilt(low_pass, emphasis))


def draw_head_motion(
    rng: np.random.Generator, emphasis: Float[np.ndarray, " t"]
) -> Float32[np.ndarray, "t 6"]:
    """Poses: yaw, pitch, roll, shift to the side and up, yaw of the body (YAW ... BODY_YAW)."""
    num_frames = len(emphasis)
    yaw, pitch, roll = rng.normal(0, [0.22, 0.08, 0.05])
    activity = rng.uniform(0.3, 1.3)
    body = yaw * rng.uniform(0.1, 0.7) + rng.normal(0, 0.08)

    def wander(seconds: float, deviation: float) -> np.ndarray:
        return _wander(rng, num_frames, seconds, deviation * activity)

    columns = [
        yaw - body + wander(0.8, 0.06) + rng.normal(0, 0.008) * emphasis,
        pitch + wander(0.6, 0.035) + rng.normal(0.006, 0.012) * emphasis,
        roll + wander(0.9, 0.025),
        wander(1.0, 0.3) + rng.normal(0, 0.5),
        wander(1.0, 0.2) + rng.normal(0, 0.4),
        body + wander(1.2, 0.015),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def draw_upper_face(
    rng: np.random.Generator, emphasis: Float[np.ndarray, " t"]
) -> Float32[np.ndarray, "t u"]:
    """Weights of the facial units above the nose."""
    num_frames = len(emphasis)
    names = load_head().expressions.names
    track = np.zeros((num_frames, len(names)), np.float32)

    def set_both(name: str, values: np.ndarray | float) -> None:
        track[:, names[f"{name}Left"]] = values
        track[:, names[f"{name}Right"]] = values

    raised = _wander(rng, num_frames, 0.4, 0.2) + rng.normal(0, 0.1)
    raised = np.clip(raised + abs(rng.normal(0, 0.08)) * emphasis, 0, 0.8)
    set_both("browDown", abs(rng.normal(0, 0.12)))
    set_both("browOuterUp", raised)
    track[:, names["browInnerUp"]] = raised
    set_both("eyeBlink", _blinks(rng, num_frames))
    set_both("eyeSquint", abs(rng.normal(0, 0.2)))
    to_left, up = _gaze(rng, num_frames)
    track[:, [names["eyeLookOutLeft"], names["eyeLookInRight"]]] = np.clip(to_left, 0, 1)[:, None]
    track[:, [names["eyeLookInLeft"], names["eyeLookOutRight"]]] = np.clip(-to_left, 0, 1)[:, None]
    set_both("eyeLookUp", np.clip(up, 0, 1))
    set_both("eyeLookDown", np.clip(-up, 0, 1))
    return track


def _blinks(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    times = np.arange(num_frames) / FRAME_RATE
    closed = np.zeros(num_frames)
    blink = -rng.uniform(0, 3)
    while blink < times[-1]:
        closed = np.maximum(closed, np.clip(1.35 * np.exp(-(((times - blink) / 0.06) ** 2)), 0, 1))
        blink += rng.exponential(2.2) + 0.35
    return closed


def _gaze(rng: np.random.Generator, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Fixations of random length: how far to the subject's left and up the eyes look, -1 to 1."""
    to_left, up = np.zeros(num_frames), np.zeros(num_frames)
    frame = 0
    while frame < num_frames:
        fixation = slice(frame, frame + int(rng.exponential(20)) + 4)
        to_left[fixation], up[fixation] = rng.normal(0, 0.3), rng.normal(0, 0.2)
        frame = fixation.stop
    return to_left, up


def _wander(
    rng: np.random.Generator, num_frames: int, seconds: float, deviation: float
) -> np.ndarray:
    """A smoothed Ornstein-Uhlenbeck process that forgets within `seconds`."""
    settle, smooth = 25, 5
    keep = np.exp(-1 / (seconds * FRAME_RATE))
    gain = np.sqrt(1 - keep**2)
    noise = rng.standard_normal(num_frames + settle)
    noise[0] /= gain  # start in the stationary state
    path = np.asarray(scipy.signal.lfilter([gain], [1, -keep], noise))
    return np.asarray(scipy.signal.lfilter(np.ones(smooth) / smooth, 1, path))[settle:] * deviation


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() + 1e-3)
