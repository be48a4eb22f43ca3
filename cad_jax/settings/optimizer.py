"""The optimiser's settings."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How the trainable parameters move. Rules are (pattern, value) tables, see `parallel.rules`.

    Attributes:
        learning_rate: peak of the schedule.
        warmup_steps: linear rise from 0.
        final_fraction: the cosine ends at this fraction of the peak.
        b1: decay of Adam's first moment (Loshchilov and Hutter 2019, arXiv 1711.05101).
        b2: decay of its second moment.
        eps: added to the root of the second moment.
        weight_decay: decoupled, scaled by the schedule.
        clip_norm: largest global norm of the trainables' gradient.
        ema_decay: of a moving average of the parameters, which is what is then evaluated and kept
            as the run's result (Polyak and Juditsky 1992); 0 for none. Early on the average is
            short: after n steps it decays by (1 + n) / (10 + n), if that is less.
        trainable: which parameters learn; the others are frozen and never differentiated.
        rate_scale: multiplier of the learning rate.
        decay_scale: multiplier of the weight decay; by default norms and biases get none.
    """

    learning_rate: float = 1e-3
    warmup_steps: int = 0
    final_fraction: float = 0.01
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.0
    trainable: tuple[tuple[str, bool], ...] = ((".*", True),)
    rate_scale: tuple[tuple[str, float], ...] = ((".*", 1.0),)
    decay_scale: tuple[tuple[str, float], ...] = (("(kernel|embedding)$", 1.0), (".*", 0.0))

    def __post_init__(self) -> None:
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be 0 or more and less than 1, not {self.ema_decay}")
