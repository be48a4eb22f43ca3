"""Where parameters come from, in the stated order, and what is refused by name."""

import dataclasses
import shutil

import numpy as np
import pytest

from cad_jax.models.lora import is_adapter
from cad_jax.parallel.mesh import make_mesh
from cad_jax.parallel.rules import RuleError
from cad_jax.run.checkpoint import CheckpointError, Checkpoints
from cad_jax.run.pins import pin_weights
from cad_jax.run.placement import load_run, make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError
from cad_jax.training.learner import Learner
from cad_jax.training.loop import train
from cad_jax.weights.convert import TowerWeights
from cad_jax.weights.published import WeightsError
from cad_jax.weights.store import write_tower
from configs.cad import get_config

pytestmark = pytest.mark.slow

FROZEN = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}


def with_init(config, **init):
    return dataclasses.replace(config, init=dataclasses.replace(config.init, **init))


def all_parameters(config):
    learner = Learner(config, make_mesh(1, -1), make_model(config))
    return learner.init().params | learner.init_frozen()


def equal(first, second, names):
    return all(np.array_equal(first[name], second[name]) for name in names)


@pytest.fixture(scope="module")
def weights(small_experiment, tmp_path_factory):
    """Converted weights of the small video tower: every entry 0.5."""
    config = small_experiment()
    prefix = "video_tower/"
    params = {
        name.removeprefix(prefix): np.full(shape.shape, 0.5, np.float32)
        for name, shape in make_model(config).shapes.items()
        if name.startswith(prefix) and not is_adapter(name)
    }
    folder = tmp_path_factory.mktemp("weights") / "clip"
    write_tower(TowerWeights(config.model.video, params), ("model.safetensors",), folder)
    return folder


PART = {"trainable": [["lora_|video_tower/blocks", True], ["_tower/", False], [".*", True]]}


@pytest.mark.parametrize("optimizer", [{}, FROZEN, PART], ids=["trained", "frozen", "in part"])
def test_weights_fill_their_tower_and_leave_the_rest(small_experiment, weights, optimizer):
    config = small_experiment(optimizer=optimizer)
    fresh = all_parameters(config)
    params = all_parameters(with_init(config, video=str(weights)))
    given = [n for n in params if n.startswith("video_tower/") and not is_adapter(n)]
    assert given
    assert all(bool((params[name] == 0.5).all()) for name in given)
    assert equal(params, fresh, params.keys() - given)


def test_weights_are_pinned_and_others_refused(small_experiment, weights):
    config = pin_weights(with_init(small_experiment(), video=str(weights)))
    assert len(config.computed.video) == 64
    assert config.computed.audio == ""
    assert pin_weights(config) == config
    other = dataclasses.replace(config.computed, video="0" * 64)
    with pytest.raises(ConfigError, match="bring the old ones back"):
        pin_weights(dataclasses.replace(config, computed=other))


def test_one_flipped_byte_is_refused(small_experiment, weights, tmp_path):
    shutil.copytree(weights, tmp_path / "clip")
    arrays = tmp_path / "clip" / "weights.safetensors"
    data = bytearray(arrays.read_bytes())
    data[-1] ^= 1
    arrays.write_bytes(data)
    config = with_init(small_experiment(), video=str(tmp_path / "clip"))
    with pytest.raises(WeightsError, match="changed or damaged"):
        pin_weights(config)
    with pytest.raises(WeightsError, match="changed or damaged"):
        all_parameters(config)


def test_missing_weights_say_which_to_get_and_how_to_convert_them():
    values = get_config("data=fakeavceleb,size=b16").to_dict()
    config = Experiment.from_mapping(values)
    with pytest.raises(
        WeightsError,
        match=r"weights/clip_vit_b_16 .*get openai/clip-vit-base-patch16 and run python scripts/"
        r"convert_weights\.py --source=DIR --output=weights/clip_vit_b_16",
    ):
        pin_weights(config)
    with pytest.raises(WeightsError, match="get openai/whisper-small and run"):
        pin_weights(with_init(config, video=""))


def test_weights_of_the_specific_paths_own_tower_are_wanted_too():
    config = Experiment.from_mapping(get_config("data=fakeavceleb,size=lips").to_dict())
    with pytest.raises(WeightsError, match=r"get AV-HuBERT's base_vox_iter5.pt and run"):
        pin_weights(config)
    with pytest.raises(WeightsError, match="get openai/clip-vit-base-patch16 and run"):
        pin_weights(with_init(config, video="", audio=""))


def test_a_run_gives_all_parameters_before_weights(small_experiment, finished_run, weights):
    config, workdir = finished_run
    run = load_run(workdir)
    again = with_init(dataclasses.replace(config, seed=7), run=str(workdir), video=str(weights))
    assert equal(all_parameters(again), run.params, run.params)


def test_another_model_is_refused_by_name_or_excepted(small_experiment, finished_run):
    workdir = finished_run[1]
    wider = with_init(small_experiment(model={"lora": {"rank": 4}}), run=str(workdir))
    with pytest.raises(CheckpointError, match=r"lora_a is \(32, 2\), not \(32, 4\).* more; name"):
        all_parameters(wider)
    excepted = with_init(wider, exclude=("/lora_",))
    params, fresh = all_parameters(excepted), all_parameters(with_init(wider, run=""))
    run = load_run(workdir)
    adapters = [name for name in params if is_adapter(name)]
    assert adapters
    assert equal(params, fresh, adapters)
    assert equal(params, run.params, params.keys() - set(adapters))


def test_an_exception_that_fits_nothing_is_refused(finished_run):
    config, workdir = finished_run
    with pytest.raises(RuleError, match="'fussion' fits no parameter"):
        all_parameters(with_init(config, run=str(workdir), exclude=("fussion",)))


def test_no_such_run(small_experiment, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        all_parameters(with_init(small_experiment(), run=str(tmp_path / "gone")))


def test_a_pretraining_trains_the_alignment_path_and_its_average_starts_a_training(
    small_experiment, finished_pretraining, tmp_path
):
    config, workdir = finished_pretraining
    shutil.copytree(workdir, tmp_path / "pretrained")
    fresh, run = all_parameters(config), load_run(tmp_path / "pretrained")
    moved = {name for name in fresh if not np.array_equal(fresh[name], run.params[name])}
    tops = {name.split("/")[0] for name in moved}
    assert tops == {"video_tower", "audio_tower", "align_video", "align_audio"} | {
        top for top in tops if top.startswith("log_")
    }
    assert not [name for name in moved if is_adapter(name)]
    state = Learner(config, run.mesh, make_model(config)).target
    saved = Checkpoints(workdir, read_only=True).restore(run.step, state)
    assert equal(run.params, saved.average, saved.average)
    assert not equal(run.params, saved.params, ["log_clip_scale"])

    begun = with_init(
        small_experiment(train={"evaluate_every": 0}), run=str(tmp_path / "pretrained")
    )
    assert equal(all_parameters(begun), run.params, run.params)
    (tmp_path / "run").mkdir()
    assert train(begun, tmp_path / "run")
    shutil.rmtree(tmp_path / "pretrained")  # resume goes before init: it is not asked again
    assert train(begun, tmp_path / "run")
