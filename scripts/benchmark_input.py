"""Times the loader beside the training step that it feeds, in alternating rounds of one run.

    python scripts/benchmark_input.py --config=configs/cad.py

Prints how many clips a second a core of the loader makes, how many the step takes, and the ratio.
The experiment's set is made where it has a builder; its weights are not needed.
"""

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from data_pipelines.commands.run import run_cli


def main(argv: list[str]) -> int:
    """0, or 1 after one line on standard error."""
    absl_logging.set_verbosity(absl_logging.ERROR)  # JAX names every backend that is not there
    return run_cli("benchmark_input", _run)


def _run() -> int:
    from cad_jax.lab.input_timing import time_input
    from cad_jax.settings.experiment import Experiment

    args = flags.FLAGS
    config = Experiment.from_mapping(args.config.to_dict())
    print(*time_input(config, args.steps, args.rounds).lines(), sep="\n")
    return 0


def define_flags(values: flags.FlagValues) -> None:
    """Adds the command's flags to `values`."""
    config_flags.DEFINE_config_file(
        "config", None, "The experiment, e.g. configs/cad.py.", flag_values=values
    )
    flags.DEFINE_integer("steps", 10, "Of a round.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("rounds", 5, "How many.", lower_bound=1, flag_values=values)


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    flags.mark_flag_as_required("config")
    app.run(main)
