"""What comes by the calendar, in forecasts: fees that are due, and what credits will pay of the usage to come.

Told of the level at which fees are judged. A fee whose cycle is not known yet is not foretold and counts once it is
charged; one that is overdue by more than its grace is not expected any more. No bill says how much of a credit is left:
it is foretold as if it lasted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from math import sqrt

from detection.credits import CreditBurn
from detection.fees import FeeCalendar
from detection.forecast import HORIZONS, Horizon, end_of, start_of
from processors.anomaly_calendars import Calendars
from spendstream.clock import day_number, day_of

#: So far, mean, lower and upper, in currency units.
Amounts = tuple[float, float, float, float]
#: Returns what a series' usage comes to in a horizon; None where that is not foretold.
Usage = Callable[[str, Horizon], Amounts | None]


@dataclass(frozen=True, slots=True)
class Days:
    """Where a lane stands: its last day that was learnt, the last whose fees were judged, and today; since 1970."""

    settled: int
    told: int
    today: int


def dues(calendars: Calendars, days: Days, usage: Usage, width: float) -> Iterator[tuple[str, Horizon, Amounts]]:
    """Yield what each series with its charge class comes to by the calendar, in each horizon.

    Parameters
    ----------
    width
        Standard deviations from the mean to each end of a band.
    """
    today = day_of(days.today)
    for key, fees in calendars.by_cycle():
        for horizon in HORIZONS:
            yield key, horizon, _fee(fees, start_of(today, horizon), today, end_of(today, horizon), width)
    for key, burn in calendars.credits():
        series = key.rpartition("|")[0]
        for horizon in HORIZONS:
            used = usage(f"{series}|0", horizon)
            if used is not None:
                yield key, horizon, _credit(burn, used, horizon, days)


def _fee(fees: FeeCalendar, first: date, today: date, last: date, width: float) -> Amounts:
    so_far = sum(amount for day, amount in fees.charges.items() if first <= day <= today)
    coming = sum(first <= day for day in fees.coming(today, last))
    mean = so_far + coming * fees.expected()
    band = width * sqrt(coming) * fees.spread * abs(fees.expected())
    return so_far, mean, mean - band, mean + band


def _credit(burn: CreditBurn, used: Amounts, horizon: Horizon, days: Days) -> Amounts:
    """Return what a credit comes to, which is negative: so far, and its share of the usage that is still to come."""
    today = day_of(days.today)
    first, last = day_number(start_of(today, horizon)), day_number(end_of(today, horizon))
    so_far = -burn.paid(day_of(first), day_of(last)) if horizon != "day" else 0.0
    # Usage is known to the last settled day, credits to the last that was closed.
    left, unsettled = (max(last - max(first, day + 1) + 1, 0) for day in (days.told, days.settled))
    share = 0.0 if burn.ended or not unsettled else burn.share * left / unsettled
    spent, *ahead = used
    mean, lower, upper = (so_far - share * (amount - spent) for amount in ahead)
    return so_far, mean, upper, lower
