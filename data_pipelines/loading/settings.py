"""What a training row may be: the shape of a clip, what augmentation does to it, what is balanced.

Owns the settings of this package and their checks; imports nothing that reads media, so that a
configuration is made in no time.
"""

import dataclasses
import math
from typing import Literal

from data_pipelines.errors import UserError, nearest
from data_pipelines.forgeries.names import NAMES
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

SAMPLES_PER_BIN = SAMPLE_RATE // FRAME_RATE

Balance = Literal["none", "class", "method"]


@dataclasses.dataclass(frozen=True)
class ClipSpec:
    """The shape of a clip in a batch.

    Attributes:
        seconds: length of the window, a multiple of 0.04, up to 3600.
        frames: number t of whole-face frames, spread evenly over the window.
        image_size: their side, pixels.
        mouth_size: side of the mouth crops, one a grid bin, pixels; 0 for none.
        mouth_margin: what a mouth crop shows, over the side of the record's mouth boxes.
        mouth_smoothing: frames that the centre of a mouth crop is averaged over, odd; with 1 it
            follows each frame's lips.

    Raises:
        UserError: a value is out of its range.
    """

    seconds: float
    frames: int
    image_size: int
    mouth_size: int = 0
    mouth_margin: float = 1.2
    mouth_smoothing: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 3600 or not math.isclose(
            self.seconds * FRAME_RATE, self.num_bins
        ):
            raise UserError(
                f"seconds is {self.seconds}; it must be a positive multiple of 0.04, up to 3600"
            )
        if not 1 <= self.frames <= self.num_bins:
            raise UserError(
                f"frames is {self.frames}; {self.seconds} s at 25 Hz give 1 to {self.num_bins}"
            )
        if not 1 <= self.image_size <= 8192 or not 0 <= self.mouth_size <= 8192:
            raise UserError(
                f"image_size is {self.image_size}, mouth_size {self.mouth_size}; they must be 1 to "
                "8192 pixels, the second may be 0"
            )
        if not 0 < self.mouth_margin <= 10:
            raise UserError(f"mouth_margin is {self.mouth_margin}; it must be over 0, up to 10")
        if not (1 <= self.mouth_smoothing < 1000 and self.mouth_smoothing % 2):
            raise UserError(f"mouth_smoothing is {self.mouth_smoothing}; it must be odd, 1 to 999")

    @property
    def num_bins(self) -> int:
        """g: grid bins of the window."""
        return round(self.seconds * FRAME_RATE)

    @property
    def num_samples(self) -> int:
        """s: audio samples of the window."""
        return self.num_bins * SAMPLES_PER_BIN

    @property
    def num_mouths(self) -> int:
        """k: mouth crops of the window."""
        return self.num_bins if self.mouth_size else 0


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Probabilities, all 0 by default, and strengths.

    Attributes:
        flip, colour, blur, jpeg, cutout: probabilities of changing the picture.
        gain, noise, band_limit: probabilities of changing the sound.
        sync_shift, sync_exchange: probabilities that the sound of a clip genuine in both and in
            sync is taken from elsewhere in the record, or from another genuine clip
            (label_sync 0); exclusive, so their sum is at most 1.
        drop_video, drop_audio: probabilities that a clip with both loses one; exclusive likewise.
        mouth_shift: the mouth crops of a clip are moved, all alike, by up to this share of their
            side, either way and down or up.
        colour_range: factors of brightness, contrast and saturation lie within 1 +- this.
        blur_sigma: standard deviation as a share of the image's side.
        jpeg_quality: 1 to 100.
        cutout_side: sides of the grey rectangle as shares of the image's; faces only, mouths never.
        gain_db: loudness changes by up to this, either way.
        noise_snr_db: signal over white noise.
        band_limit_hz: everything above is removed.
        sync_shift_seconds: how far the sound is shifted, either way.
        pseudo_fake: probability that a genuine clip is forged on the fly.
        pseudo_fake_operations: names of `forgeries.operations`, equally likely where they fit. The
            default leaves out what the synthetic set keeps for its test of unseen manipulations
            (lpc, pitch, neural, smooth).
        pseudo_fake_traces: how visible and audible they are; see `forgeries.traces`.

    Raises:
        UserError: a probability is not one; there is no such operation.
    """

    flip: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    cutout: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    band_limit: float = 0.0
    sync_shift: float = 0.0
    sync_exchange: float = 0.0
    pseudo_fake: float = 0.0
    drop_video: float = 0.0
    drop_audio: float = 0.0
    mouth_shift: float = 0.0
    colour_range: float = 0.2
    blur_sigma: tuple[float, float] = (0.004, 0.015)
    jpeg_quality: tuple[int, int] = (40, 90)
    cutout_side: tuple[float, float] = (0.1, 0.3)
    gain_db: float = 6.0
    noise_snr_db: tuple[float, float] = (15.0, 40.0)
    band_limit_hz: tuple[float, float] = (3000.0, 7500.0)
    sync_shift_seconds: tuple[float, float] = (0.2, 0.6)
    pseudo_fake_operations: tuple[str, ...] = ("self_blend", "mouth", "world", "mel", "splice")
    pseudo_fake_traces: Literal["clear", "subtle"] = "clear"

    def __post_init__(self) -> None:
        chances = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.default == 0.0
        }
        chances["sync_shift + sync_exchange + pseudo_fake"] = (
            self.sync_shift + self.sync_exchange + self.pseudo_fake
        )
        chances["drop_video + drop_audio"] = self.drop_video + self.drop_audio
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise UserError(f"augmentation: {name} is {chance}; it must lie in 0 to 1")
        if not self.pseudo_fake_operations:
            raise UserError("augmentation: pseudo_fake_operations is empty; name at least one")
        for name in self.pseudo_fake_operations:
            if name not in NAMES:
                raise UserError(f"augmentation: no forgery {name!r}; {nearest(name, NAMES)}")


NO_AUGMENTATION = AugmentConfig()
