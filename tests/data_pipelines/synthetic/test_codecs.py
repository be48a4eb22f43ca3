"""Codecs give the same bytes every time, in time and in place."""

import io

import av
import numpy as np
import pytest

from data_pipelines.synthetic.codecs import (
    aac_round_trip,
    decode_jpeg,
    encode_jpeg,
    h264_round_trip,
    jpeg_round_trip,
    write_mp4,
)


@pytest.fixture(scope="module")
def frames():
    """Five frames of a moving gradient with a little noise."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, 48)[None, None, :, None]
    moved = [np.roll(np.broadcast_to(ramp, (1, 32, 48, 3)), 3 * i, axis=2) for i in range(5)]
    noisy = np.concatenate(moved) + rng.normal(0, 3, (5, 32, 48, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def test_h264_is_repeatable_and_keeps_count_and_picture(frames):
    one, two = h264_round_trip(frames, 20), h264_round_trip(frames, 20)
    np.testing.assert_array_equal(one, two)
    assert one.shape == frames.shape
    assert np.abs(one.astype(int) - frames).mean() < 8
    coarse = h264_round_trip(frames, 40)
    assert np.abs(coarse.astype(int) - frames).mean() > np.abs(one.astype(int) - frames).mean()


def test_jpeg_round_trip_is_what_the_two_halves_do(frames):
    expected = decode_jpeg(encode_jpeg(frames[0], 80, "420"))
    np.testing.assert_array_equal(jpeg_round_trip(frames[:1], 80)[0], expected)


def test_aac_keeps_time():
    sound = np.zeros(16_000, np.int16)
    sound[8000:8200] = 20_000 * np.sin(np.arange(200) / 3)
    decoded = aac_round_trip(sound, 64_000)
    assert decoded.shape == sound.shape
    assert abs(int(np.abs(decoded.astype(int)).argmax()) - 8100) < 160
    np.testing.assert_array_equal(decoded, aac_round_trip(sound, 64_000))


def test_an_mp4_has_the_streams_it_was_given(frames):
    sound = np.zeros(3200, np.int16)
    for picture, noise in ((frames, sound), (frames, None), (None, sound)):
        file = io.BytesIO()
        write_mp4(file, picture, noise, crf=20, audio_bit_rate=48_000)
        file.seek(0)
        with av.open(file) as container:
            assert bool(container.streams.video) == (picture is not None)
            assert bool(container.streams.audio) == (noise is not None)
