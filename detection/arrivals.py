"""Series that did not exist before, and whether a new one is ordinary.

Of a new series nothing is expected, so a share of the expected says nothing, and a fixed sum in dollars is too much for
one organisation and too little for another. What is known is how often new series come here, and how large they are at
first. A new series passes when one as large is to be expected more seldom than its part of the false alerts.

References
----------
Gelman, A. et al., 2013. Bayesian Data Analysis, 3rd ed., chapter 3 (the predictive distribution of a normal sample).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite, log, sqrt
from typing import Any

from scipy.special import stdtr

_WEEK = 7.0
_PRIOR_WEIGHT = 8.0
_PRIOR_SPREAD = 1.5
_MEMORY_WEEKS = 26.0
_SHARE = 0.1
"""The part of the false alerts that is spent on new series."""


@dataclass(slots=True)
class Arrivals:
    """How often new series come, and how large they are on their first days, on a logarithmic scale.

    Attributes
    ----------
    usual
        Cost a day of an ordinary series of the organisation: what is believed before any has arrived.
    count, mean, square
        Of the arrivals: number, mean logarithm, sum of squared deviations.
    days
        Days watched, with fading memory as `count`.
    """

    usual: float = 1.0
    count: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    days: float = 0.0

    def pass_days(self, days: float) -> None:
        """Let time go by."""
        self.days += days
        kept = min(1.0, _MEMORY_WEEKS * _WEEK / max(self.days, 1.0))
        self.days *= kept
        self.count *= kept
        self.square *= kept

    def a_week(self, cost: float) -> float:
        """Return how many new series of at least `cost` currency units a day come in a week."""
        if not isfinite(cost) or cost <= 0:
            return float("inf")
        weight = self.count + _PRIOR_WEIGHT
        prior = log(max(self.usual, 1e-6))
        mean = (self.count * self.mean + _PRIOR_WEIGHT * prior) / weight
        between = self.count * _PRIOR_WEIGHT / weight * (self.mean - prior) ** 2
        variance = (self.square + _PRIOR_WEIGHT * _PRIOR_SPREAD**2 + between) / weight
        z = (log(cost) - mean) / sqrt(variance * (1 + 1 / weight))
        rate = (self.count + 1) / (self.days + _WEEK) * _WEEK
        return rate * float(stdtr(weight, -z))

    def passes(self, cost: float, false_alerts_a_week: float) -> bool:
        """Say whether a new series is worth an alert."""
        return self.a_week(cost) <= _SHARE * false_alerts_a_week

    def learn(self, cost: float) -> None:
        """Learn the first full day of a new series; one without cost says nothing."""
        if not isfinite(cost) or cost <= 0:
            return
        self.count += 1
        error = log(cost) - self.mean
        self.mean += error / self.count
        self.square += error * (log(cost) - self.mean)

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return asdict(self)

    @classmethod
    def from_plain(cls, state: Mapping[str, Any]) -> "Arrivals":
        """Return what `plain` described."""
        return cls(**state)
