"""Anomalies are exact: the same from any saved state, after any crash, however often they are announced, and live."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from datetime import time as time_of_day
from functools import cache

import pytest
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.anomalies import anomalies
from processors.live_names import changelog_name
from processors.pipeline import steps
from processors.runner import StepRunner
from processors.step import DictState
from schemas.events import AnomalyFeedback, CostAggregate, CostAnomaly, CostForecast, Event, JudgedSeries
from spendstream.clock import day_number
from spendstream.read_back import read_back_messages
from spendstream.topics import AGGREGATES, ANOMALIES, FEEDBACK, FORECASTS, Topic
from tests.kafka_backends import Backend
from tests.processors.announcements import (
    EC2,
    FEE,
    OPTIONS,
    RDS,
    S3,
    USAGE,
    Costs,
    announcement,
    day_of,
    ordinary,
    with_history,
)  # fmt: skip
from tests.processors.announcements_by_hour import at, between, reading
from tests.processors.workers import CODEC, Worker, recorded

DAYS = 60
LAST = 24
WORD = AnomalyFeedback(
    id="w1",
    verdict="expected",
    judged=[JudgedSeries(anomaly="", series=EC2, kind=USAGE)],
    first_day=day_of(DAYS + 3),
    last_day=day_of(DAYS + 6),
    by="ann",
    why="load test",
    at=datetime.combine(day_of(DAYS + 2), time_of_day(18), UTC),
)


def eventful(day: int) -> Costs:
    """Return a day of a month with a spike, a rise, a new service, a fee of each first, and a service that vanishes."""
    costs = ordinary(day)
    if DAYS + 3 <= day <= DAYS + 6:
        costs[EC2, USAGE] *= 1.6
    if day == DAYS + 1:
        costs[RDS, USAGE] *= 1.6
    if day >= DAYS + 8:
        costs["USD/provider=AWS/account=222/service=GPU", USAGE] = 70_000.0
    if day >= DAYS + 12:
        del costs[S3, USAGE]
    if day_of(day).day == 1:
        costs[RDS, FEE] = 100.0 * (1 + (day > DAYS))
    return costs


def with_prices(event: CostAggregate, days: Sequence[int]) -> CostAggregate:
    """Return an announcement that says how the prices of EC2 moved on some days: they are what rises."""
    costs = [eventful(day)[EC2, USAGE] for day in days]
    rises = [1.6 if DAYS + 3 <= day <= DAYS + 6 else 1.0 for day in days]
    return replace(
        event,
        price_series=[event.series.index(EC2)] * len(days),
        price_day=[day_number(day_of(day)) for day in days],
        price_cost=[round(cost) * 10**18 for cost in costs],
        price_before=[round(cost / rise) * 10**18 for cost, rise in zip(costs, rises, strict=True)],
    )


@cache
def history() -> Sequence[CostAggregate]:
    """Return a first reading of all days, and then of one noon after another, each day first told in half."""
    events = [with_prices(announcement(1, {day: eventful(day) for day in range(DAYS)}, DAYS), range(DAYS))]
    for day in range(DAYS, DAYS + LAST):
        partial = {key: 0.5 * cost for key, cost in eventful(day).items()}
        days = {day: partial, day - 1: eventful(day - 1)}
        if day == DAYS + 14:
            days[DAYS + 1] = ordinary(DAYS + 1)
        events.append(with_prices(announcement(len(events) + 1, days, day), [day - 1]))
    return events


def by_hour() -> Sequence[CostAggregate]:
    """Return readings of a view with hours: three weeks at once, ordinary days, two dear hours, and what follows."""
    rise = between((25, 8), (25, 9), 2.0)
    hours = [(0, at(23, 0)), *((23, at(25, hour)) for hour in (4, 12, 20)), (24, at(26, 12)), (25, at(30, 12))]
    first = len(history()) + 1
    return [replace(reading(first + place, *when, rise), view="by hour") for place, when in enumerate(hours)]


def runner(entries: dict[str, object]) -> StepRunner:
    return StepRunner(anomalies(OPTIONS), 0, DictState(entries))  # type: ignore[arg-type]


def told(events: Sequence[Event], entries: dict[str, object]) -> list[Event]:
    at_work, found = runner(entries), list[Event]()
    for event in events:
        found += [output.event for output in at_work.process(event)]
        at_work.release()
    return found


@cache
def expected() -> Sequence[Event]:
    found = told(history(), {})
    states = {one.state for one in found if isinstance(one, CostAnomaly)}
    assert states == {"open", "updated", "closed", "withdrawn"}
    assert {one.cause for one in found if isinstance(one, CostAnomaly)} == {"unknown", "rate"}
    assert any(isinstance(one, CostForecast) for one in found)
    return found


@given(cuts=st.sets(st.integers(0, LAST), min_size=1, max_size=4))
@settings(max_examples=6, deadline=None)
def test_state_saved_and_restored_anywhere_changes_nothing(cuts):
    entries: dict[str, object] = {}
    found: list[Event] = []
    start = 0
    for cut in [*sorted(cuts), LAST + 1]:
        entries = json.loads(json.dumps(entries))
        found += told(history()[start:cut], entries)
        start = cut
    assert found == expected()


@given(crashes=st.sets(st.integers(0, LAST), min_size=1, max_size=5))
@settings(max_examples=6, deadline=None)
def test_a_crash_before_the_state_is_saved_tells_the_same_once_more(crashes):
    entries: dict[str, object] = {}
    at_work, found = runner(entries), list[Event]()
    for number, event in enumerate(history()):
        outputs = [output.event for output in at_work.process(event)]
        if number in crashes:
            at_work = runner(entries)
            assert [output.event for output in at_work.process(event)] == outputs
        at_work.release()
        found += outputs
    assert found == expected()


def test_announcements_that_come_again_tell_nothing_and_change_nothing():
    once: dict[str, object] = {}
    twice: dict[str, object] = {}
    doubled = [event for event in history() for _ in range(2)]

    assert told(doubled, twice) == told(history(), once) == expected()
    assert twice == once

    assert told(history(), twice) == []


def test_an_event_that_cannot_be_processed_leaves_the_step_as_it_was():
    watched = with_history(DAYS)
    bad = announcement(99, {DAYS: eventful(DAYS)}, DAYS, row_kind=[USAGE])

    with pytest.raises(Exception, match="shorter"):
        watched.feed(bad)

    assert watched.read(DAYS, DAYS + 3, eventful) == with_history(DAYS).read(DAYS, DAYS + 3, eventful)


@pytest.fixture
def live(apache_kafka: Backend, tmp_path) -> Iterator[Worker]:
    made = apache_kafka.settings(
        processing={"state_folder": tmp_path, "session_seconds": 6, "steps": ["anomalies"]},
        detection={"false_alerts_a_week": OPTIONS.false_alerts_a_week * 4},
    )
    with Worker(made) as worker:
        yield worker


@pytest.mark.kafka
def test_live_tells_what_the_batch_driver_tells(live: Worker):
    entries: dict[str, object] = {}
    announced = [*history(), *by_hour()]
    usual = told([*announced[:3], WORD, *announced[3:]], entries)
    hours = [one.state for one in usual if isinstance(one, CostAnomaly) and one.hour is not None]
    assert (hours[0], hours[-1]) == ("open", "closed")
    send(live, FEEDBACK, [WORD])
    until(lambda: changelog_holds(live, b"f/w1"), "the word was not heard")

    send(live, AGGREGATES, announced)

    for topic, kind in ((ANOMALIES, CostAnomaly), (FORECASTS, CostForecast)):
        wanted = [(0, event) for event in usual if isinstance(event, kind)]
        until(lambda: len(recorded(live.settings, topic)) >= len(wanted), "something was not told")  # noqa: B023 - at once
        assert plain(recorded(live.settings, topic)) == plain(wanted)
    assert usual[: len(expected())] != expected()


def plain(events: Sequence[tuple[int, Event]]) -> list[tuple[int, dict[str, object]]]:
    """Return events with their partitions, sequences as lists."""
    return [(partition, {name: _listed(value) for name, value in _fields(event)}) for partition, event in events]


def _fields(event: Event) -> Iterator[tuple[str, object]]:
    return ((one.name, getattr(event, one.name)) for one in fields(event))


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def send(live: Worker, topic: Topic, events: Sequence[Event]) -> None:
    producer = Producer({"bootstrap.servers": live.settings.kafka.bootstrap})
    for event in events:
        producer.produce(live.settings.kafka.topics.name(topic), CODEC.encode(event), b"k", 0)
    assert producer.flush(20) == 0


def changelog_holds(live: Worker, key: bytes) -> bool:
    [step] = [one for one in steps(live.settings) if one.name == "anomalies"]
    name = changelog_name(live.settings, step)
    return any(one.key() == key for one in read_back_messages(live.settings, name, live.settings.kafka.shards))


def until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.3)
