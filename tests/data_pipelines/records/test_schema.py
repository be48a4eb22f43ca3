"""A clip survives its serialisation; what is no clip is refused by name."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.schema import check_clip, clip_facts, decode_clip, encode_clip


def assert_equal(left: ClipRecord, right: ClipRecord) -> None:
    for field in dataclasses.fields(ClipRecord):
        ours, theirs = getattr(left, field.name), getattr(right, field.name)
        np.testing.assert_array_equal(ours, theirs, err_msg=field.name)


def silent(clip: ClipRecord) -> ClipRecord:
    return dataclasses.replace(clip, audio=clip.audio[:0], label_audio=-1, label_sync=-1)


def blind(clip: ClipRecord) -> ClipRecord:
    return dataclasses.replace(
        clip,
        frames=(),
        frame_times_ms=clip.frame_times_ms[:0],
        mouth_boxes=clip.mouth_boxes[:0],
        label_video=-1,
        label_sync=-1,
    )


@pytest.mark.parametrize("change", [lambda clip: clip, silent, blind])
def test_round_trip(clip, change):
    clip = change(clip)
    decoded = decode_clip(encode_clip(clip))
    assert_equal(decoded, clip)
    assert (decoded.has_video, decoded.has_audio) == (clip.has_video, clip.has_audio)
    assert decoded.frame_times_ms.dtype == np.float64
    assert decoded.mouth_boxes.dtype == np.float32
    assert decoded.audio.dtype == np.int16


def test_equal_clips_give_equal_bytes(clip):
    reordered = dataclasses.replace(clip, provenance=dict(reversed(clip.provenance.items())))
    assert encode_clip(clip) == encode_clip(reordered)


@pytest.mark.parametrize("change", [lambda clip: clip, silent, blind])
def test_facts_agree_with_the_clip(clip, change):
    clip = change(clip)
    facts = clip_facts(encode_clip(clip))
    assert facts.pop("num_frames") == len(clip.frames)
    assert facts.pop("num_samples") == len(clip.audio)
    for name, value in facts.items():
        np.testing.assert_equal(value, getattr(clip, name), err_msg=name)


@pytest.mark.parametrize(
    ("label_sync", "known", "delay"),
    [(1, "", 0.0), (1, "320", 0.0), (0, "-320", -320.0), (0, "", np.nan), (-1, "0", np.nan)],
)
def test_the_delay_is_known_in_sync_or_by_the_provenance(clip, label_sync, known, delay):
    provenance = clip.provenance | {"sound_delay_ms": known}
    changed = dataclasses.replace(clip, label_sync=label_sync, provenance=provenance)
    np.testing.assert_equal(changed.sync_delay_ms, delay)
    np.testing.assert_equal(clip_facts(encode_clip(changed))["sync_delay_ms"], delay)


def test_facts_do_not_read_the_media(clip):
    payload = bytearray(encode_clip(clip))
    for media in (clip.frames[0], clip.audio.tobytes()):
        start = payload.find(media)
        assert start > 0
        payload[start : start + len(media)] = b"\xff" * len(media)
    assert clip_facts(bytes(payload)) == clip_facts(encode_clip(clip))


def test_bytes_that_are_no_clip_are_refused(clip):
    payload = encode_clip(clip)
    for bad in (b"", b"text", payload[: len(payload) // 2], b"\x0a\xff\xff\xff\xff\x7f", b"\xff"):
        with pytest.raises(ValueError, match=r"Example|no field"):
            decode_clip(bad)
        with pytest.raises(ValueError, match=r"Example|no field"):
            clip_facts(bad)


def test_no_prefix_and_no_flipped_byte_escapes_as_another_error(clip):
    payload = encode_clip(dataclasses.replace(clip, frames=(b"j",) * 10, audio=clip.audio[:4]))
    rng = np.random.default_rng(0)
    for length in range(0, len(payload), 7):
        with pytest.raises(ValueError, match=r".+"):
            clip_facts(payload[:length])
    for position in rng.integers(0, len(payload), 500).tolist():
        damaged = bytearray(payload)
        damaged[position] ^= 1 << int(rng.integers(8))
        for decode in (decode_clip, clip_facts):
            try:
                decode(bytes(damaged))
            except ValueError:
                continue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": (b"one",)}, "1 frames, 10 times, 10 mouth boxes"),
        ({"frame_times_ms": np.arange(10) * 41.5}, "advance by 40 ms"),
        ({"frame_times_ms": np.arange(10) * -40.0}, "advance by 40 ms"),
        ({"frame_times_ms": np.full(10, np.nan)}, "finite"),
        ({"mouth_boxes": np.full((10, 4), np.inf, np.float32)}, "finite"),
        ({"audio_offset_ms": float("nan")}, "audio_offset_ms"),
        ({"label_video": 2}, "label_video is 2"),
        ({"audio": np.zeros(0, np.int16)}, "without audio"),
        (
            {
                "frames": (),
                "frame_times_ms": np.zeros(0),
                "mouth_boxes": np.zeros((0, 4), np.float32),
            },
            "without frames",
        ),
    ],
)
def test_a_clip_that_contradicts_itself_is_refused(clip, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_clip(dataclasses.replace(clip, **change))
    assert clip.clip_id in str(caught.value)
