"""FFmpeg's filters on decoded frames: their graphs, and how interlaced pictures become whole ones.

Progressive frames are never deinterlaced.
"""

import collections
import fractions
import itertools
from collections.abc import Iterable, Iterator

import av
from av.error import FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext

from data_pipelines.media.errors import MediaError

TICK = fractions.Fraction(1, 1000)  # any will do: frames are counted, not timed


def filter_graph(like: av.VideoFrame, *steps: tuple[str, dict[str, str]]) -> Graph:
    """Filters in a row, each with its options, for frames of one size and format.

    Raises:
        MediaError: no_frames: frames that no filter takes.
    """
    graph = Graph()
    filters = [graph.add(name, **options) for name, options in [*steps, ("buffersink", {})]]
    link(add_source(graph, like), *filters)
    configure(graph, like)
    return graph


def add_source(graph: Graph, like: av.VideoFrame) -> FilterContext:
    """Where frames of one size and format enter."""
    return graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=TICK
    )


def link(*steps: FilterContext) -> None:
    """Each to the next one."""
    for step, following in itertools.pairwise(steps):
        step.link_to(following)


def configure(graph: Graph, like: av.VideoFrame) -> None:
    """Makes a graph ready for frames like this one.

    Raises:
        MediaError: no_frames: frames that no filter takes.
    """
    try:
        graph.configure()
    except FFmpegError as error:
        what = f"{like.format.name} frames of {like.width}x{like.height}"
        raise MediaError("no_frames", f"{what} cannot be converted: {error.strerror}") from error


def deinterlaced(
    timed: Iterable[tuple[float, av.VideoFrame]], facts: dict[str, str]
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames and their times; from the first one marked interlaced on, such frames are made whole.

    The first of a frame's two fields is shown at the frame's time, its missing lines drawn from the
    fields around it (bwdif).

    Args:
        timed: times in seconds and frames.
        facts: takes `scan`, interlaced or progressive.
    """
    facts["scan"] = "progressive"
    stage: _Deinterlacer | None = None
    for time, frame in timed:
        if stage is not None and stage.like != _shape(frame):
            yield from stage.rest()
            stage = None
        if stage is None and frame.interlaced_frame:
            facts["scan"] = "interlaced"
            stage = _Deinterlacer(frame)
        if stage is None:
            yield time, frame
        else:
            yield from stage.passed(time, frame)
    if stage is not None:
        yield from stage.rest()


class _Deinterlacer:
    """bwdif holds a frame back: each comes out with the next one, the last at the end."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self.like = _shape(frame)
        self._graph = filter_graph(frame, ("bwdif", {"mode": "send_frame", "deint": "interlaced"}))
        self._times = collections.deque[float]()
        self._count = 0

    def passed(self, time: float, frame: av.VideoFrame) -> Iterator[tuple[float, av.VideoFrame]]:
        frame.pts, frame.time_base = self._count, TICK
        self._count += 1
        self._times.append(time)
        self._graph.vpush(frame)
        yield from self._ready()

    def rest(self) -> Iterator[tuple[float, av.VideoFrame]]:
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[tuple[float, av.VideoFrame]]:
        while self._times:
            try:
                frame = self._graph.vpull()
            except FFmpegError:  # none is ready yet, or none is left
                return
            yield self._times.popleft(), frame


def _shape(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
