"""When sources run: on schedule, after downtime, after a failure; and never one because of another."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from producers.runner import Scheduler
from producers.source import ReadingReport, SourceError
from spendstream.clock import ManualClock
from spendstream.settings import ConfigurationError

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class Recorded:
    """A source that keeps when it was run, and fails as often as it is told to."""

    def __init__(self, clock: ManualClock, schedule: str = "0 * * * *", last: datetime | None = None) -> None:
        self.name = "recorded"
        self.schedule = schedule
        self.runs: list[datetime] = []
        self.failures = 0
        self._clock = clock
        self._last = last

    def last_run(self) -> datetime | None:
        return self._last

    def run_once(self) -> ReadingReport:
        self.runs.append(self._clock.now())
        if self.failures:
            self.failures -= 1
            raise SourceError("it is away")
        return ReadingReport(self.name, 1, 0, 0, 0, 0.0)


def pass_time(scheduler: Scheduler, clock: ManualClock, minutes: int) -> None:
    for _ in range(minutes):
        scheduler.run_due()
        clock.advance(timedelta(minutes=1))


def scheduler_of(clock: ManualClock, *sources: Recorded, jitter: timedelta = timedelta()) -> Scheduler:
    return Scheduler(list(sources), clock, random.Random(1), jitter)


def test_a_source_that_was_never_read_runs_at_the_start_and_then_on_its_schedule():
    clock = ManualClock(START)
    source = Recorded(clock)
    pass_time(scheduler_of(clock, source), clock, 150)
    assert source.runs == [START, START + timedelta(hours=1), START + timedelta(hours=2)]


def test_runs_missed_while_down_are_made_up_for_once():
    clock = ManualClock(START + timedelta(minutes=5))
    source = Recorded(clock, last=START - timedelta(hours=7))
    pass_time(scheduler_of(clock, source), clock, 10)
    assert source.runs == [START + timedelta(minutes=5)]


def test_a_restart_does_not_run_what_is_not_due():
    clock = ManualClock(START + timedelta(minutes=5))
    source = Recorded(clock, last=START)
    pass_time(scheduler_of(clock, source), clock, 30)
    assert source.runs == []


def test_a_failed_run_is_tried_again_after_pauses_that_double():
    clock = ManualClock(START)
    source = Recorded(clock)
    source.failures = 3
    pass_time(scheduler_of(clock, source), clock, 30)
    assert [(run - START).total_seconds() / 60 for run in source.runs] == [0, 1, 3, 7]


def test_a_source_that_fails_does_not_hold_up_the_others():
    clock = ManualClock(START)
    failing, other = Recorded(clock), Recorded(clock)
    failing.failures = 99
    pass_time(scheduler_of(clock, failing, other), clock, 61)
    assert other.runs == [START, START + timedelta(hours=1)]


def test_each_run_is_a_little_late_by_chance():
    clock = ManualClock(START)
    source = Recorded(clock)
    scheduler = scheduler_of(clock, source, jitter=timedelta(minutes=9))
    pass_time(scheduler, clock, 240)
    late = [run.minute for run in source.runs[1:]]
    assert len(set(late)) > 1
    assert all(minute <= 9 for minute in late)


def test_a_schedule_that_is_no_cron_expression_is_refused_at_the_start():
    clock = ManualClock(START)
    with pytest.raises(ConfigurationError, match="'hourly' is no cron expression"):
        scheduler_of(clock, Recorded(clock, schedule="hourly"))
