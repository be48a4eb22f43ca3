import pytest

from data_pipelines.benchmarks import idforge
from data_pipelines.errors import UserError

TYPE = "face_audiomismatch_textmismatch"


@pytest.fixture
def tree(make_tree):
    return make_tree("idforge")


def test_speech_of_another_person_is_marked_and_its_label_a_choice(tree):
    for label, method in ((0, "none"), (1, "audiomismatch")):
        clips = idforge.clips(tree.root, audiomismatch_label=label)
        found = [clip for clip in clips if "audiomismatch" in clip.key]
        assert {(clip.label_audio, clip.method_audio) for clip in found} == {(label, method)}
        assert {clip.provenance["mismatch"] for clip in found} == {"speech of another person"}
        assert {clip.label_video for clip in found} == {1}  # hence `label` is 1 either way
        others = [clip for clip in clips if "audiomismatch" not in clip.key]
        assert not any("mismatch" in clip.provenance for clip in others)


def test_source_videos_stay_in_one_split_and_people_do_not(tree):
    clips = idforge.clips(tree.root)
    assert len({(clip.pair_id, clip.split) for clip in clips}) == len({c.pair_id for c in clips})
    assert {clip.split for clip in clips if clip.source_ids == ("id00",)} == {"train", "test"}


def test_every_type_is_in_the_tree(tree):
    assert {clip.provenance["type"] for clip in idforge.clips(tree.root)} == set(idforge.TYPES)


def test_windows_line_ends_and_lists_beside_the_types(tree):
    plain = idforge.clips(tree.root)
    for split in ("train", "val", "test"):
        file = tree.root / f"{split}.csv"
        text = "\ufeff" + file.read_text().replace("\n", "\r\n")
        (tree.root / "main" / file.name).write_bytes(text.encode())
        file.unlink()
    assert idforge.clips(tree.root) == plain


def test_v2_is_refused_with_the_reason(tmp_path):
    (tmp_path / "train" / TYPE / "id53" / "id53_08" / "id53_scene_0083_0_simswap.mp4").mkdir(
        parents=True
    )
    with pytest.raises(UserError, match=r"is IDForge v2: .* 16 frames without times.*give v1"):
        idforge.clips(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("face_ttss/id00/id00_09/a.mp4", "line 4: type is 'face_ttss'; did you mean 'face_tts'"),
        ("pristine/id00/a.mp4", "line 4: 'pristine/id00/a.mp4' is no <type>/<id>"),
        ("pristine/id00/id00_03/id00_scene_0012-0.mp4", "two entries for 'pristine/id00/id00_03"),
    ],
)
def test_a_wrong_line_is_one_line(tree, line, message):
    with (tree.root / "val.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=message):
        idforge.clips(tree.root)


def test_a_missing_list_is_one_line(tree):
    (tree.root / "val.csv").unlink()
    with pytest.raises(UserError, match=r"no .*val\.csv; expected IDForge v1's main/"):
        idforge.clips(tree.root)
