"""Genuine windows are forged as a pure function of clip and generator, and say what was done."""

import dataclasses

import cv2
import numpy as np
import pytest
import simplejpeg

from data_pipelines.errors import UserError
from data_pipelines.forgeries.names import NAMES
from data_pipelines.forgeries.operations import OPERATIONS
from data_pipelines.loading.draw import TrainingDraws
from data_pipelines.loading.pseudo_fake import exchange_sound, forge_cut
from data_pipelines.loading.rows import TrainingRow
from data_pipelines.loading.settings import AugmentConfig, ClipSpec
from data_pipelines.loading.transforms import clip_row, crop_square, cut_window, row_of_cut
from data_pipelines.loading.window import Window

SPEC = ClipSpec(seconds=0.8, frames=4, image_size=64, mouth_size=16)
LABELS = {  # video, audio, sync, any
    "self_blend": (1, 0, 1, 1), "mouth": (1, 0, 1, 1), "smooth": (1, 0, 1, 1),
    "neural": (1, 0, 1, 1), "world": (0, 1, 1, 1), "mel": (0, 1, 1, 1), "lpc": (0, 1, 1, 1),
    "pitch": (0, 1, 1, 1), "splice": (0, 1, -1, 1), "foreign": (0, 0, 0, 1), "delay": (0, 0, 0, 1),
}  # fmt: skip
PICTURE = [name for name in NAMES if not OPERATIONS[name].touches_sound]
SOUND = [name for name in NAMES if OPERATIONS[name].touches_sound]


def always(*names: str, **values: float) -> AugmentConfig:
    return AugmentConfig(pseudo_fake=1.0, pseudo_fake_operations=names, **values)


@pytest.fixture
def talking(make_clip):
    """A clip of noise in motion and a voice of many harmonics; the name decides both."""

    def make(name: str = "clip", num_frames: int = 25, **changes: object):
        rng = np.random.default_rng(list(name.encode()))
        base = cv2.GaussianBlur(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8), (0, 0), 1)
        frames = tuple(
            simplejpeg.encode_jpeg(np.roll(base, i % 5, axis=1), 95, "RGB", "444")
            for i in range(num_frames)
        )
        time = np.arange(num_frames * 640) / 16000
        voice = sum(
            np.sin(2 * np.pi * (100 + 40 * rng.random()) * k * time) / k for k in range(1, 9)
        )
        boxes = np.float32([21, 33, 43, 55]) + rng.normal(0, 0.5, (num_frames, 1)).astype(
            np.float32
        )
        values = {
            "frames": frames,
            "audio": (3000 * voice * (1.2 + np.sin(9 * time))).astype(np.int16),
            "mouth_boxes": boxes,
        }
        return make_clip(num_frames, name, **(values | changes))

    return make


@pytest.fixture
def source(write_source, talking):
    return write_source([talking("a"), talking("b")])


def draws_of(source, config: AugmentConfig, index: int = 0, spec: ClipSpec = SPEC):
    """The draws of one clip."""
    draws = TrainingDraws(source, spec, config, seed=0)
    rows = (draws[row] for row in range(14 * len(source)))
    return draws, [draw for draw in rows if draw.position == index]


def draw(source, config: AugmentConfig, index: int = 0, seed: int = 0, spec: ClipSpec = SPEC):
    """A clip's row number `seed`."""
    draws, mine = draws_of(source, config, index, spec)
    return TrainingRow(draws)(mine[seed], np.random.default_rng(seed))


def genuine_row(source, config: AugmentConfig, seed: int = 0, index: int = 0):
    """The same window unchanged."""
    window = draws_of(source, config, index)[1][seed].window
    return clip_row(source[index], SPEC, window, int(source.pairs[index]))


def labels(row) -> tuple[int, ...]:
    return tuple(int(row[f"label{part}"]) for part in ("_video", "_audio", "_sync", ""))


def test_every_operation_is_spelled_out():
    assert set(LABELS) == set(NAMES)
    assert tuple(OPERATIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_labels_say_what_was_changed(source, name):
    row, genuine = draw(source, always(name)), genuine_row(source, always(name))
    assert labels(row) == LABELS[name]
    picture = not np.array_equal(row["frames"], genuine["frames"])
    mouths = not np.array_equal(row["mouth_frames"], genuine["mouth_frames"])
    sound = not np.array_equal(row["waveform"], genuine["waveform"])
    assert (picture, mouths, sound) == (name in PICTURE, name in PICTURE, name in SOUND)
    for key in ("frame_mask", "mouth_mask", "waveform_mask", "pair", "clip_index", "frame_times"):
        np.testing.assert_array_equal(row[key], genuine[key], err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_forges_the_same(source, name):
    first, second, other = (draw(source, always(name), seed=seed) for seed in (1, 1, 2))
    for key, value in first.items():
        np.testing.assert_array_equal(second[key], value, err_msg=key)
    assert any(not np.array_equal(other[key], first[key]) for key in ("frames", "waveform"))


@pytest.mark.parametrize("name", PICTURE)
def test_mouths_are_cut_from_the_forged_faces(talking, name):
    spec = dataclasses.replace(SPEC, frames=20)
    cut = forge_cut(cut_window(talking(), spec, Window(2)), name, "clear", np.random.default_rng(0))
    row = row_of_cut(cut, spec, 0, -1)
    for slot in range(20):  # faces have the record's own size here
        mouth = crop_square(row["frames"][slot], cut.mouth_centres[slot], cut.mouth_side)
        mouth = cv2.resize(mouth, (16, 16), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(row["mouth_frames"][slot], mouth)


@pytest.mark.parametrize("name", [name for name in NAMES if OPERATIONS[name].over_time])
def test_what_works_over_time_sees_the_frames_between(source, name):
    sparse = draw(source, always(name), spec=dataclasses.replace(SPEC, mouth_size=0))
    np.testing.assert_array_equal(sparse["frames"], draw(source, always(name))["frames"])


@pytest.mark.parametrize("name", SOUND)
def test_forged_sound_has_16_bits(source, name):
    levels = draw(source, always(name))["waveform"] * 32768
    np.testing.assert_array_equal(levels, np.round(levels))


@pytest.mark.parametrize("change", [{"label_video": 1}, {"label_audio": -1}, {"label_sync": 0}])
def test_only_what_is_wholly_genuine_is_forged(write_source, talking, change):
    source = write_source([talking("a", **change), talking("b")])
    for name in ("mouth", "mel", "splice"):
        genuine, row = genuine_row(source, always(name)), draw(source, always(name))
        for key, value in genuine.items():
            np.testing.assert_array_equal(row[key], value, err_msg=key)


def test_an_unknown_sync_stays_unknown(write_source, talking):
    source = write_source([talking("a", label_sync=-1)])
    assert labels(draw(source, always("mouth"))) == (1, 0, -1, 1)


def test_a_missing_modality_is_not_forged(write_source, talking, without_sound, without_picture):
    source = write_source([without_sound(talking("a")), without_picture(talking("b"))])
    config = always(*NAMES)
    silent = {labels(draw(source, config, 0, seed)) for seed in range(12)}
    unseen = {labels(draw(source, config, 1, seed)) for seed in range(12)}
    assert (silent, unseen) == ({(1, -1, -1, 1)}, {(-1, 1, -1, 1)})


def test_silence_and_too_little_sound_stay_genuine(write_source, talking):
    clips = [
        talking("a", audio=np.zeros(16000, np.int16)),
        talking("b", audio=np.full(16000, 900, np.int16), audio_offset_ms=900.0),
    ]
    source = write_source(clips)
    for name in ("world", "mel", "lpc"):
        draws, (silent, *_) = draws_of(source, always(name))
        assert silent.labels == (0, 1, 1, 1)  # nothing but the sound itself says that it is silent
        assert labels(TrainingRow(draws)(silent, np.random.default_rng(0))) == (0, 0, 1, 0)
        assert {of.kind for of in draws_of(source, always(name), index=1)[1]} == {"untouched"}


def test_what_is_masked_stays_silent(talking):
    cut = cut_window(talking(num_frames=12), SPEC, Window(0))
    for name in ("world", "mel", "splice", "delay"):
        other = np.full(9000, 0.1, np.float32)
        forged = forge_cut(cut, name, "clear", np.random.default_rng(0), other)
        assert forged.waveform[: 12 * 640].any()
        assert not forged.waveform[12 * 640 :].any()


def test_a_splice_is_of_another_clip(write_source, talking):
    quiet, loud = np.zeros(16000, np.int16), np.full(16000, 900, np.int16)
    quiet[::2] = 900  # as loud, half of it positive
    source = write_source([talking("a", audio=quiet), talking("b", audio=loud)])
    spliced = draw(source, always("splice"))["waveform"]
    assert (spliced[1::2] > 0).mean() == pytest.approx(0.35, abs=0.2)
    alone = source.subset([0])
    assert labels(draw(alone, always("splice"))) == (0, 0, 1, 0)


def test_subtle_traces_are_smaller(talking):
    cut = cut_window(talking(), SPEC, Window(0))

    def change(strength: str) -> float:
        forged = [
            forge_cut(cut, "mouth", strength, np.random.default_rng(seed)) for seed in range(8)
        ]
        return float(
            np.mean([np.abs(np.subtract(f.frames, cut.frames, dtype=int)) for f in forged])
        )

    assert 0 < change("subtle") < change("clear")


def test_exchanged_sound_forges_nothing_but_the_match(talking):
    cut = cut_window(talking(num_frames=12), SPEC, Window(0))
    mixed = exchange_sound(cut, np.full(12800, 0.5, np.float32))
    assert (mixed.label_video, mixed.label_audio, mixed.label_sync) == (0, 0, 0)
    assert (mixed.waveform[: 12 * 640] == 0.5).all()
    assert not mixed.waveform[12 * 640 :].any()
    assert mixed.frames is cut.frames


def test_frames_of_several_sizes_are_refused_by_name(talking):
    cut = cut_window(talking(), SPEC, Window(0))
    odd = dataclasses.replace(cut, frames=(cut.frames[0][:32, :32], *cut.frames[1:]))
    with pytest.raises(UserError, match="'mouth' needs a clip whose frames are of one size"):
        forge_cut(odd, "mouth", "clear", np.random.default_rng(0))


def test_a_sample_is_not_changed(source):
    sample = source[0]
    before = sample.clip.audio.copy()
    draw(source, always("splice"))
    np.testing.assert_array_equal(sample.clip.audio, before)
