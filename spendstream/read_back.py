"""Reading a whole topic back at the start of a process: what was published, what was spent."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from spendstream.admin import check_kafka, kafka_consumer
from spendstream.settings import Settings
from spendstream.topics import Topic


def read_back(settings: Settings, topic: Topic) -> Iterator[bytes]:
    """Yield the values of all messages that are in `topic` now, partition by partition; none without a topic.

    Raises
    ------
    ConfigurationError
        When no Kafka answers.
    KafkaException
        When a partition cannot be read.
    """
    names = settings.kafka.topics
    for message in read_back_messages(settings, names.name(topic), names.partitions(topic)):
        yield message.value() or b""


def read_back_messages(settings: Settings, name: str, partitions: int) -> Iterator[Message]:
    """Yield all messages that are in the topic with the physical `name` now, as `read_back`."""
    check_kafka(settings)
    consumer = Consumer(
        {
            **kafka_consumer(settings, settings.kafka.group("read-back")),
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        if name not in consumer.list_topics(timeout=20).topics:
            return  # a consumer would wait for it for ever
        consumer.assign([TopicPartition(name, partition, 0) for partition in range(partitions)])
        ended: set[int] = set()
        while len(ended) < partitions:
            for message in consumer.consume(1000, 0.1):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    ended.add(message.partition() or 0)
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
