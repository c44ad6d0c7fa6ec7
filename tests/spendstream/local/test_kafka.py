"""What the project needs of a Kafka, on the embedded broker and on the real one; then what only the real one has."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from spendstream.admin import check_kafka
from spendstream.local.kafka import ApacheKafka, EmbeddedBroker, KafkaStartError
from spendstream.local.kafka_apache import QUICK_START, _cluster_id, free_port
from spendstream.settings import ConfigurationError, load
from spendstream.topics import MAX_MESSAGE_BYTES
from tests.kafka_backends import Backend

PARTITIONS = 4


@pytest.fixture
def topic(kafka: Backend) -> str:
    """A new topic with four partitions."""
    return new_topic(kafka.bootstrap, administered=kafka.kind == "apache")


@pytest.fixture(scope="module")
def lonely_kafka(apache_kafka: Backend) -> Iterator[ApacheKafka]:  # noqa: ARG001 - says when Java is missing
    """A real broker that no other test uses, with a cleaner that compacts at once."""
    eager = {"log.cleaner.backoff.ms": 100, "log.initial.task.delay.ms": 100, "log.segment.delete.delay.ms": 100}
    with ApacheKafka(properties=eager, java_options=QUICK_START) as broker:
        yield broker


@pytest.fixture
def own_kafka(lonely_kafka: ApacheKafka) -> ApacheKafka:
    """The same, up again when the test before ended it: it may be stopped and killed."""
    return lonely_kafka.start()


def new_topic(bootstrap: str, *, administered: bool, **configuration: str) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if administered:
        admin.create_topics([NewTopic(name, PARTITIONS, 1, config=configuration)])[name].result(30)
    else:
        admin.list_topics(name, timeout=10)
    return name


def produce(bootstrap: str, topic: str, *messages: dict[str, Any]) -> None:
    """Produce, and raise when one is not acknowledged."""
    outcomes: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.max.bytes": MAX_MESSAGE_BYTES})
    for message in messages:
        producer.produce(topic, on_delivery=lambda error, _: outcomes.append(error), **message)
    assert producer.flush(30) == 0
    assert outcomes == [None] * len(messages)


def consume(consumer: Consumer, count: int) -> list[Message]:
    """Return the next `count` messages."""
    deadline = time.monotonic() + 60
    found: list[Message] = []
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} messages came"
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None, message.error()
            found.append(message)
    return found


def reader(bootstrap: str, topic: str, partition: int) -> Consumer:
    """Return a consumer at the start of a partition."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False}
    consumer = Consumer(settings | {"fetch.message.max.bytes": MAX_MESSAGE_BYTES})
    consumer.assign([TopicPartition(topic, partition, 0)])
    return consumer


def member(bootstrap: str, topic: str, group: str) -> Consumer:
    """Return a consumer of a group, which commits only when told."""
    settings = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False}
    consumer = Consumer(settings | {"auto.offset.reset": "earliest", "session.timeout.ms": 6_000})
    consumer.subscribe([topic])
    return consumer


def values(bootstrap: str, topic: str, partition: int, count: int) -> list[bytes | None]:
    consumer = reader(bootstrap, topic, partition)
    found = [message.value() for message in consume(consumer, count)]
    consumer.close()
    return found


def test_a_message_stays_in_its_partition_with_its_key_and_headers(kafka, topic):
    sent = [
        {"partition": number, "key": b"key%d" % number, "value": b"value%d" % number, "headers": [("run", b"live")]}
        for number in range(PARTITIONS)
    ]
    produce(kafka.bootstrap, topic, *sent)
    for number in range(PARTITIONS):
        consumer = reader(kafka.bootstrap, topic, number)
        [message] = consume(consumer, 1)
        consumer.close()
        assert (message.partition(), message.key(), message.value()) == (number, b"key%d" % number, b"value%d" % number)
        assert message.headers() == [("run", b"live")]


def test_a_message_of_ten_megabytes_arrives_whole(kafka, topic):
    large = os.urandom(10_000_000)
    produce(kafka.bootstrap, topic, {"partition": 2, "key": b"large", "value": large})
    assert values(kafka.bootstrap, topic, 2, 1) == [large]


def test_a_group_goes_on_where_it_committed(kafka, topic):
    produce(kafka.bootstrap, topic, *({"partition": 1, "value": b"%d" % number} for number in range(6)))
    group = f"{topic}-group"
    first = member(kafka.bootstrap, topic, group)
    last_read = consume(first, 4)[-1]
    first.commit(message=last_read, asynchronous=False)
    first.close()
    second = member(kafka.bootstrap, topic, group)
    assert [message.value() for message in consume(second, 2)] == [b"4", b"5"]
    second.close()


def test_two_embedded_brokers_know_nothing_of_each_other():
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        topic = new_topic(one.bootstrap, administered=False)
        produce(one.bootstrap, topic, {"partition": 0, "value": b"here"})
        assert topic not in AdminClient({"bootstrap.servers": other.bootstrap}).list_topics(timeout=10).topics


def test_the_embedded_broker_forgets_what_exceeds_five_megabytes_a_partition():
    with EmbeddedBroker() as broker:
        topic = new_topic(broker.bootstrap, administered=False)
        for _ in range(3):
            produce(broker.bootstrap, topic, {"partition": 0, "value": bytes(2_000_000)})
        consumer = reader(broker.bootstrap, topic, 0)
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (1, 3)
        consumer.close()


@pytest.mark.slow
@pytest.mark.kafka
def test_what_was_acknowledged_survives_a_kill(own_kafka):
    topic = new_topic(own_kafka.bootstrap, administered=True)
    produce(own_kafka.bootstrap, topic, {"partition": 3, "value": b"kept"})
    address = own_kafka.bootstrap
    own_kafka.kill()
    assert own_kafka.pid is None
    own_kafka.start()
    assert own_kafka.bootstrap == address
    assert values(address, topic, 3, 1) == [b"kept"]


@pytest.mark.slow
@pytest.mark.kafka
def test_a_new_object_on_the_same_data_is_the_same_broker(own_kafka):
    topic = new_topic(own_kafka.bootstrap, administered=True)
    produce(own_kafka.bootstrap, topic, {"partition": 0, "value": b"kept"})
    own_kafka.stop()
    again = ApacheKafka(own_kafka.data, java_options=QUICK_START).start()
    try:
        assert again.bootstrap == own_kafka.bootstrap
        assert values(again.bootstrap, topic, 0, 1) == [b"kept"]
    finally:
        again.stop()


@pytest.mark.slow
@pytest.mark.kafka
def test_compaction_keeps_the_newest_of_each_key(own_kafka):
    eager = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    topic = new_topic(own_kafka.bootstrap, administered=True, **eager)
    produce(own_kafka.bootstrap, topic, *({"partition": 0, "key": b"k", "value": b"%d" % n} for n in range(50)))
    deadline = time.monotonic() + 60
    left = 50
    while left > 3:  # the newest segment is never compacted, so a few that came later stay
        assert time.monotonic() < deadline, f"{left} messages of one key are left"
        produce(own_kafka.bootstrap, topic, {"partition": 0, "key": b"k", "value": b"newest"})
        consumer = reader(own_kafka.bootstrap, topic, 0)
        batch = consumer.consume(1_000, timeout=1)
        consumer.close()
        left = len(batch)
    assert batch[-1].value() == b"newest"


@pytest.mark.kafka
def test_a_topic_that_nobody_made_is_an_error(apache_kafka):
    impatient = {"topic.metadata.propagation.max.ms": 500, "message.timeout.ms": 30_000}
    producer = Producer({"bootstrap.servers": apache_kafka.bootstrap} | impatient)
    errors: list[KafkaError | None] = []
    producer.produce("misspelled", b"value", on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert [error and error.code() for error in errors] == [KafkaError.UNKNOWN_TOPIC_OR_PART]


@pytest.mark.kafka
def test_a_setting_that_kafka_refuses_shows_the_end_of_its_log(apache_kafka, tmp_path):  # noqa: ARG001
    broken = ApacheKafka(tmp_path, properties={"num.network.threads": "many"})
    with pytest.raises(KafkaStartError, match=r"num\.network\.threads"):
        broken.start()
    assert broken.pid is None


@pytest.mark.kafka
def test_a_port_in_use_is_said_plainly(apache_kafka, tmp_path):
    port = int(apache_kafka.bootstrap.rpartition(":")[2])
    with pytest.raises(KafkaStartError, match=f"port {port} is in use"):
        ApacheKafka(tmp_path, port=port).start()


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_stops_cleanly(apache_kafka, tmp_path, number):  # noqa: ARG001
    port = free_port()
    command = [sys.executable, "-m", "spendstream.local.kafka", "--port", str(port), "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"127.0.0.1:{port}\n"
        process.send_signal(number)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()  # else a process that does not stop would be waited for without end
    assert process.returncode == 0
    assert "stopping" in said
    assert "Traceback" not in said
    assert (tmp_path / "topics" / ".kafka_cleanshutdown").exists()  # Kafka's own mark of it


@pytest.mark.slow
@pytest.mark.kafka
def test_the_broker_ends_with_the_process_that_started_it(apache_kafka, tmp_path):  # noqa: ARG001
    port = free_port()
    command = [sys.executable, "-m", "spendstream.local.kafka", "--port", str(port), "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"127.0.0.1:{port}\n"
        process.kill()
    deadline = time.monotonic() + 60
    while not (tmp_path / "topics" / ".kafka_cleanshutdown").exists():
        assert time.monotonic() < deadline, "the broker still runs"
        time.sleep(0.1)


def test_a_cluster_id_never_looks_like_an_option(monkeypatch):
    ids = iter([uuid.UUID(bytes=b"\xf8" + bytes(15)), uuid.UUID(bytes=bytes(16))])
    monkeypatch.setattr("spendstream.local.kafka_apache.uuid.uuid4", lambda: next(ids))
    assert _cluster_id() == "A" * 22


def test_reading_back_without_kafka_says_so_instead_of_waiting():
    settings = load(kafka={"bootstrap": "127.0.0.1:9"})
    with pytest.raises(ConfigurationError, match=r"no Kafka answers on 127\.0\.0\.1:9"):
        check_kafka(settings, timeout=1)
