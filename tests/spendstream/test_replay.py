"""Replays: the same events again beside the live ones, over ranges, through a crash, and on as the live run."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from processors.batch import BatchDriver
from processors.live_names import app_id
from processors.pipeline import steps
from processors.step import Output
from schemas.events import CostAggregate, Event
from sinks.clickhouse import connect, insert
from sinks.rows import rows_of
from sinks.runner import Sink
from spendstream.admin import kafka_client
from spendstream.at_work import at_work, check_at_work
from spendstream.clock import ManualClock, SystemClock
from spendstream.compare import TABLES, compare
from spendstream.dropping import drop, wait_until_written
from spendstream.promotion import promote
from spendstream.replay import Replay
from spendstream.replay_input import Range, offsets_by_partition
from spendstream.runs import live_run, runs
from spendstream.settings import ConfigurationError, Settings, load
from spendstream.topics import AGGREGATES, STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.histories import Announced, closes, feed, partitioned, statement
from tests.processors.test_live import HISTORY
from tests.processors.workers import Worker, aggregates, publish

CLOCK = ManualClock(datetime(2026, 3, 11, tzinfo=UTC))
pytestmark = pytest.mark.timeout(300)


def at_once(_: Settings) -> None:
    """Do not wait for a sink: none runs."""


def events_of(settings: Settings, run: str) -> list[CostAggregate]:
    return sorted((event for event in aggregates(settings) if event.run == run), key=repr)


STEPS = ("ledger", "totals", "anomalies")


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
    around = Replay(settings, CLOCK, "around").over(Range(now - hour, now + hour))
    assert events_of(settings, "later") == events_of(settings, "earlier") == []
    assert events_of(settings, "around") == expected(settings, "around")
    assert around.events == len(HISTORY)
    ended = runs(settings)["earlier"]
    assert (ended.events, ended.to_offsets) == (0, ended.from_offsets)


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


@pytest.mark.slow
@pytest.mark.kafka
def test_a_worker_goes_over_to_the_run_that_is_promoted_and_back(apache_kafka: Backend, tmp_path):
    settings = apache_kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    first = HISTORY[: next(i for i, event in enumerate(HISTORY) if getattr(event, "reading", "") == "r2")]
    last: list[Event] = [statement("S3", 2, [("us-east-1", "Storage", 7)], reading="r3"), *closes("r3")]
    with Worker(settings) as worker:
        publish(settings, first)
        worker.wait_for("r1")
        Replay(settings, SystemClock(), "new").over(Range())
        promote(settings, SystemClock(), "new", until_written=at_once)
        publish(settings, HISTORY[len(first) :])
        worker.wait_for("r2", "new")
        states = {run.id: run.state for run in runs(settings).values()}
        workers, of_new = at_work(settings), events_of(settings, "new")

        promote(settings, SystemClock(), "live", until_written=at_once)
        publish(settings, last)
        worker.wait_for("r3")

    assert states == {"live": "retired", "new": "live"}
    assert (workers.live, workers.workers) == (
        "new",
        {"new": dict.fromkeys(STEPS, 1), "live": dict.fromkeys(STEPS, 0)},
    )
    assert {repr(event) for event in of_new} == {repr(event) for event in expected(settings, "new")}
    whole = {repr(event) for event in expected(settings, "live", [*HISTORY, *last])}
    assert {repr(event) for event in events_of(settings, "live")} == whole
    assert live_run(settings) == "live"


@pytest.mark.kafka
def test_a_worker_that_stayed_behind_is_found(apache_kafka: Backend):
    settings = apache_kafka.settings()
    publish(settings, HISTORY)
    group = app_id(settings, steps(settings)[0])
    worker = Consumer({"bootstrap.servers": settings.kafka.bootstrap, "group.id": group})
    worker.subscribe([settings.kafka.topics.name(STATEMENTS)])
    Replay(settings, SystemClock(), "new").over(Range())
    promote(settings, SystemClock(), "new", until_written=at_once)
    deadline = time.monotonic() + 30
    while not worker.assignment() and time.monotonic() < deadline:
        worker.poll(0.1)

    found = check_at_work(settings)

    worker.close()
    assert not found.ok
    assert found.detail == "workers are at work on live, and run new is live"


def test_a_range_of_offsets_is_replayed(kafka: Backend):
    settings = kafka.settings()
    publish(settings, HISTORY)
    counts = Counter(partition for partition, _ in partitioned(HISTORY))
    first = HISTORY[: next(i for i, event in enumerate(HISTORY) if getattr(event, "reading", "") == "r2")]
    ends = dict(Counter(partition for partition, _ in partitioned(first)))

    head = Replay(settings, CLOCK, "head").over(Range(last=ends))
    none = Replay(settings, CLOCK, "none").over(Range(first=dict(counts)))

    assert events_of(settings, "head") == expected(settings, "head", first)
    assert (head.events, none.events) == (len(first), 0)
    name = settings.kafka.topics.name(STATEMENTS)
    assert head.to_offsets == {f"{name}/{partition}": end for partition, end in ends.items()}


def test_a_later_step_alone_reads_what_another_run_made(kafka: Backend):
    settings = kafka.settings()
    publish(settings, HISTORY)
    Replay(settings, CLOCK, "ledgers", ["ledger"]).over(Range())
    announced = events_of(settings, "ledgers")

    done = Replay(settings, CLOCK, "again", ["totals"], "ledgers").over(Range())

    assert announced == []
    assert seen_by(events_of(settings, "again")) == seen_by(expected(settings, "again"))
    assert (list(done.steps), done.input_run) == (["totals"], "ledgers")
    with pytest.raises(ConfigurationError, match="ran totals only: replay without --steps"):
        promote(settings, CLOCK, "again", until_written=at_once)


def seen_by(events: Sequence[CostAggregate]) -> tuple[object, object]:
    """Return the day totals and windows that events announce in the end, whatever the order of partitions was."""
    announced = Announced()
    for event in events:
        announced(Output(AGGREGATES, 0, b"", event))
    return announced.days, announced.windows


@pytest.mark.parametrize(
    ("span", "says"),
    [
        (lambda: Range(first={9: 0}), "has partitions 0 to 3, and no 9"),
        (lambda: Range(last={0: 10**6}), r"holds offsets from 0 to before \d+, and not 1000000"),
        (lambda: Range(first=offsets_by_partition("0:1,0:2")), "each partition once"),
        (lambda: Range(first=offsets_by_partition("12")), "write PARTITION:OFFSET pairs"),
    ],
)
def test_offsets_that_cannot_be_read_say_why(embedded_kafka: Backend, span, says):
    settings = embedded_kafka.settings()
    with pytest.raises(ConfigurationError, match=says):
        Replay(settings, CLOCK, "again").over(span())


@pytest.mark.parametrize(
    ("steps", "input_run", "says"),
    [
        (["scores"], None, "no step scores; there are ledger, totals, anomalies"),
        (["ledger"], "other", "leave --of out"),
        (["totals"], "other", "no run 'other' to read"),
    ],
)
def test_steps_that_cannot_be_chosen_say_why(embedded_kafka: Backend, steps, input_run, says):
    with pytest.raises(ConfigurationError, match=says):
        Replay(embedded_kafka.settings(), CLOCK, "again", steps, input_run)


@pytest.mark.kafka
def test_a_run_that_left_out_the_beginning_cannot_be_promoted(apache_kafka: Backend):
    settings = apache_kafka.settings()
    publish(settings, HISTORY)
    Replay(settings, CLOCK, "half").over(Range(since=datetime.now(UTC) + timedelta(hours=1)))
    with pytest.raises(ConfigurationError, match="replay without --from"):
        promote(settings, CLOCK, "half", until_written=at_once)


@pytest.mark.parametrize(
    ("run", "says"), [("live", "is the live run"), ("New Run", "use lower-case"), ("", "use lower")]
)
def test_an_id_that_cannot_be_used_says_why(embedded_kafka: Backend, run, says):
    with pytest.raises(ConfigurationError, match=says):
        Replay(embedded_kafka.settings(), CLOCK, run)


def test_an_unknown_run_cannot_be_promoted(embedded_kafka: Backend):
    with pytest.raises(ConfigurationError, match="there is no run 'typo'"):
        promote(embedded_kafka.settings(), CLOCK, "typo", until_written=at_once)


def write(settings: Settings, run: str, events: Sequence[Event]) -> None:
    with connect(settings.clickhouse) as client:
        for event in expected(settings, run, events):
            for batch in rows_of(event):
                insert(client, batch.table, batch.columns, batch.rows)


def test_comparing_runs(embedded_kafka: Backend, tables):
    settings = load(kafka=embedded_kafka.settings().kafka, clickhouse=tables)
    write(settings, "live", HISTORY)
    write(settings, "same", HISTORY)
    write(settings, "other", [statement("EC2", 1, [("us-east-1", "BoxUsage", 8)]), *closes("r1")])
    same, differing = compare(settings, "same", "live"), compare(settings, "other", "live")
    assert same.same
    assert not differing.same
    assert any(row["left"] == "8" and row["right"] == "5" for row in differing.largest)


def test_runs_that_differ_in_billed_alone_are_not_the_same(embedded_kafka: Backend, tables):
    settings = load(kafka=embedded_kafka.settings().kafka, clickhouse=tables)
    credited = replace(statement("EC2", 1, [("us-east-1", "BoxUsage", 5)]), billed=[0])
    write(settings, "one", [statement("EC2", 1, [("us-east-1", "BoxUsage", 5)]), *closes("r1")])
    write(settings, "other", [credited, *closes("r1")])

    found = compare(settings, "one", "other")

    assert not found.same
    assert {row["measure"] for row in found.largest} == {"billed"}
    assert (found.largest[0]["left"], found.largest[0]["right"]) == ("5", "0")


def test_an_id_with_rows_takes_no_second_range(embedded_kafka: Backend):
    settings = embedded_kafka.settings()
    publish(settings, HISTORY)
    Replay(settings, CLOCK, "again").over(Range())
    with pytest.raises(ConfigurationError, match=r"run again is finished already.*replay drop again"):
        Replay(settings, CLOCK, "again").over(Range(until=datetime.now(UTC) - timedelta(hours=1)))


@pytest.mark.kafka
def test_topics_that_are_not_there_say_so(apache_kafka: Backend):
    settings = load(kafka={"bootstrap": apache_kafka.bootstrap, "prefix": "nothing."})
    with pytest.raises(ConfigurationError, match="spendstream topics"):
        Replay(settings, CLOCK, "again").over(Range())


def test_nothing_is_judged_before_the_sink_has_written_it(embedded_kafka: Backend):
    settings = embedded_kafka.settings()
    publish(settings, HISTORY)
    Replay(settings, CLOCK, "again").over(Range())
    with pytest.raises(ConfigurationError, match=r"the sink has \d+ events"):
        wait_until_written(settings, 0)


@pytest.mark.slow
def test_a_replay_after_a_live_run_writes_the_same_rows(embedded_kafka: Backend, tables, tmp_path):
    settings = load(
        kafka=embedded_kafka.settings().kafka,
        clickhouse=tables,
        processing={"state_folder": tmp_path, "session_seconds": 6},
        sink={"batch_seconds": 0.2},
    )
    publish(settings, HISTORY)
    sink = Sink(settings)
    writing = threading.Thread(target=sink.run)
    writing.start()
    try:
        with Worker(settings) as worker:
            worker.wait_for("r2")
        Replay(settings, CLOCK, "again").over(Range())
        wait_until_written(settings)
    finally:
        sink.stop()
        writing.join()
    live, again = rows_by_run(settings, "live"), rows_by_run(settings, "again")
    found = compare(settings, "again", "live")
    assert again == live
    assert (len(live["totals"]), len(live["rolling_totals"])) > (0, 0)
    assert (found.same, found.rows["day"]) == (True, len(live["totals"]))
    compared = ("totals", "hour_totals", "rolling_totals")
    assert sum(found.rows.values()) == sum(len(live[table]) for table in compared)


def rows_by_run(settings: Settings, run: str) -> dict[str, list[object]]:
    """Return what a run wrote, table by table, without its name and the versions."""
    with connect(settings.clickhouse) as client:
        return {
            table: sorted(
                client.query(f"SELECT * EXCEPT (run, version) FROM {table} FINAL WHERE run = '{run}'").result_rows,
                key=repr,
            )
            for table in TABLES
        }


@pytest.mark.slow
@pytest.mark.kafka
def test_a_dropped_run_leaves_no_rows_topics_or_groups(apache_kafka: Backend, tables, tmp_path):
    settings = load(
        kafka=apache_kafka.settings().kafka,
        clickhouse=tables,
        processing={"state_folder": tmp_path},
    )
    publish(settings, HISTORY)
    for run in ("old", "new"):
        Replay(settings, SystemClock(), run).over(Range())
        promote(settings, SystemClock(), run, until_written=at_once)
    sink = Sink(settings)
    writing = threading.Thread(target=sink.run)
    writing.start()
    try:
        with pytest.raises(ConfigurationError, match="new is the live run"):
            drop(settings, CLOCK, "new")
        drop(settings, CLOCK, "old")
    finally:
        sink.stop()
        writing.join()
    with connect(settings.clickhouse) as client:
        counted = {
            run: [
                client.query(f"SELECT count() FROM {table} WHERE run = '{run}'").result_rows[0][0] for table in TABLES
            ]
            for run in ("old", "new")
        }
    admin = AdminClient(kafka_client(settings))
    left = {*admin.list_topics(timeout=10).topics, *(g.group_id for g in admin.list_consumer_groups().result().valid)}
    assert counted["old"] == [0] * len(TABLES)
    assert counted["new"][0] > 0
    assert not [name for name in left if name.startswith(settings.kafka.prefix) and "-old" in name]
    assert runs(settings)["old"].state == "dropped"
