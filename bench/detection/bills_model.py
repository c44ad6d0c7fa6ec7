"""Simulated bills with known incidents: the data maker of the bills benchmark.

Everything is a function of a seed and of `incidents.toml`, which was fixed before the detector was tuned. A bill is a
table of periods × series: the true mean, the noise's σ, the noise, and what incidents add. Nothing here knows a
detector.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator

PARAMETERS = Path(__file__).with_name("incidents.toml")
_DAYS_A_MONTH = 365.25 / 12
_FRIDAY = 4
HOLIDAYS = ((1, 1), (5, 1), (12, 25), (12, 26))
"""Month and day of the holidays of the simulated organisation."""
_HOUR = np.array([5, 4, 4, 4, 5, 6, 8, 10, 12, 14, 15, 15, 14, 15, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6]) / 10


@dataclass(frozen=True, slots=True)
class Incident:
    """The truth about one incident in one series.

    Attributes
    ----------
    kind, size
        As in `incidents.toml`; the size is in σ of the series, except for the kinds that say otherwise.
    series
        Column of the bills.
    start, end
        First period, and the period after the last.
    group
        Incidents of one cause (several series of an account) share it.
    dollars
        What it adds in all.
    """

    kind: str
    size: float
    series: int
    start: int
    end: int
    group: int
    dollars: float


@dataclass(frozen=True, slots=True)
class Course:
    """What the generator knows of each series: what its means are made of.

    Attributes
    ----------
    first
        The level of the first period, in dollars, before it wanders.
    growth, wander
        What a period adds to the level's logarithm, and the standard deviation of what it adds by chance.
    share
        σ as a share of the mean.
    season
        Factor of each period: periods × series.
    """

    first: Floats
    growth: Floats
    wander: Floats
    share: Floats
    season: Floats


@dataclass(slots=True)
class Bills:
    """Periods × series of dollars, and the truth about them.

    Attributes
    ----------
    times
        The beginning of each period, UTC without a zone.
    mean, sigma
        What the generator meant, and the standard deviation of its noise, in dollars.
    noise
        In σ.
    added
        What incidents add, in dollars.
    course
        What the means are made of.
    """

    times: list[datetime]
    mean: Floats
    sigma: Floats
    noise: Floats
    added: Floats
    course: Course
    incidents: list[Incident] = field(default_factory=list)

    def alone(self, column: int) -> "Bills":
        """Return the bills of one series, without what is known of incidents."""
        one = slice(column, column + 1)
        known = self.course
        course = Course(known.first[one], known.growth[one], known.wander[one], known.share[one], known.season[:, one])
        mean, sigma, noise, added = (each[:, one] for each in (self.mean, self.sigma, self.noise, self.added))
        return Bills(self.times, mean, sigma, noise, added, course)

    @property
    def values(self) -> Floats:
        """What the bill says in the end; never below zero."""
        cost: Floats = np.maximum(self.mean + self.sigma * self.noise + self.added, 0.0)
        return cost


@cache
def parameters() -> dict[str, Any]:
    """Return `incidents.toml`, which is read once."""
    with PARAMETERS.open("rb") as file:
        return tomllib.load(file)


def times(start: date, periods: int, *, hourly: bool) -> list[datetime]:
    """Return the beginnings of `periods` hours or days."""
    first = datetime(start.year, start.month, start.day)  # noqa: DTZ001
    step = timedelta(hours=1) if hourly else timedelta(days=1)
    return [first + n * step for n in range(periods)]


def ordinary(
    rng: Rng,
    series: int,
    periods: int,
    *,
    hourly: bool = False,
    start: date = date(2025, 1, 6),
    residuals: Floats | None = None,
) -> Bills:
    """Return bills without incidents.

    Parameters
    ----------
    rng
        The only source of chance.
    series, periods
        The size of the table; a period is an hour when `hourly`, else a day.
    residuals
        Standardised residuals to draw the noise from; without them it is Gaussian.
    """
    p = parameters()["bills"]
    when = times(start, periods, hourly=hourly)
    a_day = 24 if hourly else 1
    level = np.exp(_uniform(rng, np.log(p["level_dollars_a_day"]), series)) / a_day
    typical, spread = p["growth_a_month"]
    growth = rng.normal(typical, spread, series) / (_DAYS_A_MONTH * a_day)
    share = np.exp(_uniform(rng, np.log(p["noise"]), series))
    wander = _uniform(rng, p["wander"], series) * share / np.sqrt(a_day)
    log_level = np.log(level) + growth * np.arange(periods)[:, None]
    log_level += np.cumsum(rng.normal(size=(periods, series)) * wander, axis=0)
    season = _days(rng, when, series, p)
    if hourly:
        season = season * _hours(rng, when, series, p)
    mean = np.exp(log_level) * season
    size = (periods, series)
    noise = rng.normal(size=size) if residuals is None else rng.choice(residuals, size=size)
    course = Course(level, growth, wander, share, season)
    return Bills(when, mean, mean * share, noise, np.zeros_like(mean), course)


def _uniform(rng: Rng, low_high: Sequence[float] | Floats, size: int) -> Floats:
    return rng.uniform(low_high[0], low_high[1], size)


def _some(rng: Rng, series: int, share: float, low_high: list[float]) -> Floats:
    rise: Floats = np.where(rng.uniform(size=series) < share, _uniform(rng, low_high, series), 0.0)
    return rise


def _days(rng: Rng, when: list[datetime], series: int, p: dict[str, Any]) -> Floats:
    week = np.exp(rng.normal(0, p["weekday_spread"], (7, series)))
    has_weekend = rng.uniform(size=series) < p["weekend_share"]
    week[_FRIDAY + 1 :] *= np.where(has_weekend, _uniform(rng, p["weekend"], series), 1.0)
    last = 1 + _some(rng, series, p["month_end_share"], p["month_end"])
    first = 1 + _some(rng, series, p["month_start_share"], p["month_start"])
    prorated = rng.uniform(size=series) < p["prorated_share"]
    keeps_holidays = rng.uniform(size=series) < p["holiday_share"]
    rows = []
    for moment in when:
        row = week[moment.weekday()]
        if (moment.month, moment.day) in HOLIDAYS:
            row = np.where(keeps_holidays, week[6], row)
        length = ((moment.replace(day=1) + timedelta(days=32)).replace(day=1) - moment.replace(day=1)).days
        row = row * np.where(prorated, _DAYS_A_MONTH / length, 1.0)
        row = row * (first if moment.day == 1 else last if moment.day == length else 1.0)
        rows.append(row)
    return np.array(rows)


def _hours(rng: Rng, when: list[datetime], series: int, p: dict[str, Any]) -> Floats:
    amplitude = _uniform(rng, p["hour_amplitude"], series)
    shape = _HOUR / _HOUR.mean() - 1
    hour = np.array([moment.hour for moment in when])
    weekend = np.array([moment.weekday() > _FRIDAY for moment in when])
    damped = np.where(weekend, p["weekend_flattens"], 1.0)
    factor: Floats = 1 + (shape[hour] * damped)[:, None] * amplitude
    return factor


def shaped(shape: str, periods: int) -> Floats:
    """Return the course of an incident, 1 at its height."""
    if shape == "ramp":
        ramp: Floats = np.arange(1, periods + 1) / periods
        return ramp
    if shape == "doubling":
        doubling: Floats = np.exp2(np.arange(1 - periods, 1))
        return doubling
    return np.ones(periods)


def add_incidents(rng: Rng, bills: Bills, kinds: list[str], *, hourly: bool = False, sparse: bool = False) -> None:
    """Put incidents of the named kinds with scope `series` into the bills, one in each slot of a series.

    A slot, the warm-up and the space between incidents are as `incidents.toml` says. Each kind and size has about as
    many, in an order drawn anew for each round, so that none always follows the same other.
    """
    read = parameters()
    placing = read["placing"]
    a_day = 24 if hourly else 1
    cells = [(kind, float(size)) for kind in read["kinds"] if kind["kind"] in kinds for size in kind["sizes"]]
    periods, series = bills.mean.shape
    every = "hourly_every_days" if hourly else "sparse_every_days" if sparse else "every_days"
    slot = placing[every] * a_day
    number = 0
    order = rng.permutation(len(cells))
    for column in range(int(series * placing["clean_share"]), series):
        for begin in range(placing["warm_up_days"] * a_day, periods - slot + 1, slot):
            kind, size = cells[order[number % len(cells)]]
            last = begin + slot - placing["grace_days"] * a_day - kind["periods"]
            start = int(rng.integers(begin, max(last, begin + 1)))
            put(bills, kind, size, column, start, number)
            number += 1
            if number % len(cells) == 0:
                order = rng.permutation(len(cells))


def put(bills: Bills, kind: dict[str, Any], size: float, column: int, start: int, group: int) -> None:
    """Put one incident of a kind, a row of `incidents.toml`, into a series from a period on."""
    end = start + kind["periods"]
    rows = slice(start, end)
    if kind["shape"] == "gone":
        added = -bills.mean[rows, column] - bills.sigma[rows, column] * bills.noise[rows, column]
    else:
        added = size * bills.sigma[rows, column] * shaped(kind["shape"], kind["periods"])
    bills.added[rows, column] += added
    bills.incidents.append(Incident(kind["kind"], size, column, start, end, group, float(added.sum())))
