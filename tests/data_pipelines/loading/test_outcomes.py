"""The odds of a clip, against cases worked out by hand."""

import collections
import dataclasses

import numpy as np
import pytest

from data_pipelines.loading.draw import expected_labels
from data_pipelines.loading.outcomes import (
    EXCHANGED,
    SHIFTED,
    UNTOUCHED,
    Outcome,
    Outcomes,
    Situation,
)
from data_pipelines.loading.sampling import make_strata
from data_pipelines.loading.settings import AugmentConfig, ClipSpec

SPEC = ClipSpec(seconds=0.4, frames=2, image_size=16)  # 10 bins, 6400 samples
GENUINE = Situation(0, 0, 1, 0, seen=True, heard=True, room=True, donor=True, audible=True)
CONFIG = AugmentConfig(
    sync_shift=0.2, sync_exchange=0.1, pseudo_fake=0.6,
    pseudo_fake_operations=("mouth", "mel", "splice"),
)  # fmt: skip
FORGED = {"mouth": 0.2, "mel": 0.2, "splice": 0.2}


def kinds(situation: Situation, config: AugmentConfig = CONFIG) -> dict[str, float]:
    return {outcome.kind: p for outcome, p in situation.odds(config).items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {UNTOUCHED: 0.1, SHIFTED: 0.2, EXCHANGED: 0.1, **FORGED}),
        ({"room": False}, {UNTOUCHED: 0.3, EXCHANGED: 0.1, **FORGED}),
        ({"donor": False}, {UNTOUCHED: 0.2, SHIFTED: 0.2, "mouth": 0.3, "mel": 0.3}),
        ({"audible": False}, {UNTOUCHED: 0.1, SHIFTED: 0.2, EXCHANGED: 0.1, "mouth": 0.6}),
        ({"label_video": 1, "label": 1}, {UNTOUCHED: 1.0}),
        ({"label_sync": -1}, {UNTOUCHED: 0.4, **FORGED}),
        (
            {"label_audio": -1, "label_sync": -1, "heard": False, "room": False, "audible": False},
            {UNTOUCHED: 0.4, "mouth": 0.6},
        ),
        (
            {"label_video": -1, "label_sync": -1, "seen": False, "donor": False},
            {UNTOUCHED: 0.4, "mel": 0.6},
        ),
    ],
)  # fmt: skip
def test_odds(change, expected):
    odds = kinds(dataclasses.replace(GENUINE, **change))
    assert odds == pytest.approx(expected)
    assert next(iter(odds)) == UNTOUCHED
    assert sum(odds.values()) == pytest.approx(1)


def test_a_modality_is_dropped_whatever_else_becomes_of_the_row():
    config = AugmentConfig(sync_shift=0.5, drop_video=0.2, drop_audio=0.1)
    expected = {
        Outcome(kind, drop): 0.5 * p
        for kind in (UNTOUCHED, SHIFTED)
        for drop, p in {"": 0.7, "video": 0.2, "audio": 0.1}.items()
    }
    assert GENUINE.odds(config) == pytest.approx(expected)
    blind = dataclasses.replace(GENUINE, seen=False, room=False)
    assert blind.odds(config) == {Outcome(UNTOUCHED, ""): 1.0}


@pytest.mark.parametrize(
    ("kind", "drop", "labels"),
    [
        (UNTOUCHED, "", (0, 0, 1, 0)),
        (UNTOUCHED, "video", (-1, 0, -1, 0)),
        (SHIFTED, "", (0, 0, 0, 1)),
        (EXCHANGED, "", (0, 0, 0, 1)),
        (EXCHANGED, "audio", (0, -1, -1, 0)),  # nothing of the negative is left
        ("mouth", "", (1, 0, 1, 1)),
        ("mouth", "video", (-1, 0, -1, 0)),
        ("mel", "video", (-1, 1, -1, 1)),
        ("splice", "", (0, 1, -1, 1)),
        ("foreign", "", (0, 0, 0, 1)),
    ],
)
def test_labels(kind, drop, labels):
    assert GENUINE.labels(Outcome(kind, drop)) == labels


def test_a_chance_picks_an_outcome(write_source, make_clip):
    source = write_source([make_clip(30, name=f"c{i}") for i in range(3)])
    outcomes = Outcomes(source, SPEC, CONFIG)
    picked = collections.Counter(outcomes.pick(0, (i + 0.5) / 1000).kind for i in range(1000))
    for kind, p in kinds(GENUINE).items():
        assert picked[kind] == pytest.approx(1000 * p, abs=1)
    assert outcomes.pick(0, 0.0).kind == UNTOUCHED
    assert outcomes.pick(0, np.nextafter(1, 0)).kind == "splice"


def test_what_the_table_says_of_each_clip(write_source, make_clip, without_sound, without_picture):
    clips = [
        make_clip(30, name="plain"),
        make_clip(10, name="no room"),
        make_clip(30, name="forged", label_video=1, method_video="swap"),
        without_sound(make_clip(30, name="silent")),
        without_picture(make_clip(30, name="unseen")),
        make_clip(30, name="late", audio=np.ones(800, np.int16), audio_offset_ms=500.0),
        make_clip(30, name="never", audio=np.ones(800, np.int16), audio_offset_ms=5000.0),
        make_clip(1, name="blink"),
    ]
    outcomes = Outcomes(write_source(clips), SPEC, CONFIG)
    found = [outcomes.situations[number] for number in outcomes.numbers]
    facts = [(s.seen, s.heard, s.room, s.donor, s.audible) for s in found]
    assert facts == [
        (True, True, True, True, True),
        (True, True, False, True, True),
        (True, True, True, True, True),
        (True, False, False, True, False),
        (False, True, True, True, True),
        (True, True, False, True, False),
        (True, False, False, True, False),
        (False, True, False, True, False),
    ]
    assert [s.label for s in found] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert len(outcomes.situations) == 8


def test_rows_are_even_among_clips_of_equal_labels_and_odds(write_source, make_clip):
    changes = ({}, {"label_audio": 1}, {}, {"label_video": 1})
    source = write_source([make_clip(30, name=f"c{i}", **of) for i, of in enumerate(changes)])
    first, second, third, fourth = Outcomes(source, SPEC, CONFIG).groups.tolist()
    assert first == third
    assert len({first, second, fourth}) == 3
    assert not Outcomes(source, SPEC, AugmentConfig()).groups.any()


def test_every_donor_is_as_likely(write_source, make_clip):
    pairs = ["p", "q", "", "p", "", "r", "p", "r"]
    clips = [make_clip(10, name=f"c{i}", pair_id=pair) for i, pair in enumerate(pairs)]
    clips[5] = make_clip(10, name="forged", pair_id="r", label_video=1)
    donors = Outcomes(write_source(clips), SPEC, CONFIG).donors
    rng = np.random.default_rng(0)
    able = {0, 1, 2, 3, 4, 6, 7}
    for position, own in enumerate(({0, 3, 6}, {1}, {2}, {0, 3, 6}, {4}, {7}, {0, 3, 6}, {7})):
        counts = collections.Counter(donors.draw(position, rng) for _ in range(600))
        assert counts.keys() == able - own
        # Six standard deviations of a fair choice.
        fair = 600 / len(counts)
        assert all(abs(count - fair) < 6 * fair**0.5 for count in counts.values())
    np.testing.assert_array_equal(donors.exist(), [True] * 8)


def test_expected_labels_of_strata(write_source, make_clip, without_sound):
    clips = [make_clip(30), without_sound(make_clip(30, name="b"))]
    clips += [make_clip(30, name="c", label_audio=1), make_clip(30, name="d")]
    source = write_source(clips)
    config = AugmentConfig(sync_shift=0.1, pseudo_fake=0.6, pseudo_fake_operations=("mouth", "mel"))
    shares = expected_labels(source, make_strata(source), SPEC, config)
    # By clip: genuine, silent, forged, genuine.
    expected = {
        "label": ((0.7, 0.6, 1, 0.7), (0, 0, 0, 0)),
        "label_video": ((0.3, 0.6, 0, 0.3), (0, 0, 0, 0)),
        "label_audio": ((0.3, 0, 1, 0.3), (0, 1, 0, 0)),
        "label_sync": ((0.9, 0, 1, 0.9), (0, 1, 0, 0)),
    }
    for name, (ones, unknown) in expected.items():
        assert shares[name][1] == pytest.approx(np.mean(ones)), name
        assert shares[name][-1] == pytest.approx(np.mean(unknown)), name
    balanced = expected_labels(source, make_strata(source, balance="class"), SPEC, config)
    assert balanced["label"][1] == pytest.approx(0.5 + 0.5 * 2 / 3)
