"""What follows from windows: by mean and by peak, for each face, and where nothing can be said."""

import dataclasses
import json

import jsonschema
import numpy as np
import pytest

from cad_jax.bundle.operating import Operating
from cad_jax.verdicts.decide import MIN_FACE_PX, FileFacts, decide, merged, speaking, undecided
from cad_jax.verdicts.schema import ModelFacts, Reason, TimeRange, verdict_schema

LOW = {"p_fake": 0.1, "p_video": 0.1, "p_audio": 0.1, "p_mismatch": 0.1}


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def valid(verdict):
    said = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    jsonschema.validate(said, verdict_schema(), cls=jsonschema.Draft202012Validator)
    return said


def test_a_genuine_file(judged, windows):
    verdict = judged(windows(9, **LOW))
    assert (verdict.verdict, verdict.score, codes(verdict)) == ("authentic", 0.1, [])
    assert set(verdict.modalities) == {"video", "audio", "sync"}
    assert (verdict.ranges, verdict.sync_offset_ms) == ((), 40.0)
    assert (verdict.faces[0].start_s, verdict.faces[0].end_s) == (0.0, 10.0)
    assert valid(verdict)["warnings"] == ["toys alone"]


# Of four parts that 10 % or 1 % of genuine files reach: rates of 2.6 and 0.25 % for each part.
@pytest.mark.parametrize(
    ("score", "verdict"), [(0.84, "authentic"), (0.86, "suspicious"), (0.98, "manipulated")]
)
def test_forged_all_through_is_found_by_the_mean(judged, windows, score, verdict):
    found = judged(windows(9, **LOW | {"p_audio": score}))
    assert (found.verdict, found.score) == (verdict, score)
    assert found.modalities["audio"].verdict == verdict
    assert found.modalities["video"].verdict == "authentic"
    if verdict != "authentic":
        assert found.ranges == (TimeRange(0.0, 10.0, score, "audio"),)
        assert codes(found) == [f"audio_{verdict}"]
    valid(found)


def test_a_forged_moment_is_found_by_the_peak_and_is_never_sure(judged, windows):
    scores = np.full(600, 0.1)
    scores[300:302] = 0.99999
    found = judged(windows(600, **LOW | {"p_video": scores}))
    assert found.verdict == "suspicious"
    assert codes(found) == ["video_suspicious", "beyond_validation"]
    assert [(r.start_s, r.end_s, r.modality) for r in found.ranges] == [(300.0, 303.0, "video")]
    assert found.modalities["video"].score < 0.99999


def test_the_highest_of_many_genuine_windows_is_nothing(judged, windows):
    rng = np.random.default_rng(0)
    called = 0
    for _ in range(100):
        # Windows that reach 0.7, 0.8 and 0.9 as often as validation said.
        drawn = np.interp(rng.uniform(size=100), [0, 0.01, 0.05, 0.1, 1], [0.91, 0.9, 0.8, 0.7, 0])
        called += judged(windows(100, p_audio=drawn, face=-1)).verdict != "authentic"
    assert called <= 10


@pytest.mark.parametrize(
    ("score", "verdict"), [(0.69, "authentic"), (0.71, "suspicious"), (0.91, "manipulated")]
)
def test_one_part_alone_is_read_by_the_measured_thresholds(judged, windows, score, verdict):
    assert judged(windows(1, p_audio=score, face=-1)).verdict == verdict


def test_genuine_files_are_called_so_as_often_as_promised(judged, windows):
    rng = np.random.default_rng(1)
    measured = ([0, 0.01, 0.05, 0.1, 1], [0.91, 0.9, 0.8, 0.7, 0])
    called = [
        judged(windows(1, **{head: float(np.interp(rng.uniform(), *measured)) for head in LOW}))
        for _ in range(400)
    ]
    assert 0.05 < np.mean([found.verdict != "authentic" for found in called]) < 0.15


def test_a_missing_modality_is_left_out(judged, windows):
    sound = judged(windows(4, face=-1, width=np.nan, p_audio=0.1, p_fake=0.99))
    assert (set(sound.modalities), sound.faces) == ({"audio"}, ())
    assert (sound.verdict, sound.sync_offset_ms) == ("authentic", None)
    picture = judged(windows(4, p_video=0.95, p_fake=0.1))
    assert (set(picture.modalities), picture.verdict) == ({"video"}, "manipulated")
    assert picture.faces[0].speaking is None
    valid(sound), valid(picture)


def test_every_face_has_its_verdict_and_the_speaker_decides_for_sound(judged, windows):
    # The listener's lips fit nothing; that is no forgery.
    listener = windows(9, face=1, **LOW | {"p_mismatch": 0.99, "p_fake": 0.99})
    found = judged(windows(9, face=0, **LOW), listener)
    assert found.verdict == "authentic"
    assert [face.speaking for face in found.faces] == [1.0, 0.0]
    forged = judged(windows(9, face=0, **LOW), dataclasses.replace(
        listener, scores=listener.scores | {"p_video": np.full(9, 0.99)}))  # fmt: skip
    assert [face.verdict for face in forged.faces] == ["authentic", "manipulated"]
    assert (forged.verdict, forged.score) == ("manipulated", 0.99)
    assert "face 1" in forged.reasons[0].message
    alone = judged(listener)
    assert alone.modalities["sync"].verdict == "manipulated"
    valid(found), valid(forged)


def test_speakers_take_turns(windows, together):
    turns = np.array([0.1, 0.1, 0.9, 0.9])
    both = together(windows(4, face=0, p_mismatch=turns), windows(4, face=1, p_mismatch=1 - turns))
    assert speaking(both).tolist() == [True, True, False, False, False, False, True, True]


def test_what_is_out_of_the_domain_is_not_judged(judged, windows):
    found = judged(windows(5, distance=1.5, **LOW | {"p_video": 0.99}))
    assert (found.verdict, found.score, found.ranges) == ("cannot_tell", None, ())
    assert codes(found) == ["out_of_domain"]  # said once for all parts
    assert {modality.verdict for modality in found.modalities.values()} == {"cannot_tell"}
    unknown = judged(windows(5, distance=np.nan, **LOW))
    assert unknown.verdict == "cannot_tell"
    # What can be judged is: a strange bystander does not hide a forged face, nor clear a genuine.
    stranger = windows(5, face=1, distance=1.5, p_video=0.1)
    assert judged(windows(5, **LOW), stranger).verdict == "cannot_tell"
    assert judged(windows(5, **LOW | {"p_video": 0.99}), stranger).verdict == "manipulated"
    valid(found)


def test_a_crowd_shares_the_rate_of_the_picture_and_hides_no_forged_voice(judged, windows):
    crowd = [windows(5, face=face, width=200.0, p_video=0.1) for face in range(1, 40)]
    voice = judged(windows(9, **LOW | {"p_audio": 0.98}), *crowd)
    assert (voice.verdict, codes(voice)) == ("manipulated", ["audio_manipulated"])
    for width, verdict in ((200.0, "suspicious"), (MIN_FACE_PX - 1.0, "manipulated")):
        others = [windows(5, face=face, width=width, p_video=0.1) for face in range(1, 40)]
        found = judged(windows(9, **LOW | {"p_video": 0.996}), *others)
        assert found.verdict == verdict  # of 40 faces one may well look so, of one it may not


def test_small_faces_are_left_out_and_said(judged, windows):
    small = windows(5, face=1, width=MIN_FACE_PX - 1.0, p_video=0.99)
    found = judged(windows(5, **LOW), small)
    assert (found.verdict, codes(found)) == ("authentic", ["face_too_small"])
    assert found.faces[1].verdict == "cannot_tell"
    alone = judged(small)
    assert (alone.verdict, alone.score, alone.modalities) == ("cannot_tell", None, {})
    assert codes(alone) == ["face_too_small"]
    valid(alone)


def test_a_head_that_validation_could_not_judge_says_nothing(operating, windows):
    without = {head: of for head, of in operating.thresholds.items() if head != "p_audio"}
    less = Operating(operating.temperatures, without, operating.tails, operating.genuine)
    found = decide(
        windows(3, face=-1, p_audio=0.1), less, FileFacts("a", 1.0, "2" * 64),
        ModelFacts("toy", "0" * 64),
    )  # fmt: skip
    assert (found.verdict, codes(found)) == ("cannot_tell", ["not_calibrated"])


def test_nothing_to_judge():
    facts = FileFacts("a.txt", None, None, (Reason("not_media", "no container"),))
    found = undecided(facts, "not_applicable", ModelFacts("toy", "0" * 64))
    assert (found.verdict, codes(found)) == ("not_applicable", ["not_media"])
    valid(found)


def test_ranges_that_meet_are_one():
    spans = np.array([[4.0, 6.0], [0.0, 2.0], [1.0, 3.0], [3.0, 3.5]])
    scores = np.array([0.7, 0.8, 0.9, 0.6])
    assert list(merged("audio", spans, scores)) == [
        TimeRange(0.0, 3.5, 0.9, "audio"), TimeRange(4.0, 6.0, 0.7, "audio"),
    ]  # fmt: skip
