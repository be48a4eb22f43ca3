"""The data sets that can be made: how many clips, how large, how hard.

Owns the numbers; `plan` turns them into clips and identities.
"""

import dataclasses

from data_pipelines.errors import UserError, nearest
from data_pipelines.forgeries.traces import CLEAR, SUBTLE, Traces
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.synthetic.camera import CameraLaw

EASY_CAMERA = CameraLaw(
    resolution=(0.8, 1.2), blur=(0.0, 0.4), noise=(0.002, 0.008), jpeg_quality=(70, 96)
)
HARD_CAMERA = CameraLaw(
    resolution=(0.5, 1.1), blur=(0.0, 0.8), noise=(0.003, 0.022), jpeg_quality=(35, 95)
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """A data set in numbers; with a seed it says everything about every clip.

    Attributes:
        name: also the data set's, in records and shards.
        takes: split -> performances; each is shown genuine once and forged once.
        takes_per_identity: performances of one person.
        seconds: length of a clip.
        size: of the aligned crops, pixels.
        margin: of the crops, see `media.align.crop_matrices`.
        frame_size: of the camera's frames, pixels, even.
        supersampling: rendered pixels per camera pixel.
        unimodal_share: of takes without sound, and as many without picture.
        coded_share: of clips that pass through H.264 and AAC instead of JPEG.
        traces, camera: the difficulty.
        jpeg_quality: of the records' frames.
        clips_per_shard: what an interrupted build loses at most.
    """

    name: str
    takes: dict[str, int]
    takes_per_identity: int = 2
    seconds: float = 2.0
    size: int = 96
    margin: float = 0.3
    frame_size: int = 136
    supersampling: float = 1.25
    unimodal_share: float = 0.04
    coded_share: float = 0.5
    traces: Traces = CLEAR
    camera: CameraLaw = EASY_CAMERA
    jpeg_quality: int = 95
    clips_per_shard: int = 50

    @property
    def preparation(self) -> PrepareSettings:
        """How a file becomes records like this set's, which never were files."""
        return PrepareSettings(size=self.size, margin=self.margin, jpeg_quality=self.jpeg_quality)

    def __post_init__(self) -> None:
        if self.frame_size % 2:
            raise ValueError(f"frame_size is {self.frame_size}; H.264 needs an even number")
        if not 0.6 <= self.seconds <= 2.0:
            raise ValueError(f"seconds is {self.seconds}; a sentence fills 0.6 to 2 seconds")
        if not 0 <= 2 * self.unimodal_share <= 1 or not 0 <= self.coded_share <= 1:
            raise ValueError("unimodal_share must be 0 to 0.5, coded_share 0 to 1")


TRAIN, VAL, TEST, TEST_UNSEEN = "train", "val", "test", "test_unseen"
TEST_NEURAL = "test_neural"  # sound forged by a neural voice, in a set of its own

_MICRO = {TRAIN: 100, VAL: 20, TEST: 30, TEST_UNSEEN: 12}
_TINY = {TRAIN: 500, VAL: 50, TEST: 150, TEST_UNSEEN: 60}
_SMALL = {TRAIN: 10_000, VAL: 500, TEST: 1000, TEST_UNSEEN: 400}

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("synthetic_micro", _MICRO),
        Preset("synthetic_tiny", _TINY),
        Preset("synthetic_tiny_neural", {TEST_NEURAL: 60}, unimodal_share=0.0),
        Preset("synthetic_tiny_hard", _TINY, traces=SUBTLE, camera=HARD_CAMERA),
        Preset("synthetic_small", _SMALL, size=128, frame_size=176, clips_per_shard=200),
        Preset(
            "synthetic_small_hard",
            _SMALL,
            size=128,
            frame_size=176,
            clips_per_shard=200,
            traces=SUBTLE,
            camera=HARD_CAMERA,
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UserError: there is none; names the nearest.
    """
    if name not in PRESETS:
        raise UserError(f"no synthetic preset {name!r}; {nearest(name, PRESETS)}")
    return PRESETS[name]
