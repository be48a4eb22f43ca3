"""What a compiled scoring step says of a batch. Knows nothing of the model behind it."""

from collections.abc import Callable, Mapping

import jax
import numpy as np
from jax.sharding import Mesh

from cad_jax.parallel.mesh import put_batch
from cad_jax.types import Batch, Params
from data_pipelines.errors import UserError
from data_pipelines.loading.batch import ClipBatch

Scores = dict[str, np.ndarray]
Step = Callable[[Params, Batch], dict[str, jax.Array]]  # as `run.judging.scoring_step` makes it


class ScoreError(UserError):
    """The detector says nothing of a clip that it ought to judge."""


def score_batch(
    step: Step, params: Mapping[str, jax.Array], batch: ClipBatch, mesh: Mesh
) -> Scores:
    """Scores of one batch; padding rows are left out.

    Args:
        step: the compiled detector.
        params: of it.
        batch: this process's share.
        mesh: the devices.

    Raises:
        ScoreError: one is not finite although what it judges is there.
    """
    scores = jax.device_get(step(dict(params), put_batch(batch, mesh)))
    valid = scores.pop("valid")
    if faulty := np.count_nonzero(scores.pop("faulty") & valid):
        raise ScoreError(
            f"{faulty} of {np.count_nonzero(valid)} clips have scores that are not finite: the "
            "parameters are; go back to another checkpoint, or train with a lower "
            "optimizer.learning_rate"
        )
    return {name: values[valid] for name, values in scores.items()}
