"""A small clip with every field filled."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.records.clip import ClipRecord
from data_pipelines.synthetic.drawn import drawn_clips


@pytest.fixture
def clip() -> ClipRecord:
    """Ten frames of 32 px, 0.4 s of sound that starts 12.5 ms late."""
    drawn = next(drawn_clips(1, seed=3, seconds=0.4, size=32))
    return dataclasses.replace(
        drawn,
        source_ids=("target", "donor", "voice ü"),
        frame_times_ms=drawn.frame_times_ms + 1e6,
        mouth_boxes=drawn.mouth_boxes + np.float32(0.1),
        audio_offset_ms=12.5,
        label_audio=-1,
        provenance={"fps": "29.97", "file": "ä.mp4"},
    )
