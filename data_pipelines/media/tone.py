"""High dynamic range (PQ, HLG) as an ordinary picture: BT.2100 to BT.709, white as BT.2408 says.

Owns the curves. FFmpeg's `haldclut` lays them over the picture: its table is a picture, too, so
that no file is written, which a process that reads foreign files may not. FFmpeg's own ways from
curve to curve do not serve: PyAV's builds lack zscale, and `scale` takes ten seconds to set itself
up.
"""

import functools

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorTrc
from jaxtyping import Float

from data_pipelines.media.filters import TICK, add_source, configure, link

HDR = frozenset({ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67})

_WHITE = 203.0  # cd/m2 of a white shirt in PQ and HLG (BT.2408), full scale in SDR
_HLG_PEAK = 1000.0  # cd/m2 of the display whose system gamma is 1.2
_KNEE = 0.9  # of SDR's full scale: what is brighter is pressed in above it, white hardly moves
_LEVEL = 6  # of the table: 36 points along each axis, in a picture of 216 by 216
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)

Signal = Float[np.ndarray, "*n 3"]


class ToneMapper:
    """Maps frames that are like the first one in size, format and curve."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self.like = _kind(frame)
        table = _table(ColorTrc(frame.color_trc))
        self._graph = graph = Graph()
        self._in, tables = add_source(graph, frame), add_source(graph, table)
        mapped = graph.add("haldclut", clut="first", interp="tetrahedral")
        # Planar pictures come out with their colours exchanged.
        link(self._in, graph.add("format", pix_fmts="rgb48"), mapped)
        tables.link_to(mapped, 0, 1)
        link(mapped, graph.add("format", pix_fmts="gbrp10"), graph.add("buffersink"))
        configure(graph, frame)
        self._count = 0
        tables.push(table)
        tables.push(None)

    def fits(self, frame: av.VideoFrame) -> bool:
        return self.like == _kind(frame)

    def sdr(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame, 10 bits a colour, on BT.709's curve."""
        frame.pts, frame.time_base = self._count, TICK
        self._count += 1
        self._in.push(frame)
        return self._graph.vpull()


def sdr_signal(signal: Signal, curve: ColorTrc) -> Signal:
    """A non-linear R'G'B' signal of HDR, 0 to 1, as one of BT.709 for a display of gamma 2.4.

    References:
        ITU-R BT.2100 (PQ, HLG and its OOTF), BT.2408 (203 cd/m2), BT.1886 (gamma 2.4).
    """
    light = _pq_light(signal) if curve == ColorTrc.SMPTE2084 else _hlg_light(signal)
    linear = np.clip(light / _WHITE @ _BT2020_TO_BT709.T, 0, None)
    shown = linear ** (1 / 2.4)
    above = np.maximum(shown - _KNEE, 0) / (1 - _KNEE)
    return np.minimum(shown, _KNEE) + (1 - _KNEE) * (1 - np.exp(-above))


def _pq_light(signal: Signal) -> Signal:
    """Light on the display in cd/m2."""
    root = signal ** (32 / 2523)
    return 1e4 * (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (
        16384 / 2610
    )


def _hlg_light(signal: Signal) -> Signal:
    """Light on the display in cd/m2: that of the scene, and the display's system gamma."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    brightness = (scene @ _LUMA)[..., None]
    return _HLG_PEAK * scene * brightness**0.2


@functools.cache
def _table(curve: ColorTrc) -> av.VideoFrame:
    """A Hald picture: the signal at each point, red changing fastest."""
    axis = np.linspace(0, 1, _LEVEL**2)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    mapped = sdr_signal(np.stack([red, green, blue], axis=-1), curve)
    levels = np.round(65535 * mapped).astype(np.uint16).reshape(_LEVEL**3, _LEVEL**3, 3)
    frame = av.VideoFrame.from_ndarray(levels, format="rgb48le")
    frame.pts, frame.time_base = 0, TICK
    return frame


def _kind(frame: av.VideoFrame) -> tuple[int, int, str, int]:
    return frame.width, frame.height, frame.format.name, int(frame.color_trc)
