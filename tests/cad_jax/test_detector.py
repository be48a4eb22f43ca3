"""One file in, one verdict out, whatever the file is."""

import dataclasses
import json
import wave

import jsonschema
import numpy as np
import pytest

from cad_jax.bundle.domain import Domain
from cad_jax.bundle.files import read_bundle
from cad_jax.bundle.find import find_bundle
from cad_jax.data import open_evaluation
from cad_jax.detector import Detector
from cad_jax.run.compiled import KeptStep
from cad_jax.run.judging import described_scores
from cad_jax.run.scoring import make_scorer
from cad_jax.verdicts.schema import verdict_schema
from data_pipelines.errors import UserError
from data_pipelines.loading.pipeline import evaluation_batches
from data_pipelines.synthetic.capture import compress
from data_pipelines.synthetic.codecs import write_mp4
from data_pipelines.synthetic.export import export_clips
from data_pipelines.synthetic.generate import shoot
from data_pipelines.synthetic.kinds import BOTH, FORGERIES, GENUINE
from data_pipelines.synthetic.performance import perform
from data_pipelines.synthetic.plan import plan_clip, split_range
from data_pipelines.synthetic.presets import find_preset

pytestmark = pytest.mark.slow


HEADS = ("p_fake", "p_video", "p_audio", "p_mismatch")


@pytest.fixture(scope="module")
def detector(finished_run):
    """It knows everything, and its thresholds are those of a detector that works."""
    loaded = Detector.load(finished_run[1])
    operating = dataclasses.replace(
        loaded.bundle.operating,
        temperatures=dict.fromkeys(loaded.bundle.operating.temperatures, 1.0),
        thresholds=dict.fromkeys(HEADS, ((0.1, 0.999),)),
        tails=dict.fromkeys(HEADS, 1.0),
    )
    return with_bundle(loaded, operating=operating, domain=Everywhere())


class Everywhere:
    """A domain that knows all there is."""

    def distance(self, features):
        return np.zeros(len(features))


def with_bundle(detector, **changes):
    return dataclasses.replace(detector, bundle=detector.bundle._replace(**changes))


def write_sound(path, seconds):
    samples = (3000 * np.sin(np.arange(int(16000 * seconds)) * 0.2)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def codes(verdict):
    return [reason["code"] for reason in verdict["reasons"]]


def test_sound_alone_is_judged_window_by_window(detector, tmp_path):
    ((verdict, (moments, provenance)),) = detector.reports(
        [write_sound(tmp_path / "voice.wav", 3.6)]
    )
    said = verdict.to_json()
    jsonschema.validate(said, verdict_schema())
    assert dict(provenance.container)["duration"] == "3.600 s"
    assert set(said["modalities"]) == {"audio"}
    assert codes(said) == ["no_video"]
    assert (said["sync_offset_ms"], said["duration_s"], said["faces"]) == (None, 3.6, [])
    assert said["model"] == {"name": detector.name, "sha256": detector.bundle.model_hash}
    assert len(said["sha256"]) == 64
    # 1 s each, half of it (12 frames) in the next; the last one ends with the sound.
    assert [m.start_s for m in moments] == pytest.approx([0, 0.48, 0.96, 1.44, 1.92, 2.4, 2.6])
    assert {m.face for m in moments} == {None}
    audio = [m.scores["p_audio"] for m in moments]
    assert said["score"] == pytest.approx(np.mean(audio), abs=1e-5)


def test_the_verdict_does_not_depend_on_how_many_windows_share_a_batch(detector, tmp_path):
    ((_, (many, _)), (_, (one, _))) = detector.reports(
        [write_sound(tmp_path / "long.wav", 12.0), write_sound(tmp_path / "short.wav", 1.0)]
    )
    assert (len(many), len(one)) == (24, 1)
    assert many[0].scores == pytest.approx(one[0].scores, abs=1e-5, nan_ok=True)


def test_nothing_is_compiled_from_file_to_file(detector, tmp_path):
    detector.predict(write_sound(tmp_path / "a.wav", 1.0))
    programs = dict(detector.step._compiled)
    detector.predict([write_sound(tmp_path / f"{n}.wav", 0.7 + n) for n in range(3)])
    assert detector.step._compiled == programs


def test_a_kept_program_says_what_the_model_says_bit_for_bit(detector, finished_run):
    bundle, data = detector.bundle, finished_run[0].data
    (batch,) = evaluation_batches(open_evaluation(data, "val"), batch_size=8, clip=data.clip)
    traced = make_scorer(bundle.config, bundle.mesh, described_scores).batch(bundle.params, batch)
    assert np.isfinite(traced["p_fake"]).all()
    again = KeptStep(bundle.model_hash, lambda: pytest.fail("traced, although it is kept"))
    for step in (detector.step, again):
        kept = dataclasses.replace(detector, step=step).scores(batch)
        assert kept.keys() == traced.keys()
        for name, values in traced.items():
            np.testing.assert_array_equal(kept[name], values)


@pytest.mark.parametrize(
    ("name", "content", "verdict", "reason"),
    [
        ("text.mp4", b"not a video", "not_applicable", "not_media"),
        ("empty.mp4", b"", "not_applicable", "empty"),
        ("gone.mp4", None, "cannot_tell", "missing"),
    ],
)
def test_a_file_that_is_no_clip_gets_a_reason(detector, tmp_path, name, content, verdict, reason):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    said = detector.predict(path)
    jsonschema.validate(said, verdict_schema())
    assert (said["verdict"], said["score"], codes(said)) == (verdict, None, [reason])
    assert (said["sha256"] is None) == (content is None)


def test_what_the_domain_does_not_know_is_not_judged(detector, finished_run, tmp_path):
    known = Detector.load(finished_run[1]).bundle.domain
    assert isinstance(known, Domain)
    said = with_bundle(detector, domain=known).predict(write_sound(tmp_path / "a.wav", 2.0))
    assert (said["verdict"], said["score"]) == ("cannot_tell", None)
    assert "out_of_domain" in codes(said)


def test_decoding_beside_this_process_gives_the_same_verdicts(detector, tmp_path):
    files = [write_sound(tmp_path / "a\x1b\udce9.wav", 2.0), tmp_path / "gone.wav"]
    verdicts = detector.predict(files, timeout_s=60.0)
    assert verdicts == detector.predict(files)
    (late,) = detector.predict(files[:1], timeout_s=0.01)
    assert (late["verdict"], codes(late)) == ("cannot_tell", ["timeout"])


def test_a_run_stands_for_its_bundle_which_is_made_once(detector, finished_run):
    (folder,) = (finished_run[1] / "bundles").glob("[0-9]*")
    written = (folder / "bundle.json").stat().st_mtime_ns
    assert find_bundle(finished_run[1]) == find_bundle(folder) == folder
    assert (folder / "bundle.json").stat().st_mtime_ns == written
    assert detector.name == finished_run[1].name
    assert read_bundle(folder).model_hash == detector.bundle.model_hash


@pytest.mark.media
def test_a_real_clip_is_judged_in_both_modalities(detector, media):
    said = detector.predict(media / "diffdub__RD_Radio22_GT.mp4")
    assert set(said["modalities"]) == {"video", "audio", "sync"}
    assert said["faces"][0]["speaking"] == 1.0
    json.dumps(said, allow_nan=False)


def test_no_bundle_is_one_line(tmp_path):
    with pytest.raises(UserError, match="is neither a bundle nor a run"):
        Detector.load(tmp_path)


def test_the_one_that_comes_along_judges_files_of_people_whom_it_never_saw(tmp_path):
    """Files, not records: what differs between the two would be taken for something strange."""
    preset = find_preset("synthetic_tiny")
    export_clips(tmp_path, preset, seed=2, indices=(10, 11, 12, 13))  # genuine, tts, swap, genuine
    detector = Detector.load()
    assert detector.bundle.settings == preset.preparation
    found = [one["verdict"] for one in detector.predict(sorted(tmp_path.glob("*.mp4")))]
    assert found == ["authentic", "manipulated", "manipulated", "authentic"]


@pytest.mark.heavy
def test_two_forged_seconds_in_ten_minutes_are_found_where_they_are(tmp_path):
    """One drawn person, 300 shots of 2 s; the 151st is forged in one of the two files."""
    preset, seed, shots = find_preset("synthetic_tiny"), 2, 300
    plan = plan_clip(preset, seed, split_range(preset, "test").start)
    captures = [_shot(preset, seed, plan, take, "real") for take in range(shots)]
    forged = _shot(preset, seed, plan, shots // 2, "swap_tts")
    detector = Detector.load()
    start_s = sum(len(capture.frames) for capture in captures[: shots // 2]) / 25
    untouched = detector.predict(_film(tmp_path / "untouched.mp4", captures))
    assert (untouched["ranges"], untouched["modalities"]["audio"]["verdict"]) == ([], "authentic")
    captures[shots // 2] = forged
    found = detector.predict(_film(tmp_path / "touched.mp4", captures))
    assert found["verdict"] == "suspicious"
    assert "beyond_validation" in codes(found)
    (where,) = found["ranges"]
    assert abs(where["start_s"] - start_s) < 1.0
    assert abs(where["end_s"] - start_s - 2.0) < 1.0


def _shot(preset, seed, plan, take, name):
    (kind,) = [of for of in (GENUINE, *FORGERIES) if of.name == name]
    plan = dataclasses.replace(plan, take=5_000_000 + take, kind=kind, modalities=BOTH)
    return compress(shoot(seed, preset, plan, perform(preset, seed, plan)))


def _film(path, captures):
    """Shots in a row, each with as much sound as picture."""
    lengths = [len(of.frames) * 640 for of in captures]
    sound = [np.pad(of.audio, (0, n))[:n] for of, n in zip(captures, lengths, strict=True)]
    frames = np.concatenate([of.frames for of in captures])
    write_mp4(path, frames, np.concatenate(sound), crf=10, audio_bit_rate=128_000)
    return path
