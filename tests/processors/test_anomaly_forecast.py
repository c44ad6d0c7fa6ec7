"""What the step foretells after a close: to the end of the day, the month and the quarter, restatements included."""

from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest

from detection.forecast import HORIZONS, Horizon
from schemas.events import CostForecast
from spendstream.clock import day_of as day_of_number
from tests.processors.announcements import (
    CREDIT,
    EC2,
    FEE,
    FIRST,
    RDS,
    S3,
    USAGE,
    Costs,
    Watched,
    announcement,
    day_of,
    ordinary,
)

_UNIT = 10**18
DAYS = (date(2026, 5, 20) - FIRST).days


@cache
def _read() -> Watched:
    watched = Watched()
    watched.announce({day: ordinary(day) for day in range(60)}, 60)
    watched.read(60, DAYS - 1)
    return watched


def figures(event: CostForecast, series: str, horizon: Horizon, kind: int = USAGE) -> dict[str, float]:
    """Return so far, mean, lower and upper of one forecast, in dollars."""
    places = zip(event.row_series, event.row_horizon, event.row_kind, strict=True)
    wanted = (event.series.index(series), HORIZONS.index(horizon), kind)
    row = next(number for number, place in enumerate(places) if place == wanted)
    names = ("so_far", "mean", "lower", "upper")
    return {name: getattr(event, f"row_{name}")[row] / _UNIT for name in names}


def cost(series: str, first: date, last: date) -> float:
    days = range((first - FIRST).days, (last - FIRST).days + 1)
    return sum(ordinary(day)[series, USAGE] for day in days)


@pytest.mark.parametrize("series", [EC2, S3, RDS])
@pytest.mark.parametrize(
    ("horizon", "first", "last"),
    [
        ("day", date(2026, 5, 20), date(2026, 5, 20)),
        ("month", date(2026, 5, 1), date(2026, 5, 31)),
        ("quarter", date(2026, 4, 1), date(2026, 6, 30)),
    ],
)
def test_what_a_horizon_comes_to_is_near_and_within_its_band(series, horizon, first, last):
    event = _read().forecasts[-1]

    found, true = figures(event, series, horizon), cost(series, first, last)

    assert found["mean"] == pytest.approx(true, rel=0.12 if horizon == "day" else 0.03)
    assert found["lower"] <= true <= found["upper"]
    settled = min(event.settled, last)
    assert found["so_far"] == pytest.approx(cost(series, first, settled) if first <= settled else 0.0, abs=1e-3)


def test_an_event_says_of_which_day_it_is_and_when_horizons_end():
    event = _read().forecasts[-1]

    ends = {
        HORIZONS[horizon]: day_of_number(end) for horizon, end in zip(event.row_horizon, event.row_end, strict=True)
    }

    assert (event.day, event.settled, event.coverage) == (day_of(DAYS), day_of(DAYS) - timedelta(days=4), 0.9)
    assert ends == {"day": date(2026, 5, 20), "month": date(2026, 5, 31), "quarter": date(2026, 6, 30)}
    assert all(np.array(event.row_lower) <= np.array(event.row_mean))


def test_a_restated_day_moves_what_its_month_comes_to_by_as_much():
    watched, day = Watched(), (date(2026, 5, 10) - FIRST).days
    watched.announce({day: ordinary(day) for day in range(60)}, 60)
    watched.read(60, DAYS - 1)
    before = figures(watched.forecasts[-1], EC2, "month")

    watched.announce({day: {(EC2, USAGE): ordinary(day)[EC2, USAGE] + 50}}, DAYS + 1)
    after = figures(watched.forecasts[-1], EC2, "month")

    plain = Watched(states={"anomalies": {0: dict(_read().driver.states["anomalies"][0])}})
    plain.feed(announcement(999, {day: ordinary(day)}, DAYS + 1))
    undisturbed = figures(plain.forecasts[-1], EC2, "month")
    assert after["so_far"] - undisturbed["so_far"] == pytest.approx(50, abs=1e-3)
    assert after["mean"] - undisturbed["mean"] == pytest.approx(50, abs=1e-3)
    assert before["so_far"] < undisturbed["so_far"]


def test_no_more_is_foretold_in_the_same_hour_unless_a_day_was_learnt():
    watched = Watched(states={"anomalies": {0: dict(_read().driver.states["anomalies"][0])}})

    learnt = watched.feed(announcement(998, {DAYS: ordinary(DAYS)}, DAYS + 1)) or watched.forecasts[:]
    watched.feed(announcement(999, {DAYS: ordinary(DAYS)}, DAYS + 1))

    assert len(learnt) == len(watched.forecasts) == 1


def test_nothing_is_foretold_of_series_that_are_hardly_known():
    watched = Watched()
    watched.announce({day: ordinary(day) for day in range(20)}, 20)

    assert watched.forecasts == []


def with_fee_and_credit(day: int) -> Costs:
    """Return an ordinary day; RDS has a fee of 100 dollars on each third, and a credit pays half of EC2."""
    costs = ordinary(day)
    costs[EC2, CREDIT] = -0.5 * costs[EC2, USAGE]
    return costs | ({(RDS, FEE): 100.0} if day_of(day).day == 3 else {})


@cache
def _read_with_fees() -> CostForecast:
    watched = Watched()
    watched.announce({day: with_fee_and_credit(day) for day in range(60)}, 60)
    watched.read(60, DAYS - 1, with_fee_and_credit)
    return watched.forecasts[-1]


@pytest.mark.parametrize(("horizon", "so_far", "in_all"), [("day", 0, 0), ("month", 100, 100), ("quarter", 200, 300)])
def test_a_fee_is_foretold_by_its_calendar(horizon, so_far, in_all):
    found = figures(_read_with_fees(), RDS, horizon, FEE)

    assert (found["so_far"], found["mean"]) == pytest.approx((so_far, in_all))
    assert found["lower"] <= in_all <= found["upper"]


@pytest.mark.parametrize(("horizon", "first"), [("month", date(2026, 5, 1)), ("quarter", date(2026, 4, 1))])
def test_a_credit_is_foretold_with_the_usage_that_it_pays(horizon, first):
    event = _read_with_fees()
    found, usage = figures(event, EC2, horizon, CREDIT), figures(event, EC2, horizon)

    closed = day_of(DAYS - 2)
    assert found["so_far"] == pytest.approx(-0.5 * cost(EC2, first, closed), rel=1e-6)
    assert found["mean"] == pytest.approx(-0.5 * usage["mean"], rel=0.02)
    assert found["lower"] < found["mean"] < found["upper"]
