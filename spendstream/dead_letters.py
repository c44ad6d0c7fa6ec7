"""Finding dead letters in Kafka, and sending them back after a fix."""

from dataclasses import replace

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from schemas.codec import Codec
from schemas.events import DeadLetter
from schemas.registry import schema_source
from spendstream.admin import kafka_client
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import DEAD_LETTERS


def find(settings: Settings, letter: str) -> list[DeadLetter]:
    """Return the dead letter with an id that begins with `letter`, the newest copy of each."""
    codec = Codec(schema_source(settings))
    consumer = Consumer(
        {
            **kafka_client(settings),
            "group.id": f"{settings.kafka.prefix}spendstream-dead-letters",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: dict[str, DeadLetter] = {}
    try:
        consumer.assign([TopicPartition(settings.kafka.topics.name(DEAD_LETTERS), 0, 0)])
        while True:
            for message in consumer.consume(500, 5):
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    return list(found.values())
                event = codec.decode(message.value() or b"")
                if isinstance(event, DeadLetter) and event.id.startswith(letter):
                    found[event.id] = event
    finally:
        consumer.close()


def send_back(settings: Settings, letter: DeadLetter) -> str:
    """Send a letter's bytes back to where they came from, and return what was done.

    Raises
    ------
    ConfigurationError
        When it did not come from a topic, as a row of an export: the export is read again instead.
    """
    if letter.topic is None or letter.partition is None:
        raise ConfigurationError(
            f"{letter.origin} is not in Kafka: mend the source, and read it again (`produce --once`)"
        )
    producer = Producer({**kafka_client(settings), "enable.idempotence": True, "acks": "all"})
    failures: list[str] = []
    producer.produce(
        letter.topic,
        letter.value,
        letter.key,
        letter.partition,
        on_delivery=lambda error, _: failures.append(error.str()) if error else None,
    )
    counted = replace(letter, retries=letter.retries + 1)
    name = settings.kafka.topics.name(DEAD_LETTERS)
    producer.produce(name, Codec(schema_source(settings)).encode(counted), letter.id.encode(), 0)
    if producer.flush(60) or failures:
        raise ConfigurationError(f"Kafka did not take it: {failures}")
    return f"sent back to {letter.topic}/{letter.partition}"
