"""A bundle of a small run: what was written comes back, and what was changed is refused."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.bundle import make
from cad_jax.bundle.files import ARRAYS, CARD, INFO, BundleError, read_bundle, save_bundle
from cad_jax.bundle.make import DRAWN, OTHERS, write_bundle
from cad_jax.bundle.step import check_parameters
from cad_jax.commands.bundle import main
from cad_jax.data import open_evaluation
from cad_jax.run.appearance import HEARD, SEEN
from cad_jax.run.judging import described_scores
from cad_jax.run.manifest import MANIFEST_FILE, write_manifest
from cad_jax.run.placement import load_run
from cad_jax.run.scoring import make_scorer
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.metadata import shard_name, write_metadata
from data_pipelines.records.tfrecord import write_shard
from data_pipelines.synthetic.drawn import write_drawn_set

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Clips of people whom the run has not seen: 16 train, 4 val, 4 test."""
    return write_drawn_set(tmp_path_factory.mktemp("others"), count=24, seed=5)


@pytest.fixture(scope="module")
def bundle(finished_run, others, tmp_path_factory):
    """A bundle's folder, not to be changed, and what making it said."""
    folder = tmp_path_factory.mktemp("bundles") / "small"
    return folder, write_bundle(finished_run[1], folder, [others], commit="1234567")


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle[0], tmp_path / "copy")


def test_what_was_written_comes_back(bundle, finished_run):
    folder, made = bundle
    run, loaded = load_run(finished_run[1]), read_bundle(folder)
    assert loaded.params.keys() == run.params.keys()
    for name, array in run.params.items():
        np.testing.assert_array_equal(loaded.params[name], array)
    assert loaded.config.model == run.config.model
    assert loaded.config.data.clip == run.config.data.clip
    assert "/" not in json.dumps(loaded.config.to_mapping()["data"])  # nobody's folders
    assert loaded.settings == PrepareSettings()
    assert (loaded.model_hash, loaded.notice) == (made.model_hash, OTHERS)
    for part in ("temperatures", "thresholds", "genuine"):
        assert getattr(loaded.operating, part) == getattr(made.operating, part)


def test_the_domain_judges_new_scores_and_clips_without_sound(bundle, drawn_set, silent_set):
    folder, made = bundle
    loaded = read_bundle(folder)
    scorer = make_scorer(loaded.config, loaded.mesh, described_scores)

    def distances(path):
        data = dataclasses.replace(loaded.config.data, path=str(path))
        features = scorer.split(loaded.params, open_evaluation(data, "val"))["features"]
        assert features.shape[1] == SEEN + HEARD
        return features, loaded.domain.distance(features)

    _, drawn = distances(drawn_set)
    (declined,) = (of for of in made.declined if of.split == "val")
    assert (len(drawn), np.sum(drawn > 1)) == declined[1:]
    features, silent = distances(silent_set)
    present = np.isfinite(features).all(axis=0)
    np.testing.assert_array_equal(present, np.arange(len(present)) < SEEN)
    assert np.isfinite(silent).all()


def test_validation_is_the_runs_own_and_two_splits_of_the_others(bundle, drawn_set, others):
    splits = [(drawn_set, "val"), (others, "train"), (others, "val")]
    labels = np.concatenate(
        [TFRecordSource(path, split).column("label_video") for path, split in splits]
    )
    assert bundle[1].operating.genuine["p_video"] == np.sum(labels == 0)
    assert len(labels) == 8 + 16 + 4


def test_no_calibration_on_what_was_trained_on_nor_on_nothing(finished_run, tmp_path, drawn_set):
    with pytest.raises(BundleError, match=r"was trained on drawn/train: 32 clips, .* no calibrat"):
        write_bundle(finished_run[1], tmp_path / "new", [drawn_set])
    (tmp_path / "tests_only").mkdir()
    shard = write_shard(tmp_path / "tests_only" / shard_name("drawn", "test", 0, 1), [])
    write_metadata(tmp_path / "tests_only", "drawn", {"test": [shard]})
    with pytest.raises(BundleError, match="tests_only has no split 'train' or 'val'"):
        write_bundle(finished_run[1], tmp_path / "new", [tmp_path / "tests_only"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", [ARRAYS, INFO, CARD, "manifest.json"])
def test_one_flipped_bit_is_refused(copy, name):
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is damaged.*; bring this bundle back"):
        read_bundle(copy)


def test_what_is_no_bundle_is_refused(copy, tmp_path):
    with pytest.raises(BundleError, match=r"no bundle in .*: it has no bundle\.json"):
        read_bundle(tmp_path)
    (copy / CARD).unlink()
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md is missing"):
        read_bundle(copy)


def test_another_format_is_refused_with_what_to_do(copy):
    info = json.loads((copy / INFO).read_bytes()) | {"format": 1}
    (copy / INFO).write_text(json.dumps(info))
    (copy / MANIFEST_FILE).unlink()
    write_manifest(copy, None)
    with pytest.raises(BundleError, match=r"of format 1, this program's is 2: remove its folder"):
        read_bundle(copy)


def test_parameters_of_another_model_are_refused(bundle, tmp_path):
    loaded = read_bundle(bundle[0])
    params = loaded.params | {"logit/kernel": jnp.zeros((3, 1))}
    saved = (loaded.config, params, loaded.settings, loaded.operating, loaded.domain)
    save_bundle(tmp_path / "other", *saved, DRAWN, "card")
    with pytest.raises(BundleError, match=r"is of another model: logit/kernel is \(3, 1\)"):
        check_parameters(read_bundle(tmp_path / "other"))


def test_a_domain_of_other_features_is_refused(bundle, tmp_path):
    loaded = read_bundle(bundle[0])
    swapped = dataclasses.replace(loaded.domain, video=loaded.domain.audio)
    saved = (loaded.config, loaded.params, loaded.settings, loaded.operating, swapped)
    save_bundle(tmp_path / "other", *saved, DRAWN, "card")
    with pytest.raises(BundleError, match="what this program does not see: make it again"):
        read_bundle(tmp_path / "other")


def test_the_card_says_what_it_is_made_of(bundle, finished_run, others):
    card = (bundle[0] / CARD).read_text()
    assert OTHERS[1:] in card
    assert f"Not evaluated: there is no {finished_run[1]}/evaluation/metrics-val.json" in card
    command = f"python scripts/bundle.py --run={finished_run[1]} --calibration={others} --output="
    assert command in card
    assert "| drawn/train | 16 clips, " in card
    assert "commit 1234567" in card
    assert "| val | 8 | " in card


def test_the_command_says_in_a_line_why_not(finished_pretraining, bundle, tmp_path, capsys):
    def said(run, output):
        assert main([f"--run={run}", f"--output={output}"]) == 1
        return capsys.readouterr().err

    assert "is there already; remove it" in said(tmp_path, bundle[0])
    assert "no checkpoint in" in said(tmp_path, tmp_path / "new")
    assert "is a pretraining" in said(finished_pretraining[1], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_too_small_pictures_are_refused(finished_run, tmp_path, monkeypatch):
    run = load_run(finished_run[1])
    small = dataclasses.replace(run.config.data.clip, image_size=16)
    data = dataclasses.replace(run.config.data, clip=small)
    config = dataclasses.replace(run.config, data=data)
    monkeypatch.setattr(make, "load_run", lambda _: run._replace(config=config))
    with pytest.raises(BundleError, match=r"sees pictures of 16 pixels; .* measured on 32 or more"):
        write_bundle(finished_run[1], tmp_path / "new")
