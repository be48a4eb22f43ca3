"""What an accelerator's compiler makes of an experiment's towers and step, without the accelerator.

    python scripts/benchmark_compile.py --config=configs/cad.py:data=fakeavceleb,size=b16 \
        --config.data.batch_size=128 --topology=v5e:4x4

Prints FLOPs, bytes, temporaries and compile time of both towers, forward and backward by their
adapters, beside towers written from scratch, and the ratios. With --parts the FLOPs and bytes of
the whole step by the parts of the model. Neither devices, data nor weights are needed.
"""

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from data_pipelines.commands.run import run_cli


def main(argv: list[str]) -> int:
    """0, or 1 after one line on standard error."""
    absl_logging.set_verbosity(absl_logging.ERROR)  # JAX names every backend that is not there
    return run_cli("benchmark_compile", _run)


def _run() -> int:
    from cad_jax.lab.compile_comparison import compare_towers
    from cad_jax.lab.step_parts import step_parts
    from cad_jax.settings.experiment import Experiment

    args = flags.FLAGS
    config = Experiment.from_mapping(args.config.to_dict())
    lines = step_parts if args.parts else compare_towers
    for line in lines(config, args.topology):
        print(line, flush=True)
    return 0


def define_flags(values: flags.FlagValues) -> None:
    """Adds the command's flags to `values`."""
    config_flags.DEFINE_config_file(
        "config", None, "The experiment, e.g. configs/cad.py.", flag_values=values
    )
    flags.DEFINE_string("topology", None, "Devices, e.g. v5e:4x4.", flag_values=values)
    flags.DEFINE_bool("parts", False, "The whole step, by its parts.", flag_values=values)


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    flags.mark_flags_as_required(["config", "topology"])
    app.run(main)
