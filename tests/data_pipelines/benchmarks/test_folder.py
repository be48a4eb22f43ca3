import pytest

from data_pipelines.benchmarks import folder
from data_pipelines.errors import UserError


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "My Clips"
    path.mkdir()
    return path


def manifest(root, text, encoding="utf-8"):
    (root / "manifest.csv").write_bytes(text.encode(encoding))
    return folder.clips(root)


def test_a_full_manifest(root):
    (clip,) = manifest(
        root,
        "path,split,label_video,label_audio,label_sync,method_video,method_audio,source_ids,"
        "pair_id,has_audio,licence\n"
        'sub/a.mp4,val,1,0,,"Wav2Lip, v1",none, id1 ; id2;,p7,yes,CC BY\n',
    )
    assert clip.path == root / "sub" / "a.mp4"
    assert (clip.key, clip.dataset, clip.split) == ("sub/a.mp4", "my_clips", "val")
    assert (clip.label_video, clip.label_audio, clip.label_sync) == (1, 0, -1)
    assert (clip.method_video, clip.method_audio) == ("Wav2Lip, v1", "none")
    assert (clip.source_ids, clip.pair_id) == (("id1", "id2"), "p7")
    assert (clip.expects_video, clip.expects_audio) == (False, True)
    assert clip.provenance == {"licence": "CC BY"}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spreadsheets_and_foreign_names(root, newline, encoding):
    text = newline.join([" path , label_video ", "Grüße 你好.mp4, 1.0", "", "b.mp4, -1"])
    first, second = manifest(root, text, encoding)
    assert (first.key, first.label_video, second.label_video) == ("Grüße 你好.mp4", 1, -1)


def test_a_manifest_may_name_what_is_not_there(root):
    (clip,) = manifest(root, "path\ngone.mp4\n")
    assert not clip.path.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label_video\na.mp4,1\nb.mp4,fake\n", "line 3, column label_video: 'fake' is not 1"),
        ("path,label_sync\na.mp4,2\n", "line 2, column label_sync: '2'"),
        ("path,split\na.mp4,training\n", "line 2, column split: 'training' is not train, val"),
        ("path,has_audio\na.mp4,maybe\n", "line 2, column has_audio: 'maybe' is not yes, no"),
        ("path\n../a.mp4\n", "must lie below the folder"),
        ("path\n/etc/a.mp4\n", "must lie below the folder"),
        ("path,split\n,train\n", "line 2, column path: name a file"),
        ("path\na.mp4\nb.mp4\na.mp4\n", "line 4: 'a.mp4' was already named in line 2"),
        (
            "path,split\na.mp4,train\n./a.mp4,test\n",
            "line 3: './a.mp4' was already named in line 2",
        ),
        ("path\n..\\a.mp4\n", "must lie below the folder"),
        ("path,split\na.mp4,train,x,y\n", "line 2: more fields than columns"),
        ("file,label\na.mp4,1\n", "must name a column 'path'; it has: file, label"),
        ("path,path\na.mp4,1\n", "every column needs a name of its own"),
        ("", "must name a column 'path'; it has: nothing"),
        ("path\n", "names no clip"),
    ],
)
def test_a_wrong_manifest_is_one_clear_line(root, text, message):
    with pytest.raises(UserError) as caught:
        manifest(root, text)
    assert message in str(caught.value)
    assert "manifest.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_no_text(root):
    with pytest.raises(UserError, match=r"manifest\.csv is not UTF-8 text"):
        manifest(root, "path\nGrüße.mp4\n", "latin-1")


def test_without_a_manifest_every_video_is_a_clip(root):
    (root / "b").mkdir()
    for name in ("b/z.WEBM", "a.mp4", "notes.txt", "b/y.avi"):
        (root / name).write_bytes(b"x")
    found = folder.clips(root)
    assert [clip.key for clip in found] == ["a.mp4", "b/y.avi", "b/z.WEBM"]
    assert {clip.label_video for clip in found} == {-1}


@pytest.mark.parametrize(
    "names", [("real", "fake"), ("0_real", "1_fake"), ("Original", "Manipulated")]
)
def test_folders_label_where_that_is_asked_for(root, names, caplog):
    for name in (f"{names[0]}/a.mp4", f"{names[1]}/x/b.mp4", "c.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    plain = folder.clips(root)
    assert {clip.label_video for clip in plain} == {-1}
    assert "take --option labels=folders" in caplog.text
    found = {clip.path.stem: clip for clip in folder.clips(root, labels="folders")}
    labels = {
        name: (clip.label_video, clip.label_audio, clip.label_sync) for name, clip in found.items()
    }
    assert labels == {"a": (0, 0, 1), "b": (1, -1, -1), "c": (-1, -1, -1)}
    assert (found["a"].method_video, found["b"].method_video) == ("none", "")
    assert "1 videos lie in no labelled folder" in caplog.text


def test_folders_that_are_no_labels_or_contradict_each_other(root):
    (root / "real" / "fake").mkdir(parents=True)
    (root / "takes").mkdir()
    (root / "takes" / "a.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no folder of .* is called real or fake"):
        folder.clips(root, labels="folders")
    (root / "real" / "fake" / "b.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=r"real/fake/b\.mp4: its folders say both"):
        folder.clips(root, labels="folders")
    assert len(folder.clips(root)) == 2
    (root / "manifest.csv").write_text("path\ntakes/a.mp4\n")
    with pytest.raises(UserError, match="states the labels"):
        folder.clips(root, labels="folders")


def test_no_folder_and_nothing_in_it(root):
    with pytest.raises(UserError, match="no such folder"):
        folder.clips(root / "gone")
    with pytest.raises(UserError, match="no video below"):
        folder.clips(root)


def test_a_split_that_is_not_stated_is_left_open(root):
    stated, open_ = manifest(root, "path,split\na.mp4,test\nb.mp4,\n")
    assert (stated.split, open_.split) == ("test", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("FF++ c23", "ff_c23"), ("2024", "folder_2024"), ("你好", "folder"), ("clips", "clips")],
)
def test_dataset_name(tmp_path, name, expected):
    assert folder.dataset_name(tmp_path / name) == expected


@pytest.mark.media
def test_the_real_manifest(media):
    clips = folder.clips(media)
    assert len(clips) == 131
    assert all(clip.path.exists() for clip in clips)
    assert sum(clip.label_video == 0 and clip.label_audio == 0 for clip in clips) >= 40


def test_all_clips_may_be_said_to_be_genuine(root):
    (root / "fake").mkdir()
    (root / "fake" / "a.mp4").write_bytes(b"x")
    (clip,) = folder.clips(root, labels="genuine")
    assert (clip.label_video, clip.label_audio, clip.label_sync) == (0, 0, 1)
    assert (clip.method_video, clip.method_audio) == ("none", "none")
    (root / "manifest.csv").write_text("path\nfake/a.mp4\n")
    with pytest.raises(UserError, match="remove it, or leave labels=genuine out"):
        folder.clips(root, labels="genuine")
