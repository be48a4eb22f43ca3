"""Speech repeats exactly, and every utterance follows one law."""

import numpy as np
import pytest

from data_pipelines.synthetic.espeak import SpeechError, synthesise
from data_pipelines.synthetic.speech import FEMALE, MALE, draw_utterance, draw_voice

PLAIN = {"words_per_minute": 165, "pitch": 50, "pitch_range": 50}


def test_a_text_always_sounds_the_same():
    # espeak-ng itself keeps phases between calls: the second time would differ.
    first, rate, phonemes = synthesise("Bring the old map.", "en-us+m3", **PLAIN)
    synthesise("Something else was said.", "en-029+f2", **PLAIN)
    again, *_ = synthesise("Bring the old map.", "en-us+m3", **PLAIN)
    np.testing.assert_array_equal(first, again)
    assert rate > 8000
    assert phonemes[0].mnemonic == "b"


def repeats(variant):
    """Whether a variant sounds the same whatever was in the memory that it is given."""
    rng, sounds = np.random.default_rng(0), set()
    for _ in range(4):
        used = [np.full(int(rng.integers(10, 30_000)), rng.normal()) for _ in range(50)]
        del used[::2]
        samples, *_ = synthesise("Bring the old map.", f"en-us+{variant}", **PLAIN)
        sounds.add(samples.tobytes())
    return len(sounds) == 1


@pytest.mark.parametrize("variant", [*MALE, *FEMALE])
def test_every_variant_repeats(variant):
    assert repeats(variant)


def test_a_variant_that_reads_unwritten_memory_would_be_noticed():
    assert not repeats("Reed")


def test_phonemes_are_in_order_and_inside_the_sound():
    samples, rate, phonemes = synthesise("Papa met a bear.", "en-us", **PLAIN)
    starts = [phoneme.start for phoneme in phonemes]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < 0.2
    assert starts[-1] <= len(samples) / rate
    # The first p is a silence that ends in a burst; the sound is there by the vowel.
    vowel = round(phonemes[1].start * rate)
    assert np.abs(samples[vowel : vowel + rate // 20]).max() > 0.05


def test_an_unknown_voice_is_refused_by_name():
    with pytest.raises(SpeechError, match="no voice 'xx-none'"):
        synthesise("Hello.", "xx-none", **PLAIN)


def test_an_utterance_follows_from_its_random_state():
    voice = draw_voice(np.random.default_rng(1), female=True)
    one, two = (draw_utterance(voice, np.random.default_rng(5), 2.0) for _ in range(2))
    np.testing.assert_array_equal(one.audio, two.audio)
    assert one.phonemes == two.phonemes
    other = draw_utterance(voice, np.random.default_rng(6), 2.0)
    assert other.phonemes != one.phonemes


def test_a_window_has_its_length_and_starts_where_it_says():
    voice = draw_voice(np.random.default_rng(2), female=False)
    utterance = draw_utterance(voice, np.random.default_rng(3), 2.0)
    window = utterance.window(32_000)
    assert window.shape == (32_000,)
    first = round(utterance.start * 16_000)
    np.testing.assert_array_equal(window[:1000], utterance.audio[first : first + 1000])
    assert utterance.end <= len(utterance.audio) / 16_000 + 1e-3
