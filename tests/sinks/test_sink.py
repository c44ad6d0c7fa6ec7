"""Kafka → ClickHouse on the real engine: repeated, reordered, in parts, poisoned, crashed, and with ClickHouse away."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.codec import Codec
from schemas.events import (
    EVENT_CLASSES,
    AlertBase,
    AlertRequest,
    Attempt,
    CostAggregate,
    CostHead,
    CostPartial,
    Event,
    HealthFact,
    Notification,
    SourceRun,
    Suspension,
    Tick,
    UsageClosed,
)  # fmt: skip
from schemas.repository import RepositorySchemas
from sinks.clickhouse import connect, insert
from sinks.migrate import Migration, migrate, migrations
from sinks.rows import rows_of
from sinks.runner import Sink, _Taken
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.kafka_apache import free_port
from spendstream.settings import ConfigurationError, Settings, load
from spendstream.topics import STATEMENTS
from tests.processors.histories import closes, partitioned, statement
from tests.schemas.examples import EXAMPLES

CODEC = Codec(RepositorySchemas())
#: Events that no table holds: state between steps, what people ask of incidents, the logs of what was sent.
WITHOUT_ROWS = {
    AlertBase,
    CostHead,
    CostPartial,
    SourceRun,
    Tick,
    AlertBase,
    AlertRequest,
    HealthFact,
    Attempt,
    Notification,
    Suspension,
    UsageClosed,
}


class CrashError(Exception):
    """Raised at a fault point."""


@pytest.fixture
def without_kafka(tables) -> Settings:
    """Tables alone, for what needs no Kafka."""
    return load(clickhouse=tables)


@pytest.fixture
def settings(tables, kafka) -> Settings:
    """Tables, and topics on the embedded broker and then on the real one."""
    made: Settings = kafka.settings(clickhouse=tables, sink={"batch_seconds": 0.1})
    return made


def publish(settings: Settings, events) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    for partition, event in partitioned(events):
        producer.produce(settings.kafka.topics.name(STATEMENTS), CODEC.encode(event), b"k", partition)
    assert producer.flush(20) == 0


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def run_until(sink: Sink, done: Callable[[], bool]) -> None:
    """Run a sink until `done`, or until it ends itself."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            sink.run()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until(lambda: not thread.is_alive() or done())
    finally:
        sink.stop()
        thread.join(30)
    if errors:
        raise errors[0]


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with connect(settings.clickhouse, reader=True) as client:
        return [tuple(row) for row in client.query(sql).result_rows]


def services(settings: Settings) -> dict[str, Decimal]:
    return dict(ask(settings, "SELECT service, sum(arraySum(effective)) FROM statements FINAL GROUP BY service"))


def readings(settings: Settings) -> int:
    return int(ask(settings, "SELECT count() FROM readings FINAL WHERE closed_at IS NOT NULL")[0][0])


def test_every_event_class_has_rows_or_is_named_as_having_none():
    with_rows = {type(event) for event in EXAMPLES if rows_of(event)}
    assert with_rows | WITHOUT_ROWS == set(EVENT_CLASSES)
    assert not with_rows & WITHOUT_ROWS


def test_an_insert_repeated_in_another_order_changes_nothing(without_kafka):
    batches = [batch for event in EXAMPLES for batch in rows_of(event)]
    with connect(without_kafka.clickhouse) as client:
        for batch in batches:
            insert(client, batch.table, batch.columns, batch.rows)
        tables = sorted({batch.table for batch in batches})
        before = [client.query(f"SELECT * FROM {table} FINAL ORDER BY ALL").result_rows for table in tables]
        for batch in reversed(batches):
            insert(client, batch.table, batch.columns, list(reversed(batch.rows)))
        after = [client.query(f"SELECT * FROM {table} FINAL ORDER BY ALL").result_rows for table in tables]
    assert before == after
    assert all(before)


def test_the_lines_of_a_statement_unfold(without_kafka):
    event = statement("EC2", 1, [("us-east-1", "BoxUsage", 3), ("eu-west-1", "Disk", 4)])
    with connect(without_kafka.clickhouse) as client:
        for batch in rows_of(event):
            insert(client, batch.table, batch.columns, batch.rows)
    lines = ask(without_kafka, "SELECT region, usage_type, effective, hour FROM lines ORDER BY region")
    assert lines == [("eu-west-1", "Disk", Decimal(4), -1), ("us-east-1", "BoxUsage", Decimal(3), -1)]


def test_newer_versions_win_and_parts_count_when_all_are_there(settings):
    parts = [statement("S3", 2, [("r", "u", 10)], part=part, parts=3) for part in range(3)]
    publish(settings, [statement("EC2", 2, [("r", "u", 5)]), statement("EC2", 1, [("r", "u", 9)])])
    publish(settings, [statement("S3", 1, [("r", "u", 7)]), parts[2], parts[0], *closes("r1")])
    run_until(Sink(settings), lambda: services(settings) == {"EC2": Decimal(5), "S3": Decimal(7)})
    publish(settings, [parts[1], *closes("r2")])
    run_until(Sink(settings), lambda: services(settings) == {"EC2": Decimal(5), "S3": Decimal(30)})


@pytest.mark.parametrize("point", ["polled", "decoded", "inserted", "promoted", "committed"])
def test_a_crash_at_any_point_loses_and_doubles_nothing(settings, point):
    publish(settings, [statement("EC2", 1, [("r", "u", 5)]), statement("S3", 1, [("r", "u", 7)]), *closes("r1")])

    def crash(at: str) -> None:
        if at == point:
            raise CrashError(at)

    with pytest.raises(CrashError):
        run_until(Sink(settings, crash), lambda: False)
    run_until(Sink(settings), lambda: readings(settings) == 1 and len(services(settings)) > 1)
    assert services(settings) == {"EC2": Decimal(5), "S3": Decimal(7)}


def test_poison_is_buried_and_the_rest_is_stored(settings):
    event = statement("EC2", 1, [("r", "u", 5)])
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    name = settings.kafka.topics.name(STATEMENTS)
    for value in (b"poison", b"\x00\x00\x00\x03\xe7unknown id", CODEC.encode(event)[:40]):
        producer.produce(name, value, b"k", 1)
    producer.flush(10)
    publish(settings, [event, *closes("r1")])
    letters = "SELECT origin, error FROM dead_letters FINAL ORDER BY origin"
    run_until(Sink(settings), lambda: services(settings) == {"EC2": Decimal(5)} and len(ask(settings, letters)) > 2)
    errors = ["CodecError", "UnknownSchemaError", "CodecError"]
    assert ask(settings, letters) == [(f"{name}/1/{offset}", error) for offset, error in enumerate(errors)]


def test_poison_larger_than_a_usual_message_is_buried_too(settings):
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, "message.max.bytes": 3_000_000})
    producer.produce(settings.kafka.topics.name(STATEMENTS), b"x" * 2_000_000, b"k", 1)
    producer.flush(10)
    publish(settings, [statement("EC2", 1, [("r", "u", 5)]), *closes("r1")])
    letters = "SELECT error FROM dead_letters FINAL"
    run_until(Sink(settings), lambda: services(settings) == {"EC2": Decimal(5)} and bool(ask(settings, letters)))
    assert ask(settings, letters) == [("CodecError",)]


def test_an_amount_that_no_column_holds_is_buried_alone(settings):
    too_much = statement("S3", 1, [("r", "u", 10**21)])
    publish(settings, [too_much, statement("EC2", 1, [("r", "u", 5)]), *closes("r1")])
    letters = "SELECT error, reason FROM dead_letters FINAL"
    run_until(Sink(settings), lambda: bool(ask(settings, letters)))
    assert services(settings) == {"EC2": Decimal(5)}
    error, reason = ask(settings, letters)[0]
    assert error == "UnstorableError"
    assert "billed" in reason


def test_with_clickhouse_away_the_sink_waits_and_drops_nothing(kafka):
    port = free_port()
    clickhouse = {"url": f"http://127.0.0.1:{port}", "database": "waiting"}
    settings = kafka.settings(clickhouse=clickhouse, sink={"batch_seconds": 0.3})
    publish(settings, [statement("EC2", 1, [("r", "u", 5)]), *closes("r1")])
    sink = Sink(settings)
    thread = threading.Thread(target=sink.run)
    thread.start()
    try:
        wait_until(lambda: sink.waited > 1)
        with LocalClickHouse(port=port):
            migrate(settings.clickhouse)
            wait_until(lambda: services(settings) == {"EC2": Decimal(5)})
            sink.stop()
            thread.join(30)
    finally:
        sink.stop()
        thread.join(30)


def test_migrations_are_applied_once_and_never_changed(without_kafka, monkeypatch):
    assert migrate(without_kafka.clickhouse) == []
    first = migrations()[0]
    changed = Migration(first.number, first.name, first.sql + "-- changed")
    monkeypatch.setattr("sinks.migrate.migrations", lambda: [changed])
    with pytest.raises(ConfigurationError, match="has changed since"):
        migrate(without_kafka.clickhouse)


def test_on_a_cluster_the_same_migrations_make_replicated_engines():
    clickhouse = load(clickhouse={"cluster": "main"}).clickhouse
    statements = [sql for migration in migrations() for sql in migration.statements(clickhouse)]
    tables = [sql for sql in statements if sql.startswith("CREATE TABLE")]
    assert tables
    assert all("ON CLUSTER main" in sql and "ENGINE = ReplicatedReplacingMergeTree(version)" in sql for sql in tables)


def test_what_is_older_than_the_horizon_collapses_to_the_newest_of_each_scope(without_kafka):
    versions = [statement("EC2", version, [("r", "u", version)]) for version in (1, 2, 3)]
    with connect(without_kafka.clickhouse) as client:
        for event in versions:
            batch = rows_of(event)[0]
            old = list(batch.rows[0])
            if event.version < 3:
                old[batch.columns.index("read_at")] = event.read_at.replace(year=2020 + event.version)
            insert(client, batch.table, batch.columns, [tuple(old)])
        client.command("OPTIMIZE TABLE statement_history FINAL")
    kept = ask(without_kafka, "SELECT version, effective FROM statement_history FINAL ORDER BY version")
    assert [version for version, _ in kept] == [2, 3]


def test_what_is_announced_is_written_before_its_announcement(settings, monkeypatch):
    tables: list[str] = []
    monkeypatch.setattr("sinks.runner._send", lambda batch, *_: tables.append(batch.table))
    sink = Sink(settings)
    aggregate = next(event for event in EXAMPLES if isinstance(event, CostAggregate))
    events: list[Event] = [aggregate, statement("EC2", 1, [("r", "u", 5)])]
    sink._insert([_Taken(None, event, rows_of(event)) for event in events])  # type: ignore[arg-type]
    assert tables == [
        "statement_history", "statements", "totals", "hour_totals", "rolling_totals", "announcements"
    ]  # fmt: skip
