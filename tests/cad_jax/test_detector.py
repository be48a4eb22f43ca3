"""One file in, one verdict out, whatever the file is."""

import json
import shutil
import wave

import numpy as np
import pytest

from cad_jax.detector import Detector
from cad_jax.run.checkpoint import CheckpointError
from data_pipelines.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def detector(finished_run):
    return Detector.load(finished_run[1])


def write_sound(path, seconds):
    samples = (3000 * np.sin(np.arange(int(16000 * seconds)) * 0.2)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def test_a_pretraining_is_no_detector(finished_pretraining):
    with pytest.raises(CheckpointError, match=r"knows nothing of forgeries: train a detector from"):
        Detector.load(finished_pretraining[1])


def test_sound_alone_is_judged_window_by_window(detector, tmp_path):
    verdict = detector.predict(write_sound(tmp_path / "voice.wav", 3.6))
    assert verdict["answer"] == "yes"
    assert [window["start_s"] for window in verdict["windows"]] == [0.0, 1.0, 2.0, 3.0]
    assert verdict["p_video"] is verdict["p_mismatch"] is verdict["best_offset_ms"] is None
    assert 0 <= verdict["p_audio"] <= 1
    audio = [window["p_audio"] for window in verdict["windows"]]
    assert verdict["p_audio"] == pytest.approx(np.mean(audio), abs=1e-5)
    json.dumps(verdict, allow_nan=False)


def test_the_verdict_does_not_depend_on_how_many_windows_share_a_batch(detector, tmp_path):
    whole = detector.predict(write_sound(tmp_path / "long.wav", 12.0))
    short = detector.predict(write_sound(tmp_path / "short.wav", 1.0))
    assert len(whole["windows"]) == 12
    assert whole["windows"][0]["p_fake"] == pytest.approx(short["p_fake"], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.mp4", b"not a video", "not_media"),
        ("empty.mp4", b"", "empty"),
        ("gone.mp4", None, "missing"),
    ],
)
def test_a_file_that_is_no_clip_gets_a_reason(detector, tmp_path, name, content, reason):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    verdict = detector.predict(path)
    assert (verdict["answer"], verdict["reason"]) == ("no", reason)
    assert "p_fake" not in verdict


def test_decoding_beside_this_process_gives_the_same_verdicts(detector, tmp_path):
    files = [write_sound(tmp_path / "a\x1b\udce9.wav", 2.0), tmp_path / "gone.wav"]
    verdicts = detector.predict(files, timeout_s=60.0)
    assert verdicts == detector.predict(files)
    assert [verdict["answer"] for verdict in verdicts] == ["yes", "no"]
    (late,) = detector.predict(files[:1], timeout_s=0.01)
    assert (late["answer"], late["reason"]) == ("no", "timeout")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"settings": 3}', '{"settings": []}'])
def test_a_run_that_does_not_say_how_clips_were_prepared_is_one_line(
    finished_run, tmp_path, content
):
    workdir = tmp_path / "run"
    shutil.copytree(finished_run[1], workdir)
    (workdir / "preparation.json").write_text(content)
    with pytest.raises(UserError, match=r"preparation\.json does not say how clips are prepared"):
        Detector.load(workdir)


@pytest.mark.media
def test_a_real_clip_is_judged_in_both_modalities(detector, media):
    verdict = detector.predict(media / "diffdub__RD_Radio22_GT.mp4")
    assert verdict["answer"] == "yes"
    assert all(0 <= verdict[p] <= 1 for p in ("p_fake", "p_video", "p_audio", "p_mismatch"))
    assert len(verdict["windows"][0]["timeline"]) == 5


def test_no_run_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        Detector.load(tmp_path)
