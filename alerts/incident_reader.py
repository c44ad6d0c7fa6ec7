"""Reading incidents from Kafka: all of them from the beginning of their topic on, and what is new as it comes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from alerts.records import Passed
from processors.passage import passage_of
from schemas.codec import Codec
from schemas.events import Incident
from schemas.registry import schema_source
from spendstream.admin import kafka_consumer
from spendstream.clock import from_millis
from spendstream.settings import Settings
from spendstream.topics import INCIDENTS

_WAIT_SECONDS = 0.1
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Read:
    """An incident, the time at which it was written, and the times of its way."""

    incident: Incident
    written_at: datetime
    passed: Passed


class IncidentReader:
    """All incidents of a deployment, with the time at which each was written."""

    def __init__(self, settings: Settings) -> None:
        self._codec = Codec(schema_source(settings))
        self._consumer = Consumer(
            {
                **kafka_consumer(settings, settings.kafka.group("deliver-incidents")),
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )
        topics = settings.kafka.topics
        partitions = range(topics.partitions(INCIDENTS))
        self._behind = set(partitions)
        self._consumer.assign([TopicPartition(topics.name(INCIDENTS), partition, 0) for partition in partitions])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    @property
    def caught_up(self) -> bool:
        """Whether every partition was read to its end once: before that, what is known may be long over."""
        return not self._behind

    def read(self) -> list[Read]:
        """Return what is new, waiting briefly for it.

        Raises
        ------
        KafkaException
            When a partition cannot be read any more.
        """
        found = []
        for message in self._come():
            error = message.error()
            if error is None:
                event = self._codec.decode(message.value() or b"")
                if isinstance(event, Incident):
                    passed = Passed.of(passage_of(message.headers()))
                    found.append(Read(event, from_millis(message.timestamp()[1]), passed))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                self._behind.discard(message.partition() or 0)
            elif error.fatal():
                raise KafkaException(error)
        return found

    def _come(self) -> Iterator[Message]:
        """Wait for one message, and take those that are there with it: to wait for many would hold the first back."""
        first = self._consumer.poll(_WAIT_SECONDS)
        if first is not None:
            yield first
            yield from self._consumer.consume(_AT_ONCE, 0)
