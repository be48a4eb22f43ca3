"""Stored features come back as they were, and only for what they were made of."""

import pickle

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.records import feature_store
from data_pipelines.records.feature_store import ClipFeatures, FeatureStore, write_features
from data_pipelines.records.tfrecord import RecordError

FACTS = {"weights": "abc", "clip": {"frames": 4}}


def clips(count=5):
    rng = np.random.default_rng(0)
    for number in range(count):
        video, audio = (rng.integers(0, 65536, shape, np.uint16) for shape in ((4, 3), (10, 2)))
        yield ClipFeatures(f"set/clip {number}#0", video, audio)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "SHARD_RECORDS", 2)
    write_features(tmp_path, FACTS, clips())
    return tmp_path


def test_every_clip_comes_back_from_its_shard(stored):
    store = pickle.loads(pickle.dumps(FeatureStore(stored, FACTS)))  # as a worker gets it
    assert len(store) == 5
    assert len(list(store.folder.glob("features.tfrecord-*"))) == 3
    for clip in clips():
        found = store[clip.clip_id]
        assert found.clip_id == clip.clip_id
        np.testing.assert_array_equal(found.video, clip.video)
        np.testing.assert_array_equal(found.audio, clip.audio)


def test_features_of_other_facts_are_not_found(stored):
    with pytest.raises(UserError, match=r"features-[0-9a-f]{16} are of others.*--mode=features"):
        FeatureStore(stored, FACTS | {"weights": "abd"})


def test_a_clip_without_features_is_named(stored):
    with pytest.raises(UserError, match="no features of 'set/new#0'"):
        FeatureStore(stored, FACTS)["set/new#0"]


def test_damage_is_named(stored):
    store = FeatureStore(stored, FACTS)
    shard = store.folder / "features.tfrecord-00001"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    with pytest.raises(RecordError, match=r"features\.tfrecord-00001, record at byte 0"):
        store["set/clip 2#0"]


def test_an_interrupted_pass_leaves_nothing(tmp_path):
    def broken():
        yield from clips(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(tmp_path, FACTS, broken())
    assert not list(tmp_path.iterdir())
