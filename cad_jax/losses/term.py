"""What a term of the objective is: a name, and what it is made from."""

from collections.abc import Callable
from typing import NamedTuple

from jax.sharding import Mesh

from cad_jax.losses.masks import ClipMasks
from cad_jax.settings.experiment import Priors
from cad_jax.settings.loss import LossConfig
from cad_jax.types import Batch, MaskedSum, Outputs


class TermInputs(NamedTuple):
    """What a term is made from.

    Attributes:
        outputs: of the detector.
        batch: labels, masks and pairs.
        masks: which clips count for what.
        config: weights and constants.
        priors: shares of forged clips in the training.
        mesh: carries the batch.
    """

    outputs: Outputs
    batch: Batch
    masks: ClipMasks
    config: LossConfig
    priors: Priors
    mesh: Mesh


class Term(NamedTuple):
    """A term of the objective.

    Attributes:
        name: of its weight in `LossConfig`.
        compute: its parts by name; most terms have one, of the term's own name.
    """

    name: str
    compute: Callable[[TermInputs], dict[str, MaskedSum]]
