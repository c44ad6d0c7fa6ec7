"""When sources run: on schedule, after downtime, after a failure; and never one because of another."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from producers.runs import Runs
from producers.scheduler import Scheduler
from producers.sender import DeliveryError, Sender
from producers.source import ReadingReport, SourceError
from spendstream.clock import ManualClock
from spendstream.settings import ConfigurationError, Scheduling

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class Recorded:
    """A source that keeps when it was run, and fails as often as it is told to."""

    def __init__(self, clock: ManualClock, name: str = "recorded", schedule: str = "0 * * * *") -> None:
        self.name = name
        self.schedule = schedule
        self.runs: list[datetime] = []
        self.failures = 0
        self.error: Exception = SourceError("it is away")
        self.takes = timedelta()
        self._clock = clock

    def run_once(self) -> ReadingReport:
        self.runs.append(self._clock.now())
        self._clock.advance(self.takes)
        if self.failures:
            self.failures -= 1
            raise self.error
        return ReadingReport(self.name, 1, 0, 0, 0, 0.0)

    def minutes(self) -> list[int]:
        return [int((run - START).total_seconds() // 60) for run in self.runs]


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def settings(embedded_kafka):
    return embedded_kafka.settings()


@pytest.fixture
def runs(settings, clock):
    return Runs(Sender(settings, clock))


def scheduler_of(clock, runs, *sources, jitter: float = 0) -> Scheduler:
    return Scheduler(list(sources), runs, clock, random.Random(1), Scheduling(jitter_seconds=jitter))


def pass_time(scheduler: Scheduler, clock: ManualClock, minutes: int) -> None:
    for _ in range(minutes):
        scheduler.run_due()
        clock.advance(timedelta(minutes=1))


def test_a_source_that_was_never_read_runs_at_the_start_and_then_on_its_schedule(clock, runs):
    source = Recorded(clock)
    pass_time(scheduler_of(clock, runs, source), clock, 150)
    assert source.minutes() == [0, 60, 120]


def test_runs_missed_while_down_are_made_up_for_once(clock, runs, settings):
    runs.keep("recorded", START - timedelta(hours=7), good=True, note="")
    clock.advance(timedelta(minutes=5))
    source = Recorded(clock)
    pass_time(scheduler_of(clock, Runs(Sender(settings, clock)), source), clock, 10)
    assert source.minutes() == [5]


def test_a_restart_does_not_run_what_is_not_due(clock, runs, settings):
    runs.keep("recorded", START, good=True, note="")
    clock.advance(timedelta(minutes=5))
    source = Recorded(clock)
    pass_time(scheduler_of(clock, Runs(Sender(settings, clock)), source), clock, 30)
    assert source.minutes() == []


def test_a_restart_does_not_shorten_the_pause_after_failures(clock, runs, settings):
    for _ in range(4):
        runs.keep("recorded", START, good=False, note="away")
    source = Recorded(clock)
    pass_time(scheduler_of(clock, Runs(Sender(settings, clock)), source), clock, 10)
    assert source.minutes() == [8]


def test_a_run_that_takes_longer_than_its_schedule_is_made_up_for_once(clock, runs):
    source = Recorded(clock)
    source.takes = timedelta(minutes=150)
    scheduler = scheduler_of(clock, runs, source)
    scheduler.run_due()
    source.takes = timedelta()
    pass_time(scheduler, clock, 60)
    assert source.minutes() == [0, 150, 180]


def test_a_failed_run_is_tried_again_after_pauses_that_double(clock, runs):
    source = Recorded(clock)
    source.failures = 3
    pass_time(scheduler_of(clock, runs, source), clock, 30)
    assert source.minutes() == [0, 1, 3, 7]


def test_a_failing_source_is_tried_when_it_is_due_however_long_the_pause(clock, runs):
    source = Recorded(clock, schedule="*/10 * * * *")
    source.failures = 99
    pass_time(scheduler_of(clock, runs, source), clock, 41)
    assert source.minutes() == [0, 1, 3, 7, 10, 20, 30, 40]


@pytest.mark.parametrize("error", [SourceError("it is away"), ConfigurationError("no such file"), KeyError("a bug")])
def test_a_source_that_fails_does_not_hold_up_the_others(clock, runs, error):
    failing, other = Recorded(clock, "failing"), Recorded(clock, "other")
    failing.failures, failing.error = 99, error
    scheduler = scheduler_of(clock, runs, failing, other)
    pass_time(scheduler, clock, 61)
    assert other.minutes() == [0, 60]
    assert scheduler.state()["failing"]["state"] == "failing"


def test_nothing_goes_on_when_kafka_takes_nothing(clock, runs):
    source = Recorded(clock)
    source.failures, source.error = 1, DeliveryError("Kafka is away")
    with pytest.raises(DeliveryError):
        scheduler_of(clock, runs, source).run_due()


def test_a_run_that_was_asked_for_comes_at_once_and_only_once(clock, runs):
    runs.keep("recorded", START, good=True, note="")
    clock.advance(timedelta(minutes=5))
    source = Recorded(clock)
    scheduler = scheduler_of(clock, runs, source)
    answer = scheduler.ask("recorded")
    pass_time(scheduler, clock, 30)
    assert (answer, source.minutes()) == ("accepted", [5])


def test_a_source_that_is_being_read_is_not_read_twice(clock, runs):
    answers: list[str] = []

    class Asking(Recorded):
        def run_once(self) -> ReadingReport:
            answers.append(scheduler.ask(self.name))
            return super().run_once()

    source = Asking(clock)
    scheduler = scheduler_of(clock, runs, source)
    scheduler.run_due()
    scheduler.run_due()
    assert (answers, source.minutes()) == (["running"], [0])


def test_a_source_that_nobody_knows_cannot_be_asked_for(clock, runs):
    assert scheduler_of(clock, runs, Recorded(clock)).ask("other") == "unknown"


def test_each_run_is_a_little_late_by_chance(clock, runs):
    source = Recorded(clock)
    pass_time(scheduler_of(clock, runs, source, jitter=540), clock, 240)
    late = [run.minute for run in source.runs[1:]]
    assert len(set(late)) > 1
    assert all(minute <= 9 for minute in late)


def test_a_schedule_that_is_no_cron_expression_is_refused_at_the_start(clock, runs):
    with pytest.raises(ConfigurationError, match="'hourly' is no cron expression"):
        scheduler_of(clock, runs, Recorded(clock, schedule="hourly"))


def test_two_sources_of_one_name_are_refused_at_the_start(clock, runs):
    with pytest.raises(ConfigurationError, match="two sources of the name recorded"):
        scheduler_of(clock, runs, Recorded(clock), Recorded(clock))


def test_what_ran_last_is_known_after_a_restart_on_another_machine(kafka, clock):
    settings = kafka.settings()
    before = Runs(Sender(settings, clock))
    before.keep("bills", START, good=True, note="3 published")
    before.keep("metrics", START, good=True, note="")
    before.keep("metrics", START + timedelta(minutes=5), good=False, note="AWS is away")
    after = Runs(Sender(settings, clock))
    assert after.good_at("bills") == START
    assert after.good_at("metrics") == START
    metrics = after.last("metrics")
    assert metrics is not None
    assert (metrics.failures, metrics.note) == (1, "AWS is away")
