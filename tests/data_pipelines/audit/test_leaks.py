"""People, files and clips on two sides are found; a clean set shares nothing."""

import cv2
import numpy as np
import pytest
import simplejpeg

from data_pipelines.audit.fingerprints import fingerprint_of
from data_pipelines.audit.leaks import leak_lines, leak_table


def found(clips):
    prints = {split: [fingerprint_of(clip) for clip in own] for split, own in clips.items()}
    return {entry["kind"]: entry for entry in leak_table(prints)}


def again(clip, changed, name):
    """The clip encoded once more, smaller and brighter, cut, louder, with noise, as another's."""
    frames = []
    for frame in clip.frames[2:]:
        image = cv2.resize(simplejpeg.decode_jpeg(frame), (28, 28))
        image = np.clip(cv2.resize(image, (32, 32)) * 1.05 + 4, 0, 255).astype(np.uint8)
        frames.append(simplejpeg.encode_jpeg(image, 60))
    noise = np.random.default_rng(0).normal(0, 20, len(clip.audio) - 1000)
    audio = np.clip(clip.audio[1000:] * 1.2 + noise, -32768, 32767).astype(np.int16)
    return changed(
        clip, clip_id=f"twins/{name}#0", source_ids=(name,), pair_id=name, provenance={},
        frames=tuple(frames), frame_times_ms=clip.frame_times_ms[2:],
        mouth_boxes=clip.mouth_boxes[2:], audio=audio,
    )  # fmt: skip


def test_a_clean_set_shares_nothing(clean):
    entries = found(clean)
    assert {kind: entry["shared"] for kind, entry in entries.items()} == dict.fromkeys(entries, 0)
    assert leak_lines(list(entries.values())) == [
        "Shared by splits",
        "nothing: no person, original, file or clip",
    ]


def test_a_person_in_two_splits_is_found_in_whatever_part(clean, changed):
    (donor,) = clean["train"][0].source_ids
    swap = changed(clean["test"][0], source_ids=(*clean["test"][0].source_ids, donor))
    entries = found({"train": clean["train"], "test": [swap, *clean["test"][1:]]})
    assert (entries["identities"]["shared"], entries["identities"]["clips"]) == (1, [2, 1])
    assert entries["identities"]["examples"] == [donor]
    assert entries["first identities"]["shared"] == 0
    (line,) = leak_lines(list(entries.values()))[1:]
    assert " ".join(line.split()) == "train and test identities 1 shared, in 2 and 1 clips"


def test_originals_and_files_in_two_splits_are_found(clean, changed):
    pair, file = clean["train"][4].pair_id, clean["train"][4].provenance["sha256"]
    leaked = changed(clean["test"][0], pair_id=pair, provenance={"sha256": file})
    entries = found({"train": clean["train"], "test": [leaked, *clean["test"][1:]]})
    assert (entries["originals"]["shared"], entries["originals"]["clips"]) == (1, [2, 1])
    assert (entries["source files"]["shared"], entries["source files"]["clips"]) == (1, [1, 1])


def test_exact_copies_under_another_name_are_found(clean, changed):
    copy = changed(clean["train"][7], clip_id="twins/copy#0", source_ids=("x",), pair_id="x")
    dubbed = changed(copy, audio=clean["test"][0].audio)
    entries = found({"train": clean["train"], "test": [*clean["test"], copy, dubbed]})
    assert (entries["same pictures"]["shared"], entries["same pictures"]["clips"]) == (1, [1, 2])
    assert (entries["same sound"]["shared"], entries["same sound"]["clips"]) == (1, [1, 1])
    assert entries["identities"]["shared"] == 0


def test_copies_that_were_encoded_again_are_found(clean, changed):
    originals = clean["train"][::10]
    copies = [again(clip, changed, f"copy{n}") for n, clip in enumerate(originals)]
    entries = found({"train": clean["train"], "test": [*clean["test"], *copies]})
    assert entries["same pictures"]["shared"] == entries["same sound"]["shared"] == 0
    for kind in ("nearly the same pictures", "nearly the same sound"):
        assert entries[kind]["clips"][1] >= 7  # of ten
        first, copy = entries[kind]["examples"][0].split(" and ")
        number = int(copy.removeprefix("twins/copy").removesuffix("#0"))
        assert first.split("/")[2].split("-")[0] == str(5 * number)  # it or its twin


def test_silence_is_not_the_same_sound(clean, changed):
    mute = {
        split: [changed(clip, audio=np.zeros_like(clip.audio)) for clip in own[:4]]
        for split, own in clean.items()
    }
    entries = found(mute)
    assert entries["same sound"]["shared"] == entries["nearly the same sound"]["shared"] == 0


@pytest.mark.parametrize("missing", ["picture", "sound"])
def test_a_missing_modality_has_no_print(clean, changed, missing):
    nothing = {"frames": ()} if missing == "picture" else {"audio": np.zeros(0, np.int16)}
    clip = changed(clean["train"][0], **nothing)
    known = fingerprint_of(clip)
    assert getattr(known, missing) == ""
    assert len(known.thumbs if missing == "picture" else known.onsets) == 0
    assert found({"train": [clip], "test": [clip]})["identities"]["shared"] == 1
