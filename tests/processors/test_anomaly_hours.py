"""Hours in the stream: told with the reading that shows them, and one with what their days tell."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import pytest

from processors.batch import States
from schemas.events import CostAnomaly
from tests.processors.announcements import EC2, FIRST, OPTIONS, Watched, day_of
from tests.processors.announcements_by_hour import Rise, at, between, cost, ordinary, reading
from tests.processors.test_anomaly_feedback import say, word

DAYS = 25
SETTINGS = replace(OPTIONS, settle_hours=24, false_alerts_a_week=0.25)


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


@pytest.mark.slow
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


def test_hours_of_another_version_are_learnt_anew_and_what_was_open_ends():
    before = fresh()
    [told, *_] = read(before, between((DAYS, 8), (DAYS, 9), 2.0), at(DAYS, 12))
    entries = json.loads(json.dumps(before.driver.states["anomalies"][0]))
    for key in entries:
        if key.startswith("s/") and "@h/" in key:
            entries[key] |= {"version": 1, "arrays": {}}

    after = Watched(SETTINGS, {"anomalies": {0: entries}})
    later = [one for days in (3, 4) for one in after.feed(reading(200 + days, DAYS, at(DAYS + days, 12)))]

    assert after.driver.counts["anomalies.models_of_another_version"] == 1
    assert [(one.id, one.state) for one in later] == [(told.id, "withdrawn")]


def test_what_goes_on_is_told_by_its_days_under_the_same_id():
    told = read(fresh(), between((DAYS, 8), (DAYS + 9, 0), 2.0), at(DAYS + 3, 8), every=8)

    assert {one.id for one in told} == {told[0].id}
    assert [one.hour is None for one in told] == sorted(one.hour is None for one in told)
    assert (told[0].hour, told[-1].hour, told[-1].since.date()) == (13, None, day_of(DAYS))


def test_hours_and_days_tell_one_incident_from_the_reading_that_shows_it_to_its_end():
    told = read(fresh(), between((DAYS, 8), (DAYS + 1, 20), 2.0), at(DAYS + 6, 12), every=12)
    by_hours, by_days = told[0], told[-1]

    assert (by_hours.state, by_hours.day, by_hours.hour) == ("open", day_of(DAYS), 17)
    assert by_hours.scored_at == at(DAYS, 20)
    assert {one.id for one in told} == {by_hours.id}
    assert [one.version for one in told] == sorted({one.version for one in told})
    assert (by_days.state, by_days.hour, by_days.since.date()) == ("closed", None, day_of(DAYS))
    assert float(by_days.impact_so_far) == pytest.approx(
        sum(cost(EC2, *divmod(period, 24)) for period in range(DAYS * 24 + 8, DAYS * 24 + 45)), rel=0.1
    )


def test_a_settled_hour_that_is_restated_raises_nothing_and_changes_nothing():
    event = reading(100, DAYS - 10, at(DAYS, 8))
    [place, *_] = [
        place
        for place, (series, hour) in enumerate(zip(event.hour_series, event.hour_hour, strict=True))
        if (event.series[series], hour) == (EC2, 9)
    ]
    amounts = list(event.hour_effective)
    amounts[place] *= 10
    usual, restated = fresh(), fresh()

    assert restated.feed(replace(event, hour_billed=amounts, hour_effective=amounts)) == usual.feed(event) == []

    assert restated.driver.states == usual.driver.states


def test_announcements_with_hours_that_come_again_tell_nothing_and_change_nothing():
    rise = between((DAYS, 8), (DAYS, 9), 2.0)
    events = [reading(100 + place, DAYS - 2, at(DAYS, 8 + 4 * place), rise) for place in range(3)]
    once, twice = fresh(), fresh()

    expected = [told for event in events for told in once.feed(event)]
    found = [told for event in events for _ in range(2) for told in twice.feed(event)]

    assert found == expected != []
    assert twice.driver.states == once.driver.states
    assert [told for event in events for told in twice.feed(event)] == []
    assert twice.driver.states == once.driver.states


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
