"""A clip is a pure function of (seed, index), and its record tells the truth."""

import base64
import hashlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from data_pipelines.records.schema import encode_clip
from data_pipelines.synthetic import capture
from data_pipelines.synthetic.codecs import decode_jpeg
from data_pipelines.synthetic.generate import shoot, synthetic_clip
from data_pipelines.synthetic.identity import make_identity
from data_pipelines.synthetic.kinds import FORGERIES, GENUINE
from data_pipelines.synthetic.performance import perform
from data_pipelines.synthetic.plan import num_clips, plan_clip
from data_pipelines.synthetic.presets import TEST_NEURAL

pytestmark = pytest.mark.slow

KINDS = [kind.name for kind in (GENUINE, *FORGERIES) if kind.only_in != TEST_NEURAL]
DIGESTS = """
import hashlib, sys
from data_pipelines.records.schema import encode_clip
from data_pipelines.synthetic.generate import synthetic_clip
from data_pipelines.synthetic.presets import Preset
preset = Preset(
    "synthetic_test", {"train": 6, "val": 2, "test": 2, "test_unseen": 3},
    seconds=1.0, size=48, frame_size=64, supersampling=1.0, clips_per_shard=8,
)
for index in map(int, sys.argv[1:]):
    print(hashlib.sha256(encode_clip(synthetic_clip(0, index, preset))).hexdigest())
"""


@pytest.fixture(scope="module")
def clips(preset):
    return [synthetic_clip(0, index, preset) for index in range(num_clips(preset))]


def test_bytes_are_the_same_in_another_process_and_order(preset, clips):
    # Both codecs and most kinds are among them.
    order = [int(i) for i in np.random.default_rng(0).permutation(len(clips))]
    run = subprocess.run(
        [sys.executable, "-c", DIGESTS, *map(str, order)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    expected = [hashlib.sha256(encode_clip(clips[i])).hexdigest() for i in order]
    assert run.stdout.split() == expected


def test_a_cold_cache_changes_nothing(preset, clips):
    make_identity.cache_clear()
    assert encode_clip(synthetic_clip(0, 3, preset)) == encode_clip(clips[3])


def test_another_seed_makes_other_clips(preset, clips):
    assert encode_clip(synthetic_clip(1, 3, preset)) != encode_clip(clips[3])


def test_records_are_sound(preset, clips):
    assert len({clip.clip_id for clip in clips}) == len(clips)
    for clip in clips:
        encode_clip(clip)  # checks the record against itself
        assert clip.label == (clip.provenance["kind"] != "real")
        if clip.has_video:
            assert len(clip.frames) == 25
            assert decode_jpeg(clip.frames[0]).shape == (48, 48, 3)
        if clip.has_audio:
            assert len(clip.audio) == 16_000


def test_twins_share_their_take_and_person(clips):
    for one, two in zip(clips[::2], clips[1::2], strict=True):
        assert one.pair_id == two.pair_id
        assert one.source_ids[0] == two.source_ids[0]
        assert {one.label, two.label} == {0, 1}


def test_ground_truth_can_be_read_back(preset, clips):
    for index, clip in enumerate(clips):
        facts = clip.provenance
        phonemes = json.loads(facts["phonemes"])
        assert all(0 <= start <= 1000 for start, _ in phonemes)
        masked = clip.label_video == 1
        assert bool(facts["mask"]) == masked
        if masked:
            mask = np.frombuffer(base64.b64decode(facts["mask"]), np.uint8).reshape(16, 16)
            assert 0.02 < (mask > 128).mean() < 0.6
        if clip.label_sync == 1:
            assert facts["sound_delay_ms"] == "0"
        if facts["kind"] == "lag":
            delay = perform(preset, 0, plan_clip(preset, 0, index)).delay
            assert int(facts["sound_delay_ms"]) == round(delay * 1000)


def test_crops_are_upright_faces_with_the_mouth_in_its_box(clips):
    for clip in clips:
        if not clip.has_video:
            continue
        widths = clip.mouth_boxes[:, 2] - clip.mouth_boxes[:, 0]
        np.testing.assert_allclose(widths, 0.45 * 48 / 1.3, rtol=1e-3)
        centres = (clip.mouth_boxes[:, :2] + clip.mouth_boxes[:, 2:]) / 2
        assert (np.abs(centres[:, 0] - 24) < 8).all()
        assert (centres[:, 1] > 26).all()


def test_no_forgery_touches_the_random_stream_of_the_capture(preset, plan_of, monkeypatch):
    # Noise that went on where the forgery's random numbers ended had another law in forged clips.
    states = []
    for name in ("film", "record"):
        original = getattr(capture, name)

        def spy(*arguments, original=original):
            states.append(arguments[-1].bit_generator.state)
            return original(*arguments)

        monkeypatch.setattr(capture, name, spy)
    for kind in KINDS:
        plan = plan_of(kind, take=1)
        shoot(0, preset, plan, perform(preset, 0, plan))
    assert len(states) == 2 * len(KINDS)
    assert states[0::2] == states[:1] * len(KINDS)
    assert states[1::2] == states[1:2] * len(KINDS)


def test_the_camera_cannot_tell_a_forgery(preset, plan_of):
    # Where the forgery changed nothing, the recorded pixels are the genuine twin's, noise included.
    genuine, swapped = plan_of("real"), plan_of("swap")
    original, forged = (perform(preset, 0, plan) for plan in (genuine, swapped))
    first, second = (
        shoot(0, preset, plan, performance)
        for plan, performance in ((genuine, original), (swapped, forged))
    )
    away = cv2.dilate((forged.mask.max(axis=0) > 1e-3).astype(np.uint8), np.ones((9, 9))) == 0
    assert away.mean() > 0.3
    np.testing.assert_array_equal(first.frames[:, away], second.frames[:, away])
    np.testing.assert_array_equal(first.audio, second.audio)
    assert first.codec == second.codec
