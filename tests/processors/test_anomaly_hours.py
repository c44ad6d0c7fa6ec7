"""Hours in the stream: told with the reading that shows them, and one with what their days tell."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from math import pi, sin

import numpy as np
import pytest

from processors.batch import States
from schemas.events import CostAggregate, CostAnomaly
from spendstream.clock import day_number
from tests.processors.announcements import EC2, FIRST, OPTIONS, S3, USAGE, Watched, announcement, day_of
from tests.processors.test_anomaly_feedback import say, word

DAYS = 25
SETTINGS = replace(OPTIONS, settle_hours=24, false_alerts_a_week=0.25)
_UNIT = 10**18
_USUAL = {EC2: 20.0, S3: 5.0}
#: Series, day and hour → by what factor it costs more.
Rise = Callable[[str, int, int], float]


def cost(series: str, day: int, hour: int) -> float:
    """Return what an ordinary hour costs: more in the afternoon than at night, with a noise of 3 %."""
    noise = float(np.random.default_rng([day, hour, len(series)]).normal())
    return _USUAL[series] * (1 + 0.4 * sin(2 * pi * (hour - 9) / 24)) * (1 + 0.03 * noise)


def ordinary(_: str, __: int, ___: int) -> float:
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
    return datetime.combine(day_of(day), time(hour), UTC)


@cache
def _states() -> States:
    watched = Watched(SETTINGS)
    watched.feed(reading(1, 0, at(DAYS - 3, 0)))
    for number in range(10):
        now = at(DAYS - 3, 6) + timedelta(hours=8 * number)
        watched.feed(reading(2 + number, (now.date() - FIRST).days - 2, now))
    assert watched.told == []
    return watched.driver.states


def fresh(*, hours: bool = True) -> Watched:
    """Return a step that has read the hours of `DAYS` ordinary days, and of the day after until 3:00."""
    entries = json.loads(json.dumps(_states()["anomalies"][0]))
    return Watched(replace(SETTINGS, hours=hours), {"anomalies": {0: entries}})


def read(watched: Watched, rise: Rise, until: datetime, every: int = 4) -> list[CostAnomaly]:
    """Read every few hours from 8:00 of the day after `DAYS`, and return what is told."""
    now, told, version = at(DAYS, 8), list[CostAnomaly](), DAYS + 100
    while now <= until:
        told += watched.feed(reading(version, (now.date() - FIRST).days - 2, now, rise))
        now, version = now + timedelta(hours=every), version + 1
    return told


def between(first: tuple[int, int], last: tuple[int, int], factor: float) -> Rise:
    return lambda series, day, hour: factor if series == EC2 and first <= (day, hour) <= last else 1.0


def test_ordinary_hours_are_not_told():
    assert read(fresh(), ordinary, at(DAYS + 3, 8), every=8) == []


def test_an_hour_is_told_with_the_reading_that_shows_it_long_before_its_day_is_over():
    rise = between((DAYS, 8), (DAYS, 9), 2.0)

    [told, *_] = read(fresh(), rise, at(DAYS, 12))

    assert (told.state, told.series, told.day, told.hour) == ("open", EC2, day_of(DAYS), 9)
    assert (told.since, told.scored_at) == (at(DAYS, 8), at(DAYS, 12))
    assert float(told.expected) == pytest.approx(cost(EC2, DAYS, 9), rel=0.1)
    assert float(told.impact_so_far) == pytest.approx(cost(EC2, DAYS, 8) + cost(EC2, DAYS, 9), rel=0.15)
    assert read(fresh(hours=False), rise, at(DAYS, 12)) == []


def test_an_incident_of_hours_closes_when_the_cost_is_back():
    told = read(fresh(), between((DAYS, 8), (DAYS, 9), 2.0), at(DAYS + 3, 12), every=12)

    assert {one.id for one in told} == {told[0].id}
    assert told[-1].state == "closed"


def test_what_goes_on_is_told_by_its_days_under_the_same_id():
    told = read(fresh(), between((DAYS, 8), (DAYS + 9, 0), 2.0), at(DAYS + 3, 8), every=8)

    assert {one.id for one in told} == {told[0].id}
    assert [one.hour is None for one in told] == sorted(one.hour is None for one in told)
    assert (told[0].hour, told[-1].hour, told[-1].since.date()) == (13, None, day_of(DAYS))


def test_nothing_is_told_of_the_hours_of_a_day_that_is_expected():
    watched = fresh()
    say(watched, word("expected", DAYS - 1, days=(day_of(DAYS), day_of(DAYS + 1))))

    assert read(watched, between((DAYS, 8), (DAYS + 1, 20), 2.0), at(DAYS + 2, 8), every=8) == []


def test_state_saved_and_restored_between_all_readings_changes_nothing():
    rise = between((DAYS, 8), (DAYS, 9), 2.0)
    times = [at(DAYS, 8) + timedelta(hours=8 * number) for number in range(7)]
    events = [reading(100 + place, DAYS - 2, when, rise) for place, when in enumerate(times)]
    once, again, found = fresh(), fresh(), list[CostAnomaly]()

    expected = [told for event in events for told in once.feed(event)]
    for event in events:
        again = Watched(SETTINGS, {"anomalies": {0: json.loads(json.dumps(again.driver.states["anomalies"][0]))}})
        found += again.feed(event)

    assert found == expected != []
    assert again.driver.states["anomalies"][0] == once.driver.states["anomalies"][0]
