"""Replays: the same events again beside the live ones, over ranges, through a crash, and on as the live run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from processors.batch import BatchDriver
from processors.pipeline import steps
from schemas.events import CostAggregate, CostStatement, Event
from sinks.clickhouse import connect, insert
from sinks.migrate import migrate
from sinks.rows import rows_of
from spendstream.clock import ManualClock, SystemClock
from spendstream.compare import TABLES, compare, drop_rows
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.replay import Range, Replay, record_dropped, runs
from spendstream.settings import ConfigurationError, Settings, load
from tests.kafka_backends import Backend
from tests.processors.histories import Announced, closes, feed, statement
from tests.processors.test_live import HISTORY
from tests.processors.workers import Worker, aggregates, publish

CLOCK = ManualClock(datetime(2026, 3, 11, tzinfo=UTC))
pytestmark = pytest.mark.timeout(300)


def events_of(settings: Settings, run: str) -> list[CostAggregate]:
    return sorted((event for event in aggregates(settings) if event.run == run), key=repr)


def expected(settings: Settings, run: str, events: Sequence[Event] = HISTORY) -> list[CostAggregate]:
    announced = Announced()
    feed(BatchDriver(steps(settings, run), announced), events)
    return sorted(announced.events, key=repr)


def test_a_replay_gives_what_the_steps_give_under_its_own_id(kafka: Backend):
    settings = kafka.settings()
    publish(settings, HISTORY)
    seen: list[tuple[int, int]] = []
    done = Replay(settings, CLOCK, "again").over(Range(), "a trial", lambda *at: seen.append(at))
    assert events_of(settings, "again") == expected(settings, "again")
    assert (done.state, done.events, done.note) == ("finished", len(HISTORY), "a trial")
    assert runs(settings)["again"] == done
    assert seen[-1] == (len(HISTORY), len(HISTORY))


def test_only_what_lies_in_the_range_is_replayed(kafka: Backend):
    settings = kafka.settings()
    publish(settings, HISTORY)
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    Replay(settings, CLOCK, "later").over(Range(since=now + hour))
    Replay(settings, CLOCK, "earlier").over(Range(until=now - hour))
    Replay(settings, CLOCK, "around").over(Range(now - hour, now + hour))
    assert events_of(settings, "later") == events_of(settings, "earlier") == []
    assert events_of(settings, "around") == expected(settings, "around")


def test_a_replay_that_was_cut_short_is_run_again(embedded_kafka: Backend, monkeypatch):
    settings = embedded_kafka.settings()
    publish(settings, HISTORY)
    replay = Replay(settings, CLOCK, "again")
    sent = 0
    send = replay._emit

    def cut(output: object) -> None:
        nonlocal sent
        sent += 1
        if sent == 4:
            raise KeyboardInterrupt
        send(output)  # type: ignore[arg-type]

    monkeypatch.setattr(replay, "_emit", cut)
    with pytest.raises(KeyboardInterrupt):
        replay.over(Range())
    assert runs(settings)["again"].state == "failed"
    Replay(settings, CLOCK, "again").over(Range())
    once = {repr(event) for event in expected(settings, "again")}
    assert {repr(event) for event in events_of(settings, "again")} == once


@pytest.mark.kafka
def test_a_promoted_run_goes_on_exactly_where_its_replay_ended(apache_kafka: Backend, tmp_path):
    settings = apache_kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    first = HISTORY[: next(i for i, event in enumerate(HISTORY) if getattr(event, "reading", "") == "r2")]
    publish(settings, first)
    Replay(settings, SystemClock(), "new").over(Range())
    Replay(settings, SystemClock(), "new").promote()

    live = settings.model_copy(update={"processing": settings.processing.model_copy(update={"run": "new"})})
    publish(settings, HISTORY[len(first) :])
    with Worker(live) as worker:
        worker.wait_for("r2")

    assert {repr(event) for event in events_of(settings, "new")} == {repr(e) for e in expected(settings, "new")}
    assert runs(settings)["new"].state == "live"


@pytest.mark.kafka
def test_a_run_that_left_out_the_beginning_cannot_be_promoted(apache_kafka: Backend):
    settings = apache_kafka.settings()
    publish(settings, HISTORY)
    Replay(settings, CLOCK, "half").over(Range(since=datetime.now(UTC) + timedelta(hours=1)))
    with pytest.raises(ConfigurationError, match="replay without --from"):
        Replay(settings, CLOCK, "half").promote()


@pytest.mark.parametrize(
    ("run", "says"), [("live", "is the live run"), ("New Run", "use lower-case"), ("", "use lower")]
)
def test_an_id_that_cannot_be_used_says_why(embedded_kafka: Backend, run, says):
    with pytest.raises(ConfigurationError, match=says):
        Replay(embedded_kafka.settings(), CLOCK, run)


def test_an_unknown_run_cannot_be_promoted(embedded_kafka: Backend):
    with pytest.raises(ConfigurationError, match="there is no run 'typo'"):
        Replay(embedded_kafka.settings(), CLOCK, "typo").promote()


def test_comparing_and_dropping_runs(embedded_kafka: Backend):
    with LocalClickHouse() as server:
        kafka = embedded_kafka.settings().kafka
        settings = load(kafka=kafka, clickhouse={"url": server.url})
        migrate(settings.clickhouse)
        other: list[Event] = [statement("EC2", 1, [("us-east-1", "BoxUsage", 8)]), *closes("r1")]
        with connect(settings.clickhouse) as client:
            for run, events in (("live", HISTORY), ("same", HISTORY), ("other", other)):
                for event in expected(settings, run, events):
                    for batch in rows_of(event):
                        insert(client, batch.table, batch.columns, batch.rows)
            assert compare(settings, "same", "live").same
            differing = compare(settings, "other", "live")
            assert not differing.same
            assert any(row["left"] == "8" and row["right"] == "5" for row in differing.largest)

            publish(settings, [event for event in HISTORY if isinstance(event, CostStatement)])
            Replay(settings, CLOCK, "other").over(Range())
            drop_rows(settings, "other")
            record_dropped(settings, CLOCK, "other")
            for table in TABLES:
                left = client.query(f"SELECT count() FROM {table} WHERE run = 'other'").result_rows
                assert left == [(0,)]
            assert compare(settings, "same", "live").same
        with pytest.raises(ConfigurationError, match="is the live run"):
            drop_rows(settings, "live")
        assert runs(settings)["other"].state == "dropped"
