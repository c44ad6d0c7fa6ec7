"""The seasons of a bill as regressors: what a period's place in the calendar says about its cost.

A row of regressors stands beside the level; its coefficients are learnt by `detection.levels` on the logarithm of the
cost, so a weekend of 60 % is a weekend of 60 % also after growth.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from detection.arrays import Floats

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOLIDAY_SPREAD = 0.05
_HARMONICS = 4
_WEEKEND_HARMONICS = 2
_SATURDAY = 5
_SECOND = 2
_MEAN_MONTH = 365.25 / 12
_ROWS_KEPT = 1024
"""Regressors of the last periods asked for are kept: all series, and each forecast, ask for the same ones."""


def _contrasts(size: int) -> Floats:
    """Return orthonormal columns whose sums are zero: effects around a mean, all alike beforehand."""
    columns = np.zeros((size, size - 1))
    for k in range(1, size):
        columns[:k, k - 1] = 1.0
        columns[k, k - 1] = -k
        columns[:, k - 1] /= np.sqrt(k * (k + 1))
    return columns


def _week() -> Floats:
    """Return contrasts of a week: four among working days, Saturday against Sunday, the weekend against the rest."""
    columns = np.zeros((7, 6))
    columns[:_SATURDAY, :4] = _contrasts(_SATURDAY)
    columns[_SATURDAY:, 4:5] = _contrasts(2)
    columns[:, 5] = np.where(np.arange(7) < _SATURDAY, -2.0, 5.0) / np.sqrt(70)
    return columns


_WEEK = _week()
HOLIDAY = slice(9, 10)
_UNLIKE_DAYS = 0.01, 0.03
"""Standard deviations of how working days differ, where they hardly do: they always do by something."""
_SPECIAL_DAY = 0.003, 0.03
"""Those of a day that is special in some series, in the others: in most it is a day like any."""
_SPARSE = ((slice(0, 5), _UNLIKE_DAYS), *((place, _SPECIAL_DAY) for place in (slice(6, 7), slice(7, 8), HOLIDAY)))
_SPARSE_OF_DAYS = ((slice(10, 11), _SPECIAL_DAY), (slice(11, 12), _SPECIAL_DAY))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The periods of a series, and the regressors of each.

    Parameters
    ----------
    hourly
        Periods are hours; else UTC days.
    holidays
        Days that differ from their weekday; how much is learnt.
    """

    hourly: bool = False
    holidays: Collection[date] = field(default_factory=frozenset)

    @property
    def step(self) -> timedelta:
        """The length of a period."""
        return HOUR if self.hourly else DAY

    @property
    def a_day(self) -> int:
        """Periods in a day."""
        return 24 if self.hourly else 1

    @property
    def size(self) -> int:
        """How many regressors there are."""
        return len(self.spreads)

    @property
    def spreads(self) -> Floats:
        """The standard deviation of each coefficient before anything is seen, in logarithms of the cost."""
        days = [0.3] * 6 + [0.15, 0.15, 0.7, 0.35]
        month = [0.15, 0.15]
        hours = [0.3, 0.3] * 2 + [0.1, 0.1] * (_HARMONICS - 2) + [0.15, 0.15] * _WEEKEND_HARMONICS
        return np.array(days + (hours if self.hourly else month))

    @property
    def sparse(self) -> tuple[tuple[slice, tuple[float, float]], ...]:
        """The seasons that many series hardly have: their regressors, and two spreads of them where that is so.

        How working days differ from each other and Saturday from Sunday; the two days at either end of a month;
        holidays. None of hours: a special day has 24 of them, whose errors are one, and would count as 24 proofs.
        """
        return () if self.hourly else _SPARSE + _SPARSE_OF_DAYS

    def index(self, moment: datetime) -> int:
        """Return the number of the period that holds `moment` (aware), counted from 1970."""
        return (moment - _EPOCH) // self.step

    def moment(self, index: int) -> datetime:
        """Return the beginning of a period, in UTC."""
        return _EPOCH + index * self.step

    def unsure(self, index: int) -> float:
        """Return the variance, of the logarithm of the cost, by which a period differs from others like it.

        No two holidays are alike; other periods are.
        """
        return HOLIDAY_SPREAD**2 if self.holidays and self.moment(index).date() in self.holidays else 0.0

    def row(self, index: int) -> Floats:
        """Return the regressors of a period.

        Days of the week (six contrasts), first and last day of a month, length of the month (a monthly price that is
        spread over its days), holiday; for days also the second and the last but one of a month, for hours waves of the
        day, and how they differ on a weekend. Not to be written to.
        """
        moment = self.moment(index)
        # a holiday on a weekend is a weekend
        holiday = bool(self.holidays) and moment.date() in self.holidays and moment.weekday() < _SATURDAY
        return _row(moment, self.hourly, holiday)


@lru_cache(_ROWS_KEPT)
def _row(moment: datetime, hourly: bool, holiday: bool) -> Floats:
    following = (moment.replace(day=1) + timedelta(days=32)).replace(day=1)
    length = (following - moment.replace(day=1)).days
    weekday = moment.weekday()
    about_month = [moment.day == 1, moment.day == length, np.log(_MEAN_MONTH / length), holiday]
    parts = [_WEEK[weekday], np.array(about_month, dtype=np.float64)]
    if hourly:
        angle = 2 * np.pi * moment.hour / 24 * np.arange(1, _HARMONICS + 1)
        waves = np.column_stack([np.sin(angle), np.cos(angle)]).ravel()
        weekend = waves[: 2 * _WEEKEND_HARMONICS] * (weekday >= _SATURDAY)
        parts += [waves, weekend]
    else:
        parts.append(np.array([moment.day == _SECOND, moment.day == length - 1], dtype=np.float64))
    row = np.concatenate(parts)
    row.flags.writeable = False
    return row
