import pytest

from data_pipelines.synthetic.kinds import BOTH, FORGERIES, GENUINE
from data_pipelines.synthetic.plan import ClipPlan
from data_pipelines.synthetic.presets import Preset


@pytest.fixture(scope="session")
def preset() -> Preset:
    """Small and short, but with everything: 13 takes in four splits."""
    return Preset(
        "synthetic_test",
        {"train": 6, "val": 2, "test": 2, "test_unseen": 3},
        seconds=1.0,
        size=48,
        frame_size=64,
        supersampling=1.0,
        clips_per_shard=8,
    )


@pytest.fixture(scope="session")
def plan_of():
    """Plans of a take in each kind, by name."""
    kinds = {kind.name: kind for kind in (GENUINE, *FORGERIES)}

    def plan(kind: str, take: int = 0, modalities: str = BOTH) -> ClipPlan:
        return ClipPlan("train", take, kinds[kind], modalities, identity=take, pool=range(12))

    return plan
