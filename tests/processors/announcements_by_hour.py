"""Announcements by hours: days' costs are the sums of their hours, which have a wave of the day and a noise of 3 %."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from math import pi, sin

import numpy as np

from schemas.events import CostAggregate
from spendstream.clock import day_number
from tests.processors.announcements import EC2, FIRST, S3, USAGE, announcement, day_of

_USUAL = {EC2: 20.0, S3: 5.0}
#: Series, day and hour → by what factor it costs more.
Rise = Callable[[str, int, int], float]


def cost(series: str, day: int, hour: int) -> float:
    """Return what an ordinary hour costs: more in the afternoon than at night, with a noise of 3 %."""
    noise = float(np.random.default_rng([day, hour, len(series)]).normal())
    return _USUAL[series] * (1 + 0.4 * sin(2 * pi * (hour - 9) / 24)) * (1 + 0.03 * noise)


def ordinary(_: str, __: int, ___: int) -> float:
    """Return that nothing costs more."""
    return 1.0


def reading(version: int, first: int, at: datetime, rise: Rise = ordinary) -> CostAggregate:
    """Return what is announced of the days from one on, by all hours that are over two hours before `at`."""
    until = int((at - datetime.combine(FIRST, time(), UTC)) / timedelta(hours=1)) - 2
    hours = [
        (
            series,
            period // 24,
            period % 24,
            round(cost(series, *divmod(period, 24)) * rise(series, *divmod(period, 24)), 6),
        )
        for series in (EC2, S3)
        for period in range(first * 24, until)
    ]
    days: dict[int, dict[tuple[str, int], float]] = {}
    for series, day, _, amount in hours:
        costs = days.setdefault(day, {})
        costs[series, USAGE] = costs.get((series, USAGE), 0.0) + amount
    event = announcement(version, days, (at.date() - FIRST).days)
    amounts = [round(amount * 10**6) * 10**12 for _, _, _, amount in hours]
    return replace(
        event,
        closed_at=at,
        hour_series=[event.series.index(series) for series, _, _, _ in hours],
        hour_day=[day_number(day_of(day)) for _, day, _, _ in hours],
        hour_kind=[USAGE] * len(hours),
        hour_hour=[hour for _, _, hour, _ in hours],
        hour_billed=amounts,
        hour_effective=amounts,
    )


def at(day: int, hour: int) -> datetime:
    """Return an hour of the day of a number since `FIRST`."""
    return datetime.combine(day_of(day), time(hour), UTC)


def between(first: tuple[int, int], last: tuple[int, int], factor: float) -> Rise:
    """Return that EC2 costs more by a factor from one day and hour to another."""
    return lambda series, day, hour: factor if series == EC2 and first <= (day, hour) <= last else 1.0
