"""One alert an incident: which of the scores above the threshold is news."""

from math import exp
from typing import Any

HOLD = 100
"""Rows after an alert in which no other is raised: they belong to the same incident."""
HABIT, HABIT_ROWS = 0.15, 2000.0
"""Each alert lifts the threshold by 15 %, which fades over 2,000 rows: a series that often alerts must show more."""


class OneAlert:
    """Let the first score of an incident pass.

    Parameters
    ----------
    threshold
        The least score that is an alert.
    hold
        Rows that belong to an incident.
    habit
        What each alert lifts the threshold by, as a share of it.
    """

    __slots__ = ("_habit", "_since", "habit", "hold", "threshold")

    def __init__(self, threshold: float, hold: int = HOLD, habit: float = HABIT) -> None:
        self.threshold, self.hold, self.habit = threshold, hold, habit
        self._habit = 0.0
        self._since = hold + 1

    def passes(self, score: float, rows: int = 1) -> bool:
        """Return whether a score is an alert; `rows` after the last call (those between were below the threshold)."""
        self._since += rows
        if score < self.threshold or self._since <= self.hold:
            return False
        habit = self._habit * exp(-self._since / HABIT_ROWS)
        if score < self.threshold * (1.0 + self.habit * habit):
            return False
        self._habit = habit + 1.0
        self._since = 0
        return True

    def state(self) -> dict[str, Any]:
        """Return what is remembered as plain data."""
        return {"habit": self._habit, "since": self._since}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._habit, self._since = state["habit"], state["since"]
