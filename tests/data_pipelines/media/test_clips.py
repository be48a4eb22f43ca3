import dataclasses
import pathlib
import wave

import cv2
import numpy as np
import pytest
import simplejpeg

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.media import clips
from data_pipelines.media.clips import iterate_clips, windows
from data_pipelines.media.clock import StageClock
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits, PrepareSettings
from data_pipelines.records.schema import encode_clip

SETTINGS = PrepareSettings(size=96, window_s=1.0, stride_s=1.0)


def prepare_clip(*arguments):
    return list(iterate_clips(*arguments))


def source(path: pathlib.Path, **known) -> ClipSource:
    return ClipSource(path=path, key=path.name, dataset="drawn", **known)


def tone(seconds: float) -> np.ndarray:
    return 0.3 * np.sin(np.arange(int(seconds * 48_000)) / 20)


def encoded(records) -> list[bytes]:
    return [encode_clip(record) for record in records]


@pytest.fixture(scope="module")
def talking(tmp_path_factory, draw_face, write_media) -> pathlib.Path:
    """2.4 s of a face that moves its mouth and drifts, with sound."""
    images = [draw_face(centre=(140 + i / 2, 110), mouth=0.1 + 0.1 * (i % 2)) for i in range(60)]
    path = tmp_path_factory.mktemp("talking") / "talking.mp4"
    return write_media(path, images, sound=tone(2.4))


@pytest.mark.parametrize(
    ("length", "window", "stride", "expected"),
    [
        (250, 4.0, 4.0, [(0, 100), (100, 200), (200, 250)]),
        (205, 4.0, 4.0, [(0, 100), (100, 200)]),  # what is left is under min_s
        (30, 4.0, 4.0, [(0, 30)]),  # short clips stay whole
        (200, 4.0, 2.0, [(0, 100), (50, 150), (100, 200)]),
        (210, 4.0, 2.0, [(0, 100), (50, 150), (100, 200), (150, 210)]),
        (200, 1.0, 4.0, [(0, 25), (100, 125)]),
        (12, 4.0, 4.0, []),
    ],
)
def test_windows(length, window, stride, expected):
    settings = PrepareSettings(window_s=window, stride_s=stride, min_s=0.5)
    assert windows(length, settings) == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (12, []),
        (30, [(0, 30)]),
        (100, [(0, 100)]),
        (101, [(0, 100), (1, 101)]),
        (210, [(0, 100), (50, 150), (100, 200), (110, 210)]),
    ],
)
def test_windows_of_a_verdict_are_whole(length, expected):
    settings = PrepareSettings(window_s=4.0, stride_s=2.0, every_face=True)
    assert windows(length, settings) == expected


def test_a_talking_face_becomes_windows(talking):
    labels = {"label_video": 1, "label_audio": 0, "label_sync": 1, "method_video": "m"}
    known = {"split": "val", "pair_id": "p", "source_ids": ("a", "b"), **labels}
    licence = {"licence": "free"}
    first, second = prepare_clip(source(talking, provenance=licence, **known), SETTINGS)
    assert [first.clip_id, second.clip_id] == ["drawn/talking.mp4#0", "drawn/talking.mp4#1000"]
    assert (len(first.frames), len(second.frames)) == (25, 25)
    assert len(first.audio) == 16_000
    np.testing.assert_allclose(second.frame_times_ms, 1000 + 40 * np.arange(25), atol=1)
    assert (first.split, first.pair_id, first.source_ids) == ("val", "p", ("a", "b"))
    assert (first.label_video, first.label_audio, first.label_sync) == (1, 0, 1)
    facts = first.provenance
    assert (facts["source"], facts["licence"]) == ("talking.mp4", "free")
    assert (facts["width"], facts["fps"], facts["faces"]) == ("320", "25.000", "1")
    assert facts["truncated"] == ""
    assert len(facts["sha256"]) == 64


def test_the_crop_is_aligned_and_the_box_is_on_the_mouth(talking):
    record = prepare_clip(source(talking), SETTINGS)[0]
    crops = [simplejpeg.decode_jpeg(jpeg) for jpeg in record.frames]
    assert crops[0].shape == (96, 96, 3)
    for crop, (x0, y0, x1, y1) in zip(crops, record.mouth_boxes.round().astype(int), strict=True):
        lips = (crop[..., 0].astype(int) - crop[..., 1]) > 70
        rows, columns = np.nonzero(lips[y0:y1, x0:x1])
        assert len(rows) > 0.9 * lips[40:].sum()
        centre = np.array([columns.mean() + x0, rows.mean() + y0])
        np.testing.assert_allclose(centre, [(x0 + x1) / 2, (y0 + y1) / 2], atol=3)
    # The face drifts through the picture and stands still in the crop.
    still = np.abs(crops[2].astype(float) - crops[22])[20:50, 30:66].mean()
    assert still < 6


def test_flash_and_beep_meet_in_the_record(tmp_path, draw_face, write_media):
    bright = np.array([1.25])
    images = [draw_face() for _ in range(60)]
    images[40] = np.clip(images[40] * bright, 0, 255).astype(np.uint8)
    sound = np.zeros(int(2.4 * 48_000))
    sound[76_800:80_640] = tone(0.08)  # 1.6 s, where frame 40 is
    path = write_media(tmp_path / "a.mp4", images, sound=sound)
    record = prepare_clip(source(path), SETTINGS)[1]
    brightness = [simplejpeg.decode_jpeg(jpeg).mean() for jpeg in record.frames]
    flash_s = np.argmax(brightness) / 25
    beep_s = np.argmax(np.abs(record.audio.astype(int)) > 2000) / 16_000
    assert flash_s == 0.6
    assert beep_s + record.audio_offset_ms / 1000 == pytest.approx(flash_s, abs=0.005)


def test_late_sound_has_an_offset(tmp_path, draw_face, write_media):
    path = write_media(
        tmp_path / "a.mkv", [draw_face()] * 50, sound=tone(1.4), sound_start=0.6,
        codecs=("libx264", "pcm_s16le"),
    )  # fmt: skip
    first, second = prepare_clip(source(path), SETTINGS)
    assert first.audio_offset_ms == pytest.approx(600, abs=2)
    assert len(first.audio) == pytest.approx(6400, abs=40)
    assert (second.audio_offset_ms, len(second.audio)) == (0.0, 16_000)


def test_a_video_without_sound_has_no_audio_and_no_audio_label(tmp_path, draw_face, write_media):
    path = write_media(tmp_path / "a.mp4", [draw_face()] * 25)
    (record,) = prepare_clip(source(path, label_video=1, label_audio=0, label_sync=1), SETTINGS)
    assert (record.has_video, record.has_audio) == (True, False)
    assert (record.label_video, record.label_audio, record.label_sync) == (1, -1, -1)
    with pytest.raises(MediaError, match="no_audio: the data set promises sound"):
        prepare_clip(source(path, expects_audio=True), SETTINGS)


def test_sound_without_a_picture_has_no_frames(tmp_path, write_media):
    path = write_media(tmp_path / "a.mp4", sound=tone(2.2))
    first, second = prepare_clip(source(path, label_video=1, label_audio=1), SETTINGS)
    assert (first.has_video, len(first.audio), len(second.audio)) == (False, 16_000, 16_000)
    assert (first.label_video, first.label_audio, first.label_sync) == (-1, 1, -1)
    assert encoded([first])  # passes the record's own checks
    assert [first.start_ms, second.start_ms] == [0, 1000]
    late = write_media(tmp_path / "late.mkv", sound=tone(1.2), sound_start=36_000.0)
    assert prepare_clip(source(late), SETTINGS)[0].start_ms == 0
    with pytest.raises(MediaError, match="no_video"):
        prepare_clip(source(path, expects_video=True), SETTINGS)
    with pytest.raises(MediaError, match="too_short"):
        prepare_clip(source(path), dataclasses.replace(SETTINGS, window_s=9.0, min_s=3.0))


def test_pictures_and_a_sound_file_become_one_record(tmp_path, draw_face, write_media):
    frames = tmp_path / "sa1"
    frames.mkdir()
    for index in range(30):
        picture = draw_face() if index != 20 else np.full_like(draw_face(), 255)
        (frames / f"{index + 1:03d}").write_bytes(simplejpeg.encode_jpeg(picture, 95))
    sound = np.zeros(int(2.0 * 48_000))  # longer than the picture
    sound[38_400:42_240] = tone(0.08)  # 0.8 s, where frame 20 is
    wav = write_media(tmp_path / "sa1.wav", sound=sound, codecs=("", "pcm_s16le"))
    settings = dataclasses.replace(SETTINGS, window_s=1.2, stride_s=1.2)
    (record,) = prepare_clip(source(frames, audio_path=wav, expects_audio=True), settings)
    assert (len(record.frames), len(record.audio), record.audio_offset_ms) == (30, 19_200, 0.0)
    np.testing.assert_allclose(record.frame_times_ms, 40 * np.arange(30), atol=1e-6)
    flash_s = np.argmax([simplejpeg.decode_jpeg(jpeg).mean() for jpeg in record.frames]) / 25
    beep_s = np.argmax(np.abs(record.audio.astype(int)) > 2000) / 16_000
    assert flash_s == 0.8
    assert beep_s == pytest.approx(flash_s, abs=0.005)
    facts = record.provenance
    assert (facts["video_codec"], facts["audio_codec"], facts["truncated"]) == (
        "jpeg", "pcm_s16le", ""
    )  # fmt: skip


def test_a_sound_file_replaces_the_videos_own_sound(talking, tmp_path, write_media):
    wav = write_media(tmp_path / "a.wav", sound=np.zeros(48_000), codecs=("", "pcm_s16le"))
    first, *others = prepare_clip(source(talking, audio_path=wav), SETTINGS)
    assert len(first.audio) == 16_000
    assert not first.audio.any()
    assert [record.has_audio for record in others] == [False] * len(others)
    assert first.provenance["audio_rate"] == "48000"


def test_a_missing_sound_file_is_named(talking, tmp_path):
    with pytest.raises(MediaError, match=r"missing: its sound, gone\.wav: no such file"):
        prepare_clip(source(talking, audio_path=tmp_path / "gone.wav"), SETTINGS)


def test_a_sound_file_without_a_sample_is_no_sound(talking, tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    empty = source(talking, audio_path=tmp_path / "a.wav", label_audio=0)
    first, second = prepare_clip(empty, SETTINGS)
    assert (first.has_audio, second.has_audio, first.label_audio) == (False, False, -1)
    with pytest.raises(MediaError, match="no_audio"):
        prepare_clip(dataclasses.replace(empty, expects_audio=True), SETTINGS)


def test_pictures_without_sound_have_no_audio(tmp_path, draw_face):
    for index in range(15):
        (tmp_path / f"{index:03d}").write_bytes(simplejpeg.encode_jpeg(draw_face(), 95))
    (record,) = prepare_clip(source(tmp_path), SETTINGS)
    assert (len(record.frames), record.has_audio) == (15, False)
    with pytest.raises(MediaError, match="no_audio"):
        prepare_clip(source(tmp_path, expects_audio=True), SETTINGS)


def test_no_face(tmp_path, grey, write_media):
    path = write_media(tmp_path / "a.mp4", [grey(90)] * 30, sound=tone(1.2))
    with pytest.raises(MediaError, match="no_face"):
        prepare_clip(source(path), SETTINGS)


def test_three_frames_are_too_short(tmp_path, draw_face, write_media):
    path = write_media(tmp_path / "a.mp4", [draw_face()] * 3)
    with pytest.raises(MediaError, match=r"too_short: 0\.12 s; at least 0\.50 s needed"):
        prepare_clip(source(path), SETTINGS)


def test_variable_frame_rate_becomes_an_even_grid(tmp_path, draw_face, write_media):
    stamps = np.cumsum([0.0] + [0.02, 0.07, 0.033] * 8)
    images = [draw_face()] * len(stamps)
    path = write_media(tmp_path / "a.mkv", images, times=stamps.tolist())
    (record,) = prepare_clip(source(path), SETTINGS)
    np.testing.assert_allclose(np.diff(record.frame_times_ms), 40, atol=1e-6)


def test_a_cut_file_says_how_much_is_lost(tmp_path, draw_face, write_media):
    images = [draw_face(centre=(140 + i, 110), mouth=0.1 + 0.1 * (i % 3)) for i in range(75)]
    whole = write_media(tmp_path / "a.mp4", images, options={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    records = prepare_clip(source(cut), SETTINGS)
    seconds = sum(len(record.frames) for record in records) / 25
    lost = float(records[0].provenance["truncated"].split()[0])
    assert records[0].provenance["truncated"].endswith("of 3.00 s lost")
    assert 0.3 < lost == pytest.approx(3.0 - seconds, abs=0.5)
    cut.write_bytes(whole.read_bytes()[: whole.read_bytes().index(b"mdat") + 6])
    with pytest.raises(MediaError, match="truncated"):
        prepare_clip(source(cut), SETTINGS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("text", "not_media"), ("empty", "empty"), ("no_index", "truncated"), ("missing", "missing")],
)
def test_bad_files_answer_with_a_reason(bad_files, name, reason):
    with pytest.raises(MediaError) as caught:
        prepare_clip(source(bad_files[name]), SETTINGS)
    assert caught.value.reason == reason


def test_a_record_says_what_its_file_was_and_what_was_put_right(talking):
    (first, *_) = prepare_clip(source(talking), SETTINGS)
    assert (
        first.provenance.items()
        >= {
            "pixel_aspect": "1:1",
            "orientation": "1",
            "scan": "progressive",
            "transfer": "unspecified",
            "video_streams": "1",
            "stamps_mended": "0",
            "audio_streams": "1",
            "audio_channels": "1",
            "audio_mix": "",
            "audio_cut_ms": "0",
            "audio_filled_ms": "0",
            "audio_residual_ms": "0",
        }.items()
    )


def test_a_window_that_no_forged_stretch_touches_is_genuine(talking):
    """Windows of 0 to 1 and 1 to 2 s; the rest is under the shortest."""
    forged = {"label_video": 1, "label_audio": 1, "method_video": "lips", "method_audio": "voice"}
    stretches = {"forged_video": ((0.2, 0.5),), "forged_audio": ((0.0, 0.1), (1.9, 2.2))}
    first, second = prepare_clip(source(talking, **forged, **stretches), SETTINGS)[:2]
    assert (first.label_video, first.method_video) == (1, "lips")
    assert (first.label_audio, first.method_audio) == (1, "voice")
    assert (second.label_video, second.method_video) == (0, "none")
    assert (second.label_audio, second.method_audio) == (1, "voice")
    touching = {"forged_video": ((1.0, 1.5),), "forged_audio": ((0.5, 1.0),)}
    first, second = prepare_clip(source(talking, **forged, **touching), SETTINGS)[:2]
    assert (first.label_video, second.label_video) == (0, 1)
    assert (first.label_audio, second.label_audio) == (1, 0)
    whole = prepare_clip(source(talking, **forged), SETTINGS)
    assert {(record.label_video, record.label_audio) for record in whole} == {(1, 1)}


def test_windows_count_from_the_first_frame_whatever_the_clock(tmp_path, draw_face, write_media):
    """A broadcast that was recorded from its eleventh hour on; stretches count likewise."""
    times = 36_000 + np.arange(60) / 25
    path = write_media(tmp_path / "a.mkv", [draw_face()] * 60, times=times)
    forged = {"label_video": 1, "method_video": "lips", "forged_video": ((1.2, 1.5),)}
    first, second = prepare_clip(source(path, **forged), SETTINGS)
    assert [first.start_ms, second.start_ms] == [0, 1000]
    assert second.frame_times_ms[0] == pytest.approx(36_001_000, abs=2)
    assert (first.label_video, second.label_video) == (0, 1)


def test_no_record_lies_across_a_cut(tmp_path, draw_face, write_media):
    """One face gives way to another, in the same place and before the same wall."""
    one = draw_face()
    other = np.where((one == one[0, 0]).all(axis=2, keepdims=True), np.uint8(235), one)
    other[140:170, 130:190] //= 4
    path = write_media(tmp_path / "a.mp4", [one] * 30 + [other] * 30)
    records = prepare_clip(source(path), SETTINGS)
    spans = [(r.frame_times_ms[0], r.frame_times_ms[-1]) for r in records]
    assert len(records) >= 2
    assert all(end < 1200 or start >= 1200 for start, end in spans)


def test_decoding_twice_gives_the_same_as_keeping_the_frames(talking, monkeypatch):
    overlapping = dataclasses.replace(SETTINGS, stride_s=0.4)
    kept = prepare_clip(source(talking), overlapping)
    monkeypatch.setattr(clips, "_KEEP_BYTES", 0)
    assert encoded(prepare_clip(source(talking), overlapping)) == encoded(kept)
    assert [record.clip_id.partition("#")[2] for record in kept] == [
        "0",
        "400",
        "800",
        "1200",
        "1600",
    ]


def test_limits_reach_the_decoder(talking):
    tight = dataclasses.replace(SETTINGS, limits=MediaLimits(max_seconds=1.0))
    with pytest.raises(MediaError, match="too_large"):
        prepare_clip(source(talking), tight)


def test_the_clock_knows_every_stage(talking):
    clock = StageClock()
    prepare_clip(source(talking), SETTINGS, clock)
    assert set(clock.seconds) == {"decode", "face", "crop"}
    assert all(seconds > 0 for seconds in clock.seconds.values())


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"margin": -1.0}, {"window_s": 0.2}, {"stride_s": 0.0}, {"jpeg_quality": 0}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        PrepareSettings(**wrong)


@pytest.mark.media
def test_real_clips_stand_still_in_their_crops(media):
    """Trembling: what the crop's movement is besides a smooth one, in pixels of a 224 px crop."""
    names = ["diffdub__RD_Radio22_GT.mp4", "av2av__videos-12.webm", "av2av__videos-3.webm"]
    for name in names:
        records = prepare_clip(source(media / name), PrepareSettings())
        crops = [simplejpeg.decode_jpeg(jpeg, colorspace="GRAY") for jpeg in records[0].frames]
        mouths = (records[0].mouth_boxes[:, :2] + records[0].mouth_boxes[:, 2:]) / 2
        assert crops[0].shape == (224, 224, 1)
        assert np.abs(np.diff(mouths, n=2, axis=0)).mean() < 0.7
        assert (np.abs(mouths - [112, 150]) < 30).all()


EVERY_FACE = dataclasses.replace(SETTINGS, every_face=True)


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory, draw_face, write_media) -> pathlib.Path:
    """1 s of one face, 1.2 s of two, sound for 3.6 s: the last 1.4 s show nobody."""
    one = draw_face(width=320, centre=(90, 100), radius=50)
    two = np.concatenate([one[:, :180], draw_face(width=200, centre=(110, 100), radius=40)], axis=1)
    one = np.concatenate([one[:, :180], np.full((240, 200, 3), (70, 90, 110), np.uint8)], axis=1)
    plain = np.full_like(two, 90)
    path = tmp_path_factory.mktemp("two") / "two.mkv"
    return write_media(
        path, [one] * 25 + [two] * 30 + [plain] * 35, sound=tone(3.6),
        codecs=("libx264", "pcm_s16le"),
    )  # fmt: skip


def test_every_face_has_its_records_and_sound_alone_the_rest(two_faces):
    records = prepare_clip(source(two_faces), EVERY_FACE)
    found = [(r.provenance.get("face"), r.start_ms, len(r.frames), r.has_audio) for r in records]
    whole = (25, True)
    assert [row for row in found if row[0] == "0"] == [
        ("0", 0, *whole), ("0", 1000, *whole), ("0", 1200, *whole),
    ]  # fmt: skip
    assert {row[2:] for row in found if row[0] == "1"} == {whole}
    alone = [row for row in found if row[0] is None]
    assert [row[1] for row in alone] == pytest.approx([2200, 2600], abs=80)
    assert {row[2:] for row in alone} == {(0, True)}
    assert len({record.clip_id for record in records}) == len(records)
    largest = prepare_clip(source(two_faces), SETTINGS)
    first = [record for record in records if record.provenance.get("face") == "0"][:2]
    assert [record.frames for record in largest] == [record.frames for record in first]


def test_without_a_face_the_sound_is_there_and_says_why_it_is_alone(tmp_path, grey, write_media):
    path = write_media(tmp_path / "a.mp4", [grey(90)] * 50, sound=tone(2.0))
    first, *_ = prepare_clip(source(path), EVERY_FACE)
    assert (first.has_video, first.has_audio) == (False, True)
    assert first.provenance["unseen"].startswith("no_face: none seen")
    silent = write_media(tmp_path / "b.mp4", [grey(90)] * 50)
    with pytest.raises(MediaError, match="no_face"):
        prepare_clip(source(silent), EVERY_FACE)
    short = write_media(tmp_path / "c.mp4", [grey(90)] * 5, sound=tone(0.2))
    with pytest.raises(MediaError, match="too_short"):
        prepare_clip(source(short), EVERY_FACE)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_photo_is_a_window_that_stands_still(tmp_path, draw_face, suffix):
    path = tmp_path / f"face.{suffix}"
    cv2.imwrite(str(path), draw_face()[..., ::-1])
    path = path.rename(path.with_suffix(".dat"))  # whatever it is called
    (record,) = prepare_clip(source(path), EVERY_FACE)
    assert (len(record.frames), record.has_audio) == (25, False)
    assert (record.provenance["photo"], record.provenance["face"]) == ("yes", "0")
    crops = [simplejpeg.decode_jpeg(jpeg).astype(float) for jpeg in record.frames]
    assert np.abs(crops[0] - crops[-1]).mean() < 2  # the mesh trembles
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(MediaError, match=r"no_frames|not_media"):
        prepare_clip(source(path), EVERY_FACE)
