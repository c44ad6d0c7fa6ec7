"""One alert an incident: which of the scores above the threshold is news."""

from math import exp
from typing import Any

HOLD = 8 * 3600.0
"""Seconds after an alert in which no other is raised: they belong to the same incident."""
HABIT, HABIT_SECONDS = 0.05, 7 * 86_400.0
"""Each alert lifts the threshold by a twentieth, which fades over a week: a series that often alerts must show more."""


class OneAlert:
    """Let the first score of an incident pass.

    Parameters
    ----------
    threshold
        The least score that is an alert.
    hold
        Seconds that belong to an incident.
    habit
        What each alert lifts the threshold by, as a share of it.
    """

    __slots__ = ("_habit", "_last", "habit", "hold", "threshold")

    def __init__(self, threshold: float, hold: float = HOLD, habit: float = HABIT) -> None:
        self.threshold, self.hold, self.habit = threshold, hold, habit
        self._habit = 0.0
        self._last: float | None = None

    def passes(self, score: float, time: float) -> bool:
        """Return whether a score is an alert; rows below the threshold need not be shown.

        Parameters
        ----------
        score
            Of the row.
        time
            Of the row, in seconds of Unix; one that runs backwards counts as no time gone by.
        """
        if score < self.threshold:
            return False
        if self._last is None:
            self._last, self._habit = time, 1.0
            return True
        gone = max(0.0, time - self._last)
        habit = self._habit * exp(-gone / HABIT_SECONDS)
        if gone <= self.hold or score < self.threshold * (1.0 + self.habit * habit):
            return False
        self._habit = habit + 1.0
        self._last = time
        return True

    def state(self) -> dict[str, Any]:
        """Return what is remembered as plain data."""
        return {"habit": self._habit, "last": self._last}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._habit, self._last = state["habit"], state["last"]
