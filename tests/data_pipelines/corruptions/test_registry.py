"""Every kind of corruption: the same each time, worse with severity, in place and in time."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest
import scipy.signal

from data_pipelines.corruptions import codecs
from data_pipelines.corruptions.registry import KINDS, SEVERITIES, corrupt, find_corruption
from data_pipelines.errors import UserError

SOUNDS = [kind for kind, of in KINDS.items() if of.modality == "sound"]
PICTURES = [kind for kind, of in KINDS.items() if of.modality == "picture"]


@pytest.fixture
def media(frames, sound):
    return {kind: frames if kind in PICTURES else sound for kind in KINDS}


def similarity(clean, corrupted) -> float:
    """Signal to noise, in decibels; for pictures up to a constant their PSNR."""
    clean, corrupted = clean.astype(np.float64), corrupted.astype(np.float64)
    return 10 * np.log10(np.square(clean).mean() / np.square(corrupted - clean).mean())


def digest(media) -> str:
    return hashlib.sha256(media.tobytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_stay_and_every_severity_is_worse(media, kind):
    clean = media[kind]
    found = [corrupt(clean, kind, severity, "a") for severity in SEVERITIES]
    assert {(of.shape, of.dtype) for of in found} == {(clean.shape, clean.dtype)}
    levels = [similarity(clean, of) for of in found]
    assert levels[0] > 0
    assert all(low < high - 0.05 for high, low in itertools.pairwise(levels)), levels


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_clip_is_corrupted_alike_in_any_order(media, kind):
    first = corrupt(media[kind], kind, 3, "a")
    corrupt(media[kind], kind, 5, "b")
    np.testing.assert_array_equal(first, corrupt(media[kind].copy(), kind, 3, "a"))


@pytest.mark.parametrize(
    "kind", ["gaussian_noise", "occlusion", "frame_drops", "white_noise", "reverberation"]
)
def test_what_is_drawn_depends_on_the_clip_and_kind(media, kind):
    assert digest(corrupt(media[kind], kind, 3, "a")) != digest(corrupt(media[kind], kind, 3, "b"))


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(media, tmp_path):
    np.savez(tmp_path / "media.npz", **media)
    program = (
        "import hashlib, sys, numpy as np\n"
        "from data_pipelines.corruptions.registry import KINDS, corrupt\n"
        "media = np.load(sys.argv[1])\n"
        "for kind in reversed(KINDS):\n"
        "    print(kind, hashlib.sha256(corrupt(media[kind], kind, 4, 'a').tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "media.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = dict(line.split() for line in done.stdout.splitlines())
    assert theirs == {kind: digest(corrupt(media[kind], kind, 4, "a")) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_silence_and_what_is_not_there_stay(media, kind):
    clean = media[kind]
    for nothing in (np.zeros_like(clean), clean[:0]):
        np.testing.assert_array_equal(corrupt(nothing, kind, 5, "a"), nothing)


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_sound_stays_in_time_to_a_sample(sound, kind, severity):
    corrupted = corrupt(sound, kind, severity, "a").astype(np.float64)
    likeness = scipy.signal.correlate(corrupted, sound.astype(np.float64))
    assert abs(int(np.argmax(likeness)) - (len(sound) - 1)) <= 1


@pytest.mark.parametrize("kind", ["h264", "hevc"])
def test_frames_stay_in_order_and_odd_sides_are_kept(frames, kind):
    odd = frames[:, :95, :93]
    corrupted = corrupt(odd, kind, 1, "a").astype(np.float64)
    assert corrupted.shape == odd.shape
    errors = np.array([
        [np.square(mine - theirs).mean() for theirs in odd.astype(np.float64)]
        for mine in corrupted
    ])  # fmt: skip
    np.testing.assert_array_equal(errors.argmin(axis=1), np.arange(len(odd)))


def test_severities_of_a_clip_are_nested(frames):
    grey = [(corrupt(frames, "occlusion", s, "a") == 128).all(axis=(0, 3)) for s in SEVERITIES]
    shares = [mask.mean() for mask in grey]
    np.testing.assert_allclose(shares, KINDS["occlusion"].values, atol=0.02)
    lost = [
        (np.diff(corrupt(frames, "frame_drops", s, "a").astype(int), axis=0) == 0).all((1, 2, 3))
        for s in SEVERITIES
    ]
    assert all((more >= fewer).all() for fewer, more in itertools.pairwise(lost))


def test_values_are_what_they_say(frames, sound):
    values = {kind: of.values[2] for kind, of in KINDS.items()}
    noisy = corrupt(sound, "white_noise", 3, "a")
    assert similarity(sound, noisy) == pytest.approx(values["white_noise"], abs=0.1)
    quiet = corrupt(sound, "gain", 3, "a").astype(np.float64)
    level = 20 * np.log10(quiet.std() / sound.std())
    assert level == pytest.approx(-values["gain"], abs=0.01)
    clipped = np.abs(corrupt(sound, "clipping", 3, "a").astype(int))
    assert (clipped == clipped.max()).mean() == pytest.approx(values["clipping"], abs=0.01)
    pale = corrupt(frames, "contrast", 3, "a").astype(np.float64)
    assert pale.std() / frames.std() == pytest.approx(values["contrast"], abs=0.01)
    band = np.abs(np.fft.rfft(corrupt(sound, "resampling", 3, "a"))) ** 2
    assert band[3200:].sum() < 1e-3 * band.sum()  # bins of 1 Hz; half of 6 kHz, and its edge
    line = np.abs(np.fft.rfft(corrupt(sound, "telephone", 1, "a"))) ** 2
    assert line[4000:].sum() + line[:150].sum() < 0.01 * line.sum()


@pytest.mark.parametrize(
    ("kind", "severity", "why"),
    [
        ("jpeg", 0, "jpeg: severity 0 is not one of 1 to 5"),
        ("jpeg", 6, "jpeg: severity 6 is not one of 1 to 5"),
        ("h265", 1, "no corruption 'h265': did you mean 'h264'?"),
    ],
)
def test_what_there_is_not_is_refused(kind, severity, why):
    with pytest.raises(UserError) as refused:
        find_corruption(kind, severity)
    assert str(refused.value) == why


def test_a_missing_encoder_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(codecs.av, "Codec", lambda name, mode: _unknown(name))
    with pytest.raises(UserError, match="has no encoder 'libx265'"):
        find_corruption("hevc", 1)
    assert find_corruption("jpeg", 1).encoders == ()


def _unknown(name):
    raise ValueError(name)
