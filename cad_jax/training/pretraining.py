"""What of an experiment a pretraining learns: the alignment path, from genuine clips alone."""

import dataclasses

from cad_jax.losses.total import TERMS
from cad_jax.settings.experiment import Experiment


def as_pretraining(config: Experiment) -> Experiment:
    """The experiment's alignment path alone, on genuine clips, without any label of forgery.

    Towers are trained as far as the experiment trains them. There is no AUC to validate by, so the
    newest checkpoint counts.
    """
    off = {term.name: 0.0 for term in TERMS if not term.pretrains}
    augment = dataclasses.replace(config.data.augment, pseudo_fake=0.0)
    return dataclasses.replace(
        config,
        loss=dataclasses.replace(config.loss, **off),
        data=dataclasses.replace(config.data, genuine_only="all", balance="none", augment=augment),
        train=dataclasses.replace(config.train, evaluate_every=0),
        computed=dataclasses.replace(config.computed, stage="pretrain"),
    )
