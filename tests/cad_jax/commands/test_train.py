"""The front door: every setting opens from the command line, a run's file is a configuration."""

import dataclasses
import json
import pathlib
import typing

import pytest
from absl import app, flags
from ml_collections import config_flags

from cad_jax.commands.train import _parse, resolved_arguments
from cad_jax.settings.describe import describe
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError, leaves
from configs.cad import CHOICES, get_config

CAD = str(pathlib.Path(__file__).parents[3] / "configs" / "cad.py")


def parsed(*arguments: str) -> tuple[dict, dict]:
    """The configuration and what of it was overridden, as train.py would read the arguments."""
    argv = ["train.py", *resolved_arguments(arguments)]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values, sys_argv=argv)
    flags.DEFINE_string("workdir", "runs/cad", "", flag_values=values)
    values(argv)
    return values["config"].value.to_dict(), values["config"].override_values


def hints_of(cls: type, where: str = "config") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, hint in typing.get_type_hints(cls).items():
        nested = dataclasses.is_dataclass(hint)
        found |= hints_of(hint, f"{where}.{name}") if nested else {f"{where}.{name}": hint}
    return found


def other_value(hint, value):
    """A value of the setting's type that it does not have."""
    if typing.get_origin(hint) is typing.Literal:
        return next(choice for choice in typing.get_args(hint) if choice != value)
    if typing.get_origin(hint) is tuple:
        items = typing.get_args(hint)
        if items[-1] is Ellipsis:
            return (*value, other_value(items[0], None))
        old = value or (None,) * len(items)
        return tuple(other_value(item, was) for item, was in zip(items, old, strict=True))
    if hint is bool:
        return not value
    if hint is str:
        return f"{value or ''}x"
    return (value or 0) + (1 if hint is int else 0.25)


@pytest.mark.parametrize("size", CHOICES["size"])
def test_every_setting_can_be_overridden(size):
    plain, hints = leaves(get_config(f"size={size}").to_dict()), hints_of(Experiment)
    assert plain.keys() == hints.keys()
    wanted = {name: other_value(hint, plain[name]) for name, hint in hints.items()}
    overrides = [f"--{name}={value}" for name, value in wanted.items()]
    found, overridden = parsed(f"--config={CAD}:size={size}", *overrides)
    assert leaves(found) == wanted
    assert {f"config.{name}" for name in overridden} == wanted.keys()


@pytest.mark.parametrize("size", CHOICES["size"])
@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("loss.info_nce=ring", "ring"),
        ("mesh.sharding=(('kernel$', 'fsdp'), ('.*', 'replicate'))", None),
        ("optimizer.clip_norm=2.0", 2.0),
        ("data.on_corrupt=skip", "skip"),
        ("model.remat=all", "all"),
    ],
)
def test_what_was_locked_is_open(size, override, value):
    config = Experiment.from_mapping(
        parsed(f"--config={CAD}:size={size}", f"--config.{override}")[0]
    )
    section, name = override.partition("=")[0].split(".")
    expected = (("kernel$", "fsdp"), (".*", "replicate")) if value is None else value
    assert getattr(getattr(config, section), name) == expected


def test_stored_features_need_one_flag():
    config = Experiment.from_mapping(parsed(f"--config={CAD}", "--config.data.features=True")[0])
    assert config.data.applied_augment.flip == 0


def test_a_run_is_a_configuration(tmp_path):
    config = Experiment.from_mapping(get_config("size=micro").to_dict())
    config = dataclasses.replace(config, seed=3)
    (tmp_path / "config.json").write_text(json.dumps(config.to_mapping()))
    stated, _ = parsed(f"--config={tmp_path / 'config.json'}", "--config.train.steps=7")
    expected = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=7))
    assert Experiment.from_mapping(stated) == expected
    alone, _ = parsed(f"--workdir={tmp_path}")
    assert Experiment.from_mapping(alone) == config
    spaced, _ = parsed("--workdir", str(tmp_path), "--config.seed=4")
    assert spaced["seed"] == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "holds no JSON object"),
        ("{", "is no run's config.json"),
        ('{"train": 3}', "config.train holds settings of its own; it cannot be 3"),
        ('{"nothing": 3}', "config.nothing is no setting"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=message):
        parsed(f"--config={tmp_path / 'config.json'}")


def test_a_config_that_is_not_here_is_the_packaged_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parsed("--config=configs/cad.py:size=micro")[0] == get_config("size=micro").to_dict()
    assert parsed("--config", "configs/cad.py")[0] == get_config().to_dict()


def test_each_setting_is_printed_with_its_origin_and_meaning():
    values, overridden = parsed(f"--config={CAD}", "--config.loss.kl=0.5")
    lines = list(describe(values, overridden, "cad.py"))
    assert len(lines) == 2 * len(leaves(values))
    text = "\n".join(lines)
    assert "config.loss.kl = 0.5  (command line)\n    weight of the divergence" in text
    assert "config.loss.align_clip = 0.3  (cad.py)" in text
    assert "config.optimizer.b1 = 0.9  (default)" in text
    assert "config.computed.code = ''  (computed when a run starts)" in text


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
def test_asking_for_help_is_no_error(flag, capsys):
    app.define_help_flags()
    with pytest.raises(SystemExit) as ended:
        _parse(["cad-train", flag])
    assert ended.value.code == 0
    assert capsys.readouterr().out
