"""`python train.py --config=configs/cad.py` and `cad-train`: flags, configuration, hand-over."""

import logging
import pathlib
import sys
from collections.abc import Sequence

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from cad_jax.run.files import CONFIG_FILE
from cad_jax.settings.describe import describe
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.presets import find_config
from data_pipelines.commands.run import fail, run_cli
from data_pipelines.errors import UserError

MODES = ("train", "evaluate", "features", "compile", "config", "draw")

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "The experiment: a config file with its options, e.g. configs/cad.py:size=tiny, or a run's "
    "config.json. Default: that of the run in workdir.",
)
_WORKDIR = flags.DEFINE_string("workdir", "runs/cad", "Where the run's files go.")
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    MODES,
    "Train (going on where the run in workdir stopped) and evaluate; evaluate only; store the "
    "frozen towers' features of the training clips; print what a step costs, without any data; "
    "print every setting; or print what training will draw, without decoding a frame.",
)
_STEPS = flags.DEFINE_integer("steps", 100, "Steps that --mode=draw looks at.", lower_bound=1)
_TOPOLOGY = flags.DEFINE_string(
    "topology", "", "Devices that --mode=compile compiles for, e.g. v5e:4x4 or h100:8."
)
_THOROUGH = flags.DEFINE_bool(
    "thorough", False, "--mode=compile takes its time for a TPU: slower, and says what is moved."
)
_SWEEP = flags.DEFINE_bool("sweep", False, "--mode=compile doubles the batch while it fits.")
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Join the other hosts' processes first; detects them where it can."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "Joins the hosts whose process 0 listens at this host:port."
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many join.", lower_bound=1)
_PROCESS = flags.DEFINE_integer("process_id", None, "Which of them this is.", lower_bound=0)
FLAGS = (
    _CONFIG, _WORKDIR, _MODE, _STEPS, _TOPOLOGY, _THOROUGH, _SWEEP, _DISTRIBUTED, _COORDINATOR,
    _PROCESSES, _PROCESS,
)  # fmt: skip


def main() -> None:
    """Ends the process: 0, 1 after one line on standard error, else as `parallel.watch` says."""
    sys.argv[:] = [sys.argv[0], *resolved_arguments(sys.argv[1:])]
    for flag in FLAGS:  # --help shows the program's own
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[flag.name])
    app.run(_main, flags_parser=_parse)


def evaluate() -> None:
    """The same as `--mode=evaluate`."""
    sys.argv.insert(1, "--mode=evaluate")
    main()


def resolved_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--config` as ml_collections reads it.

    A run's `config.json` becomes an option of `configs/saved.py`; without `--config` that of the
    run in the work folder is taken. A config file that is not here is looked for where the package
    keeps its own.
    """
    resolved = list(arguments)
    place = _place_of("config", resolved)
    if place is None:
        workdir = _value_of("workdir", resolved) or _WORKDIR.default
        saved = pathlib.Path(str(workdir)) / CONFIG_FILE
        return [f"--config={_resolve(str(saved))}", *resolved] if saved.is_file() else resolved
    if "=" in resolved[place]:
        resolved[place] = f"--config={_resolve(resolved[place].partition('=')[2])}"
    elif place + 1 < len(resolved):
        resolved[place + 1] = _resolve(resolved[place + 1])
    return resolved


def _resolve(config: str) -> str:
    if config.endswith(".json"):
        return f"{find_config('configs/saved.py')}:{config}"
    file, colon, options = config.partition(":")
    return f"{find_config(file)}{colon}{options}"


def _place_of(flag: str, arguments: Sequence[str]) -> int | None:
    for place, argument in enumerate(arguments):
        if argument.lstrip("-").partition("=")[0] == flag and argument.startswith("-"):
            return place
    return None


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    place = _place_of(flag, arguments)
    if place is None:
        return None
    _, equals, value = arguments[place].partition("=")
    return value if equals else next(iter(arguments[place + 1 :]), None)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
    except SystemExit:  # --help and its like, which absl ends as if something were wrong
        sys.exit(0)
    except flags.Error as error:
        sys.exit(fail("error", _one_line(error)))
    except (KeyError, AttributeError, ValueError, UserError) as error:
        known = isinstance(error, (ValueError, UserError))  # the others are ml_collections' way
        sys.exit(fail("error", f"{'' if known else 'no such setting: '}{_one_line(error)}"))
    if _CONFIG.value is None:
        sys.exit(fail("error", f"no run in {_WORKDIR.value}: name an experiment, --config=FILE"))
    return rest


def _one_line(error: Exception) -> str:
    cause: object = error
    while isinstance(cause, (KeyError, AttributeError)):  # their own text is quoted
        cause = cause.args[-1]
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if any(line.startswith("File ") for line in lines) else "; ".join(lines)


def _main(argv: list[str]) -> int:
    if unexpected := argv[1:]:
        message = f"unexpected argument {unexpected[0]!r}: settings look like --config.seed=1"
        return fail("error", message)
    absl_logging.set_verbosity(absl_logging.ERROR)  # the libraries; ours from INFO
    for library in ("absl", "asyncio"):  # what they raise is said once, by us
        logging.getLogger(library).addFilter(lambda record: not record.exc_info)
    logging.getLogger("cad_jax").setLevel(logging.INFO)
    return run_cli("error", _run)


def _run() -> int:
    config = Experiment.from_mapping(_CONFIG.value.to_dict())
    if _MODE.value == "config":
        overridden = config_flags.get_override_values(flags.FLAGS["config"])
        source = config_flags.get_config_filename(flags.FLAGS["config"])
        print(*describe(config.to_tree(), overridden, pathlib.Path(source).name), sep="\n")
        return 0
    if _MODE.value == "draw":
        from cad_jax.commands.draws import draw_lines  # opens data, which the others need not

        print(*draw_lines(config, _STEPS.value), sep="\n")
        return 0
    if _MODE.value == "compile":
        from cad_jax.commands.compilation import compilation_lines  # brings JAX

        options = {"thorough": _THOROUGH.value, "sweep": _SWEEP.value}
        for line in compilation_lines(config, _TOPOLOGY.value, **options):
            print(line, flush=True)
        return 0
    # Here: JAX must not be touched before the flags are parsed and the processes joined.
    from cad_jax.commands.modes import MODES
    from cad_jax.parallel import hosts
    from cad_jax.parallel.host_memory import keep_freed_memory
    from cad_jax.parallel.stop_signals import STOPPED, STOPPED_LINE
    from cad_jax.parallel.watch import Stopped, Watch

    keep_freed_memory()  # before JAX starts its threads
    coordinator = None
    if _DISTRIBUTED.value or _COORDINATOR.value:
        coordinator = hosts.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    try:
        with Watch(coordinator), hosts.losses_explained():
            finished = MODES[_MODE.value](config, pathlib.Path(_WORKDIR.value))
    except Stopped:
        finished = False
    return 0 if finished else fail("error", STOPPED_LINE, code=STOPPED)
