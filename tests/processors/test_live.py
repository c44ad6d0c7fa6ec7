"""The Faust driver against the batch driver, on both brokers, through crashes at every point of its protocol."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output
from schemas.codec import Codec
from schemas.events import CostAggregate, Event
from schemas.repository import RepositorySchemas
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, DEAD_LETTERS, STATEMENTS, Topic
from tests.kafka_backends import Backend
from tests.processors.crashing_worker import CRASHED
from tests.processors.histories import Announced, closes, feed, partitioned, statement

CODEC = Codec(RepositorySchemas())
pytestmark = pytest.mark.timeout(400)

HISTORY: list[Event] = [
    statement("EC2", 1, [("us-east-1", "BoxUsage", 3), ("eu-west-1", "BoxUsage", 4)]),
    statement("S3", 1, [("us-east-1", "Storage", 2)]),
    *closes("r1"),
    statement("EC2", 2, [("us-east-1", "BoxUsage", 5)], reading="r2"),
    statement("RDS", 1, [("us-east-1", "Instance", 9)], account="222", reading="r2"),
    *closes("r2"),
]


def publish(settings: Settings, events: Sequence[Event]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, "acks": "all"})
    name = settings.kafka.topics.name(STATEMENTS)
    for partition, event in partitioned(events):
        producer.produce(name, CODEC.encode(event), b"k", partition)
    assert producer.flush(20) == 0


def messages(settings: Settings, topic: Topic) -> list[bytes]:
    """Return all values of a topic, partition by partition."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka.bootstrap, "group.id": "test", "enable.auto.commit": False}
    )
    name = settings.kafka.topics.name(topic)
    found = []
    try:
        for partition in range(settings.kafka.topics.partitions(topic)):
            _, end = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
            consumer.assign([TopicPartition(name, partition, 0)])
            offset = 0
            while offset < end:
                message = consumer.poll(5)
                if message is not None and message.error() is None:
                    found.append(message.value() or b"")
                    offset = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return found


def aggregates(settings: Settings) -> list[CostAggregate]:
    return [CODEC.decode(value) for value in messages(settings, AGGREGATES)]  # type: ignore[misc]


class Worker:
    """Both steps in a process of their own, which `crash` (a fault point and its hit) ends as `kill -9` would."""

    def __init__(self, settings: Settings, crash: str = "") -> None:
        self.settings = settings
        command = [
            sys.executable,
            "-m",
            "tests.processors.crashing_worker",
            settings.model_dump_json(include={"kafka", "processing"}),
            crash,
        ]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def wait_for(self, reading: str) -> None:
        deadline = time.monotonic() + 90
        while not announced(self.settings, reading):
            assert self.process.poll() is None, "the worker ended"
            assert time.monotonic() < deadline, "the reading was not announced"
            time.sleep(0.3)


def announced(settings: Settings, reading: str) -> bool:
    return len({event.part for event in aggregates(settings) if event.reading == reading}) > 0 and (
        sum(event.reading == reading for event in aggregates(settings)) >= settings.kafka.shards
    )


def expected() -> Announced:
    result = Announced()
    feed(BatchDriver(steps(Settings()), result), HISTORY)
    return result


def seen(settings: Settings) -> Announced:
    result = Announced()
    for event in aggregates(settings):
        result(Output(AGGREGATES, 0, b"", event))
    return result


def test_live_and_batch_driver_give_the_same_events(kafka: Backend, tmp_path):
    settings = kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    publish(settings, HISTORY)
    with Worker(settings) as worker:
        worker.wait_for("r2")
    assert sorted(aggregates(settings), key=repr) == sorted(expected().events, key=repr)


@pytest.mark.kafka
@pytest.mark.parametrize(
    "point", ["processed", "outputs acknowledged", "changelog sent", "changelog acknowledged", "state stored"]
)
def test_a_crash_at_any_point_loses_and_doubles_nothing(apache_kafka: Backend, tmp_path, point):
    settings = apache_kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    publish(settings, HISTORY)
    for hit in (2, 4):
        with Worker(settings, f"{point}:{hit}") as worker:
            assert worker.process.wait(90) == CRASHED
    with Worker(settings) as worker:
        worker.wait_for("r2")
    assert seen(settings).days == expected().days
    assert seen(settings).windows == expected().windows


@pytest.mark.kafka
def test_a_worker_that_lost_its_disk_recovers_its_state_from_kafka(apache_kafka: Backend, tmp_path):
    settings = apache_kafka.settings(processing={"state_folder": tmp_path / "one", "session_seconds": 6})
    first = [event for event in HISTORY if getattr(event, "reading", "") == "r1"]
    publish(settings, first)
    with Worker(settings) as worker:
        worker.wait_for("r1")
    publish(settings, HISTORY[len(first) :])
    moved = settings.processing.model_copy(update={"state_folder": tmp_path / "two"})
    with Worker(settings.model_copy(update={"processing": moved})) as worker:
        worker.wait_for("r2")
    assert seen(settings).days == expected().days
    assert seen(settings).windows == expected().windows


def test_poison_is_buried_and_the_rest_goes_on(embedded_kafka: Backend, tmp_path):
    settings = embedded_kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    for value in (b"not avro at all", b"\x00\x00\x00\x03\xe7unknown id", CODEC.encode(HISTORY[0])[:40]):
        producer.produce(settings.kafka.topics.name(STATEMENTS), value, b"k", 0)
    producer.flush(10)
    publish(settings, HISTORY)
    with Worker(settings) as worker:
        worker.wait_for("r2")
    assert seen(settings).days == expected().days
    letters = [CODEC.decode(value) for value in messages(settings, DEAD_LETTERS)]
    assert [letter.error for letter in letters].count("CodecError") == 2  # type: ignore[union-attr]
    assert [letter.error for letter in letters].count("UnknownSchemaError") == 1  # type: ignore[union-attr]
