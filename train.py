"""Trains, evaluates or inspects a detector: `python train.py --config=configs/cad.py`."""

import logging
import pathlib
import sys

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment, e.g. configs/cad.py.")
_WORKDIR = flags.DEFINE_string("workdir", "runs/cad", "Where the run's files go.")
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "evaluate", "pretrain", "features", "compile"],
    "Train (going on where the run in workdir stopped) and evaluate; evaluate only; pretrain the "
    "alignment path alone, on genuine clips; store the frozen towers' features of the training "
    "clips; or print what a step costs, without any data.",
)
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Join the other hosts' processes first.")


def main(argv: list[str]) -> int:
    if unexpected := argv[1:]:
        return _fail(f"unexpected argument {unexpected[0]!r}: settings look like --config.seed=1")
    import jax  # here: it must not be touched before the flags are parsed and the processes joined

    from cad_jax.experiment import ExperimentConfig
    from cad_jax.modes import MODES
    from cad_jax.parallel.host_memory import keep_freed_memory
    from data_pipelines.errors import UserError

    keep_freed_memory()  # before JAX starts its threads
    absl_logging.set_verbosity(absl_logging.ERROR)  # the libraries; ours from INFO
    logging.getLogger("cad_jax").setLevel(logging.INFO)
    try:
        if _DISTRIBUTED.value:
            jax.distributed.initialize()
        config = ExperimentConfig.from_mapping(_CONFIG.value.to_dict())
        if not MODES[_MODE.value](config, pathlib.Path(_WORKDIR.value)):
            return _fail("stopped before the end; the same command goes on from there", code=143)
        return 0
    except (UserError, OSError) as error:
        return _fail(_one_line(error))


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(_fail(_one_line(error)))
    except (KeyError, AttributeError) as error:  # as ml_collections says it
        sys.exit(_fail(f"no such setting: {_one_line(error)}"))


def _one_line(error: Exception) -> str:
    cause: object = error
    while isinstance(cause, (KeyError, AttributeError)):  # their own text is quoted
        cause = cause.args[-1]
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if any(line.startswith("File ") for line in lines) else "; ".join(lines)


def _fail(message: str, code: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, flags_parser=_parse)
