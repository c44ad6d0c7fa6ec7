"""How much of a day's final cost is visible, by the hours since the day began.

Bills arrive late, and each source and service in its own way. Every version of a day that is read says what was visible
at an age; when the day has settled, what it came to in the end turns these into shares. The curve of a service leans on
its source's while it has few days of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np

AGES = (4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0, 40.0, 48.0, 60.0, 72.0, 96.0, 144.0, 240.0)
"""Hours since a day began, where the curve is kept; between them it is interpolated."""
_GUESS = (0.05, 0.15, 0.22, 0.3, 0.45, 0.65, 0.78, 0.85, 0.92, 0.96, 0.98, 0.99, 1.0, 1.0, 1.0)
_GUESS_SPREAD = 0.35
_GUESS_WEIGHT = 2.0
_LEAN = 5.0
_MEMORY = 30.0
_LEAST_SPREAD = 0.003
_MOST_PENDING = 40


@dataclass(slots=True)
class CompletenessCurve:
    """The curve of one source, or of one of its services.

    Attributes
    ----------
    weight, mean, square
        Of each age: days counted, mean share, and mean squared deviation from it.
    pending
        Days that have not settled: what was visible at the ages of the grid, so far as they were passed.
    """

    weight: list[float] = field(default_factory=lambda: [0.0] * len(AGES))
    mean: list[float] = field(default_factory=lambda: [0.0] * len(AGES))
    square: list[float] = field(default_factory=lambda: [0.0] * len(AGES))
    pending: dict[str, dict[int, float]] = field(default_factory=dict)

    def see(self, day: str, age_hours: float, amount: float) -> None:
        """Note that `amount` of `day` was visible `age_hours` after the day began. To note it again changes nothing.

        The version stands for the nearest age of the grid; a day keeps the newest version of each age.
        """
        if not (np.isfinite(age_hours) and np.isfinite(amount)):
            return
        place = int(np.argmin(np.abs(np.array(AGES) - age_hours)))
        self.pending.setdefault(day, {})[place] = amount
        while len(self.pending) > _MOST_PENDING:
            del self.pending[min(self.pending)]

    def settle(self, day: str, final: float) -> None:
        """Learn from a day whose final amount is known; a day without cost or without versions says nothing."""
        seen = self.pending.pop(day, {})
        if not np.isfinite(final) or final <= 0:
            return
        for place, amount in seen.items():
            share = min(max(amount / final, 0.0), 2.0)
            self.weight[place] = min(self.weight[place] + 1, _MEMORY)
            gain = 1 / self.weight[place]
            error = share - self.mean[place]
            self.mean[place] += gain * error
            self.square[place] = (1 - gain) * (self.square[place] + gain * error * error)

    def share(self, age_hours: float, leans_on: "CompletenessCurve | None" = None) -> tuple[float, float]:
        """Return the expected visible share at an age, and the standard deviation of that share.

        Parameters
        ----------
        age_hours
            Hours since the day began.
        leans_on
            The source's curve, for a service's.
        """
        means, spreads = [], []
        for place in range(len(AGES)):
            mean, spread = self._at(place, leans_on)
            means.append(mean)
            spreads.append(spread)
        age = min(max(age_hours, 0.0), AGES[-1])
        ages = (0.0, *AGES)
        return float(np.interp(age, ages, [0.0, *means])), float(np.interp(age, ages, [_GUESS_SPREAD, *spreads]))

    def _at(self, place: int, leans_on: "CompletenessCurve | None") -> tuple[float, float]:
        if leans_on is None:
            mean, lean = _GUESS[place], _GUESS_WEIGHT
            variance = (_GUESS_SPREAD * (1 - mean) + _LEAST_SPREAD) ** 2
        else:
            (mean, spread), lean = leans_on._at(place, None), _LEAN  # noqa: SLF001
            variance = spread**2
        weight = self.weight[place]
        total = weight + lean
        blended = (weight * self.mean[place] + lean * mean) / total
        between = weight * lean / total**2 * (self.mean[place] - mean) ** 2
        within = (weight * self.square[place] + lean * variance) / total
        return blended, sqrt(within * (1 + 1 / total) + between + _LEAST_SPREAD**2)

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        pending = {day: {str(place): amount for place, amount in seen.items()} for day, seen in self.pending.items()}
        return {"weight": list(self.weight), "mean": list(self.mean), "square": list(self.square), "pending": pending}

    @classmethod
    def from_plain(cls, state: Mapping[str, Any]) -> "CompletenessCurve":
        """Return the curve that `plain` described."""
        pending = {
            day: {int(place): amount for place, amount in seen.items()} for day, seen in state["pending"].items()
        }
        return cls(list(state["weight"]), list(state["mean"]), list(state["square"]), pending)


@dataclass(frozen=True, slots=True)
class Restatement:
    """How surprising a change of a day is that had been read before.

    Attributes
    ----------
    change
        New amount − old amount.
    z
        The change in standard deviations of what such a day still changes by, at that age.
    """

    change: float
    z: float


def restatement(
    curve: CompletenessCurve, old: float, new: float, old_age: float, new_age: float, source: CompletenessCurve | None
) -> Restatement:
    """Score a restatement as such, apart from the level: old and new amounts, and their ages in hours.

    Of the old amount the curve expects old × share(new age) ÷ share(old age); what differs from that is measured by the
    spread of both shares.
    """
    before, before_spread = curve.share(old_age, source)
    after, after_spread = curve.share(new_age, source)
    expected = old * after / max(before, 1e-3)
    spread = abs(expected) * sqrt((before_spread / max(before, 1e-3)) ** 2 + (after_spread / max(after, 1e-3)) ** 2)
    return Restatement(new - old, (new - expected) / max(spread, 0.01))
