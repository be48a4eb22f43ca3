"""Saves and restores a run: trainable parameters, optimiser, step, configuration, progress.

Orbax underneath, asynchronous, one folder a step, hashed before it gets its name. Frozen parameters
are not in it: they come back from where they came from. What does not fit is refused by name, never
filled in; what is damaged is named, and the one before is taken.
"""

import contextlib
import dataclasses
import functools
import itertools
import logging
import math
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from cad_jax.arrays import Shape, listed, shape_faults
from cad_jax.parallel.hosts import agree, is_lead
from cad_jax.run.files import CHECKPOINTS
from cad_jax.run.manifest import DamageError, check_manifest, read_manifest, write_manifest
from cad_jax.types import Params
from data_pipelines.errors import UserError

log = logging.getLogger(__name__)

REMOVED = "removed"  # among the steps: those on their way out
_NOTHING, _ALL_DAMAGED = -1, -2  # in place of a step, where hosts agree on one


class CheckpointError(UserError):
    """A checkpoint is not there, is damaged or does not fit the model."""


class TrainState(NamedTuple):
    """What training changes: arrays, or in their place shapes or shardings.

    Attributes:
        step: optimiser steps taken, int32 scalar.
        params: trainable parameters by name.
        opt_state: optax state over the same names.
        average: moving average of `params`; empty where none is kept.
    """

    step: Any
    params: dict[str, Any]
    opt_state: Any
    average: dict[str, Any]

    @property
    def result(self) -> dict[str, Any]:
        """What training comes to, which is evaluated and given on: the average, if there is one."""
        return self.average or self.params


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop must remember beyond the state, to go on as if never stopped.

    Attributes:
        best_auc: best validation AUC so far; -1 before the first.
        evaluations_since_best: how many evaluations did not improve it.
        evaluated_at: the step of the last evaluation; 0 before the first.
    """

    best_auc: float = -1.0
    evaluations_since_best: int = 0
    evaluated_at: int = 0

    def after_evaluation(self, auc: float, step: int) -> "Progress":
        """The memory with one more evaluation in it; nan is no improvement."""
        if auc > self.best_auc:
            return Progress(auc, 0, step)
        return Progress(self.best_auc, self.evaluations_since_best + 1, step)


def _write_small_arrays_whole() -> None:
    """Of copies of one array each device writes a share only where the shares are large.

    Cut into thousands of small pieces, a small model takes seconds to save.
    """

    def unsaid(record: logging.LogRecord) -> bool:  # that a handler is replaced: it is meant
        return not record.getMessage().startswith("Type handler registry")

    said = logging.getLogger("absl")
    said.addFilter(unsaid)
    handler = ocp.type_handlers.ArrayHandler(min_slice_bytes_for_replica_parallel=2**20)
    ocp.type_handlers.register_type_handler(jax.Array, handler, override=True)
    said.removeFilter(unsaid)


_write_small_arrays_whole()


class Checkpoints:
    """The checkpoints of one run. Every process calls every method.

    Args:
        workdir: of the run.
        keep_newest: how many of the newest are kept.
        keep_best: how many are kept besides, by validation AUC.
        read_only: nothing will be saved, so the folder must be there.

    Raises:
        CheckpointError: `read_only`, and there is no folder of checkpoints.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        *,
        keep_newest: int = 2,
        keep_best: int = 1,
        read_only: bool = False,
    ):
        self.directory = workdir.absolute() / CHECKPOINTS
        if read_only and not self.directory.is_dir():
            raise CheckpointError(f"no checkpoint in {workdir}: it has no folder {CHECKPOINTS}")
        self._keep = (keep_newest, keep_best)
        # Orbax's own item is named too: it warns of what it does not know.
        handlers: dict[str, Any] = _handlers() | {"metrics": ocp.JsonCheckpointHandler()}
        self._reader = ocp.Checkpointer(ocp.CompositeCheckpointHandler(**handlers))
        self._saving: tuple[int, float | None] = (0, None)
        self._checked: dict[int, str] = {}

    def latest_step(self) -> int | None:
        """The newest whole step; None where nothing was saved. A damaged one is named and skipped.

        Raises:
            CheckpointError: no saved step is whole.
        """
        return self._first_whole(sorted(self._steps(), reverse=True))

    def best_step(self) -> int | None:
        """The whole step with the best validation AUC, else the newest; as `latest_step`."""
        return self._first_whole(sorted(self._steps(), key=self._rank, reverse=True))

    def check_step(self, step: int) -> int:
        """A step that is wanted.

        Raises:
            CheckpointError: it is not kept any more (names those that are), or it is damaged.
        """
        if step not in (kept := self._steps()):
            raise CheckpointError(f"{self.directory} holds no step {step} any more, only {kept}")
        if agree(bool(is_lead() and self._fault(step))):
            raise CheckpointError(f"{self._fault(step)}: bring this checkpoint back")
        return step

    def save(
        self,
        state: TrainState,
        config: Mapping[str, Any],
        progress: Progress,
        auc: float | None,
    ) -> None:
        """Starts saving and returns; `wait` or the next save waits for the end.

        What was saved at this step before, when it was not evaluated yet, is replaced.

        Args:
            state: sharded or not.
            config: the experiment's configuration, JSON-ready.
            progress: the loop's memory.
            auc: validation AUC at this very step; None if it was not evaluated here.
        """
        step = int(state.step)
        if auc is not None and math.isnan(auc):
            auc = -1.0  # validation has one class only; nan cannot be sorted
        self._finish()  # before what is being saved is another step
        self._saving = (step, auc)
        if step in self._manager.all_steps():
            self._manager.delete(step)
        self._checked.pop(step, None)
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(state.result),
            optimizer=ocp.args.StandardSave(_optimizer_item(state)),
            config=ocp.args.JsonSave(dict(config)),
            progress=ocp.args.JsonSave(dataclasses.asdict(progress)),
        )
        with self._naming():
            self._manager.save(step, args=items, metrics=None if auc is None else {"auc": auc})

    def restore(self, step: int, target: TrainState) -> TrainState:
        """The state saved at `step`, placed as `target` says.

        Args:
            step: a saved step.
            target: `jax.ShapeDtypeStruct` leaves with shardings, of any mesh.

        Raises:
            CheckpointError: leaves are missing, extra or of another shape (each is named).
        """
        result = self.restore_params(step, target.result)
        optimizer = self._restore_item(step, "optimizer", _optimizer_item(target))
        params, average = (optimizer["params"], result) if target.average else (result, {})
        return TrainState(optimizer["step"], params, optimizer["opt_state"], average)

    def restore_params(self, step: int, target: Mapping[str, jax.ShapeDtypeStruct]) -> Params:
        """What training came to alone, for evaluation and inference; raises as `restore`."""
        return self._restore_item(step, "params", dict(target))

    def read_config(self, step: int) -> dict[str, Any]:
        """The configuration that was saved with `step`."""
        return self._restore_json(step, "config")

    def read_progress(self, step: int) -> Progress:
        """The loop's memory at `step`."""
        return Progress(**self._restore_json(step, "progress"))

    def wait(self) -> None:
        """Returns when everything is on disk.

        Raises:
            OSError: it cannot be written: disk full and the like.
        """
        self._finish()
        self._empty_removed()

    def close(self) -> None:
        """Waits, and ends what works in the background."""
        if "_manager" in vars(self):
            with self._naming():
                self._manager.close()
            self._empty_removed()
        self._reader.close()

    def _finish(self) -> None:
        if "_manager" in vars(self):
            with self._naming():
                self._manager.wait_until_finished()

    @functools.cached_property
    def _manager(self) -> ocp.CheckpointManager:
        """What saves and removes; made when it is first needed, over whole checkpoints only."""
        _pass_over_closed_loops()
        self._empty_removed()
        self._set_damaged_aside()
        newest, best = self._keep
        kept_best = BestN(get_metric_fn=_auc, n=best, keep_checkpoints_without_metrics=False)
        return ocp.CheckpointManager(
            self.directory,
            item_handlers=_handlers(),  # type: ignore[arg-type]
            options=ocp.CheckpointManagerOptions(
                best_fn=_auc,
                preservation_policy=AnyPreservationPolicy([LatestN(newest), kept_best]),
                cleanup_tmp_directories=True,
                todelete_subdir=REMOVED,
                async_options=ocp.AsyncOptions(post_finalization_callback=self._seal),
            ),
        )

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Says in a line what TensorStore says in five: the system's own words, and where."""
        try:
            yield
        except ValueError as error:
            number = re.search(r"os_error_code='(\d+)'", str(error))
            if number is None:
                raise
            code = int(number[1])
            message = f"cannot save in {self.directory}: {os.strerror(code)}"
            raise OSError(code, message) from error

    def _seal(self) -> None:
        """Hashes what was saved, while it still has its temporary name; Orbax calls it once."""
        step, auc = self._saving
        (folder,) = self.directory.glob(f"{step}{ocp.utils.TMP_DIR_SUFFIX}*")
        write_manifest(folder, auc)
        self._empty_removed()

    def _empty_removed(self) -> None:
        """Deletes the steps moved there; half deleted in its place, one would count as damaged."""
        if is_lead():
            shutil.rmtree(self.directory / REMOVED, ignore_errors=True)

    def _set_damaged_aside(self) -> None:
        """Takes the numbers of damaged steps away, so that these can be trained and saved again."""
        for step in self._steps() if is_lead() else ():
            if self._fault(step):
                names = (self.directory / f"damaged-{step}-{n}" for n in itertools.count(1))
                aside = next(name for name in names if not name.exists())
                (self.directory / str(step)).rename(aside)
                log.warning("damaged step %d is kept as %s", step, aside)
        agree(0)  # the others look at the folder when this is done

    def _steps(self) -> list[int]:
        """The steps that have a folder, whole or not."""
        return sorted(int(path.name) for path in self.directory.glob("*") if path.name.isdigit())

    def _first_whole(self, steps: Sequence[int]) -> int | None:
        """The first of these steps that is whole, the same on every host."""
        step = agree(self._look_for_whole(steps) if is_lead() else _NOTHING)
        if step == _ALL_DAMAGED:
            faults = [fault for fault in map(self._fault, steps) if fault]
            raise CheckpointError(
                f"no checkpoint in {self.directory} is whole: {listed(faults)}; bring one back, or "
                "choose another --workdir"
            )
        return None if step == _NOTHING else step

    def _look_for_whole(self, steps: Sequence[int]) -> int:
        for place, step in enumerate(steps):
            if not self._fault(step):
                for damaged in steps[:place]:
                    log.warning("%s; taking step %d instead", self._fault(damaged), step)
                return step
        return _ALL_DAMAGED if steps else _NOTHING

    def _fault(self, step: int) -> str:
        """What is wrong with a saved step; empty where it is whole. Read once."""
        if step not in self._checked:
            try:
                check_manifest(self.directory / str(step))
                self._checked[step] = ""
            except DamageError as error:
                self._checked[step] = str(error)
        return self._checked[step]

    def _rank(self, step: int) -> tuple[float, int]:
        try:
            auc = read_manifest(self.directory / str(step)).auc
        except DamageError:
            auc = math.inf  # so that it is looked at, and named
        return (-math.inf if auc is None else auc, step)

    def _restore_item(self, step: int, name: str, target: Any) -> Any:
        folder = self.directory / str(step)
        items = self._reader.metadata(folder).item_metadata
        saved = items[name] if items else None
        if saved is None:
            raise CheckpointError(f"{folder} holds no {name}")
        if faults := shape_faults(_shapes(saved.tree), _shapes(target)):
            raise CheckpointError(
                f"{folder} ({name}) is of another model: "
                f"{listed([*faults.values()])}; use the configuration it was trained with"
            )
        args = ocp.args.Composite(**{name: ocp.args.StandardRestore(target)})
        return self._reader.restore(folder, args=args)[name]

    def _restore_json(self, step: int, name: str) -> dict[str, Any]:
        args = ocp.args.Composite(**{name: ocp.args.JsonRestore()})
        folder = self.directory / str(step)
        try:
            values = self._reader.restore(folder, args=args)[name]
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise CheckpointError(f"{folder / name} is no JSON object: bring this checkpoint back")
        return values


def _handlers() -> dict[str, Any]:
    return {
        "params": ocp.StandardCheckpointHandler(),
        "optimizer": ocp.StandardCheckpointHandler(),
        "config": ocp.JsonCheckpointHandler(),
        "progress": ocp.JsonCheckpointHandler(),
    }


def _auc(metrics: Mapping[str, float]) -> float:
    return metrics["auc"]


def _optimizer_item(state: TrainState) -> dict[str, Any]:
    """What only training needs; where the result is an average, the parameters themselves too."""
    item = {"step": state.step, "opt_state": state.opt_state}
    return item | ({"params": state.params} if state.average else {})


def _shapes(tree: Any) -> dict[str, Shape]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): tuple(leaf.shape)
        for path, leaf in leaves
    }


@functools.cache
def _pass_over_closed_loops() -> None:
    """Keeps quiet what TensorStore's other writes say when one of a save has failed.

    They end after Orbax has closed the event loop that they report to, in threads of their own: a
    traceback for each parameter, besides the error that the save itself raises.
    """
    show = sys.unraisablehook

    def show_others(unraisable: "sys.UnraisableHookArgs") -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            show(unraisable)

    sys.unraisablehook = show_others
