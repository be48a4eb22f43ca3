"""Who speaks and what is said: voices, sentences, and the two-second windows cut from them.

Owns the one law by which every utterance, genuine or forged, is padded and cut. Knows nothing of
faces; the sound is dry (see `microphone` for what recording does to it).
"""

import dataclasses

import librosa
import numpy as np
from jaxtyping import Float32

from data_pipelines.records.clip import SAMPLE_RATE
from data_pipelines.synthetic.espeak import Phoneme, synthesise

_SUBJECTS = (
    "the doctor", "my sister", "our teacher", "the president", "a young man", "the pilot",
    "that woman", "his father", "the whole team", "everybody", "nobody", "the farmer",
    "my best friend", "the reporter", "this company", "the big dog", "we", "you", "they", "I",
)  # fmt: skip
_VERBS = (
    "wanted to buy", "will never forget", "has just found", "could not believe", "moved away from",
    "always talks about", "should bring back", "might open", "walked past", "broke", "remembers",
    "keeps asking for", "is waiting for", "paid too much for", "put the key under", "threw away",
    "borrowed", "shouted at", "was looking for", "gave us",
)  # fmt: skip
_OBJECTS = (
    "the old house by the river", "a bottle of fresh milk", "five yellow boxes",
    "the blue umbrella", "some very good news", "every single word", "the phone number",
    "a piece of paper", "that beautiful picture", "the last bus to town", "their favorite movie",
    "a cup of hot coffee", "the bridge over the water", "three pounds of butter",
    "the money in the bank", "my birthday party", "a map of the village", "the open window",
    "what people say", "the voice of the people",
)  # fmt: skip
_TAILS = (
    "before we left", "this morning", "in the middle of the night", "because of the weather",
    "without a good reason", "when the music stopped", "on Monday afternoon",
    "for the first time", "as far as I know", "and I do not know why", "after the meeting",
    "if you ask me",
)  # fmt: skip

# espeak-ng refuses plain en-gb.
_ACCENTS = {
    "en-us": 0.4,
    "en": 0.14,
    "en-gb-x-rp": 0.14,
    "en-gb-scotland": 0.1,
    "en-029": 0.08,
    "en-us-nyc": 0.14,
}
# Without Reed and caleb: for these two espeak-ng reads memory that it never wrote.
MALE = (
    "Alex", "Andy", "Denis", "Diogo", "Gene", "Gene2", "Hugo", "Jacky", "Lee", "Marco", "Mario",
    "Michael", "Mike", "Henrique", "adam", "antonio", "benjamin", "boris", "david", "ed", "edward",
    "gustave", "ian", "john", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max",
    "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro",
    "travis", "victor", "klatt", "klatt2", "klatt4", "kaukovalta",
)  # fmt: skip
FEMALE = (
    "Alicia", "Andrea", "Annie", "aunty", "belinda", "f1", "f2", "f3", "f4", "f5", "grandma",
    "linda", "shelby", "steph", "steph2", "steph3", "Nguyen", "anika",
)  # fmt: skip

_TONE_BANDS = np.log2([60, 250, 800, 2500, 5000])  # log2 Hz
_SHORTEST = 2.2  # seconds of speech that make an utterance
_LONGEST_PAUSE = 0.5  # seconds of silence before and after speech


@dataclasses.dataclass(frozen=True)
class Voice:
    """How a person sounds.

    Attributes:
        name: espeak's language and variant.
        pitch, pitch_range: espeak's 0 to 100.
        words_per_minute: tempo.
        resample: pitch and formants are divided by this.
        tone: [5] gain in dB in five bands.
        breath: level of breath noise relative to the speech.
        jitter: deviation of the irregular speed, relative.
    """

    name: str
    pitch: int
    pitch_range: int
    words_per_minute: int
    resample: float
    tone: np.ndarray
    breath: float
    jitter: float


@dataclasses.dataclass(frozen=True)
class Utterance:
    """Speech with silence around it, and the moment at which the clip's window opens.

    Attributes:
        audio: dry samples at 16 kHz.
        phonemes: with start times in seconds after the first sample.
        end: when the speech ends, seconds.
        start: when the window opens, seconds.
    """

    audio: Float32[np.ndarray, " s"]
    phonemes: tuple[Phoneme, ...]
    end: float
    start: float

    def window(self, num_samples: int) -> Float32[np.ndarray, " n"]:
        """The sound inside the window; silence where the utterance is over."""
        first = round(self.start * SAMPLE_RATE)
        cut = self.audio[first : first + num_samples]
        return np.pad(cut, (0, num_samples - len(cut)))


def draw_voice(rng: np.random.Generator, female: bool) -> Voice:
    """A random voice."""
    accent = rng.choice(list(_ACCENTS), p=list(_ACCENTS.values()))
    return Voice(
        name=f"{accent}+{rng.choice(FEMALE if female else MALE)}",
        pitch=int(np.clip(rng.normal(50, 14), 20, 85)),
        pitch_range=int(np.clip(rng.normal(55, 15), 25, 90)),
        words_per_minute=int(np.clip(rng.normal(165, 18), 130, 205)),
        resample=float(np.clip(np.exp(rng.normal(0, 0.06)), 0.87, 1.15)),
        tone=rng.normal(0, 4, 5),
        breath=float(rng.uniform(0, 0.06)),
        jitter=float(rng.uniform(0, 0.006)),
    )


def draw_utterance(voice: Voice, rng: np.random.Generator, seconds: float) -> Utterance:
    """One or two random sentences, random silence around them, and a random window of `seconds`.

    One law for all utterances: speech that was inserted with another padding would be recognised by
    its silence alone (AUC .8).
    """
    audio, phonemes = _speak(voice, _sentence(rng), rng)
    if len(audio) < _SHORTEST * SAMPLE_RATE:
        more, more_phonemes = _speak(voice, _sentence(rng), rng)
        phonemes += _later(more_phonemes, len(audio) / SAMPLE_RATE)
        audio = np.concatenate([audio, more])
    before, after = rng.uniform(0, _LONGEST_PAUSE, 2)
    end = before + len(audio) / SAMPLE_RATE
    audio = np.pad(audio, (round(before * SAMPLE_RATE), round(after * SAMPLE_RATE)))
    start = rng.uniform(0, max(0.0, len(audio) / SAMPLE_RATE - seconds))
    return Utterance(audio, tuple(_later(phonemes, before)), float(end), float(start))


def _sentence(rng: np.random.Generator) -> str:
    return " ".join(str(rng.choice(part)) for part in (_SUBJECTS, _VERBS, _OBJECTS, _TAILS)) + "."


def _later(phonemes: list[Phoneme], seconds: float) -> list[Phoneme]:
    return [dataclasses.replace(phoneme, start=phoneme.start + seconds) for phoneme in phonemes]


def _speak(
    voice: Voice, text: str, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, " s"], list[Phoneme]]:
    """A sentence at 16 kHz with the voice's formants, tone, breath and jitter."""
    samples, rate, phonemes = synthesise(
        text,
        voice.name,
        words_per_minute=round(voice.words_per_minute / voice.resample),
        pitch=voice.pitch,
        pitch_range=voice.pitch_range,
    )
    # Resampled to another rate and read at 16 kHz: pitch and formants move together.
    target_rate = round(SAMPLE_RATE * voice.resample)
    samples = librosa.resample(samples, orig_sr=rate, target_sr=target_rate, res_type="soxr_hq")
    samples = _with_tone(samples, voice.tone)
    samples = _with_breath(_with_jitter(samples, voice.jitter, rng), voice.breath, rng)
    slower = target_rate / SAMPLE_RATE
    return samples, [Phoneme(p.start * slower, p.mnemonic) for p in phonemes]


def _with_tone(samples: Float32[np.ndarray, " s"], tone: np.ndarray) -> Float32[np.ndarray, " s"]:
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gain = 10 ** (np.interp(np.log2(frequencies + 60), _TONE_BANDS, tone) / 20)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)


def _with_jitter(
    samples: Float32[np.ndarray, " s"], deviation: float, rng: np.random.Generator
) -> Float32[np.ndarray, " s"]:
    """Irregular speed, changing every 20 ms; the whole drifts by less than a video frame."""
    knots = np.arange(0, len(samples) + 320, 320)
    drift = np.cumsum(rng.normal(0, deviation, len(knots))) * 320
    drift -= np.linspace(drift[0], drift[-1], len(knots))
    times = np.arange(len(samples))
    warped = np.clip(times + np.interp(times, knots, drift), 0, len(samples) - 1)
    return np.interp(warped, times, samples).astype(np.float32)


def _with_breath(
    samples: Float32[np.ndarray, " s"], level: float, rng: np.random.Generator
) -> Float32[np.ndarray, " s"]:
    """Noise that follows the loudness; brighter than the speech."""
    envelope = np.sqrt(np.convolve(samples**2, np.ones(320) / 320, "same"))
    noise = np.diff(rng.standard_normal(len(samples) + 1, dtype=np.float32))
    return (samples + level * envelope * noise).astype(np.float32)
