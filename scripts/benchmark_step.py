"""Times the training step of an experiment on the devices that are there.

    python scripts/benchmark_step.py --config=configs/cad.py:data=fakeavceleb,size=b16 --steps=50

Prints clips/s and model FLOPs use; with --features also of the step on stored features, and the
ratio of both. With --against=torch (extra [parity]) the whole step is timed in alternating rounds
beside the same in PyTorch, eager: same parameters, batch, losses and update, in float32 on the CPU.
Neither data nor weights are needed.
"""

import pathlib

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from data_pipelines.commands.run import run_cli


def main(argv: list[str]) -> int:
    """0, or 1 after one line on standard error."""
    absl_logging.set_verbosity(absl_logging.ERROR)  # JAX names every backend that is not there
    return run_cli("benchmark_step", _run)


def _run() -> int:
    from cad_jax.lab.step_timing import time_step, with_features
    from cad_jax.settings.experiment import Experiment

    args = flags.FLAGS
    config = Experiment.from_mapping(args.config.to_dict())
    if args.against:
        from cad_jax.lab.step_comparison import compare_with_torch

        print(*compare_with_torch(config, args.steps, args.rounds).lines(), sep="\n")
        return 0
    profile = pathlib.Path(args.profile) if args.profile else None
    live = time_step(config, args.steps, profile)
    print(live.line())
    if args.features:
        stored = time_step(with_features(config), args.steps)
        print(f"{stored.line()}\nstored / live: {stored.seconds / live.seconds:.2f} of the time")
    return 0


def define_flags(values: flags.FlagValues) -> None:
    """Adds the command's flags to `values`."""
    config_flags.DEFINE_config_file(
        "config", None, "The experiment, e.g. configs/cad.py.", flag_values=values
    )
    flags.DEFINE_integer("steps", 50, "Timed steps.", lower_bound=1, flag_values=values)
    flags.DEFINE_bool("features", False, "Time stored features, too.", flag_values=values)
    flags.DEFINE_enum("against", None, ["torch"], "What to time beside it.", flag_values=values)
    flags.DEFINE_integer(
        "rounds", 5, "Of --steps each, in turn.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_string("profile", None, "Folder for a trace of the steps.", flag_values=values)


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    flags.mark_flag_as_required("config")
    app.run(main)
