"""A company whose bills go through every part, from the exports to the read API, for tests that tell its story."""

import csv
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from aiohttp.test_utils import TestClient
from confluent_kafka import Consumer, Producer, TopicPartition

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output
from producers.focus_export import FocusExport
from producers.publisher import Coverage, Publisher, Reading
from schemas.events import CostStatement, Event
from sinks.runner import Sink
from spendstream.clock import ManualClock
from spendstream.settings import FocusExport as Options
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, STATEMENTS, Topic
from tests.processors.workers import CODEC, Worker, recorded
from tests.producers.test_focus_columns import ROW

#: Charge day, service, region, dollars; and further columns of the row.
Charge = tuple[str, str, str, str] | tuple[str, str, str, str, dict[str, str]]
Days = dict[str, Decimal]


class ProducerDiedError(Exception):
    """What ends a producer before it closes its reading."""


class Steps(Protocol):
    """Ledger and totals, by either driver."""

    def catch_up(self, reading: str) -> None:
        """Return when a reading, and all before it, has been announced."""


class BatchSteps:
    """The steps by the batch driver, which sends on what they announce."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._driver = BatchDriver(steps(settings), self._emit)
        self._producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
        self._seen: Counter[int] = Counter()

    def catch_up(self, _: str) -> None:
        by_partition: dict[int, list[Event]] = defaultdict(list)
        for partition, event in recorded(self._settings, STATEMENTS):
            by_partition[partition].append(event)
        for partition, events in by_partition.items():
            for event in events[self._seen[partition] :]:
                self._driver.feed(STATEMENTS, partition, event)
            self._seen[partition] = len(events)
        assert self._producer.flush(20) == 0

    def _emit(self, output: Output) -> None:
        topic = self._settings.kafka.topics.name(output.topic)
        self._producer.produce(topic, CODEC.encode(output.event), output.key, output.partition)


class LiveSteps:
    """The steps by a Faust worker of their own."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def catch_up(self, reading: str) -> None:
        self._worker.wait_for(reading)


class Gate:
    """Holds a producer up before the last part of a statement, until it is let on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()


class _Publisher(Publisher):
    """The publisher as it is; it remembers its readings, and can be held up at a gate."""

    gate: Gate | None = None
    reading = ""

    def open(self, coverage: Coverage, source_time: datetime | None = None) -> Reading:
        reading = super().open(coverage, source_time)
        self.reading = reading.id
        return reading

    def send(
        self, topic: Topic, partition: int, key: str, event: Event, then: Callable[[], None] | None = None
    ) -> None:
        if self.gate is not None and isinstance(event, CostStatement) and event.part and event.part == event.parts - 1:
            self.flush()
            self.gate.reached.set()
            assert self.gate.opened.wait(60)
        super().send(topic, partition, key, event, then)


class Company:
    """Its exports, one for each payer, and every part that its bills go through.

    The clock stands until it is moved; every reading takes place an hour after the last one.
    """

    def __init__(self, settings: Settings, folder: Path, steps: Steps) -> None:
        self.settings = settings
        self.clock = ManualClock(datetime(2026, 3, 10, tzinfo=UTC))
        self._folder = folder
        self._steps = steps

    def bill(self, *charges: Charge, payer: str = "payer", made: datetime | None = None) -> datetime:
        """Write the export of a payer, and return when it was made: by default now."""
        path = self._path(payer)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROW))
            writer.writeheader()
            writer.writerows(_row(payer, *charge) for charge in charges)
        made = made or self.clock.now()
        os.utime(path, (made.timestamp(), made.timestamp()))
        return made

    def read(self, payer: str = "payer", *, gate: Gate | None = None, dies: bool = False) -> None:
        """Read the export of a payer, as a producer does that has just been started; then let everything arrive."""
        self.clock.advance(timedelta(hours=1))
        publisher = _Publisher(self.settings, self.clock, _die if dies else lambda _: None)
        publisher.gate = gate
        source = FocusExport(Options(name=payer, path=str(self._path(payer))), publisher)
        if dies:
            try:
                source.run_once()
            except ProducerDiedError:
                return
        source.run_once()
        self._steps.catch_up(publisher.reading)
        self.wait_for_the_sink()

    def _path(self, payer: str) -> Path:
        return self._folder / f"{payer}.csv"

    def wait_for_the_sink(self) -> None:
        """Wait until ClickHouse has all that Kafka holds now."""
        group = {"group.id": self.settings.kafka.sink_group, "enable.auto.commit": False}
        consumer = Consumer({"bootstrap.servers": self.settings.kafka.bootstrap, **group})
        names = self.settings.kafka.topics
        places = [
            TopicPartition(names.name(topic), partition)
            for topic in (STATEMENTS, AGGREGATES)
            for partition in range(names.partitions(topic))
        ]
        try:
            ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
            deadline = time.monotonic() + 60
            while any(
                end and one.offset < end for one, end in zip(consumer.committed(places, timeout=10), ends, strict=True)
            ):
                assert time.monotonic() < deadline, "the sink did not write everything"
                time.sleep(0.05)
        finally:
            consumer.close()


def _die(point: str) -> None:
    if point == "statements and heads acknowledged":
        raise ProducerDiedError


def _row(
    payer: str, day: str, service: str, region: str, cost: str, more: dict[str, str] | None = None
) -> dict[str, str]:
    following = datetime.fromisoformat(day) + timedelta(days=1)
    return {
        **ROW,
        "BillingAccountId": payer,
        "SubAccountId": f"{payer}-team",
        "BillingPeriodStart": f"{day[:7]}-01",
        "ChargePeriodStart": day,
        "ChargePeriodEnd": f"{following:%Y-%m-%d}",
        "ServiceName": service,
        "RegionId": region,
        "BilledCost": cost,
        "EffectiveCost": cost,
        **(more or {}),
    }


@contextmanager
def running(sink: Sink) -> Iterator[None]:
    """Run a sink in a thread of its own; what ends it is raised at the end."""
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(sink.run)
        try:
            yield
        finally:
            sink.stop()
            ended.result(30)


class Answers:
    """What the read API answers."""

    def __init__(self, client: TestClient[Any, Any], clock: ManualClock) -> None:
        self._client = client
        self._clock = clock

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self._client.get(path)
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body

    async def days(self, question: str = "") -> Days:
        """Effective cost by day, without days that cost nothing."""
        body = await self.get(f"/v1/costs?from=2026-03-01&to=2026-04-30&granularity=day{question}")
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in body["rows"]:
            sums[row["period"]] += Decimal(row["cost"])
        return {day: cost for day, cost in sums.items() if cost}

    async def everywhere(self) -> list[Days]:
        """The same by totals, by lines, and by the question for what is known now."""
        as_of = f"&as_of={self._clock.now():%Y-%m-%dT%H:%M:%SZ}"
        return [await self.days(), await self.days("&group_by=region"), await self.days(as_of)]

    async def windows(self) -> dict[str, Decimal]:
        """Rolling totals of the organisation."""
        rows = (await self.get("/v1/rolling?level=organisation"))["rows"]
        return _sums((row["window"], row["effective"]) for row in rows)

    async def open_readings(self) -> dict[str, int]:
        """Readings that have not closed, by payer."""
        rows = (await self.get("/v1/freshness"))["rows"]
        return {row["billing_account"]: row["open_readings"] for row in rows if row["open_readings"]}

    async def differences(self) -> list[dict[str, Any]]:
        """Where what the last readings said is not what is held."""
        rows = (await self.get("/v1/reconciliation"))["readings"]
        return [row for row in rows if (row["difference_billed"], row["difference_effective"]) != ("0", "0")]


def _sums(pairs: Iterable[tuple[str, str]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for key, amount in pairs:
        sums[key] += Decimal(amount)
    return dict(sums)
