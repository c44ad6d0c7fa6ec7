"""What a series is usually worth at this time of day (or of the week, where a row is a day)."""

from math import nan
from typing import Any

from detection.packed import packed, unpacked
from detection.step import Step

DAY, WEEK = 86_400.0, 604_800.0
_LONGEST_STEP_OF_A_DAY = 21_600.0
_SHARE = 0.2


class Profile:
    """A mean for each slot of the season, learnt with one fifth of each new value.

    Steps up to six hours have a season of a day, longer ones of a week. A gap or a time that runs backwards is no
    matter: a slot is told by the time alone.

    Parameters
    ----------
    slots
        How many slots at most; eight bytes each in the saved state.
    """

    __slots__ = ("_means", "_most", "_season", "_step")

    def __init__(self, slots: int = 288) -> None:
        self._most = slots
        self._means: list[float] = []
        self._season = DAY
        self._step = Step()

    @property
    def rows(self) -> int:
        """How many slots the season has; the most there can be while the step is unknown."""
        return len(self._means) or self._most

    @property
    def step(self) -> float | None:
        """Seconds from row to row; None while unknown."""
        return self._step.seconds

    def slot(self, time: float | None) -> int:
        """Return the slot of a time in seconds of Unix; −1 while the step is unknown."""
        if time is None or not self._means:
            return -1
        return int((time % self._season) / self._season * len(self._means))

    def mean(self, slot: int) -> float:
        """Return the mean of a slot; NaN where nothing was learnt."""
        return self._means[slot] if slot >= 0 else nan

    def learn(self, slot: int, value: float, time: float | None) -> None:
        """Take a value into its slot; while the step is unknown, learn that."""
        if slot >= 0:
            mean = self._means[slot]
            self._means[slot] = mean + _SHARE * (value - mean) if mean == mean else value  # noqa: PLR0124 (NaN: empty)
        elif time is not None and not self._means:
            self._step.learn(time)
            step = self._step.seconds
            if step is not None:
                self._season = DAY if step <= _LONGEST_STEP_OF_A_DAY else WEEK
                self._means = [nan] * max(1, min(self._most, round(self._season / step)))

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data."""
        return {"means": packed(self._means), "season": self._season, "step": self._step.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._means = unpacked(state["means"])
        self._season = state["season"]
        self._step.restore(state["step"])
