"""What the step foretells after a close: to the end of the day, the month and the quarter, restatements included."""

from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest

from detection.forecast import HORIZONS, Horizon
from schemas.events import CostForecast
from spendstream.clock import day_of as day_of_number
from tests.processors.announcements import EC2, FIRST, RDS, S3, USAGE, Watched, announcement, day_of, ordinary

_UNIT = 10**18
DAYS = (date(2026, 5, 20) - FIRST).days


@cache
def _read() -> Watched:
    watched = Watched()
    watched.announce({day: ordinary(day) for day in range(60)}, 60)
    watched.read(60, DAYS - 1)
    return watched


def figures(event: CostForecast, series: str, horizon: Horizon) -> dict[str, float]:
    """Return so far, mean, lower and upper of one forecast, in dollars."""
    places = zip(event.row_series, event.row_horizon, strict=True)
    wanted = (event.series.index(series), HORIZONS.index(horizon))
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
