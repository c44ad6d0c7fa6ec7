"""The sink against a bare loop that inserts the same rows.

Ours: `sinks.runner.Sink` takes every message from Kafka, decodes it, makes rows, inserts them into ClickHouse over
HTTP, and commits its offsets after the insert. It has written one message before, so that it is connected, and is held
while the others are published (its client may fetch some of them meanwhile); timed from its release until the last
offset is committed.

The other: the same rows, already made and held in memory as Python values, inserted by clickhouse-connect's
`client.insert` into the same tables, in batches of the same size. It reads no Kafka, decodes nothing, makes no rows,
and remembers nothing.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.result import Result, compared
from bench.statements import closes, statements
from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.series import shard_of
from processors.step import Output
from schemas.codec import Codec
from schemas.events import CostAggregate, Event
from schemas.repository import RepositorySchemas
from sinks.batch import Batch
from sinks.clickhouse import INSERT_SETTINGS, connect
from sinks.migrate import migrate
from sinks.rows import rows_of
from sinks.runner import Sink
from spendstream.admin import ensure_topics
from spendstream.clock import day_of
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.money import from_units
from spendstream.settings import Kafka, Settings, load
from spendstream.topics import AGGREGATES, MAX_MESSAGE_BYTES, STATEMENTS, Topic

BAR = 0.7
_LINES = 100
_SHARDS = 4
_SECONDS = 170


@dataclass(frozen=True, slots=True)
class Load:
    """Events of one topic, and how many rows of a bill or of totals they hold."""

    name: str
    topic: Topic
    events: Sequence[tuple[int, Event]]
    rows: int
    effective: Decimal
    check: str


def run(kafka: ApacheKafka, *, small: bool = False) -> Iterator[Result]:
    """Yield the results: statements of 100 lines, and totals."""
    count, repeats = (32, 1) if small else (1536, 3)
    with LocalClickHouse() as server:
        for work in (statement_load(count), total_load(count, readings=5)):
            pairs = []
            for _ in range(repeats):
                settings = database(topics(kafka), server)
                ours, other = sink(settings, work), bare_loop(database(settings.kafka, server), work)
                pairs.append((work.rows / ours, work.rows / other))
            yield compared(f"sink, {work.name}", pairs, "rows/s", BAR)


def topics(kafka: ApacheKafka) -> Kafka:
    """Return settings of Kafka with topics of their own."""
    settings = load(kafka={"bootstrap": kafka.bootstrap, "prefix": f"b{uuid.uuid4().hex[:8]}."})
    ensure_topics(settings)
    return settings.kafka


def database(kafka: Kafka, server: LocalClickHouse) -> Settings:
    """Return settings with a database of their own."""
    clickhouse = {"url": server.url, "database": f"b{uuid.uuid4().hex[:8]}"}
    settings = load(kafka=kafka.model_dump(), clickhouse=clickhouse)
    migrate(settings.clickhouse)
    return settings


def statement_load(count: int) -> Load:
    """Return `count` statements of 100 lines."""
    made = list(statements(count, _LINES))
    events = [(shard_of(one.account, one.service, _SHARDS), one) for one in made]
    effective = from_units(sum(sum(one.effective) for one in made))
    check = "SELECT sum(arraySum(effective)) FROM statements FINAL"
    return Load("statements of 100 lines (rows are lines)", STATEMENTS, events, count * _LINES, effective, check)


def total_load(count: int, readings: int) -> Load:
    """Return the aggregates that `count` statements make, announced by each of some readings."""
    made: list[tuple[int, CostAggregate]] = []

    def keep(output: Output) -> None:
        if isinstance(output.event, CostAggregate):
            made.append((output.partition, output.event))

    driver, bill = BatchDriver(steps(load()), keep), statement_load(count)
    for partition, event in [*bill.events, *((close.partition, close) for close in closes("r1", _SHARDS))]:
        driver.feed(STATEMENTS, partition, event)
    events = [(at, replace(one, version=one.version + again)) for again in range(readings) for at, one in made]
    rows = sum(len(batch.rows) for _, event in events for batch in rows_of(event))
    check = "SELECT sum(effective) FROM totals FINAL WHERE level = 'organisation'"
    return Load("totals, all tables", AGGREGATES, events, rows, bill.effective, check)


def sink(settings: Settings, work: Load) -> float:
    """Return the seconds that the sink takes for what is in Kafka, once it is at work."""
    warm, released, stored = threading.Event(), threading.Event(), threading.Event()
    publish(settings, work, work.events[:1])

    def reached(point: str) -> None:
        if point != "committed":
            return
        if not warm.is_set():
            warm.set()
            released.wait(_SECONDS)
        elif committed(settings, work.topic) == len(work.events) + 1:
            stored.set()

    with _running(Sink(settings, reached)) as ended:
        _wait_for(warm, ended)
        publish(settings, work, work.events)
        began = time.perf_counter()
        released.set()
        _wait_for(stored, ended)
        seconds = time.perf_counter() - began
    _check(settings, work)
    return seconds


def bare_loop(settings: Settings, work: Load) -> float:
    """Return the seconds that clickhouse-connect takes to insert the rows."""
    with connect(settings.clickhouse) as client:
        prepared = [_bare(client, batch) for batch in _prepared(work, settings.sink.batch_rows)]
        began = time.perf_counter()
        for batch in prepared:
            client.insert(batch.table, batch.rows, column_names=batch.columns, settings=INSERT_SETTINGS)
        seconds = time.perf_counter() - began
    _check(settings, work)
    return seconds


def publish(settings: Settings, work: Load, events: Sequence[tuple[int, Event]]) -> None:
    """Put events of a load into Kafka."""
    codec = Codec(RepositorySchemas())
    producer = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap, "acks": "all", "message.max.bytes": MAX_MESSAGE_BYTES}
    )
    for partition, event in events:
        producer.produce(settings.kafka.topics.name(work.topic), codec.encode(event), b"k", partition)
        producer.poll(0)
    if producer.flush(120):
        raise OSError("Kafka did not take all messages")


def committed(settings: Settings, topic: Topic) -> int:
    """Return how many messages of a topic the sink has committed."""
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap, "group.id": settings.kafka.sink_group})
    names = settings.kafka.topics
    asked = [TopicPartition(names.name(topic), partition) for partition in range(names.partitions(topic))]
    try:
        return sum(max(0, one.offset) for one in consumer.committed(asked, timeout=20))
    finally:
        consumer.close()


def _prepared(work: Load, batch_rows: int) -> Iterator[Batch]:
    """Yield the rows of all events by table, in batches of the sink's size."""
    waiting: dict[str, Batch] = {}
    weight = 0
    for _, event in work.events:
        for batch in rows_of(event):
            known = waiting.setdefault(batch.table, Batch(batch.table, batch.columns, [], 0))
            known.rows += batch.rows
            weight += batch.weight
        if weight >= batch_rows:
            yield from waiting.values()
            waiting, weight = {}, 0
    yield from waiting.values()


def _bare(client: Client, batch: Batch) -> Batch:
    """Return a batch with the values that clickhouse-connect takes: `Decimal` for amounts, `date` for days."""
    types = {row[0]: row[1] for row in client.query(f"DESCRIBE TABLE {batch.table}").result_rows}
    converts = [
        _CONVERTS.get(types[name].replace("Nullable(", "").replace("Array(", "").rstrip(")")) for name in batch.columns
    ]
    rows = [
        tuple(value if convert is None else _each(convert, value) for convert, value in zip(converts, row, strict=True))
        for row in batch.rows
    ]
    return Batch(batch.table, batch.columns, rows, batch.weight)


def _each(convert: Callable[[int], Any], value: Any) -> Any:  # noqa: ANN401 - a value of a row
    if isinstance(value, list):
        return [_each(convert, one) for one in value]
    return convert(value) if isinstance(value, int) else value


_CONVERTS: dict[str, Callable[[int], Any]] = {"Decimal(38, 18": from_units, "Date": day_of}


@contextmanager
def _running(writing: Sink) -> Iterator[list[BaseException]]:
    """Run a sink in a thread; yield what it ends with, which is empty while it runs."""
    ended: list[BaseException] = []

    def work() -> None:
        try:
            writing.run()
        except BaseException as error:  # noqa: BLE001 - raised again by whom it is handed to
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        writing.stop()
        thread.join(60)


def _wait_for(event: threading.Event, ended: list[BaseException]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not event.wait(0.2):
        if ended:
            raise ended[0]
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sink has not written all within {_SECONDS} s")


def _check(settings: Settings, work: Load) -> None:
    with connect(settings.clickhouse, reader=True) as client:
        found: Any = client.query(work.check).result_rows[0][0]
    if found != work.effective:
        raise AssertionError(f"{work.name}: ClickHouse holds {found}, and {work.effective} was sent")
