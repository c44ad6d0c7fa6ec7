"""From nominal p-values to ones that hold, and from those to a stated number of false alerts a week.

A model's p-values are never quite right far out: noise has heavier tails than assumed, tests overlap, parameters are
estimated. All series of an organisation together show how far out p-values really lie, and each series shows whether
it is wilder than the rest. Two tails are weighed against each other for each series:

- *light*: under a perfect model −ln p is exponential with mean 1; what is between `START` and `FAR` is described by how
  often it happens and by its mean, the organisation's median and the series' own. What lies beyond `FAR` is left out of
  it: true anomalies must not teach that they are ordinary.
- *heavy*: what lies beyond `FAR` is noise as well, and falls off as a power. Incidents lie there too, so it is believed
  only of series in which that happens clearly more often than one in `INCIDENT_EVERY` periods, or in an organisation
  whose other series do so: what comes every month is no incident.

Exceedances close together count once.

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

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from scipy.special import expit

from detection.arrays import Bools, Floats, Ints
from detection.cut_tail import cut_tail

START = 3.5
"""−ln p from where the tail is described by its excess: p = 0.03."""
FAR = 8.0
"""−ln p from where the heavy tail is a power, and where the light one nearly never is: p = 0.0003, once in ten years.

Of hours, of which there are 24 times as many, −ln p is there larger by ln 24.
"""
INCIDENT_EVERY = 300.0
"""Days in which one exceedance beyond `FAR` may be an incident of which nothing is learnt."""
APART = 7
"""Periods within which exceedances count as one."""
DAYS_A_WEEK = 7
_SHARE_PRIOR = 400.0
_BEFORE = 1.05
"""The mean excess before any is seen."""
_WEAKEST, _STRONGEST = 60.0, 150.0
"""Between how many exceedances of its own the organisation's figure counts in a series' tail."""
_TO_DEVIATION = 1.4826
_ENOUGH = 6.0
"""Exceedances to be expected from where a series has a say in the organisation's figure."""
_OFTEN = 4.0
"""A heavy tail shows beyond `FAR` at least so many times as often as incidents."""
_POWER, _POWER_PRIOR = 1.0, 15.0
"""The power of a heavy tail before any is seen, and how many exceedances that counts."""
_HEAVY_SERIES, _LIGHT_SERIES = 0.2, 20.0
"""Imagined series of either tail, before any is seen."""
_WIDE, _WIDER = 2.0, 1.5
"""The mean excess of series with a heavy tail before any is seen, and how much wider it is than that of others."""
_NARROWEST, _LIGHT_UP_TO = 0.8, 1.3
_SELDOM = 3.0
"""By how much rarer than once in `INCIDENT_EVERY` incidents are believed to be at most, where they are seen to be rare.

The rarer they are, the sooner a series in which they come again is taken as wild.
"""
_LIKELY = 0.5
_IMAGINED = 40.0
"""Exceedances that what is believed before any is seen counts in the organisation's figures."""
_CAUTION = 8.0
"""Where heavy tails are common, the odds of one are taken as larger: its first jumps come before it is known."""
_WAITS = 3
"""The row of a series' figures that is no count, but how many periods still belong to the last exceedance."""
_TELLING = [0, 1, 2, 4]
"""The rows of a series' figures that tell a heavy tail from a light one."""
_WEIGHINGS, _SETTLED = 20, 1e-4
_EVERY_START = float(np.exp(START))
"""Periods in which −ln p is once beyond `START`, if p-values are right."""


@dataclass(frozen=True, slots=True)
class Heavy:
    """The heavy tail: how common it is, how far it is believed of each series, its rate beyond `FAR`, its power."""

    common: float
    belief: Floats
    rate: Floats
    power: Floats


class TailCalibration:
    """What −ln p really means, for all series of an organisation and for each.

    Parameters
    ----------
    memory
        How many periods of a series are remembered.
    a_day
        Periods in a day.
    bounded
        What is scored cannot have a heavy tail, as a sum of bounded residuals.
    """

    def __init__(self, memory: float = 400.0, a_day: int = 1, *, bounded: bool = False) -> None:
        self.memory = memory
        self.bounded = bounded
        self.incidents = 1 / (INCIDENT_EVERY * a_day)
        self.far = FAR + log(a_day)
        self._cut = cut_tail(self.far - START)
        self.series: Floats = np.zeros((6, 0))
        self._heavy: Heavy | None = None
        self._organisation: tuple[float, float, float] | None = None

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.series = np.hstack([self.series, np.zeros((6, rows))])
        self._forget_figures()

    def organisation(self) -> tuple[float, float, float]:
        """Return how often −ln p is beyond `START`, the mean of its excess, and how much that counts in each series.

        All series count as far as their tail is light. The more alike their tails are, beyond what chance makes of few
        exceedances, the more the common figure counts.
        """
        if self._organisation is None:
            self._organisation = self._summed_up()
        return self._organisation

    def _summed_up(self) -> tuple[float, float, float]:
        count, beyond, excess = self.series[:3]
        calm = 1 - self.heavy().belief
        seen, outside, far = (float(one @ calm) for one in (count, beyond, excess))
        share = (outside + _IMAGINED) / (seen + _IMAGINED * _EVERY_START)
        tail = self._cut.whole((far + _IMAGINED * self._cut.seen(_BEFORE)) / (outside + _IMAGINED))
        informed = (count * share >= _ENOUGH) & (calm > _LIKELY)
        if not informed.any():
            return share, tail, _WEAKEST
        weight = 1 / (1 + _ENOUGH / informed.sum())
        seen_beyond = np.maximum(beyond[informed], 1.0)
        own = excess[informed] / seen_beyond
        spread = (_TO_DEVIATION * _median(np.abs(own - _median(own)))) ** 2
        by_chance = self._cut.variance * tail**2 * float((1 / seen_beyond).mean())
        counts = tail**2 / max(spread - by_chance, tail**2 / _STRONGEST)
        return share, tail, _WEAKEST + weight * (min(max(counts, _WEAKEST), _STRONGEST) - _WEAKEST)

    def heavy(self) -> Heavy:
        """Return what is known of heavy tails: which series have one, by a mixture of two kinds of series.

        The kinds differ in how often they are beyond `FAR`, and in the mean of the excesses below it.
        """
        if self._heavy is not None:
            return self._heavy
        count, _, _, _, far, logs = self.series
        if self.bounded:
            self._heavy = Heavy(0.0, np.zeros(len(count)), np.full(len(count), self.incidents), np.ones(len(count)))
            return self._heavy
        least = _OFTEN * self.incidents
        # sums by einsum, which adds in one order wherever the numbers lie
        telling, weights = self.series[_TELLING], np.empty(len(_TELLING))
        counted, near, excess, _, beyond_far, _ = self.series.sum(axis=1).tolist()
        rate, incidents, common, light, wide = 2 * least, self.incidents, 0.5, 1.0, _WIDE
        cut = self._cut
        # before any is seen, the mean excess of each kind counts as so many exceedances
        of_light, of_wide = _ENOUGH * cut.seen(light), _ENOUGH * cut.seen(wide)
        for _ in range(_WEIGHINGS):
            weights[0] = incidents - rate
            weights[1] = log(cut.integral(light) / cut.integral(wide))
            weights[2] = 1 / light - 1 / wide
            weights[3] = log(rate / incidents)
            evidence = np.einsum("i,in->n", weights, telling)
            evidence += log(common / (1 - common))
            belief = expit(evidence)
            periods, heavy_near, heavy_excess, heavy_far = np.einsum("in,n->i", telling, belief).tolist()
            before = common
            common = (float(belief.sum()) + _HEAVY_SERIES) / (len(count) + _HEAVY_SERIES + _LIGHT_SERIES)
            rate = max((heavy_far + 1) / (periods + 1 / (2 * least)), least)
            seen = (beyond_far - heavy_far + 1) / (counted - periods + 1 / self.incidents)
            incidents = min(max(seen, self.incidents / _SELDOM), self.incidents)
            light = cut.whole((excess - heavy_excess + of_light) / (near - heavy_near + _ENOUGH))
            light = min(max(light, _NARROWEST), _LIGHT_UP_TO)
            wide = max(cut.whole((heavy_excess + of_wide) / (heavy_near + _ENOUGH)), _WIDER * light)
            if abs(common - before) < _SETTLED:
                break
        power = (heavy_far + _POWER_PRIOR) / (float(np.einsum("n,n->", logs, belief)) + _POWER_PRIOR / _POWER)
        own_rate = (far + _POWER_PRIOR) / (count + _POWER_PRIOR / rate)
        own_power = (far + _POWER_PRIOR) / (logs + _POWER_PRIOR / power)
        self._heavy = Heavy(common, belief, own_rate, own_power)
        return self._heavy

    def log_p(self, nominal: Floats) -> Floats:
        """Return −ln p for nominal values of it, one for each series."""
        share, tail, prior = self.organisation()
        count, beyond, excess = self.series[:3]
        own_share = (beyond + _SHARE_PRIOR * share) / (count + _SHARE_PRIOR)
        own_tail = self._cut.wholes((excess + prior * self._cut.seen(tail)) / (beyond + prior))
        rare = -np.log(own_share)
        # the mean excess is itself only known from so many: the predictive tail is Pareto's, not the exponential's
        known = beyond + prior
        above = np.maximum(nominal - START, 0.0)
        light = rare + known * np.log1p(above / np.maximum(own_tail, 0.8) / known)
        if self.bounded:
            alone: Floats = np.where(nominal <= START, nominal * rare / START, light)
            return alone
        heavy = self.heavy()
        at_far = np.maximum(-np.log(heavy.rate), rare)
        wild = rare + np.minimum(above / self._cut.width, 1.0) * (at_far - rare)
        wild += heavy.power * np.log(np.maximum(nominal / self.far, 1.0))
        with np.errstate(divide="ignore"):
            odds = 1 + _CAUTION * heavy.common
            doubt = odds * heavy.belief / (1 + (odds - 1) * heavy.belief)
            both = -np.logaddexp(np.log1p(-doubt) - light, np.log(doubt) - wild)
        calibrated: Floats = np.where(nominal <= START, nominal * rare / START, both)
        return calibrated

    def learn(self, nominal: Floats, known: Bools) -> None:
        """Count nominal values of −ln p that were seen in ordinary periods."""
        count, near, excess, waits, far, logs = self.series
        count += known
        counted = once(waits, known, nominal > START)
        if len(counted):
            is_far = nominal[counted] > self.far
            within, outside = counted[~is_far], counted[is_far]
            near[within] += 1
            excess[within] += nominal[within] - START
            far[outside] += 1
            logs[outside] += np.log(nominal[outside] / self.far)
        kept = np.minimum(1.0, self.memory / np.maximum(count, 1.0))
        self.series[:_WAITS] *= kept
        self.series[_WAITS + 1 :] *= kept
        self._forget_figures()

    def _forget_figures(self) -> None:
        """Have what is known of all series together reckoned anew when it is asked for next."""
        self._heavy = self._organisation = None

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"series": self.series.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned."""
        self.series = np.array(state["series"]).reshape(6, -1)
        self._forget_figures()


def once(waits: Floats, known: Bools, beyond: Bools) -> Ints:
    """Return the series whose exceedance counts: those within `APART` periods of the last one are the same.

    `waits`, how many periods still belong to the last one, goes on with the known ones.
    """
    np.maximum(waits - known, 0.0, out=waits)
    seen = (known & beyond).nonzero()[0]
    counted: Ints = seen[waits[seen] == 0]
    waits[seen] = APART
    return counted


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


def _median(numbers: Floats) -> float:
    """Return the median of some numbers: as numpy's, without what that asks first, which takes longer than few do."""
    middle = len(numbers) // 2
    ordered = np.partition(numbers, (max(middle - 1, 0), middle))
    return float(ordered[middle] if len(numbers) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def e_value(log_p: Floats, power: float = 0.3) -> Floats:
    """Return e-values for −ln p, by the calibrator power × p^(power − 1).

    The mean of e-values is one again, however they depend on each other: so the evidence of many series, none of which
    shows enough, adds up for what holds them. An e-value of 1/α or more happens by chance at most with probability α.
    """
    found: Floats = power * np.exp(np.minimum((1 - power) * log_p, 600.0))
    return found
