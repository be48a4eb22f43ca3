"""Saves and restores a run: trainable parameters, optimiser, step, configuration, progress.

Orbax underneath, asynchronous, one folder a step. Frozen parameters are not in it: they come back
from where they came from. What does not fit is refused by name, never filled in.
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from cad_jax.arrays import Shape, listed, shape_faults
from cad_jax.models.functional import Params
from cad_jax.run.files import CHECKPOINTS
from data_pipelines.errors import UserError


class CheckpointError(UserError):
    """A checkpoint is not there or does not fit the model."""


class TrainState(NamedTuple):
    """What training changes: arrays, or in their place shapes or shardings.

    Attributes:
        step: optimiser steps taken, int32 scalar.
        params: trainable parameters by name.
        opt_state: optax state over the same names.
    """

    step: Any
    params: dict[str, Any]
    opt_state: Any


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop must remember beyond the state, to go on as if never stopped.

    Attributes:
        best_auc: best validation AUC so far; -1 before the first.
        evaluations_since_best: how many evaluations did not improve it.
    """

    best_auc: float = -1.0
    evaluations_since_best: int = 0


class Checkpoints:
    """The checkpoints of one run: the newest two and the best by validation AUC."""

    def __init__(self, workdir: pathlib.Path, *, read_only: bool = False):
        self.directory = workdir.absolute() / CHECKPOINTS
        if read_only and not self.directory.is_dir():
            raise CheckpointError(f"no checkpoint in {workdir}: it has no folder {CHECKPOINTS}")
        handlers = {
            "params": ocp.StandardCheckpointHandler(),
            "optimizer": ocp.StandardCheckpointHandler(),
            "config": ocp.JsonCheckpointHandler(),
            "progress": ocp.JsonCheckpointHandler(),
        }
        keep = AnyPreservationPolicy([LatestN(2), BestN(get_metric_fn=_auc, n=1)])
        self._manager = ocp.CheckpointManager(
            self.directory,
            item_handlers=handlers,  # type: ignore[arg-type]
            options=ocp.CheckpointManagerOptions(
                best_fn=_auc,
                preservation_policy=keep,
                cleanup_tmp_directories=not read_only,
                read_only=read_only,
                create=not read_only,
            ),
        )

    def latest_step(self) -> int | None:
        """The newest saved step; None where there is none."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The step with the best validation AUC; the newest where none was evaluated."""
        best = self._manager.best_step()
        return self.latest_step() if best is None else best

    def check_step(self, step: int) -> int:
        """A step that is wanted.

        Raises:
            CheckpointError: it is not kept any more; names those that are.
        """
        if step not in (kept := list(self._manager.all_steps())):
            raise CheckpointError(f"{self.directory} holds no step {step} any more, only {kept}")
        return step

    def save(
        self,
        state: TrainState,
        config: Mapping[str, Any],
        progress: Progress,
        auc: float | None,
    ) -> None:
        """Starts saving and returns; `wait` or the next save waits for the end.

        Args:
            state: sharded or not.
            config: the experiment's configuration, JSON-ready.
            progress: the loop's memory.
            auc: validation AUC at this very step; None if it was not evaluated here.
        """
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(state.params),
                optimizer=ocp.args.StandardSave(_optimizer_item(state)),
                config=ocp.args.JsonSave(dict(config)),
                progress=ocp.args.JsonSave(dataclasses.asdict(progress)),
            ),
            # nan (validation has one class only) cannot be sorted
            metrics=None if auc is None else {"auc": -1.0 if math.isnan(auc) else auc},
        )

    def restore(self, step: int, target: TrainState) -> TrainState:
        """The state saved at `step`, placed as `target` says.

        Args:
            step: a saved step.
            target: `jax.ShapeDtypeStruct` leaves with shardings, of any mesh.

        Raises:
            CheckpointError: leaves are missing, extra or of another shape (each is named).
        """
        params = self.restore_params(step, target.params)
        optimizer = self._restore_item(step, "optimizer", _optimizer_item(target))
        return TrainState(optimizer["step"], params, optimizer["opt_state"])

    def restore_params(self, step: int, target: Mapping[str, jax.ShapeDtypeStruct]) -> Params:
        """The trainable parameters alone, for evaluation and inference; raises as `restore`."""
        return self._restore_item(step, "params", dict(target))

    def read_config(self, step: int) -> dict[str, Any]:
        """The configuration that was saved with `step`."""
        return self._restore_json(step, "config")

    def read_progress(self, step: int) -> Progress:
        """The loop's memory at `step`."""
        return Progress(**self._restore_json(step, "progress"))

    def preempted(self, step: int) -> bool:
        """Whether the machines of a multi-process run are about to be taken away.

        All processes learn of it at the same step (`jax.distributed` agrees on it).
        """
        return self._manager.reached_preemption(step)

    def wait(self) -> None:
        """Returns when everything is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        self._manager.close()

    def _restore_item(self, step: int, name: str, target: Any) -> Any:
        saved = self._manager.item_metadata(step)[name]
        if saved is None:
            raise CheckpointError(f"{self.directory / str(step)} holds no {name}")
        if faults := shape_faults(_shapes(saved.tree), _shapes(target)):
            raise CheckpointError(
                f"{self.directory / str(step)} ({name}) is of another model: "
                f"{listed([*faults.values()])}; use the configuration it was trained with"
            )
        args = ocp.args.Composite(**{name: ocp.args.StandardRestore(target)})
        return self._manager.restore(step, args=args)[name]

    def _restore_json(self, step: int, name: str) -> dict[str, Any]:
        args = ocp.args.Composite(**{name: ocp.args.JsonRestore()})
        return self._manager.restore(step, args=args)[name]


def _auc(metrics: Mapping[str, float]) -> float:
    return metrics["auc"]


def _optimizer_item(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state}


def _shapes(tree: Any) -> dict[str, Shape]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): tuple(leaf.shape)
        for path, leaf in leaves
    }
