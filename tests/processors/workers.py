"""Workers in processes of their own, and what they left in Kafka, for tests of the live driver."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from schemas.codec import Codec
from schemas.events import CostAggregate, Event
from schemas.repository import RepositorySchemas
from spendstream.health import STALLED
from spendstream.settings import Health, Settings
from spendstream.topics import AGGREGATES, STATEMENTS, Topic
from tests.processors.histories import partitioned

CODEC = Codec(RepositorySchemas())

#: Several workers run at a time; a start that hangs ends soon.
_HEALTH = Health(process=0, stalled_seconds=15)


def publish(settings: Settings, events: Sequence[Event]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, "acks": "all"})
    name = settings.kafka.topics.name(STATEMENTS)
    for partition, event in partitioned(events):
        producer.produce(name, CODEC.encode(event), b"k", partition)
    assert producer.flush(20) == 0


def recorded(settings: Settings, topic: Topic) -> list[tuple[int, Event]]:
    """Return all events of a topic with their partitions, in their order."""
    return [(partition, CODEC.decode(value)) for partition, value in _values(settings, topic)]


def messages(settings: Settings, topic: Topic) -> list[bytes]:
    """Return all values of a topic, partition by partition."""
    return [value for _, value in _values(settings, topic)]


def _values(settings: Settings, topic: Topic) -> list[tuple[int, bytes]]:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    name = settings.kafka.topics.name(topic)
    waiting = set(range(settings.kafka.topics.partitions(topic)))
    found: list[tuple[int, bytes]] = []
    try:
        consumer.assign([TopicPartition(name, partition, 0) for partition in waiting])
        while waiting:
            for message in consumer.consume(1000, 0.05):
                error = message.error()
                if error is None:
                    found.append((message.partition() or 0, message.value() or b""))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    waiting.discard(message.partition() or 0)
    finally:
        consumer.close()
    return sorted(found, key=lambda pair: pair[0])


def aggregates(settings: Settings) -> list[CostAggregate]:
    return [CODEC.decode(value) for value in messages(settings, AGGREGATES)]  # type: ignore[misc]


class Worker:
    """Both steps in a process of their own, which `crash` (a fault point and its hit) ends as `kill -9` would.

    As a supervisor would, it starts anew a process that ended itself because it was stalled.
    """

    def __init__(self, settings: Settings, crash: str = "") -> None:
        self.settings = settings
        self._command = [
            sys.executable,
            "-m",
            "tests.processors.crashing_worker",
            settings.model_copy(update={"health": _HEALTH}).model_dump_json(
                include={"kafka", "processing", "detection", "health"}
            ),
            crash,
        ]
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=Path(__file__).parents[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()

    def wait_for_end(self, seconds: float = 90) -> int:
        """Return the exit code of a process that did not end itself because it was stalled."""
        deadline = time.monotonic() + seconds
        while (ended := self.process.wait(max(deadline - time.monotonic(), 0.1))) == STALLED:
            self.process = self._started()
        return ended

    def wait_for(self, reading: str, run: str = "live") -> None:
        deadline = time.monotonic() + 90
        while not announced(self.settings, reading, run):
            if self.process.poll() == STALLED:
                self.process = self._started()
            assert self.process.poll() is None, "the worker ended"
            if time.monotonic() > deadline:
                self.process.send_signal(signal.SIGUSR1)  # it tells what each of its threads does
                time.sleep(1)
                raise AssertionError("the reading was not announced")
            time.sleep(0.3)


def announced(settings: Settings, reading: str, run: str = "live") -> bool:
    """Whether every partition of totals has announced a reading in a run."""
    found = [event for event in aggregates(settings) if (event.run, event.reading) == (run, reading)]
    return len(found) >= settings.kafka.shards
