"""Training with stored features is training with live frozen towers."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.placement import make_model
from cad_jax.settings.structure import ConfigError
from cad_jax.training.learner import Learner
from cad_jax.training.loop import train
from cad_jax.training.tower_features import open_features, store_features
from data_pipelines.errors import UserError
from data_pipelines.loading.settings import NO_AUGMENTATION

pytestmark = pytest.mark.slow

FROZEN = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}
# Features are stored in bfloat16: 8 bits of mantissa.
TOLERANCE = 2**-8


@pytest.fixture(scope="module")
def frozen_experiment(small_experiment, tmp_path_factory, drawn_set):
    """Frozen towers, clips as long as their records, nothing augmented, on a set of its own."""
    prepared = tmp_path_factory.mktemp("features") / "set"
    prepared.mkdir()
    for path in drawn_set.iterdir():
        if path.is_file():
            (prepared / path.name).symlink_to(path)

    def make(**data):
        clip = {"seconds": 2.0, "frames": 5, "image_size": 32}
        values = {"path": str(prepared), "clip": clip, "augment": {}} | data
        return small_experiment(
            data=values,
            optimizer=FROZEN | {"learning_rate": 3e-3},
            train={"steps": 4, "evaluate_every": 0},
        )

    return make


@pytest.fixture(scope="module")
def folder(frozen_experiment):
    (folder,) = store_features(frozen_experiment())
    return folder


def curve(config, workdir):
    workdir.mkdir()
    assert train(config, workdir)
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if "loss" in row]


def test_stored_features_train_as_live_towers_do(frozen_experiment, folder, tmp_path):
    live = curve(frozen_experiment(), tmp_path / "live")
    stored = curve(frozen_experiment(features=True), tmp_path / "stored")
    for row, other in zip(live, stored, strict=True):
        names = [name for name in row if name.startswith("loss")]
        assert len(names) > 5
        found, expected = ([r[name] for name in names] for r in (other, row))
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert any(live[-1][name] != stored[-1][name] for name in live[-1] if name.startswith("loss"))


def test_they_are_the_towers_own_in_bfloat16_on_any_mesh(frozen_experiment, folder):
    config = frozen_experiment(features=True)
    (store,) = open_features(config)
    assert len(store) == 32
    alone = Learner(config, make_mesh(devices=jax.devices()[:1]), make_model(config))
    clip = next(iter(store._entries))
    video = store[clip].video
    assert video.shape == (5, config.model.video.width)
    assert alone.batch_target["video_features"].shape == (8, *video.shape)
    assert alone.batch_target["audio_features"].shape == (8, *store[clip].audio.shape)


def test_a_second_pass_finds_them_done(frozen_experiment, folder):
    before = folder.stat().st_mtime_ns
    assert store_features(frozen_experiment()) == [folder]
    assert folder.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["seed", "clip", "weights"])
def test_stale_features_are_refused(frozen_experiment, folder, change):
    config = frozen_experiment(features=True)
    if change == "seed":
        config = dataclasses.replace(config, seed=1)
    elif change == "clip":
        config = frozen_experiment(
            features=True, clip={"seconds": 1.6, "frames": 5, "image_size": 32}
        )
    else:
        computed = dataclasses.replace(config.computed, video="0" * 64)
        config = dataclasses.replace(config, computed=computed)
    with pytest.raises(UserError, match="holds no features of these weights, records and cuts"):
        open_features(config)


def test_trained_towers_have_no_features(small_experiment):
    with pytest.raises(ConfigError, match=r"(video|audio)_tower/.* is trained"):
        store_features(small_experiment())


def test_where_features_are_read_nothing_is_augmented(small_experiment):
    assert small_experiment().data.applied_augment.flip == 0.5
    assert small_experiment(data={"features": True}).data.applied_augment == NO_AUGMENTATION
