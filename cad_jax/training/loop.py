"""The training loop. Its order:

resume > init; an evaluation that a stop left out; then for every step: take a batch, step, and
where it is their turn: profile, agree on a stop, log, evaluate on validation, save, stop. What a
step computes is in `step`, what it needs in `learner`.
"""

import contextlib
import dataclasses
import itertools
import json
import logging
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence

import jax
from clu import parameter_overview
from tqdm import tqdm

from cad_jax.data import (
    copy_preparation,
    describe_training,
    measure_priors,
    open_evaluation,
    open_training,
    sample_training,
)
from cad_jax.parallel import hosts
from cad_jax.parallel.mesh import check_divides
from cad_jax.run.checkpoint import Checkpoints, Progress, TrainState
from cad_jax.run.files import CONFIG_FILE, GOODPUT_FILE, LOCK_FILE
from cad_jax.run.pins import (
    facts_of,
    pin_code,
    pin_data,
    pin_run,
    pin_weights,
    refuse_other_experiment,
)
from cad_jax.run.placement import experiment_mesh, make_model
from cad_jax.run.validation import validate, validated
from cad_jax.settings.experiment import Experiment
from cad_jax.telemetry.chips import chip_of
from cad_jax.telemetry.clu_import import metric_writers
from cad_jax.telemetry.phases import PhaseClock
from cad_jax.telemetry.profiler import ProfileWindow
from cad_jax.telemetry.speed import (
    StepClock,
    compare_hosts,
    memory_peak,
    speed_line,
)
from cad_jax.telemetry.writers import create_writer
from cad_jax.training.input import on_device
from cad_jax.training.learner import Learner, model_flops
from cad_jax.training.preemption import AgreedStop, StopAgreed, StopRequest
from cad_jax.training.step import Metrics
from cad_jax.training.tower_features import open_features
from cad_jax.types import Batch, Params
from data_pipelines.errors import UserError
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.pipeline import training_batches
from data_pipelines.loading.sampling import Stratum
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import write_json
from data_pipelines.records.lock import held

log = logging.getLogger(__name__)


class TrainingError(UserError):
    """Training cannot go on."""


def train(config: Experiment, workdir: str | pathlib.Path) -> bool:
    """Trains to `config.train.steps`, going on from the newest checkpoint in `workdir`.

    Writes `config.json`, `parameters.txt`, `metrics.jsonl`, `goodput.json`, `tensorboard/` and
    `checkpoints/`.

    Args:
        config: the experiment.
        workdir: its folder, made where it is not there.

    Returns:
        True if the run is finished, False if SIGTERM or Ctrl-C stopped it; its state is saved, and
        the same call goes on.

    Raises:
        UserError: data, configuration or work folder do not fit; the loss is not finite.
    """
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as alone:
        lock = held(workdir / LOCK_FILE, f"{workdir} is trained in already,")
        hosts.together(lambda: alone.enter_context(lock) if hosts.is_lead() else None)
        hosts.refuse_unshared(workdir)
        newest, best = config.train.keep_newest, config.train.keep_best
        checkpoints = Checkpoints(workdir, keep_newest=newest, keep_best=best)
        alone.callback(checkpoints.close)
        return _train(_as_begun(config, checkpoints, workdir), checkpoints, workdir)


def _train(config: Experiment, checkpoints: Checkpoints, workdir: pathlib.Path) -> bool:
    started = time.perf_counter()
    mesh = experiment_mesh(config)
    microbatches = config.train.microbatches
    check_divides(config.data.batch_size, mesh, "config.data.batch_size", microbatches)
    check_divides(config.evaluation.batch_size, mesh, "config.evaluation.batch_size")
    config, source, strata, validation = hosts.together(lambda: _open_data(config))
    hosts.refuse_different(facts_of(config) | {"validation split": validation.fingerprint})
    learner = Learner(config, mesh, make_model(config))
    state, progress = _resume_or_init(learner, checkpoints, workdir)
    finished = int(state.step) >= config.train.steps
    if (finished and not _owes_evaluation(config, state, progress)) or _is_stale(config, progress):
        log.info("%s: nothing left to train", workdir)
        return True
    writer = create_writer(workdir, int(state.step), is_lead=hosts.is_lead())
    log.info("contrast: %s", learner.contrast)
    kept = workdir / GOODPUT_FILE if hosts.is_lead() else None
    step = int(state.step)
    phases = PhaseClock(kept, step, started)
    try:
        loaded = hosts.together(lambda: _batches(config, source, strata, step))
        with StopRequest() as stop:
            frozen = learner.init_frozen()
            run = _Run(learner, checkpoints, writer, phases, validation, frozen, progress, stop)
            return run.go_on(state, loaded)
    finally:
        writer.close()


def _open_data(
    config: Experiment,
) -> tuple[Experiment, TFRecordSource, Sequence[Stratum], TFRecordSource]:
    """The experiment with its data pinned; what is trained on, how often, and validated on."""
    source = open_training(config.data)
    strata = sample_training(config.data, source)
    validation = validated(config, open_evaluation(config.data, config.data.validation_split))
    for split in config.data.test_splits:
        open_evaluation(config.data, split)  # better missing now than after the training
    priors = measure_priors(config.data, source, strata)
    return pin_data(config, describe_training(config.data), priors), source, strata, validation


@dataclasses.dataclass
class _Run:
    """A loop under way: what it writes to and what it remembers."""

    learner: Learner
    checkpoints: Checkpoints
    writer: metric_writers.MetricWriter
    phases: PhaseClock
    validation: TFRecordSource
    frozen: Params
    progress: Progress
    stop: StopRequest

    def __post_init__(self) -> None:
        self.agreed = AgreedStop(self.learner.mesh)

    def go_on(self, state: TrainState, loaded: Iterator[ClipBatch]) -> bool:
        """Trains to the end; False where all hosts stopped before it, with this state saved."""
        config, start = self.learner.config.train, int(state.step)
        owes = _owes_evaluation(self.learner.config, state, self.progress)
        if owes and not self._evaluate(state):
            return False
        if start >= config.steps or _is_stale(self.learner.config, self.progress):
            return True
        ahead = on_device(loaded, self.learner.mesh)
        batches, take_step, clock = self._compile(state, ahead)
        profile, stopping = self._profile_window(), False
        hidden = not hosts.is_lead() or None  # None: where there is no terminal
        bar = tqdm(initial=start, total=config.steps, unit="step", disable=hidden)
        self.phases.enter("step")
        with bar, profile:
            batches = clock.input(itertools.islice(batches, config.steps - start))
            for step, batch in enumerate(batches, start=start + 1):
                profile.before(step)
                with jax.transfer_guard("disallow"):
                    state, metrics = take_step(state, self.frozen, batch)
                profile.after(step, metrics)
                clock.tick(metrics["loss"])
                bar.update()
                stopping = self.agreed(bool(self.stop), last=step == config.steps)
                last = step == config.steps or stopping
                if last or step % config.log_every == 0:
                    bar.set_postfix_str(self._log(step, metrics, clock))
                if config.evaluates_at(step) and not stopping:
                    stopping = not self._evaluate(state)
                elif last or step % config.checkpoint_every == 0:
                    self._save(state, None)
                if stopping or _is_stale(self.learner.config, self.progress):
                    break
        with self.phases.during("checkpoint"):
            self.checkpoints.wait()
        self.phases.keep()
        log.info("%s", self.phases.read().line())
        if stopping:
            reason = self.stop.signal_name or "another host stopped"
            log.warning("%s: saved at step %d", reason, int(state.step))
        return not stopping

    def _compile(
        self, state: TrainState, batches: Iterator[Batch]
    ) -> tuple[Iterator[Batch], Callable, StepClock]:
        """Compiles the step ahead, for the first batch's shapes; nothing recompiles later."""
        with self.phases.during("input"):
            first = next(batches)
        with self.phases.during("compile"):
            compiled = self.learner.step.lower(state, self.frozen, first).compile()  # type: ignore[attr-defined]
            kind = jax.devices()[0].device_kind
            # Counting takes seconds, for nothing where MFU is not known anyway.
            flops = model_flops(self.learner) if chip_of(kind) else math.nan
        clips, devices = self.learner.config.data.batch_size, self.learner.mesh.size
        clock = StepClock(self.phases, clips, flops, devices, kind)
        return itertools.chain([first], batches), compiled, clock

    def _log(self, step: int, metrics: Metrics, clock: StepClock) -> str:
        values = {name: float(value) for name, value in jax.device_get(metrics).items()}
        faulty = [name for name, value in values.items() if not math.isfinite(value)]
        if faulty:
            raise TrainingError(
                f"step {step}: {', '.join(faulty)} not finite; lower optimizer.learning_rate and "
                "start again in another --workdir"
            )
        speed = clock.report()
        own = {"input_wait": speed["input_wait"], **memory_peak(jax.local_devices())}
        speed |= compare_hosts([json.loads(host) for host in hosts.gather(json.dumps(own))])
        self.writer.write_scalars(step, values | {f"speed/{k}": v for k, v in speed.items()})
        self.phases.keep()
        return f"loss {values['loss']:.3f}, {speed_line(speed)}"

    def _evaluate(self, state: TrainState) -> bool:
        """Validates what training has come to, and saves it; False where a stop came between."""
        config, mesh = self.learner.config, self.learner.mesh
        step = int(state.step)  # waits for the steps under way, which are no part of what follows
        params = {**self.frozen, **state.result}
        try:
            with self.phases.during("evaluation"):
                found = validate(config, mesh, params, self.validation, self._leave_if_asked)
        except StopAgreed:
            self._save(state, None)
            return False
        self.writer.write_scalars(step, found.scalars())
        log.info("step %d: validation AUC %.3f", step, found.auc)  # all that a log file has of it
        self.progress = self.progress.after_evaluation(found.auc, step)
        self._save(state, found.auc)
        return True

    def _leave_if_asked(self) -> None:
        if self.agreed.now(bool(self.stop)):
            raise StopAgreed

    def _save(self, state: TrainState, auc: float | None) -> None:
        step = int(state.step)
        with self.phases.during("checkpoint"):
            self.writer.flush()  # what a checkpoint covers must be on disk before it is
            self.checkpoints.save(state, self.learner.config.to_mapping(), self.progress, auc)
        self.phases.saved(step)

    def _profile_window(self) -> ProfileWindow:
        config, workdir = self.learner.config.train, self.checkpoints.directory.parent
        first = config.profile_at if hosts.is_lead() else 0
        return ProfileWindow(workdir / "profile", first, config.profile_steps)


def _as_begun(config: Experiment, checkpoints: Checkpoints, workdir: pathlib.Path) -> Experiment:
    """The experiment with what the run in the work folder has pinned, or with its first pins."""
    latest = checkpoints.latest_step()
    if latest is None:
        config = pin_run(config)
    else:
        saved = Experiment.from_mapping(checkpoints.read_config(latest))
        refuse_other_experiment(saved.to_mapping(), config.to_mapping(), str(workdir))
        config = dataclasses.replace(config, computed=saved.computed)
    return pin_code(pin_weights(config))


def _resume_or_init(
    learner: Learner, checkpoints: Checkpoints, workdir: pathlib.Path
) -> tuple[TrainState, Progress]:
    latest = checkpoints.latest_step()
    if latest is not None:
        log.info("going on from step %d in %s", latest, workdir)
        state = checkpoints.restore(latest, learner.target)
        progress = checkpoints.read_progress(latest)
    else:
        state, progress = learner.init(), Progress()
    if hosts.is_lead() and (latest is None or learner.config.data.accept_changed):
        _describe(learner.config, state.params, workdir)
    return state, progress


def _describe(config: Experiment, params: Params, workdir: pathlib.Path) -> None:
    """Keeps with the run what it is of: its settings, its parameters, its data's preparation."""
    copy_preparation(config.data, workdir)
    write_json(config.to_mapping(), workdir / CONFIG_FILE)
    overview = parameter_overview.get_parameter_overview(params, include_stats=False)  # type: ignore[arg-type]
    (workdir / "parameters.txt").write_text(overview + "\n")


def _batches(
    config: Experiment, source: TFRecordSource, strata: Sequence[Stratum], start: int
) -> Iterator[ClipBatch]:
    return training_batches(
        source,
        batch_size=config.data.batch_size,
        seed=config.seed,
        clip=config.data.clip,
        augment=config.data.applied_augment,
        strata=strata,
        start_step=start,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        workers=config.data.workers,
        features=open_features(config),
    )


def _is_stale(config: Experiment, progress: Progress) -> bool:
    """Whether validation has not improved for as long as `early_stop` allows."""
    patience = config.train.early_stop
    return bool(patience) and progress.evaluations_since_best >= patience


def _owes_evaluation(config: Experiment, state: TrainState, progress: Progress) -> bool:
    """Whether it was stopped at a step of evaluation, which then waits for the next start."""
    step = int(state.step)
    return config.train.evaluates_at(step) and progress.evaluated_at < step
