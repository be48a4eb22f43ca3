"""How files become records: what preparation and prediction must do alike."""

import dataclasses

import numpy as np

from data_pipelines.media.errors import MediaError
from data_pipelines.records.clip import FRAME_RATE


@dataclasses.dataclass(frozen=True)
class MediaLimits:
    """What one file may cost. The defaults allow an hour of 1080p and a still of 8K.

    Attributes:
        max_pixels: width times height of a frame.
        max_seconds: duration of picture or sound.
        max_decoded_bytes: all decoded frames of one pass together, 3 bytes a pixel.
        max_still_s: how long one frame may be shown.
    """

    max_pixels: int = 7680 * 4320
    max_seconds: float = 3600.0
    max_decoded_bytes: int = 600 * 10**9
    max_still_s: float = 60.0

    def check_frame(self, width: int, height: int) -> None:
        """Raises `MediaError` (too_large) for a frame beyond `max_pixels`."""
        if width * height > self.max_pixels:
            raise MediaError(
                "too_large", f"frames of {width}x{height}, over {self.max_pixels} pixels"
            )

    def check_seconds(self, seconds: float) -> None:
        """Raises `MediaError` (too_large) for a duration beyond `max_seconds`."""
        if seconds > self.max_seconds:
            raise MediaError("too_large", f"{seconds:.0f} s long, over {self.max_seconds:.0f} s")

    def check_still(self, seconds: float) -> None:
        """Raises `MediaError` (too_large) for a frame that stands for longer than `max_still_s`."""
        if seconds > self.max_still_s:
            detail = f"one picture stands for {seconds:.0f} s, over {self.max_still_s:.0f} s"
            raise MediaError("too_large", detail)


@dataclasses.dataclass(frozen=True)
class PrepareSettings:
    """How files become records; every value changes the records' bytes.

    Attributes:
        size: side of the face crop in pixels.
        margin: how much wider the crop is than the face is high.
        window_s: length of a window; shorter videos and ends are kept if at least `min_s` long.
        stride_s: from the start of a window to the next.
        min_s: the shortest window.
        jpeg_quality: of the crops. Colour is kept at full resolution (4:4:4): blending borders show
            in it, and halving it once more would blur them.
        reencode: constant rate factor of an H.264 pass at one size for all clips; 0 for none.
        trim_silence: cut picture and sound to where the sound begins and ends.
        loudness: root mean square of every record's sound, decibels of full scale; None: as it is.
        every_face: records of every face, and of the sound where none is seen, as a verdict needs;
            otherwise of the largest face at each time.
        limits: what one file may cost.
    """

    size: int = 224
    margin: float = 0.3
    window_s: float = 4.0
    stride_s: float = 4.0
    min_s: float = 0.5
    jpeg_quality: int = 92
    reencode: int = 0
    trim_silence: bool = False
    loudness: float | None = None
    every_face: bool = False
    limits: MediaLimits = dataclasses.field(default_factory=MediaLimits)

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 2048:
            raise ValueError(f"size is {self.size}; it must be 16 to 2048 pixels")
        if not 0 <= self.margin <= 3:
            raise ValueError(f"margin is {self.margin}; it must be 0 to 3")
        if not 1 / FRAME_RATE <= self.min_s <= self.window_s <= 3600:
            raise ValueError(
                f"window is {self.window_s} s, the shortest {self.min_s} s; "
                f"0.04 <= shortest <= window <= 3600 must hold"
            )
        if self.stride_s < 1 / FRAME_RATE:
            raise ValueError(f"stride is {self.stride_s} s; it must be at least one frame, 0.04 s")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"JPEG quality is {self.jpeg_quality}; it must be 1 to 100")
        if not 0 <= self.reencode <= 51:
            raise ValueError(f"reencode is {self.reencode}; it must be 1 to 51, or 0 for none")
        if self.loudness is not None and not -60 <= self.loudness <= -10:
            raise ValueError(f"loudness is {self.loudness}; it must be -60 to -10 dBFS")

    @property
    def min_frames(self) -> int:
        return int(np.ceil(self.min_s * FRAME_RATE - 1e-6))
