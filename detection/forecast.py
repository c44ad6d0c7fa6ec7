"""What a cost comes to by the end of a day, a month or a quarter, with a band.

The sum over the days to come is taken over the same models that score them. Its variance has three parts: the
coefficients are uncertain, and one uncertain level errs on all days alike; level and slope drift on the way; each day
has its noise. Days that were read are actuals, at their latest restatement.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
from scipy.special import ndtri

from detection.arrays import Floats
from detection.levels import LevelBank

Horizon = Literal["day", "month", "quarter"]
#: All of them, in this order; events hold an index into this list.
HORIZONS: tuple[Horizon, ...] = ("day", "month", "quarter")
_MONTHS = {"month": 1, "quarter": 3}
_TINY = 1e-9
_DAMPED = 0.99
"""How much of the trend goes on after each further day: growth seldom lasts."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sums by series, in currency units; the band holds the truth with the probability that was asked for."""

    mean: Floats
    lower: Floats
    upper: Floats


def end_of(day: date, horizon: Horizon) -> date:
    """Return the last day of the month or quarter that holds `day`, or itself.

    Examples
    --------
    >>> end_of(date(2025, 2, 3), "month"), end_of(date(2025, 2, 3), "quarter")
    (datetime.date(2025, 2, 28), datetime.date(2025, 3, 31))
    """
    if horizon == "day":
        return day
    months = _MONTHS[horizon]
    last_month = (day.month - 1) // months * months + months
    following = date(day.year + last_month // 12, last_month % 12 + 1, 1)
    return following - timedelta(days=1)


def start_of(day: date, horizon: Horizon) -> date:
    """Return the first day of the month or quarter that holds `day`, or itself."""
    if horizon == "day":
        return day
    months = _MONTHS[horizon]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def to_come(levels: LevelBank, periods: int, first: int = 1) -> tuple[Floats, Floats]:
    """Return mean and variance of each series' sum over coming periods.

    Parameters
    ----------
    levels
        A bank that has learnt the period that it is at.
    periods
        How many to add up.
    first
        The first of them, counted from the period that the bank is at: 0 when that has not been learnt.
    """
    if levels.period is None:
        raise ValueError("the bank is at no period yet; it must learn before it can forecast")
    rows = np.array([_row(levels, first + n) for n in range(periods)]).reshape(periods, -1)
    share = levels.shares()
    noise = levels.noise()
    logs = np.einsum("pi,imn->pmn", rows, levels.coefficients)
    means = np.exp(logs)
    weighted = np.einsum("pmn,pi->imn", means, rows)
    uncertain = np.einsum("imn,ijmn,jmn->mn", weighted, levels.covariance, weighted, optimize=True)
    # what comes after a period also carries the drift before it: sums from the end
    later = means[::-1].cumsum(axis=0)[::-1]
    drift = (later**2).sum(axis=0) * levels.level_drift * noise
    variances = uncertain + drift + (means**2).sum(axis=0) * noise
    sums = means.sum(axis=0)
    mean = (share * sums).sum(axis=0)
    variance = (share * (variances + (sums - mean) ** 2)).sum(axis=0)
    return mean, variance


def forecast(
    levels: LevelBank, today: date, until: date, so_far: Floats, *, coverage: float = 0.9, first: int = 1
) -> Forecast:
    """Return what each series comes to from where `so_far` begins to `until`, both days included.

    Parameters
    ----------
    levels
        A daily bank that has learnt up to `today`, or is at it (`first` 0).
    so_far
        Actual costs of the days before those that are forecast.
    coverage
        Probability that the band is to hold.
    """
    periods = (until - today).days + (1 if first == 0 else 0)
    if periods <= 0:
        return Forecast(so_far, so_far, so_far)
    mean, variance = to_come(levels, periods, first)
    width = float(ndtri((1 + coverage) / 2)) * np.sqrt(variance)
    return Forecast(so_far + mean, so_far + np.maximum(mean - width, 0.0), so_far + mean + width)


def day_end(
    visible: Floats, expected: Floats, sd: Floats, share: Floats | float, spread: Floats | float
) -> tuple[Floats, Floats]:
    """Return what a partial day comes to, and the standard deviation of that.

    Two independent judgements, weighed by their precision: the model's, and what is visible ÷ its usual share.

    Parameters
    ----------
    visible
        Currency units that are visible by now.
    expected, sd
        What the model expects of the whole day, and its standard deviation as a share of that.
    share, spread
        The share that is usually visible by now, and its standard deviation.
    """
    seen = np.maximum(share, _TINY)
    implied = visible / seen
    # that nothing is visible yet is no surer a sign than that the usual is
    error = np.maximum(spread / seen * np.maximum(np.abs(implied), expected), _TINY)
    model = np.maximum(sd * expected, _TINY)
    weight = np.where(np.asarray(share) > 0, model**2 / (model**2 + error**2), 0.0)
    return expected + weight * (implied - expected), model * error / np.hypot(model, error)


def _row(levels: LevelBank, ahead: int) -> Floats:
    damped = _DAMPED ** (1 / levels.calendar.a_day)
    growth = damped * (1 - damped**ahead) / (1 - damped)
    return np.concatenate([[1.0, growth], levels.calendar.row((levels.period or 0) + ahead)])
