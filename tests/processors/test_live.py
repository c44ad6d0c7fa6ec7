"""The Faust driver against the batch driver, on both brokers, through crashes at every point of its protocol."""

from collections.abc import Sequence

import pytest
from confluent_kafka import Producer

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output
from schemas.events import Event
from spendstream.settings import Settings
from spendstream.topics import AGGREGATES, DEAD_LETTERS, STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.crashing_worker import CRASHED
from tests.processors.histories import Announced, closes, feed, statement
from tests.processors.workers import CODEC, Worker, aggregates, messages, publish

pytestmark = pytest.mark.timeout(400)

HISTORY: list[Event] = [
    statement("EC2", 1, [("us-east-1", "BoxUsage", 3), ("eu-west-1", "BoxUsage", 4)]),
    statement("S3", 1, [("us-east-1", "Storage", 2)]),
    *closes("r1"),
    statement("EC2", 2, [("us-east-1", "BoxUsage", 5)], reading="r2"),
    statement("RDS", 1, [("us-east-1", "Instance", 9)], account="222", reading="r2"),
    *closes("r2"),
]


def expected(history: Sequence[Event] = HISTORY) -> Announced:
    result = Announced()
    feed(BatchDriver(steps(Settings(detection={"enabled": False})), result), history)
    return result


def seen(settings: Settings) -> Announced:
    result = Announced()
    for event in aggregates(settings):
        result(Output(AGGREGATES, 0, b"", event))
    return result


@pytest.mark.parametrize(
    "kafka", ["embedded", pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.slow])], indirect=True
)
def test_live_and_batch_driver_give_the_same_events(kafka: Backend, tmp_path):
    settings = kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    publish(settings, HISTORY)
    with Worker(settings) as worker:
        worker.wait_for("r2")
    assert sorted(aggregates(settings), key=repr) == sorted(expected().events, key=repr)


POINTS = (
    "processed",
    "outputs acknowledged",
    "changelog record sent",
    "changelog sent",
    "changelog acknowledged",
    "state stored",
)


@pytest.mark.slow
@pytest.mark.kafka
def test_crashes_at_every_point_of_the_protocol_lose_and_double_nothing(apache_kafka: Backend, tmp_path):
    settings = apache_kafka.settings(processing={"state_folder": tmp_path, "session_seconds": 6})
    history: list[Event] = []
    for number, point in enumerate(POINTS):
        reading: list[Event] = [
            statement("EC2", number + 1, [("us-east-1", "BoxUsage", number), ("eu-west-1", "BoxUsage", 4)]),
            statement("S3", number + 1, [("us-east-1", "Storage", 20 * number)], account=str(number)),
            *closes(f"r{number}"),
        ]
        history += reading
        publish(settings, reading)
        with Worker(settings, f"{point}:{3 + number % 3}") as worker:
            assert worker.wait_for_end() == CRASHED
    with Worker(settings) as worker:
        worker.wait_for(f"r{len(POINTS) - 1}")
    assert seen(settings).days == expected(history).days
    assert seen(settings).windows == expected(history).windows


@pytest.mark.slow
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
