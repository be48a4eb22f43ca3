"""The probes find what is there, and nothing where nothing is."""

import numpy as np
import pytest

from data_pipelines.audit.clip_statistics import picture_features, sound_features
from data_pipelines.audit.probes import (
    ProbeResult,
    auc,
    auc_error,
    audit_rows,
    cross_validated_scores,
    joint_probes,
    single_probes,
)
from data_pipelines.synthetic.drawn import drawn_clips


def test_auc_by_hand():
    labels = np.array([True, True, False, False])
    assert auc(np.array([4.0, 3, 2, 1]), labels) == 1
    assert auc(np.array([1.0, 3, 2, 4]), labels) == 0.25
    assert auc(np.array([1.0, 1, 1, 1]), labels) == 0.5
    assert auc(np.array([2.0, 1, 1, 0]), labels) == 0.875  # one tie counts half
    assert auc(np.array([1.0, 2]), np.array([True, True])) == 0.5


def test_auc_error_agrees_with_a_simulation():
    rng = np.random.default_rng(0)
    labels = np.arange(60) < 20
    samples = [auc(rng.normal(labels * 0.8, 1), labels) for _ in range(2000)]
    assert auc_error(float(np.mean(samples)), 20, 40) == pytest.approx(np.std(samples), rel=0.15)


def test_cross_validation_never_rewards_memory():
    # Each group's value says its label, but says nothing of other groups.
    rng = np.random.default_rng(0)
    groups = [str(number) for number in range(60) for _ in range(4)]
    labels = np.repeat(rng.random(60) < 0.5, 4)
    values = np.eye(60)[np.repeat(np.arange(60), 4)]
    scores = cross_validated_scores(values, labels, groups)
    assert abs(auc(scores, labels) - 0.5) < 0.1


def test_only_large_and_certain_deviations_are_suspicious():
    def result(value, error):
        return ProbeResult("x", value, error, 50, 50).suspicious

    assert result(0.7, 0.05)
    assert result(0.3, 0.05)
    assert not result(0.58, 0.01)
    assert not result(0.7, 0.15)


def test_features_measure_what_they_are_called():
    time = np.arange(16_000) / 16_000
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time)
    tone[:4000] = 0
    facts = sound_features(tone)
    assert facts["silence.leading"] == 25  # of 100 blocks
    assert facts["silence.trailing"] == 0
    assert facts["level.peak"] == pytest.approx(0.5)
    assert facts["spectrum.centroid"] == pytest.approx(1000, rel=0.02)
    assert sound_features(tone + 0.1)["offset.mean"] > 0.2
    pulses = np.where(np.arange(16_000) % 100 == 0, 1.0, 0.0)
    assert sound_features(pulses)["polarity.skewness"] > 5
    assert sound_features(-pulses)["polarity.skewness"] < -5
    assert sound_features(-pulses)["asymmetry.skewness"] > 5

    frames = np.zeros((4, 16, 16, 3), np.uint8)
    frames[..., 0] = 100
    facts = picture_features(frames)
    assert (facts["colour.red"], facts["colour.blue"]) == (100, 0)
    assert facts["sharpness.laplacian"] == facts["motion.mean"] == 0
    frames[2:, :8] = 255
    assert picture_features(frames)["motion.largest"] > 50
    assert picture_features(frames)["sharpness.laplacian"] > 1


def test_a_planted_shortcut_is_found_and_an_unknown_label_left_out():
    clips = list(drawn_clips(24, seed=0, seconds=0.48, size=32))
    rows = audit_rows(clips)
    assert len(rows) == 24
    honest = {result.name: result for result in single_probes(rows)}
    for row in rows:
        row.features["level.rms"] += 10 * row.facts.label
    planted = {result.name: result for result in single_probes(rows)}
    assert planted["level.rms"].auc == 1
    assert planted["level.rms"].suspicious
    assert planted["size.jpeg"].auc == honest["size.jpeg"].auc
    assert {result.name for result in joint_probes(rows)} >= {"level", "silence", "colour", "order"}
