"""From nominal p-values to ones that hold, and from those to a stated number of false alerts a week.

A model's p-values are never quite right far out: noise has heavier tails than assumed, tests overlap, parameters are
estimated. All series of an organisation together show how far out p-values really lie, and each series shows whether
it is wilder than the rest. Under a perfect model −ln p is exponential with mean 1; what is beyond `START` is described
by how often it happens and by the mean of its excess, both counted here.

True anomalies must not teach the calibration that they are ordinary: an excess counts up to `CAP` only, a run of
exceedances close together counts once, and the organisation's figure is the median over its series.

An alert passes when p ≤ (false alerts a week) ÷ (tests a week). The expected number of false alerts is then at most the
setting, however the tests depend on each other, for expectations add up; a false-discovery rate over an endless stream
of tests would in the end allow nothing, or be spent by one large incident.

References
----------
Hill, B., 1975. A simple general approach to inference about the tail of a distribution. Annals of Statistics 3(5).
Vovk, V. and Wang, R., 2021. E-values: calibration, combination and applications. Annals of Statistics 49(3).
Gordon, A. et al., 2007. Control of the mean number of false discoveries, Bonferroni and stability of multiple testing.
Annals of Applied Statistics 1(1).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

START = 3.5
"""−ln p from where the tail is described by its excess: p = 0.03."""
CAP = 3.0
"""Excess that counts at most."""
APART = 7
"""Periods within which exceedances count as one."""
DAYS_A_WEEK = 7
_HEAVIEST = 6.0
_SOLVING = 6
_SHARE_PRIOR = 400.0
_WEAKEST, _STRONGEST = 15.0, 150.0
"""Between how many exceedances of its own the organisation's figure counts in a series' tail."""
_CAPPED_VARIANCE = 0.70
"""Variance of an exponential variable of mean 1 held to at most `CAP`."""
_TO_DEVIATION = 1.4826
_ENOUGH = 6.0
"""Exceedances to be expected from where a series has a say in the organisation's figure."""


class TailCalibration:
    """What −ln p really means, for all series of an organisation and for each.

    Parameters
    ----------
    memory
        How many periods of a series are remembered.
    """

    def __init__(self, memory: float = 400.0) -> None:
        self.memory = memory
        self.series: Floats = np.zeros((4, 0))

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.series = np.hstack([self.series, np.zeros((4, rows))])

    def organisation(self) -> tuple[float, float, float]:
        """Return how often −ln p is beyond `START`, the mean of its excess, and how much that counts in each series.

        Medians over the series. The more alike their tails are, beyond what chance makes of few exceedances, the more
        the common figure counts.
        """
        count, beyond, excess, _ = self.series
        share = float(np.exp(-START))
        informed = count * share >= _ENOUGH
        if not informed.any():
            return share, 1.0, _WEAKEST
        weight = 1 / (1 + _ENOUGH / informed.sum())
        seen = float(np.median(beyond[informed] / count[informed]))
        own = excess[informed] / np.maximum(beyond[informed], 1.0)
        middle = float(np.median(own))
        tail = float(_uncapped(np.array(middle)))
        spread = (_TO_DEVIATION * float(np.median(np.abs(own - middle)))) ** 2
        by_chance = _CAPPED_VARIANCE * tail**2 * float(np.mean(1 / np.maximum(beyond[informed], 1.0)))
        counts = tail**2 / max(spread - by_chance, tail**2 / _STRONGEST)
        prior = _WEAKEST + weight * (min(max(counts, _WEAKEST), _STRONGEST) - _WEAKEST)
        return share + weight * (seen - share), 1 + weight * (tail - 1), prior

    def log_p(self, nominal: Floats) -> Floats:
        """Return −ln p for nominal values of it, one for each series."""
        share, tail, prior = self.organisation()
        count, beyond, excess, _ = self.series
        own_share = (beyond + _SHARE_PRIOR * share) / (count + _SHARE_PRIOR)
        own_tail = _uncapped((excess + prior * tail * -np.expm1(-CAP / tail)) / (beyond + prior))
        rare = -np.log(own_share)
        # the mean excess is itself only known from so many: the predictive tail is Pareto's, not the exponential's
        known = beyond + prior
        excesses = np.maximum(nominal - START, 0.0) / np.maximum(own_tail, 0.8)
        calibrated: Floats = np.where(
            nominal <= START, nominal * rare / START, rare + known * np.log1p(excesses / known)
        )
        return calibrated

    def learn(self, nominal: Floats, known: Bools) -> None:
        """Count nominal values of −ln p that were seen in ordinary periods."""
        self.series[3] -= known
        beyond = known & (nominal > START)
        counts = beyond & (self.series[3] <= 0)
        self.series[3] = np.where(beyond, APART, np.maximum(self.series[3], 0))
        self.series[0] += known
        self.series[1] += counts
        self.series[2] += np.where(counts, np.minimum(nominal - START, CAP), 0.0)
        self.series[:3] *= np.minimum(1.0, self.memory / np.maximum(self.series[0], 1.0))

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"series": self.series.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned."""
        self.series = np.array(state["series"]).reshape(4, -1)


def _uncapped(mean: Floats) -> Floats:
    """Return the mean of exponential variables whose mean is `mean` when each is held to at most `CAP`."""
    found = mean
    for _ in range(_SOLVING):
        found = np.clip(mean / -np.expm1(-CAP / np.maximum(found, 0.1)), 0.1, _HEAVIEST)
    return found


def needed_log_p(false_alerts_a_week: float, series: int, periods_a_day: int) -> float:
    """Return −ln p from where an alert passes.

    Parameters
    ----------
    false_alerts_a_week
        How many the whole organisation bears.
    series, periods_a_day
        How many tests are made: each series once a period.

    Examples
    --------
    >>> round(needed_log_p(1.0, 1000, 1), 2)  # 7,000 tests a week
    8.85
    """
    return float(np.log(max(series, 1) * periods_a_day * DAYS_A_WEEK / false_alerts_a_week))


def e_value(log_p: Floats, power: float = 0.3) -> Floats:
    """Return e-values for −ln p, by the calibrator power × p^(power − 1).

    The mean of e-values is one again, however they depend on each other: so the evidence of many series, none of which
    shows enough, adds up for what holds them. An e-value of 1/α or more happens by chance at most with probability α.
    """
    found: Floats = power * np.exp(np.minimum((1 - power) * log_p, 600.0))
    return found
