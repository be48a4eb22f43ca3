"""Each shortcut that recording has to hide: offset, polarity, asymmetry, level, crest factor.

The dry sounds do differ in it, so these tests would see a microphone that hides nothing.
"""

import numpy as np
import pytest
import scipy.signal

from data_pipelines.audit.clip_statistics import sound_features
from data_pipelines.audit.probes import auc
from data_pipelines.forgeries.traces import CLEAR
from data_pipelines.forgeries.vocoders import resynthesise_mel
from data_pipelines.synthetic import microphone
from data_pipelines.synthetic.identity import voice_of
from data_pipelines.synthetic.microphone import disperse, record
from data_pipelines.synthetic.speech import draw_utterance

pytestmark = pytest.mark.slow

NUM_SOUNDS = 60
MICROPHONES = 4  # recordings of each sound: the chance of the microphone halves


@pytest.fixture(scope="module")
def genuine():
    """Dry speech of as many people, two seconds each."""
    rngs = [np.random.default_rng([0, number]) for number in range(NUM_SOUNDS)]
    voices = [voice_of(0, number) for number in range(NUM_SOUNDS)]
    return [
        draw_utterance(voice, rng, 2.0).window(32_000)
        for voice, rng in zip(voices, rngs, strict=True)
    ]


@pytest.fixture(scope="module")
def vocoded(genuine):
    return [
        resynthesise_mel(sound, np.random.default_rng([1, number]), CLEAR)
        for number, sound in enumerate(genuine)
    ]


def facts(sounds):
    return [sound_features(sound.astype(float)) for sound in sounds]


def separation(genuine, forged, statistic):
    """AUC of one statistic."""
    scores = np.array([fact[statistic] for fact in (*forged, *genuine)])
    return auc(scores, np.arange(len(scores)) < len(forged))


@pytest.fixture(scope="module")
def dry(genuine, vocoded):
    return facts(genuine), facts(vocoded)


@pytest.fixture(scope="module")
def recorded(genuine, vocoded):
    """Both classes by the same microphones, as in the data set."""
    return [
        facts(
            record(sound.astype(float), np.random.default_rng([2, microphone, number]))
            for number, sound in enumerate(sounds)
            for microphone in range(MICROPHONES)
        )
        for sounds in (genuine, vocoded)
    ]


@pytest.mark.parametrize(
    "statistic", ["offset.mean", "offset.magnitude", "asymmetry.skewness", "silence.floor"]
)
def test_a_vocoder_cannot_be_told_by_one_number(dry, recorded, statistic):
    assert abs(separation(*dry, statistic) - 0.5) > 0.2, "the leak to be hidden"
    assert abs(separation(*recorded, statistic) - 0.5) < 0.1


def test_griffin_lim_cannot_be_told_by_its_peaks(genuine, vocoded, recorded, monkeypatch):
    assert abs(separation(*recorded, "level.crest") - 0.5) < 0.1
    monkeypatch.setattr(microphone, "_amplify", lambda sound, rng: sound)
    unlimited = [
        facts(
            record(sound.astype(float), np.random.default_rng([2, 0, number]))
            for number, sound in enumerate(sounds)
        )
        for sounds in (genuine, vocoded)
    ]
    assert abs(separation(*unlimited, "level.crest") - 0.5) > 0.12, "the leak to be hidden"


@pytest.mark.parametrize("statistic", ["level.rms", "level.peak"])
def test_levels_have_one_law(recorded, statistic):
    assert abs(separation(*recorded, statistic) - 0.5) < 0.1


def test_an_offset_is_gone_before_the_amplifier(monkeypatch):
    # The amplifier has an offset of its own, which would hide what is left.
    monkeypatch.setattr(microphone, "_amplify", lambda sound, rng: sound)
    hiss = np.random.default_rng(0).standard_normal(32_000)
    for number in range(20):
        sound = record(hiss + 0.5, np.random.default_rng(number))
        assert sound_features(sound)["offset.magnitude"] < 0.03


def test_polarity_is_random(monkeypatch):
    # Without what else turns the phase: the rest would hide a polarity that is fixed.
    for turns_phase in ("_all_pass", "disperse"):
        monkeypatch.setattr(microphone, turns_phase, lambda sound, rng: sound)
    pulses = np.abs(np.random.default_rng(0).standard_normal(16_000)) ** 3
    recordings = [record(pulses, np.random.default_rng(number)) for number in range(60)]
    positive = np.mean([np.mean(sound**3) > 0 for sound in recordings])
    assert abs(positive - 0.5) < 0.15


def test_a_recording_is_loud_enough_and_never_clips():
    for number in range(20):
        rng = np.random.default_rng(number)
        speech = rng.standard_normal(16_000) * np.repeat(rng.random(100), 160)
        sound = record(speech, rng)
        assert np.abs(sound).max() <= 1
        assert -31 < 20 * np.log10(np.sqrt(np.mean(sound**2))) < -14


def test_a_recording_stays_in_time():
    click = np.zeros(16_000)
    click[8000] = 1
    for number in range(10):
        sound = record(click, np.random.default_rng(number))
        envelope = scipy.signal.fftconvolve(sound**2, np.ones(160), "same")
        assert abs(envelope.argmax() - 8000) < 640  # one video frame


def test_dispersion_keeps_the_spectrum():
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    spectrum = np.abs(np.fft.rfft(disperse(tone, rng)))
    assert spectrum.argmax() == 440
