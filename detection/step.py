"""How far apart the rows of a series are."""

from math import nan
from typing import Any

_AWAITED = 9


class Step:
    """The step of a series: the median of its first nine; it stays what it was once it is known.

    Times that stand still or run backwards tell nothing.
    """

    __slots__ = ("_first", "_last", "seconds")

    def __init__(self) -> None:
        self._first: list[float] = []
        self._last = nan
        self.seconds: float | None = None

    def learn(self, time: float | None) -> None:
        """Take a time, in seconds of Unix."""
        if time is None or self.seconds is not None:
            return
        if time > self._last:
            self._first.append(time - self._last)
        self._last = time
        if len(self._first) == _AWAITED:
            self.seconds = sorted(self._first)[_AWAITED // 2]

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data."""
        last = None if self._last != self._last else self._last
        return {"first": self._first.copy(), "last": last, "seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._first, self.seconds = list(state["first"]), state["seconds"]
        self._last = nan if state["last"] is None else state["last"]
