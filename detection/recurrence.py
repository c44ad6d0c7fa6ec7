"""How often has a series shown as much before: a bound to a score, by time and by rows."""

from math import exp, log10
from typing import Any

from detection.packed import packed, unpacked

FLOOR = 1.0
"""Scores below it are no episode."""
_HOUR = 3600.0
_MEMORY = 28 * 86_400.0
_GAP = _HOUR
"""Seconds without a score above `FLOOR` that end an episode."""
_BINS, _A_UNIT = 60, 3.0
_NEARLY = 1.0
"""An episode that came within so much of a score has shown as much."""
_BEYOND = 0.02
_BY_TIME, _BY_ROWS = 2.5, 1.5
"""What a score may be above −log10 of the episodes an hour, and above −log10 of the episodes a row."""


def bounded(score: float, most: float) -> float:
    """Return a score, or its bound and a fiftieth of what lies beyond, so that the larger still ranks higher.

    Examples
    --------
    >>> bounded(3.0, 4.0), bounded(9.0, 4.0)
    (3.0, 4.1)
    """
    return score if score <= most else most + _BEYOND * (score - most)


class Recurrence:
    """The episodes of a series by their highest score, the older the lighter.

    A tail that is drawn by an exponential says how far a number lies from the body of the others, however often that
    happens. Here it is counted: a score is bounded by how rarely the series has scored as much. What comes once a day
    is worth about 3.9, once a week 4.7; what comes once in a thousand rows 4.5, even where that is more than once a
    day. The rarer of the two counts: the one is what people bear, the other what chance is.

    Rows in which a score above `FLOOR` is never an hour away are one episode.
    """

    __slots__ = ("_clock", "_counted", "_counts", "_last", "_peak", "_scored")

    def __init__(self) -> None:
        self._counts = [0.0] * _BINS
        self._counted = 0.0
        self._clock = 0.0
        self._last: float | None = None
        self._scored = 0.0
        self._peak = 0.0

    def bound(self, score: float, time: float | None, step: float | None) -> float:
        """Return a score as far as the episodes so far let it count.

        Parameters
        ----------
        score
            Of a row, in −log10.
        time
            Of the row, in seconds of Unix; without it a row counts as a step.
        step
            Seconds from row to row; None counts as an hour.
        """
        if score < FLOOR:
            return score
        clock = self._clock + self._gone(time, step)
        first = _bin(score - _NEARLY)
        shown = 0.5 + sum(self._counts[first:]) * exp((self._counted - clock) / _MEMORY)
        if self._peak and clock - self._scored > _GAP and _bin(self._peak) >= first:
            shown += 1.0
        known = _MEMORY * (1.0 - exp(-clock / _MEMORY))
        by_time = log10((known / _HOUR + 1.0) / shown) + _BY_TIME
        by_rows = log10((known / (step or _HOUR) + 1.0) / shown) + _BY_ROWS
        return bounded(score, max(0.0, by_time, by_rows))

    def learn(self, score: float, time: float | None, step: float | None) -> None:
        """Take a row's score, not yet bounded, as in `bound`; a time that runs backwards is no time gone by."""
        self._clock = clock = self._clock + self._gone(time, step)
        self._last = time
        if self._peak and clock - self._scored > _GAP:
            faded = exp((self._counted - clock) / _MEMORY)
            self._counts = [count * faded for count in self._counts]
            self._counts[_bin(self._peak)] += 1.0
            self._counted, self._peak = clock, 0.0
        if score >= FLOOR:
            self._scored, self._peak = clock, max(self._peak, score)

    def _gone(self, time: float | None, step: float | None) -> float:
        if time is None or self._last is None:
            return (step or _HOUR) if time is None else 0.0
        return time - self._last if time > self._last else 0.0

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data."""
        return {
            "counts": packed(self._counts),
            "counted": self._counted,
            "clock": self._clock,
            "last": self._last,
            "scored": self._scored,
            "peak": self._peak,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._counts = unpacked(state["counts"])
        self._counted, self._clock, self._last = state["counted"], state["clock"], state["last"]
        self._scored, self._peak = state["scored"], state["peak"]


def _bin(score: float) -> int:
    return max(0, min(_BINS - 1, int(score * _A_UNIT)))
