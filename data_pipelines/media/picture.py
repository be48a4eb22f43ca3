"""From a decoded frame to RGB as it is meant to be seen: square pixels, upright, ordinary range.

Owns what a frame's own declarations mean for its pixels. Knows nothing of time.
"""

import fractions
import typing
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.tone import HDR, ToneMapper

_NEARLY_SQUARE = 0.01  # sloppy ratios such as 427:426 are no reason to resample a picture


class Orientation(NamedTuple):
    """How the stored picture becomes the one shown: transposed first, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def exif(self) -> int:
        """The number, 1 to 8, by which cameras call it; 1 is stored as shown."""
        return {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}[
            self.flip_x, self.flip_y
        ] + 4 * self.transpose

    def applied(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        if self.transpose:
            image = cv2.transpose(image)
        if self.flip_x or self.flip_y:
            image = cv2.flip(image, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return image


def orientation(frame: av.VideoFrame) -> Orientation:
    """By the frame's display matrix, to the nearest right angle.

    The matrix takes a stored point (x, y), y down, to (a x + c y, b x + d y); it is stored by rows
    as a, b, u, c, d, v, x, y, w.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(data), "<i4", count=5).astype(int).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, flip_x=c < 0, flip_y=b < 0)
    return Orientation(False, flip_x=a < 0, flip_y=d < 0)


@typing.runtime_checkable
class Ratio(typing.Protocol):
    """A fraction, of Python's or of PyAV's."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


class PictureConverter:
    """Converts the frames of one stream; one for all frames, as setting it up costs as much."""

    def __init__(self, pixel_aspect: Ratio | None, limits: MediaLimits) -> None:
        """Takes a pixel's width by its height, None or 0 where the file does not say."""
        self.pixel_aspect = fractions.Fraction(1)
        if pixel_aspect and pixel_aspect.numerator and pixel_aspect.denominator:
            # As Python's own fraction: PyAV 19 gives one of FFmpeg's, which knows less.
            parts = pixel_aspect.numerator, pixel_aspect.denominator
            self.pixel_aspect = fractions.Fraction(*parts)
        self._reformatter = VideoReformatter()
        self._mapper: ToneMapper | None = None
        self._limits = limits

    def rgb(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
        """The frame as it is meant to be seen.

        Raises:
            MediaError: too_large: with square pixels it has more than the limits allow.
        """
        width, height = self._square(frame.width, frame.height)
        turned = orientation(frame)
        if frame.color_trc in HDR:
            if self._mapper is None or not self._mapper.fits(frame):
                self._mapper = ToneMapper(frame)
            frame = self._mapper.sdr(frame)
        picture = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", threads=1
        )
        return turned.applied(picture.to_ndarray())

    def _square(self, width: int, height: int) -> tuple[int, int]:
        """The size with square pixels: the side that has too few gets more, none is lost."""
        if abs(np.log(float(self.pixel_aspect))) < _NEARLY_SQUARE:
            return width, height
        if self.pixel_aspect > 1:
            width = round(width * self.pixel_aspect)
        else:
            height = round(height / self.pixel_aspect)
        self._limits.check_frame(width, height)
        return width, height
