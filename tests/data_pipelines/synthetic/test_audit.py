"""The set's own audit: no shallow statistic tells any forgery from its genuine twin.

A take is made once in every kind, more often than in a real set, so that few takes are certain:
twins share voice, words, face, light, camera and microphone, and what remains is the forgery.
"""

import dataclasses
import itertools

import pytest

from data_pipelines.audit.probe_report import audit_report
from data_pipelines.audit.probes import WARNING, AuditRow, audit_rows
from data_pipelines.records.clip import FAKE, REAL
from data_pipelines.synthetic.generate import make_clip
from data_pipelines.synthetic.kinds import AUDIO_ONLY, FORGERIES, GENUINE, NONE, VIDEO_ONLY
from data_pipelines.synthetic.plan import ClipPlan
from data_pipelines.synthetic.presets import PRESETS, TEST_NEURAL

pytestmark = pytest.mark.slow

TINY = PRESETS["synthetic_tiny"]
# The same law in fewer pixels and frames.
PICTURES = dataclasses.replace(TINY, size=48, frame_size=64, supersampling=1.0, seconds=0.8)

# Neural voices need an extra and a second a clip; their set is audited by the command.
KINDS = {kind.name: kind for kind in (GENUINE, *FORGERIES) if kind.only_in != TEST_NEURAL}
SOUND_KINDS = [name for name, kind in KINDS.items() if kind.video == NONE and kind != GENUINE]
PICTURE_KINDS = [name for name, kind in KINDS.items() if kind.audio == NONE and kind != GENUINE]

# What a forgery does leave, by its nature: (kind, probe) -> why.
TRACES = {
    ("swap", "sharpness"): "the pasted face has a lower resolution",
    ("swap", "size"): "less detail takes fewer bytes",
    ("swap", "motion"): "less detail moves less",
    ("mouth", "sharpness"): "the generated mouth has a lower resolution",
    ("mouth", "size"): "less detail takes fewer bytes",
    ("mouth", "motion"): "less detail moves less",
    ("smooth", "sharpness"): "an average over frames is blurred",
    ("smooth", "motion"): "an average over frames, of a damped mouth, moves less",
    ("world", "silence"): "log spectra averaged over 24 to 48 ms are weaker beside pauses",
}


def performances(preset, kinds, modalities, takes):
    """Audit rows of `takes` performances, each of another person, genuine and in every kind."""
    rows = []
    for take in range(takes):
        neighbours = range(take - take % 4, take - take % 4 + 4)
        plans = [
            ClipPlan("train", take, KINDS[kind], modalities, identity=take, pool=neighbours)
            for kind in ("real", *kinds)
        ]
        clips = (make_clip(0, preset, plan, f"{take}/{plan.kind.name}") for plan in plans)
        for row, plan in zip(audit_rows(clips), plans, strict=True):
            del row.features["order.position"]  # the order is this test's, not the set's
            # `lag` and `wrong` are forged by their mismatch, which a lone picture does not show.
            label = REAL if plan.kind == GENUINE else FAKE
            rows.append(AuditRow(row.features, dataclasses.replace(row.facts, label=label)))
    return rows


def without_traces(rows):
    return [
        row._replace(
            features={
                name: value
                for name, value in row.features.items()
                if (row.facts.kind, name.split(".")[0]) not in TRACES
            }
        )
        for row in rows
    ]


def leaks(rows, *probes):
    """What is outside 0.5 +- 0.1 among the `single` or `joint` probes."""
    return [
        f"{kind}: {entry['name']} {entry['auc']:.3f}"
        for kind, group in audit_report(without_traces(rows))["kinds"].items()
        for entry in itertools.chain(*(group[name] for name in probes))
        if abs(entry["auc"] - 0.5) > WARNING - 0.5
    ]


# Few takes are enough for single statistics: on six disjoint samples of about these sizes the
# furthest was 0.085 from 0.5. Joint probes are fitted and there reach 0.2 by chance; `tts` has
# other words than its twin. Both need the larger sample.


def test_no_statistic_tells_a_forged_sound():
    rows = performances(TINY, ("world", "mel"), AUDIO_ONLY, takes=40)
    assert leaks(rows, "single") == []


def test_no_statistic_tells_a_forged_picture():
    rows = performances(PICTURES, ("lag", "wrong", "swap", "mouth"), VIDEO_ONLY, takes=24)
    assert leaks(rows, "single") == []


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("preset", "kinds", "modalities", "takes"),
    [(TINY, SOUND_KINDS, AUDIO_ONLY, 240), (PICTURES, PICTURE_KINDS, VIDEO_ONLY, 120)],
    ids=["sound", "picture"],
)
def test_no_probe_tells_any_kind(preset, kinds, modalities, takes):
    rows = performances(preset, kinds, modalities, takes)
    assert leaks(rows, "single", "joint") == []
    # The traces are there; one that is not should be taken off the list.
    report = audit_report(rows)
    for kind, probe in TRACES:
        if kind in kinds:
            found = {entry["name"]: entry["auc"] for entry in report["kinds"][kind]["joint"]}
            assert found[probe] > 0.53, (kind, probe)
