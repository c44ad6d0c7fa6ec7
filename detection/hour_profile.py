"""What waves leave of the hours of a day: people begin work at nine, not along a sine.

Beside the waves that `detection.seasons` knows, each hour of a working day, and of a weekend's, has an effect of its
own on the logarithm of the cost. Each is filtered by itself, as if what it shares with the others were the waves'
alone: forty-eight more columns in the covariance of the models would cost three times their time.
"""

from typing import Any

import numpy as np

from detection.arrays import Bools, Floats, Singles

_A_DAY = 24
_FIRST_WEEKDAY = 3
"""1970 began on a Thursday."""
_SATURDAY = 5
_SPREAD = 0.03
"""Standard deviation of an effect before anything is seen."""
_STAYS = 0.01
"""An effect is never known better than to this share of the variance of an hour: it may change."""


class HourProfile:
    """Effects of the hours of a day on the logarithm of the cost of many series.

    Parameters
    ----------
    hourly
        Whether periods are hours at all; else there are no effects.
    """

    def __init__(self, *, hourly: bool) -> None:
        self._kinds = 2 if hourly else 0
        self.effects: Singles = np.zeros((self._kinds * _A_DAY, 0), dtype=np.float32)
        self.variances: Singles = np.zeros((self._kinds, 0), dtype=np.float32)

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.effects = np.hstack([self.effects, np.zeros((len(self.effects), rows), dtype=np.float32)])
        unknown = np.full((self._kinds, rows), _SPREAD**2, dtype=np.float32)
        self.variances = np.hstack([self.variances, unknown])

    def of(self, period: int) -> tuple[Singles | float, Singles | float]:
        """Return the effect of an hour, counted from 1970, in each series, and its variance."""
        if not self._kinds:
            return 0.0, 0.0
        kind, hour = _place(period)
        return self.effects[hour], self.variances[kind]

    def learn(self, period: int, error: Floats, variance: Floats, known: Bools) -> None:
        """Learn by how much the logarithm of an hour's cost, bounded, was foretold wrongly, with what variance."""
        if not self._kinds:
            return
        kind, hour = _place(period)
        gain = self.variances[kind] / variance * known
        self.effects[hour] += gain * error
        # one variance for all hours of such a day: each of them is seen once
        least = np.minimum(_STAYS * variance, _SPREAD**2)
        self.variances[kind] = np.maximum(self.variances[kind] * (1 - gain / _A_DAY), least)

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"effects": self.effects.tolist(), "variances": self.variances.tolist()}

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """Take over what `plain` returned of so many series."""
        self.effects = np.array(state["effects"], dtype=np.float32).reshape(-1, rows)
        self.variances = np.array(state["variances"], dtype=np.float32).reshape(-1, rows)


def _place(period: int) -> tuple[int, int]:
    """Return whether an hour is on a weekend, and which of all effects is its own."""
    day, hour = divmod(period, _A_DAY)
    kind = int((day + _FIRST_WEEKDAY) % 7 >= _SATURDAY)
    return kind, kind * _A_DAY + hour
