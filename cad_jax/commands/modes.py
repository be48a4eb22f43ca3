"""What `--mode=...` does. Each mode returns whether it came to its end."""

import pathlib

from cad_jax.data import build_data
from cad_jax.evaluation.evaluate import evaluate
from cad_jax.parallel import hosts
from cad_jax.run.pins import pin_weights
from cad_jax.run.placement import LoadedRun, experiment_mesh, load_run
from cad_jax.settings.experiment import Experiment
from cad_jax.training.loop import train
from cad_jax.training.tower_features import store_features


def _prepared(config: Experiment) -> Experiment:
    """The experiment with its weights pinned and its data there, made by one host for all."""
    # First what takes seconds, then what takes minutes.
    return hosts.lead_first(lambda: build_data(pin_weights(config)))


def _loaded(config: Experiment, workdir: pathlib.Path) -> LoadedRun:
    """The run's best, on the devices that there are now and as they are now arranged."""
    return load_run(workdir, experiment_mesh(config))


def train_and_evaluate(config: Experiment, workdir: pathlib.Path) -> bool:
    """Trains to the end, then scores validation and test splits."""
    config = _prepared(config)
    if not train(config, workdir):
        return False
    evaluate(_loaded(config, workdir), config, workdir)
    return True


def evaluate_only(config: Experiment, workdir: pathlib.Path) -> bool:
    """Scores validation and test splits with the run's best checkpoint."""
    run = _loaded(config, workdir)
    evaluate(run, hosts.lead_first(lambda: build_data(config)), workdir)
    return True


def keep_features(config: Experiment, workdir: pathlib.Path) -> bool:
    """Stores what the frozen towers make of the training clips, beside these."""
    for folder in store_features(_prepared(config)):
        print(folder)
    return True


MODES = {
    "train": train_and_evaluate,
    "evaluate": evaluate_only,
    "features": keep_features,
}
