"""What share of a day's final cost is visible at an age, learnt for every series of a lane.

Bills arrive late, and each source and service in its own way. A series leans on the lane while it has few days of its
own, and the lane on what is usual. Ages are those of its grid, the nearest counts: sources are read by a schedule,
so that days are seen at the same ages. State: what days that are not settled looked like, as
`o/{lane}/{day}/{place in the grid}`; the curves themselves are kept with the models.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detection.arrays import Bools, Floats
from detection.packed import packed, unpacked
from processors.step import State

AGES = (4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0, 40.0, 48.0, 60.0, 72.0, 96.0, 144.0, 240.0)
"""Hours since a day began, where the curves are kept."""
PLACES = len(AGES)
USUAL_OF_DAYS = (0.05, 0.15, 0.22, 0.3, 0.45, 0.65, 0.78, 0.85, 0.92, 0.96, 0.98, 0.99, 1.0, 1.0, 1.0)
USUAL_OF_HOURS = (0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99, 0.99, 1.0, 1.0, 1.0, 1.0)
"""The same of an hour, which mostly is read whole or not at all; ages are of the hour."""
_USUAL_SPREAD = 0.35
"""Standard deviation of the usual share where nothing is visible yet; it shrinks as the share grows."""
_LANE_PRIOR = 2.0
_LEAN = 5.0
_MEMORY = 30.0
_ENOUGH = 7.0
"""Days from which a series' own curve is trusted to say that something is missing."""
_LEAST_SPREAD = 0.003
_WEIGHT, _MEAN, _SQUARE = range(3)


class Completeness:
    """The curves of the series of a lane, by row: weight, mean and squared deviation of the share at each age."""

    def __init__(self, lane: str, state: State, expected: Sequence[float] = USUAL_OF_DAYS) -> None:
        self._prefix = f"o/{lane}"
        self._state = state
        usual = np.array(expected)
        variance = (_USUAL_SPREAD * (1 - usual) + _LEAST_SPREAD) ** 2
        self._usual = usual, (1 + 1 / _LANE_PRIOR) * variance + _LEAST_SPREAD**2
        self.curves: Floats = np.zeros((3, PLACES, 0))

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.curves = np.concatenate([self.curves, np.zeros((3, PLACES, rows))], axis=2)

    def see(self, day: int, age_hours: float, values: Floats) -> None:
        """Note what is visible of a day at an age; a day of long ago says nothing."""
        if age_hours <= AGES[-1]:
            self._state.put(f"{self._prefix}/{day}/{_place(age_hours)}", packed(values.tolist()))

    def settle(self, day: int, final: Floats) -> None:
        """Learn what a day came to."""
        for place in range(PLACES):
            key = f"{self._prefix}/{day}/{place}"
            stored: Any = self._state.get(key)
            if stored is None:
                continue
            self._state.delete(key)
            visible = np.array(unpacked(stored))
            rows = np.flatnonzero(
                np.isfinite(visible) & np.isfinite(final[: len(visible)]) & (final[: len(visible)] > 0)
            )
            share = np.clip(visible[rows] / final[rows], 0.0, 2.0)
            weight = np.minimum(self.curves[_WEIGHT, place, rows] + 1, _MEMORY)
            gain = 1 / weight
            error = share - self.curves[_MEAN, place, rows]
            self.curves[_WEIGHT, place, rows] = weight
            self.curves[_MEAN, place, rows] += gain * error
            square = (1 - gain) * (self.curves[_SQUARE, place, rows] + gain * error * error)
            self.curves[_SQUARE, place, rows] = square

    def shares(self, age_hours: float) -> tuple[Floats, Floats, Bools]:
        """Return the share that should be visible, its standard deviation, and where that is known well enough."""
        place = _place(age_hours)
        weight, mean, square = self.curves[:, place]
        lane_mean, lane_variance = self._lane(place)
        total = weight + _LEAN
        share = (weight * mean + _LEAN * lane_mean) / total
        between = weight * _LEAN / total**2 * (mean - lane_mean) ** 2
        within = (weight * square + _LEAN * lane_variance) / total
        spread = np.sqrt(within * (1 + 1 / total) + between + _LEAST_SPREAD**2)
        return share, spread, weight >= _ENOUGH

    def _lane(self, place: int) -> tuple[float, float]:
        weight, mean, square = self.curves[:, place]
        usual, variance = float(self._usual[0][place]), float(self._usual[1][place])
        known = float(weight.sum())
        if known == 0:
            return usual, variance
        own = float((weight * mean).sum() / known)
        apart = float((weight * (square + (mean - own) ** 2)).sum() / known)
        days = min(known, _MEMORY)
        both = days + _LANE_PRIOR
        between = days * _LANE_PRIOR / both**2 * (own - usual) ** 2
        return (days * own + _LANE_PRIOR * usual) / both, (days * apart + _LANE_PRIOR * variance) / both + between

    def restated(self, row: int, before: float, after: float, old_age: float, new_age: float) -> float:
        """Return how many standard deviations of what such days still change by a restatement is; ages in hours."""
        (old, old_spread), (new, new_spread) = (
            (max(float(share[row]), 1e-3), float(spread[row]))
            for share, spread, _ in (self.shares(age) for age in (old_age, new_age))
        )
        expected = before * new / old
        spread = abs(expected) * float(np.hypot(old_spread / old, new_spread / new))
        return (after - expected) / max(spread, 0.01)


def _place(age_hours: float) -> int:
    return int(np.argmin(np.abs(np.array(AGES) - age_hours)))
