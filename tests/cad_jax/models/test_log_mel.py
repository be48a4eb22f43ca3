import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cad_jax.models.log_mel import log_mel, mel_filters

RATE = 16_000


def signals(seconds):
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * RATE)) / RATE
    chirp = 0.3 * np.sin(2 * np.pi * np.cumsum(np.linspace(200, 2200, time.size)) / RATE)
    return {
        "chirp and noise": chirp + 0.05 * rng.standard_normal(time.size),
        "pure tone": 0.9 * np.sin(2 * np.pi * 440 * time),
        "loud and faint": 0.9 * np.sin(2 * np.pi * 100 * time)
        + 1e-4 * np.sin(2 * np.pi * 5000 * time),
        "half silent": np.where(time < seconds / 2, 0.5 * np.sin(2 * np.pi * 300 * time), 0.0),
        "silence": np.zeros(time.size),
    }


def by_librosa(waveform, mels):
    """Whisper's definition in float64: last STFT frame dropped, clamped 8 below the clip's own."""
    spectrum = librosa.stft(
        waveform.astype(np.float64), n_fft=400, hop_length=160, pad_mode="reflect"
    )
    bank = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=mels)
    power = bank.astype(np.float64) @ np.abs(spectrum[:, :-1]) ** 2
    log_power = np.log10(np.maximum(power, 1e-10))
    return (np.maximum(log_power, log_power.max() - 8) + 4) / 4


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("name", signals(0.1))
def test_equals_librosa(name, mels):
    waveform = signals(2.0)[name].astype(np.float32)
    ours = log_mel(jnp.asarray(waveform)[None], mels)[0]
    assert ours.shape == (mels, 200)
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, by_librosa(waveform, mels), atol=1e-4)


def test_the_clamp_is_each_clips_own():
    waveform = np.stack([signals(1.0)["pure tone"], 1e-3 * signals(1.0)["pure tone"]])
    both = log_mel(jnp.asarray(waveform, jnp.float32))
    for row, clip in zip(both, waveform, strict=True):
        np.testing.assert_allclose(row, by_librosa(clip.astype(np.float32), 80), atol=1e-4)


def test_padding_to_30_s_changes_only_the_last_two_frames():
    waveform = jnp.asarray(signals(2.0)["chirp and noise"], jnp.float32)[None]
    own, padded = log_mel(waveform), log_mel(waveform, pad_to_30s=True)
    assert padded.shape == (1, 80, 3000)
    np.testing.assert_allclose(own[..., :-2], padded[..., :198], atol=1e-5)
    assert jnp.max(jnp.abs(own[..., -2:] - padded[..., 198:200])) > 0.01


@pytest.mark.parametrize("mels", [80, 128])
def test_equals_whispers_feature_extractor(mels):
    pytest.importorskip("torch", reason="parity with transformers: pip install cad-jax[parity]")
    transformers = pytest.importorskip("transformers", reason="pip install cad-jax[parity]")
    extractor = transformers.WhisperFeatureExtractor(feature_size=mels)
    np.testing.assert_allclose(mel_filters(mels).T, extractor.mel_filters, atol=1e-7)
    for waveform in signals(2.0).values():
        waveform = waveform.astype(np.float32)
        theirs = extractor(waveform, sampling_rate=RATE, return_tensors="np").input_features
        ours = log_mel(jnp.asarray(waveform)[None], mels, pad_to_30s=True)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 160, 1000])
def test_refuses_lengths_that_do_not_fit(samples):
    with pytest.raises(ValueError, match=f"{samples} samples"):
        log_mel(jnp.zeros((1, samples)))
    with pytest.raises(ValueError, match="more than 30 s"):
        log_mel(jnp.zeros((1, 30 * RATE + 160)), pad_to_30s=True)


def test_precision_does_not_follow_the_default():
    waveform = jnp.asarray(signals(1.0)["loud and faint"], jnp.float32)[None]
    lowered = jax.jit(log_mel).lower(waveform).as_text()
    assert lowered.count("precision = [HIGHEST, HIGHEST]") == lowered.count("dot_general ")
