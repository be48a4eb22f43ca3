"""What `--mode=draw` prints: what training will see, by kind, without decoding a frame."""

import itertools
from collections.abc import Iterator

from cad_jax.data import build_data, measure_priors, open_training, sample_training
from cad_jax.settings.experiment import Experiment
from data_pipelines.loading.draw import TrainingDraws, summarise
from data_pipelines.records.clip import FAKE, UNKNOWN


def draw_lines(config: Experiment, steps: int) -> Iterator[str]:
    """The rows of a run's first steps: how many of which kind, and what shares are forged.

    Args:
        config: the experiment; its set is made if it can be.
        steps: how many.

    Raises:
        UserError: no such set or split.
    """
    config = build_data(config)
    source = open_training(config.data)
    strata = sample_training(config.data, source)
    draws = TrainingDraws(
        source, config.data.clip, config.data.applied_augment, seed=config.seed, strata=strata
    )
    rows = steps * config.data.batch_size
    found = summarise(itertools.islice((draws[row] for row in itertools.count()), rows))
    priors = measure_priors(config.data, source, strata)
    yield f"{rows} rows of {len(source)} clips: {steps} steps of {config.data.batch_size}"
    yield from (f"  {count:7}  {kind}" for kind, count in found.kinds.items())
    yield from (f"  {count:7}  without {what}" for what, count in found.drops.items() if what)
    yield "of the rows  where known  forged  expected"
    expected = {
        "label": priors.fake,
        "label_video": priors.fake_video,
        "label_audio": priors.fake_audio,
    }
    for name, prior in expected.items():
        known = 1 - found.labels[name][UNKNOWN]
        forged = found.labels[name][FAKE] / known if known else float("nan")
        yield f"{name:11}  {known:11.3f}  {forged:6.3f}  {prior:8.3f}"
