"""The best that can be done without seeing ahead: a Kalman filter that is told all the generator's parameters.

It knows each series' seasons, growth, noise and how much its level wanders, and where the level began; only where the
level has wandered since must be learnt from the past. For such bills that is the optimal estimate, so no detector that
looks back only can know the mean of a day better. The oracle, which is told that mean, can be reached by nobody.

References
----------
Kalman, R., 1960. A new approach to linear filtering and prediction problems. Journal of Basic Engineering 82(1).
Rauch, H., Tung, F. and Striebel, C., 1965. Maximum likelihood estimates of linear dynamic systems. AIAA Journal 3(8).
"""

from dataclasses import dataclass

import numpy as np

from bench.detection.bills_model import Bills, Course, Floats, Incident


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is foreseen of each day from the days before it; periods × series.

    Attributes
    ----------
    mean
        In dollars.
    sd
        Standard deviation of what the day costs, in dollars: noise, and what is not known of the level.
    gain
        By how much of a day's error the level was set anew on the last day, for each series.
    """

    mean: Floats
    sd: Floats
    gain: Floats


def foreseen(bills: Bills) -> Foreseen:
    """Return the best causal forecast of each day of bills without incidents."""
    level, variance = np.log(bills.course.first), bills.course.wander**2
    mean, sd = np.zeros_like(bills.mean), np.zeros_like(bills.mean)
    noise = bills.course.share**2
    gain = np.zeros_like(noise)
    for t, value in enumerate(bills.values):
        mean[t] = np.exp(level) * bills.course.season[t]
        sd[t] = mean[t] * np.sqrt(variance + noise)
        gain = variance / (variance + noise)
        level = level + gain * (value / mean[t] - 1) + bills.course.growth
        variance = variance * (1 - gain) + bills.course.wander**2
    return Foreseen(mean, sd, gain)


def likelihood_ratio(bills: Bills, course: Floats) -> tuple[Floats, Floats]:
    """Return the best causal test of an incident of a known course that ends with each day, and what 1 σ of it adds.

    Without incidents the test is a standard normal variable. What the filter learns of an incident while it goes on is
    no longer seen on the days after, and is reckoned with.
    """
    best = foreseen(bills)
    z, learnt = (bills.values - best.mean) / best.sd, np.zeros_like(best.gain)
    seen = np.zeros((len(course), len(learnt)))
    for n, height in enumerate(course):
        seen[n] = height - learnt
        learnt = learnt + best.gain * seen[n]
    whole = np.sqrt((seen**2).sum(axis=0))
    told = np.zeros_like(z)
    for n, row in enumerate(seen / whole):
        before = len(course) - 1 - n
        told[before:] += row * z[: len(z) - before]
    return told, whole * bills.sigma / best.sd


def impact(bills: Bills, incident: Incident, after: int) -> float:
    """Return the dollars that an incident added, as one would say who knows when it began and ended.

    Parameters
    ----------
    after
        How many days after its end are looked at too.
    """
    end = min(incident.end + after, len(bills.mean))
    alone, days = bills.alone(incident.series), slice(incident.start, incident.end)
    values, season = alone.values[:end, 0], alone.course.season[:end, 0]
    smooth = _smoothed(alone.course, values / season, incident)
    return float((values[days] - np.exp(smooth[days]) * season[days]).sum())


def _smoothed(course: Course, values: Floats, left_out: Incident) -> Floats:
    """Return the logarithm of the level on each day of one series, without what an incident's days say of it."""
    drift, noise, growth = course.wander[0] ** 2, course.share[0] ** 2, course.growth[0]
    before, after = np.zeros((2, len(values))), np.zeros((2, len(values)))
    level, variance = float(np.log(course.first[0])), drift
    for t, value in enumerate(values.tolist()):
        before[:, t] = level, variance
        if not left_out.start <= t < left_out.end:
            gain = variance / (variance + noise)
            level += gain * (value / np.exp(level) - 1)
            variance *= 1 - gain
        after[:, t] = level, variance
        level, variance = level + growth, variance + drift
    smooth: Floats = after[0].copy()
    for t in range(len(values) - 2, left_out.start - 1, -1):
        smooth[t] += after[1, t] / before[1, t + 1] * (smooth[t + 1] - before[0, t + 1])
    return smooth
