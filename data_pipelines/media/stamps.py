"""A picture's clock: timestamps as they come, mended one by one where they cannot be true.

Owns which timestamps are believed. One that repeats, falls back, is missing or runs ahead of those
after it moves its own frame and no other. Knows nothing of what a frame is.
"""

import collections
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Frame = TypeVar("Frame")

_AHEAD = 4  # frames seen before one is shown; a timestamp that most of them deny is wrong
_LASTING = 3  # timestamps in a row that fall back: not mistakes, but another piece
_TOGETHER_S = 0.5  # sound and picture of one piece end so close to each other
_NEW_CLOCK_S = 1.0  # a piece that falls back by more starts anew: it goes on after the last frame


class Clock:
    """Gives frames strictly increasing times.

    Attributes:
        mended: how many timestamps were replaced, or left out with their frames.
    """

    def __init__(self, period_s: float, restarts: Sequence[float] = ()) -> None:
        """Takes what timestamps alone do not say.

        Args:
            period_s: seconds between frames.
            restarts: seconds that were added to the sound's timestamps each time that they started
                anew; the picture then stays with its sound.
        """
        self.mended = 0
        self._restarts = iter(restarts)
        self._period = period_s
        self._last: float | None = None
        self._shift = 0.0  # of a clock that started anew

    def timed(self, stamped: Iterable[tuple[float | None, Frame]]) -> Iterator[tuple[float, Frame]]:
        """Frames with their times in seconds; holds a few back.

        A piece that falls back by up to a second repeats what was shown: its frames are left out up
        to there, as overlapping sound is cut.

        Args:
            stamped: timestamp in seconds, None where there is none, and frame, in order of showing.
        """
        source = iter(stamped)
        waiting = collections.deque(itertools.islice(source, _AHEAD + 1))
        while waiting:
            stamps = self._on_one_clock([stamp for stamp, _ in waiting])
            _, frame = waiting.popleft()
            waiting.extend(itertools.islice(source, 1))
            credible = self._credible(stamps)
            time = stamps[0] if credible else self._estimated(stamps)
            self.mended += not credible
            if time is None:
                continue
            if credible and self._last is not None:
                self._period = min(time - self._last, 1.0)
            self._last = time
            yield time, frame

    def _on_one_clock(self, stamps: list[float | None]) -> list[float | None]:
        """The timestamps, moved to go on after the last frame where a new clock has begun."""
        known = [stamp + self._shift for stamp in stamps if stamp is not None]
        if self._falls_back(known) and known[0] < (self._last or 0.0) - _NEW_CLOCK_S:
            own = (self._last or 0.0) + self._period - (known[0] - self._shift)
            sounds = next(self._restarts, own)
            self._shift = sounds if abs(sounds - own) < _TOGETHER_S else own
        return [None if stamp is None else stamp + self._shift for stamp in stamps]

    def _falls_back(self, known: list[float]) -> bool:
        return len(known) >= _LASTING and self._last is not None and max(known) <= self._last

    def _credible(self, stamps: list[float | None]) -> bool:
        """May the first of these be what it says, given the last frame and those ahead?"""
        own = stamps[0]
        if own is None or (self._last is not None and own <= self._last):
            return False
        ahead = self._later(stamps)
        if self._last is not None and ahead and ahead[0][1] <= own:
            # One of the two is wrong: this one if it leaves a gap.
            return own - self._last <= 1.5 * self._period
        known = sum(stamp is not None for stamp in stamps[1:])
        return 2 * sum(time < own for _, time in ahead) <= known

    def _later(self, stamps: list[float | None]) -> list[tuple[int, float]]:
        """The timestamps ahead that lie after the last frame, and how many frames ahead."""
        last = float("-inf") if self._last is None else self._last
        return [
            (steps, time)
            for steps, time in enumerate(stamps)
            if steps and time is not None and time > last
        ]

    def _estimated(self, stamps: list[float | None]) -> float | None:
        """When the first of these is shown, by its neighbours; None: it repeats what was shown."""
        ahead = self._later(stamps)
        if self._last is None:
            return ahead[0][1] - ahead[0][0] * self._period if ahead else 0.0
        if ahead:
            return self._last + (ahead[0][1] - self._last) / (ahead[0][0] + 1)
        if self._falls_back([stamp for stamp in stamps if stamp is not None]):
            return None
        return self._last + self._period
