"""`--mode=compile`: what a training step costs, by its compiler; no data, no weights."""

from collections.abc import Iterator

from cad_jax.lab.compile_report import compile_report, largest_batch
from cad_jax.settings.experiment import Experiment
from data_pipelines.errors import UserError


def compilation_lines(
    config: Experiment, topology: str, *, thorough: bool, sweep: bool
) -> Iterator[str]:
    """The report; with `sweep` a line for each batch size, up to the largest that fits.

    Raises:
        UserError: as `compile_report`, or a sweep without a topology: its devices' memory is the
            question.
    """
    if not sweep:
        yield from compile_report(config, topology, thorough=thorough).lines()
        return
    if not topology:
        raise UserError("--sweep asks what fits into a device: name one, --topology=v5e:4x4")
    for clips, report in largest_batch(config, topology):
        said = f"{report.peak_bytes / 1e9:.1f} GB a device" if report else "does not fit"
        yield f"{clips:,} clips a step: {said}"
