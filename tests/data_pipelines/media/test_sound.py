"""Sound lies where its timestamps say; what they cannot mean does not move it."""

import fractions

import av
import numpy as np
import pytest

from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.sound import AudioTrack, lay_out, read_audio

LIMITS = MediaLimits()
BLOCK = 1024 / 48_000


def clicks(seconds, rate=48_000):
    """A click every tenth of a second, alternately up and down, louder by the second."""
    sound = np.zeros(round(seconds * rate))
    for number in range(round(seconds * 10)):
        at = round((number + 0.5) / 10 * rate)
        sound[at : at + rate // 1000] = (-1) ** number * (0.3 + 0.02 * (number // 10))
    return sound


def write_pieces(path, pieces, rate=48_000, codec="pcm_s16le", layout="mono"):
    """Sound whose pieces, (start in seconds, samples), keep the timestamps that they are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start, sound in pieces:
            for first in range(0, sound.shape[-1], 1024):
                block = (np.atleast_2d(sound)[:, first : first + 1024] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(
                    block.T.reshape(1, -1), format="s16", layout=layout
                )
                frame.sample_rate, frame.time_base = rate, fractions.Fraction(1, rate)
                frame.pts = round(start * rate) + first
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def lags_ms(samples, wanted):
    """By how much each half second of the wanted sound comes late."""
    found = []
    for start in range(1600, len(wanted) - 9600, 8000):
        part = wanted[start : start + 8000].astype(float)
        near = samples[start - 1600 : start + 9600].astype(float)
        found.append((np.argmax(np.correlate(near, part, "valid")) - 1600) / 16)
    return np.array(found)


def test_late_sound_is_late(tmp_path, write_media, grey):
    sound = 0.5 * np.sin(np.arange(48_000) / 8)
    path = write_media(
        tmp_path / "a.mkv", [grey(90)] * 50, sound=sound, sound_start=0.4,
        codecs=("libx264", "pcm_s16le"),
    )  # fmt: skip
    track = read_audio(path, LIMITS)
    assert track.start_s == pytest.approx(0.4, abs=0.002)
    assert len(track.samples) == pytest.approx(16_000, abs=2)


def test_between_takes_the_window_and_says_how_late_it_starts():
    track = AudioTrack(np.arange(16_000, dtype=np.int16), start_s=0.5)
    samples, late = track.between(0.0, 1.0)
    assert (samples[0], len(samples), late) == (0, 8000, 0.5)
    samples, late = track.between(1.0, 1.25)
    assert (samples[0], len(samples), late) == (8000, 4000, 0.0)
    samples, late = track.between(1.4, 2.0)
    assert (samples[0], len(samples), late) == (14_400, 1600, 0.0)
    assert track.between(3.0, 4.0)[0].size == 0
    assert track.between(0.0, 0.4)[0].size == 0


def test_floats_beyond_one_saturate(tmp_path, write_media):
    sound = 1.42 * np.sin(2 * np.pi * 100 * np.arange(48_000) / 48_000)
    path = write_media(tmp_path / "a.mkv", sound=sound, codecs=("", "pcm_f32le"))
    samples = read_audio(path, LIMITS).samples.astype(float)
    clipped = np.clip(1.42 * np.sin(2 * np.pi * 100 * np.arange(16_000) / 16_000), -1, 1) * 32_768
    assert samples.max() == 32_767
    assert samples.min() == -32_768
    assert np.abs(samples[200:-200] - clipped[200:-200]).max() < 2000  # no wrapping round


def joined(path, pieces):
    """Transport-stream files, one a piece, joined byte by byte as `cat` does."""
    parts = [
        write_pieces(path.with_name(f"{number}.ts"), [piece], codec="mp2")
        for number, piece in enumerate(pieces)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("overlap", [0.045, 0.024, 0.0])
def test_joined_pieces_that_overlap_are_cut_and_stay_in_time(tmp_path, overlap):
    sound = clicks(8.0)
    spans = [(second, min(second + 1 + overlap, 8.0)) for second in range(8)]
    pieces = [(a, sound[round(a * 48_000) : round(b * 48_000)]) for a, b in spans]
    track = read_audio(joined(tmp_path / "a.ts", pieces), LIMITS)
    whole = read_audio(joined(tmp_path / "b.ts", [(0.0, sound)]), LIMITS)
    assert track.start_s == pytest.approx(whole.start_s, abs=0.001)
    assert np.abs(lags_ms(track.samples, whole.samples)).max() < 10.5
    blocks = np.ceil((1 + overlap) / 0.024) * 24 - 1000  # MP2 fills its last block of 24 ms
    assert float(track.facts["audio_cut_ms"]) == pytest.approx(7 * blocks, abs=20)
    assert track.facts["audio_filled_ms"] == "0"


@pytest.mark.parametrize("hole", [0.03, 0.4])
def test_a_hole_is_filled_with_silence(tmp_path, hole):
    sound = clicks(4.0)
    gap = slice(96_000, 96_000 + round(hole * 48_000))
    pieces = [(0.0, sound[: gap.start]), (2.0 + hole, sound[gap.stop :])]
    track = read_audio(write_pieces(tmp_path / "a.mkv", pieces), LIMITS)
    sound[gap] = 0
    whole = read_audio(write_pieces(tmp_path / "b.mkv", [(0.0, sound)]), LIMITS)
    assert np.abs(lags_ms(track.samples, whole.samples)).max() < 2
    assert float(track.facts["audio_filled_ms"]) == pytest.approx(1000 * hole, abs=3)
    assert track.facts["audio_cut_ms"] == "0"


def test_sound_in_order_is_not_touched():
    positions = np.arange(200) * BLOCK
    jitter = np.random.default_rng(0).uniform(-0.001, 0.001, 200)
    layout = lay_out(positions, positions + 0.5 + jitter)
    assert layout.pieces == [(0.0, pytest.approx(0.5, abs=0.001))]
    assert layout.residual_s < 0.003


@pytest.mark.parametrize("wrong", [0, 1, 57, 199])
@pytest.mark.parametrize("stamp", [np.nan, 0.0, 300.0])
def test_one_wrong_timestamp_moves_nothing(wrong, stamp):
    positions = np.arange(200) * BLOCK
    stamps = positions + 0.5
    stamps[wrong] = stamp
    assert lay_out(positions, stamps).pieces == [(0.0, pytest.approx(0.5))]


def test_a_clock_that_starts_anew_goes_on_where_it_was():
    positions = np.arange(200) * BLOCK
    stamps = positions + 1.4
    stamps[120:] -= positions[120]
    layout = lay_out(positions, stamps)
    assert layout.pieces == [(0.0, pytest.approx(1.4))]
    assert layout.restarts == (pytest.approx(positions[120]),)


def test_without_timestamps_sound_starts_at_0():
    assert lay_out(np.arange(9) * BLOCK, np.full(9, np.nan)).pieces == [(0.0, 0.0)]
    assert lay_out(np.zeros(1), np.full(1, 2.0)).pieces == [(0.0, 2.0)]


@pytest.mark.parametrize(
    ("right", "taken"), [(-1.0, "left of two in opposite phase"), (1.0, ""), (-0.5, ""), (0.0, "")]
)
def test_channels_that_cancel_are_not_mixed(tmp_path, right, taken):
    left = 0.3 * np.sin(np.arange(48_000) / 20)
    path = write_pieces(
        tmp_path / "a.mkv", [(0.0, np.stack([left, right * left]))], layout="stereo"
    )
    track = read_audio(path, LIMITS)
    assert track.facts["audio_mix"] == taken
    level = np.abs(track.samples).max() / 32768
    assert level == pytest.approx(0.3 if taken else 0.3 * (1 + right) / 2, abs=0.01)


@pytest.mark.parametrize(
    ("at", "size", "value"), [(12, 4, 1), (12, 4, 2**31 - 1), (10, 2, 255)], ids=str
)
def test_what_states_an_impossible_rate_or_number_of_channels_is_no_sound(
    tmp_path, write_media, at, size, value
):
    """Neither an exception nor gigabytes: a byte a second would become 32 kB."""
    path = write_pieces(tmp_path / "a.wav", [(0.0, np.zeros(8000))], rate=8000)
    content = bytearray(path.read_bytes())
    at += content.index(b"fmt ")
    content[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(content)
    assert read_audio(path, LIMITS) is None
