"""The stream against a plain loop over the same messages.

The plain loop is confluent-kafka and fastavro: it reads every statement from Kafka, decodes it whole by its schema, and
adds up the effective cost by region as exact integers. It keeps no versions, no series, no state, and announces
nothing.
"""

import io
import json
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from bench.result import Result, compared
from bench.statements import closes, encoded, publish, statements
from processors.batch import BatchDriver
from processors.pipeline import changelogs, steps
from schemas.codec import Codec
from schemas.events import CostAggregate, CostStatement
from schemas.repository import RepositorySchemas, load
from spendstream.admin import ensure_topics
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.settings import Settings
from spendstream.settings import load as load_settings
from spendstream.supervise import start_service
from spendstream.topics import AGGREGATES, STATEMENTS, Topic

#: lines a statement → (statements, bar of the batch driver, bar of the live path)
SIZES = {100: (3000, 0.8, 0.4), 1000: (600, 0.8, 0.7)}


def run(kafka: ApacheKafka, *, small: bool = False) -> Iterator[Result]:
    """Yield the results at 100 and 1,000 lines a statement: batch driver, without and with detection, and live path."""
    for lines, (whole, batch_bar, live_bar) in SIZES.items():
        count, repeats = (whole // 20, 1) if small else (whole, 3)
        found = [_measured(kafka, count, lines, plain_first=repeat % 2 == 0) for repeat in range(repeats)]
        of = f"{lines:,} lines a statement"
        plain = [rates[0] for rates in found]
        yield compared(
            f"batch driver, {of}", list(zip([rates[1] for rates in found], plain, strict=True)), "lines/s", batch_bar
        )
        yield compared(
            f"batch driver and detection, {of}", list(zip([rates[2] for rates in found], plain, strict=True)), "lines/s"
        )
        yield compared(
            f"Faust live path, {of}", list(zip([rates[3] for rates in found], plain, strict=True)), "lines/s", live_bar
        )


def _measured(kafka: ApacheKafka, count: int, lines: int, *, plain_first: bool) -> tuple[float, ...]:
    """Return the lines a second of plain loop (first or last), batch driver, it with detection, and live path."""
    settings = fresh(kafka)
    codec = Codec(RepositorySchemas())
    messages = encoded(codec, statements(count, lines), settings.kafka.shards)
    messages += encoded(codec, closes("r1", settings.kafka.shards), settings.kafka.shards)
    publish(settings, messages)
    total = count * lines
    if plain_first:
        plain = total / plain_loop(settings, len(messages))
    batch = total / batch_driver(settings, len(messages))
    scored = total / batch_driver(settings, len(messages), ("ledger", "totals", "anomalies"))
    live = total / live_path(fresh(kafka), messages)
    if not plain_first:
        plain = total / plain_loop(settings, len(messages))
    return plain, batch, scored, live


def fresh(kafka: ApacheKafka) -> Settings:
    """Return settings with topics of their own."""
    settings = load_settings(kafka={"bootstrap": kafka.bootstrap, "prefix": f"b{uuid.uuid4().hex[:8]}."})
    ensure_topics(settings, changelogs(settings))
    return settings


def messages_of(settings: Settings, topic: Topic, count: int) -> Iterator[tuple[int, bytes]]:
    """Yield `count` messages of a topic from its beginning."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka.bootstrap, "group.id": "bench", "enable.auto.commit": False}
    )
    name = settings.kafka.topics.name(topic)
    partitions = settings.kafka.topics.partitions(topic)
    consumer.assign([TopicPartition(name, partition, 0) for partition in range(partitions)])
    try:
        while count > 0:
            for message in consumer.consume(500, 0.2):
                if message.error() is None:
                    count -= 1
                    yield message.partition() or 0, message.value() or b""
    finally:
        consumer.close()


def plain_loop(settings: Settings, count: int) -> float:
    """Return the seconds that the plain loop takes."""
    schema: Any = fastavro.parse_schema(_bytes_for_decimals(load(CostStatement.SUBJECT)))
    closing = RepositorySchemas().id_of("reading.closed")
    sums: Counter[str] = Counter()
    began = time.perf_counter()
    for _, value in messages_of(settings, STATEMENTS, count):
        if int.from_bytes(value[1:5], "big") == closing:
            continue
        statement: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
        strings = statement["strings"]
        for region, amount in zip(statement["region"], statement["effective"], strict=True):
            sums[strings[region]] += int.from_bytes(amount, "big", signed=True)
    return time.perf_counter() - began


def _bytes_for_decimals(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the schema with plain bytes instead of decimals: exact, and twice as fast to read."""
    if isinstance(schema, dict):
        return {k: _bytes_for_decimals(v) for k, v in schema.items() if k not in {"logicalType", "precision", "scale"}}
    return [_bytes_for_decimals(one) for one in schema] if isinstance(schema, list) else schema


def batch_driver(settings: Settings, count: int, names: Sequence[str] = ("ledger", "totals")) -> float:
    """Return the seconds that the steps of these names take in the batch driver."""
    chosen = [step for step in steps(settings) if step.name in names]
    until: dict[str, str] = {}
    for step in chosen:
        until |= step.until
    codec = Codec(RepositorySchemas(), until)
    announced: Counter[str] = Counter()

    def emit(output: Any) -> None:  # noqa: ANN401 - an output
        if isinstance(output.event, CostAggregate):
            announced[output.event.reading] += 1

    driver = BatchDriver(chosen, emit)
    began = time.perf_counter()
    for partition, value in messages_of(settings, STATEMENTS, count):
        driver.feed(STATEMENTS, partition, codec.decode(value))
    seconds = time.perf_counter() - began
    if announced["r1"] < settings.kafka.shards:
        raise AssertionError(f"only {announced} was announced")
    return seconds


def live_path(settings: Settings, messages: list[tuple[int, bytes]]) -> float:
    """Return the seconds from the first statement to the last aggregate, in a worker that is already up."""
    codec = Codec(RepositorySchemas())
    shards = settings.kafka.shards
    warm = encoded(codec, statements(4, 10, "warm", first_account=10**6), shards)
    with worker(settings):
        publish(settings, warm + encoded(codec, closes("warm", shards), shards))
        _wait_for(settings, codec, "warm")
        began = time.perf_counter()
        publish(settings, messages)
        _wait_for(settings, codec, "r1")
        return time.perf_counter() - began


@contextmanager
def worker(settings: Settings) -> Iterator[None]:
    """Run `spendstream process` with its state on disk."""
    with tempfile.TemporaryDirectory(prefix="spendstream-bench-") as folder:
        environment = {
            "SPENDSTREAM_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "SPENDSTREAM_KAFKA__PREFIX": settings.kafka.prefix,
            "SPENDSTREAM_PROCESSING__STATE_FOLDER": folder,
            "SPENDSTREAM_PROCESSING__SESSION_SECONDS": "6",
            "SPENDSTREAM_HEALTH__PROCESS": "0",
            "SPENDSTREAM_LOG__LEVEL": "warning",
        }
        process = start_service(["process"], environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(settings: Settings, codec: Codec, reading: str) -> None:
    """Wait until every partition of totals has announced a reading."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka.bootstrap, "group.id": "bench", "enable.auto.commit": False}
    )
    name = settings.kafka.topics.name(AGGREGATES)
    shards = settings.kafka.shards
    consumer.assign([TopicPartition(name, partition, 0) for partition in range(shards)])
    waiting = set(range(shards))
    deadline = time.monotonic() + 180
    try:
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{reading} was not announced by {waiting}: {json.dumps(sorted(waiting))}")
            for message in consumer.consume(100, 0.05):
                if message.error() is None:
                    event = codec.decode(message.value() or b"")
                    if isinstance(event, CostAggregate) and event.reading == reading and event.part == event.parts - 1:
                        waiting.discard(message.partition() or 0)
    finally:
        consumer.close()
