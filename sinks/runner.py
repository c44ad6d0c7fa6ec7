"""The sink: Kafka → ClickHouse, in batches, offsets last.

For each batch, in this order; a crash anywhere means that the batch is read again, and the same rows change nothing:

1. poll and decode until the batch is full, in lines, or old enough;
2. what cannot be read goes to `dead.letters`, and is acknowledged there;
3. insert the rows, table by table;
4. put statements in parts, of which all parts are now there, among the newest versions;
5. commit the offsets.

When ClickHouse does not answer, the batch is tried again until it does; nothing else is read meanwhile, and nothing is
dropped. Rows that ClickHouse refuses for what they hold are tried one event at a time, and the culprit is buried.
"""

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from schemas.codec import Codec, CodecError
from schemas.dead_letters import dead_letter
from schemas.events import CostStatement, Event
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from sinks.batch import Batch
from sinks.clickhouse import connect, pack, send
from sinks.migrate import migrate
from sinks.native import UnstorableError
from sinks.rows import rows_of
from sinks.statement_rows import SCOPE
from spendstream.admin import ensure_topics, kafka_consumer, kafka_producer
from spendstream.health import Progress, health_page
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import (
    AGGREGATES,
    ALERTS,
    ANOMALIES,
    CONTROLS,
    DEAD_LETTERS,
    DELIVERIES,
    ESTIMATES,
    FEEDBACK,
    FORECASTS,
    INCIDENTS,
    MAX_MESSAGE_BYTES,
    PAID_REQUESTS,
    REPORTS,
    RULES,
    RUNS,
    STATEMENTS,
    TRANSITIONS,
    USAGE,
)

log = logging.getLogger(__name__)
_T = TypeVar("_T")

TOPICS = (
    *(STATEMENTS, AGGREGATES, ANOMALIES, FORECASTS, ESTIMATES, USAGE, CONTROLS, PAID_REQUESTS, DEAD_LETTERS),
    *(RUNS, INCIDENTS, TRANSITIONS, ALERTS, DELIVERIES, REPORTS, FEEDBACK, RULES),
)
_LONGEST_WAIT = 30.0
#: Few, so that a batch of large messages ends near its size.
_MESSAGES_AT_ONCE = 32


class Sink:
    """Reads all topics that have tables, and writes them.

    Parameters
    ----------
    settings
        The deployment.
    faults
        Called at each numbered point of the protocol, for tests.

    Attributes
    ----------
    progress
        For the health page.
    rows, waited
        Rows written, and how often ClickHouse did not answer.
    """

    def __init__(self, settings: Settings, faults: Callable[[str], None] = lambda _: None) -> None:
        self._settings = settings
        self._faults = faults
        self._codec = Codec(schema_source(settings))
        self._names = settings.kafka.topics
        self._stop = threading.Event()
        self._client: Client | None = None
        self._producer = Producer(kafka_producer(settings))
        self._consumer = Consumer(
            {
                **kafka_consumer(settings, settings.kafka.sink_group),
                "max.poll.interval.ms": 3_600_000,
                # Its own thread keeps the session: after a crash the next sink need not wait longer than this.
                "session.timeout.ms": 10_000,
                "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            }
        )
        self.progress = Progress("sink")
        self.rows = 0
        self.waited = 0

    def stop(self) -> None:
        """Finish the batch at hand, and return from `run`."""
        self._stop.set()

    def run(self) -> None:
        """Write until stopped."""
        self._consumer.subscribe([self._names.name(topic) for topic in TOPICS])
        self.progress.moved()
        try:
            while not self._stop.is_set():
                messages = self._poll()
                self.progress.busy(bool(messages))
                if messages:
                    self._write(messages)
                    self.progress.moved()
        except StoppedError:
            # What was at hand is not committed, and is read again at the next start.
            if not self._stop.is_set():
                raise
        finally:
            self._consumer.close()

    def _poll(self) -> list["_Taken"]:
        options = self._settings.sink
        deadline = time.monotonic() + options.batch_seconds
        taken: list[_Taken] = []
        lines = 0
        while lines < options.batch_rows and not self._stop.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for message in self._consumer.consume(_MESSAGES_AT_ONCE, min(left, 0.2)):
                error = message.error()
                if error is None:
                    one = self._taken(message)
                    lines += 1 + sum(batch.weight for batch in one.batches)
                    taken.append(one)
                elif error.fatal():
                    raise KafkaException(error)
        self._faults("polled")
        return taken

    def _taken(self, message: Message) -> "_Taken":
        try:
            event = self._codec.decode(message.value() or b"")
        except (CodecError, UnknownSchemaError) as error:
            return _Taken(message, error, [])
        try:
            return _Taken(message, event, rows_of(event))
        except (LookupError, ValueError) as error:
            return _Taken(message, error, [])

    def _write(self, taken: Sequence["_Taken"]) -> None:
        for one in taken:
            if isinstance(one.event, Exception):
                self._bury(one.message, one.event)
        self._faults("decoded")
        self._insert(taken)
        self._promote([one.event for one in taken])
        self._faults("promoted")
        self._commit([one.message for one in taken])
        self._faults("committed")

    def _insert(self, taken: Sequence["_Taken"]) -> None:
        batches: dict[str, Batch] = {}
        for one in taken:
            for batch in one.batches:
                known = batches.setdefault(batch.table, Batch(batch.table, batch.columns, [], 0))
                known.rows += batch.rows
        last: tuple[Batch, bytes] | None = None
        try:
            for batch in sorted(batches.values(), key=_place):
                if not batch.rows:
                    continue
                # Statements go to two tables of the same columns: they are packed once.
                if last is None or (last[0].columns, last[0].rows) != (batch.columns, batch.rows):
                    last = (batch, self._patiently(partial(_pack, batch)))
                self._patiently(partial(_send, batch, last[1]))
                self.rows += len(batch.rows)
        except (UnstorableError, ClickHouseError) as error:
            if len(taken) == 1:
                self._bury(taken[0].message, error)
                return
            for one in taken:
                self._insert([one])
        self._faults("inserted")

    def _promote(self, events: Sequence[Event | Exception]) -> None:
        """Join the parts of statements whose parts are all in the history, into the newest version."""
        scopes = {
            tuple(getattr(event, name) or "" for name in _SCOPE_PARAMETERS)
            for event in events
            if isinstance(event, CostStatement) and event.parts > 1
        }
        for scope in sorted(scopes, key=repr):
            parameters = dict(zip(_SCOPE_PARAMETERS, scope, strict=True))
            self._patiently(partial(_promote, parameters))

    def _patiently(self, action: Callable[[Client], _T]) -> _T:
        """Do something with ClickHouse, again and again while it does not answer, and return what it gave."""
        wait = 0.5
        while True:
            try:
                if self._client is None:
                    self._client = connect(self._settings.clickhouse)
                return action(self._client)
            except (OperationalError, ConfigurationError, OSError) as error:
                self._client = None
                self.waited += 1
                log.warning("ClickHouse does not answer, trying again in %.1f s: %s", wait, str(error).splitlines()[0])
                if self._stop.wait(wait * random.uniform(0.5, 1.5)):  # noqa: S311 - jitter, no secret
                    raise StoppedError("stopped while ClickHouse did not answer") from error
                wait = min(wait * 2, _LONGEST_WAIT)

    def _bury(self, message: Message, error: Exception) -> None:
        if message.topic() == self._names.name(DEAD_LETTERS):
            log.error("a dead letter cannot be stored: %s", error)
            return
        letter = dead_letter(
            stage="sink",
            origin=f"{message.topic()}/{message.partition()}/{message.offset()}",
            value=message.value() or b"",
            error=error,
            at=datetime.now(UTC),
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            key=message.key(),
        )
        log.warning("dead letter: %s: %s", letter.origin, letter.reason)
        self._producer.produce(self._names.name(DEAD_LETTERS), self._codec.encode(letter), letter.id.encode(), 0)
        if self._producer.flush(60):
            raise StoppedError("a dead letter was not acknowledged by Kafka; nothing is committed")

    def _commit(self, messages: Sequence[Message]) -> None:
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if topic is not None and partition is not None and offset is not None:
                ends[topic, partition] = max(ends.get((topic, partition), 0), offset + 1)
        offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        self._consumer.commit(offsets=offsets, asynchronous=False)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message with its event, or why it has none, and the rows that it makes."""

    message: Message
    event: Event | Exception
    batches: list[Batch]


def _pack(batch: Batch, client: Client) -> bytes:
    return pack(client, batch.table, batch.columns, batch.rows)


def _send(batch: Batch, data: bytes, client: Client) -> None:
    send(client, batch.table, batch.columns, data)


def _promote(scope: dict[str, object], client: Client) -> None:
    client.command(_PROMOTE, scope)


class StoppedError(RuntimeError):
    """The sink was stopped, or has to stop, before a batch was safe; the batch will be read again."""


#: Tables that tell of others, in this order: what they tell of is written before them.
_LATER_TABLES = ("totals", "hour_totals", "rolling_totals", "announcements")


def _place(batch: Batch) -> int:
    return _LATER_TABLES.index(batch.table) + 1 if batch.table in _LATER_TABLES else 0


_SCOPE_PARAMETERS = (*SCOPE[1:], "version")
_LINE_COLUMNS = (
    "kind region usage_type tags hour billed effective list_cost contracted blended quantity unit resource operation "
    "charge_category charge_class charge_frequency pricing_category commitment description charge_end"
).split()
_PLAIN_COLUMNS = "reading read_at source_time estimated reconciled account_name".split()
_JOINED = ", ".join(
    f"arrayFlatten(arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((part, {name})))))" for name in _LINE_COLUMNS
)
_PROMOTE = f"""
INSERT INTO statements (run, source, provider, billing_account, billing_period, account, service, currency, day, view,
    part, version, parts, {", ".join(_PLAIN_COLUMNS)}, {", ".join(_LINE_COLUMNS)})
SELECT run, source, provider, billing_account, billing_period, account, service, currency, day, view, 0, version, parts,
    {", ".join(f"any({name})" for name in _PLAIN_COLUMNS)},
    {_JOINED}
FROM (
    SELECT * FROM statement_history FINAL
    WHERE source = {{source:String}} AND provider = {{provider:String}} AND billing_account = {{billing_account:String}}
      AND billing_period = {{billing_period:Date}} AND account = {{account:String}} AND service = {{service:String}}
      AND currency = {{currency:String}} AND day = {{day:Date}} AND view = {{view:String}}
      AND version = {{version:UInt64}}
)
GROUP BY run, source, provider, billing_account, billing_period, account, service, currency, day, view, version, parts
HAVING uniqExact(part) = parts
"""  # noqa: S608 - the names are ours, the values are bound


def run(settings: Settings) -> None:
    """Bring the tables up to date, then write until SIGTERM or SIGINT."""
    migrate(settings.clickhouse)
    ensure_topics(settings)
    sink = Sink(settings)

    def stop(_: int, __: FrameType | None) -> None:
        sink.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with health_page(sink.progress, settings.health, settings.health.sink):
        sink.run()
