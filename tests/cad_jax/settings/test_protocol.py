"""What a protocol may say, and that every one that comes with the project means something."""

import json
import pathlib
import runpy
import shlex

import pytest

from cad_jax.settings.protocol import TRAINED, Protocol, StudySet, find_protocol
from cad_jax.settings.structure import ConfigError, differences, unstructure
from data_pipelines.benchmarks.registry import find_reader, reader_options
from data_pipelines.commands.prepare import _parser as prepare_parser
from data_pipelines.commands.prepare import settings_of
from data_pipelines.splits.file import make_split
from data_pipelines.splits.schemes import SplitOptions, find_scheme

ROOT = pathlib.Path(__file__).parents[3]
FILES = sorted((ROOT / "configs" / "protocols").glob("*.py"))
ALL = [f"{file.stem}:{name}" for file in FILES for name in runpy.run_path(str(file))["PROTOCOLS"]]
TINY = "configs/cad.py:size=tiny"


@pytest.mark.parametrize("choice", ALL)
def test_every_protocol_is_of_readers_and_settings_that_exist(choice):
    _, protocol = find_protocol(choice)
    assert protocol.experiment(protocol.trained()[0], seed=3).seed == 3
    splits = runpy.run_path(str(ROOT / "scripts" / "splits.py"))["_parser"]
    for one in protocol.sets:
        find_reader(one.reader)
        reader_options(one.reader, one.options)
        find_scheme(one.split.split()[0])
        settings_of(one.preparation)
        divide, prepare = (shlex.split(command)[2:] for command in one.commands())
        args = splits().parse_args(divide)
        assert (args.scheme, args.reader) == (one.split.split()[0], one.reader)
        assert prepare_parser().parse_args(prepare).split == str(args.output)


def test_the_command_of_a_split_makes_the_split_of_that_name(tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = ["path,label_video,source_ids,method_video"]
    rows += [f"c{i}.mp4,{i % 2},id{i // 2},{['none', 'swap'][i % 2]}" for i in range(40)]
    (clips / "manifest.csv").write_text("\n".join(rows))
    name = "source_disjoint seed=4 shares=0.6/0.1/0.3 leave_out=swap"
    wanted = StudySet(path=str(tmp_path / "set"), reader="folder", split=name)
    main = runpy.run_path(str(ROOT / "scripts" / "splits.py"))["main"]
    assert main(shlex.split(wanted.commands()[0].replace("DIR", str(clips)))[2:]) == 0
    content = json.loads((tmp_path / "set-split.json").read_text())
    made = make_split(
        find_reader("folder")(clips),
        "source_disjoint",
        SplitOptions(seed=4, shares=(0.6, 0.1, 0.3), leave_out="swap"),
    )
    assert made.name == name
    assert content["sha256"] == made.sha256


@pytest.mark.parametrize("variant", TRAINED)
def test_a_variant_is_the_option_of_the_preset(variant):
    protocol = Protocol(preset="configs/cad.py:size=b16", changes={"train": {"steps": 7}})
    full, other = (unstructure(protocol.experiment(name, 1)) for name in ("full", variant))
    assert other["train"]["steps"] == 7
    parts = {name.split(".")[1] for name in differences(full, other)}
    model = {"naive-fusion", "video-only", "audio-only", "no-adapters"}
    assert parts == ({"model"} if variant in model else {"loss"} if variant != "full" else set())


def test_the_first_set_is_trained_on_and_the_others_are_tested():
    sets = [StudySet(path=f"set{i}", reader="kodf", split="test_only") for i in range(3)]
    data = (
        Protocol(preset="configs/cad.py:data=folder", sets=tuple(sets)).experiment("full", 0).data
    )
    assert (data.path, data.extra_paths, data.evaluate_paths) == ("set0", (), ("set1", "set2"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variants": ("ful",)}, "did you mean 'full'"),
        ({"metrics": ("acu",)}, "did you mean 'auc'"),
        ({"seeds": ()}, "must each name something"),
        ({"variants": ("no-alignment", "late-maximum")}, "heads of `full`"),
        ({"changes": {"init": {"run": "runs/x"}}}, "no hash of a study covers"),
        ({"sets": (StudySet("a", "kodf", "hashed"),) * 2}, "a must be split `test_only`"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Protocol(**{"preset": TINY} | settings)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("embeded", "did you mean 'embedded'"),
        ("fakeavceleb:etnicity", "did you mean 'ethnicity'"),
        ("nowhere/mine.py", "no protocol 'nowhere/mine.py'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(choice, message):
    with pytest.raises(ConfigError, match=message):
        find_protocol(choice)


def test_names_of_protocols():
    assert find_protocol("embedded")[0] == "embedded"
    assert find_protocol("fakeavceleb:ethnicity")[0] == "fakeavceleb:ethnicity"
    with pytest.raises(ConfigError, match="is no preset"):
        Protocol(preset="configs/none.py").experiment("full", 0)
