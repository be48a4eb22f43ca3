"""Reports what a pretraining has learned: how well it tells what belongs together, by split."""

import math
import pathlib
from collections.abc import Mapping

from cad_jax.evaluation.summary import number
from cad_jax.parallel import hosts
from cad_jax.run.placement import LoadedRun
from cad_jax.run.validation import validate, validated
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import write_json

SHOWN = ("sync_auc", "sync_accuracy", "retrieval")


def evaluate_alignment(
    run: LoadedRun, source: TFRecordSource, split: str, output: pathlib.Path
) -> None:
    """Prints the figures of a split's genuine clips in sync, and writes `metrics-<split>.json`.

    Args:
        run: whose alignment path is judged.
        source: the clips of the split.
        split: its name.
        output: where the file goes.

    Raises:
        UserError: no such clip in it; a damaged shard.
    """
    clips = validated(run.config, source)
    found = validate(run.config, run.mesh, run.params, clips)
    if not hosts.is_lead():
        return
    figures = {name: _defined(of) for name, of in found.of_sets.items()}
    output.mkdir(parents=True, exist_ok=True)
    content = {"split": split, "step": run.step, "sets": figures}
    write_json(content, output / f"metrics-{split}.json")
    for name, of in figures.items():
        print(f"\n{split}, {name}: {of['clips']:.0f} genuine clips in sync")
        print(*(f"  {figure:<14} {number(of[figure])}" for figure in SHOWN), sep="\n")


def _defined(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no nan."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
