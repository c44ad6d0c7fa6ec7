"""What a replay reads: a range of a recorded topic, by time, by offsets, or by both."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from spendstream.admin import kafka_consumer
from spendstream.clock import to_millis
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import STATEMENTS, Topic


@dataclass(frozen=True, slots=True)
class Range:
    """What is replayed; what is not given is no bound.

    Attributes
    ----------
    since, until
        Times of the messages: the first, and the one after the last.
    first, last
        Offsets by partition: the first, and the one after the last.
    """

    since: datetime | None = None
    until: datetime | None = None
    first: Mapping[int, int] = field(default_factory=dict)
    last: Mapping[int, int] = field(default_factory=dict)

    def holds(self, message: Message) -> bool:
        """Tell whether a message's time lies in it."""
        at = message.timestamp()[1]
        after = self.since is None or at >= to_millis(self.since)
        return after and (self.until is None or at < to_millis(self.until))


def offsets_by_partition(text: str) -> dict[int, int]:
    """Return what a text as `0:1200,1:1180` says: offset by partition.

    Raises
    ------
    ConfigurationError
        When it is no such text.
    """
    found: dict[int, int] = {}
    for pair in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\d+):(\d+)", pair)
        if match is None or int(match[1]) in found:
            raise ConfigurationError(
                f"{text!r} does not say offsets: write PARTITION:OFFSET pairs, each partition once, as 0:1200,1:1180"
            )
        found[int(match[1])] = int(match[2])
    return found


class Reader:
    """Reads ranges of a topic.

    Parameters
    ----------
    settings, topic
        What is read.
    """

    def __init__(self, settings: Settings, topic: Topic = STATEMENTS) -> None:
        self._names = settings.kafka.topics
        self._topic = topic
        self._consumer = Consumer(kafka_consumer(settings, settings.kafka.group("replay")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def offsets(self, span: Range) -> tuple[dict[int, int], dict[int, int]]:
        """Return the first offset and the one after the last, by partition.

        Kafka finds a time by its index; a broker that has none (-1) is read from the beginning, and messages are left
        out by their own times.

        Raises
        ------
        ConfigurationError
            When the topic cannot be read, or does not hold an offset or a partition that the range names.
        """
        name = self._names.name(self._topic)
        partitions = range(self._names.partitions(self._topic))
        unknown = sorted({*span.first, *span.last} - set(partitions))
        if unknown:
            raise ConfigurationError(f"{name} has partitions 0 to {partitions[-1]}, and no {unknown[0]}")
        first, last = {}, {}
        for partition in partitions:
            low, high = self._watermarks(name, partition)
            begin = max(low, self._held(name, partition, span.first.get(partition, low), (low, high)))
            if span.since is not None:
                asked = TopicPartition(name, partition, to_millis(span.since))
                found = self._consumer.offsets_for_times([asked], timeout=10)[0].offset
                begin = max(begin, found)
            first[partition] = begin
            last[partition] = max(begin, self._held(name, partition, span.last.get(partition, high), (low, high)))
        return first, last

    @staticmethod
    def _held(name: str, partition: int, offset: int, bounds: tuple[int, int]) -> int:
        low, high = bounds
        if not low <= offset <= high:
            raise ConfigurationError(f"{name}/{partition} holds offsets from {low} to before {high}, and not {offset}")
        return offset

    def ends(self, topic: Topic) -> dict[int, int]:
        """Return the offset after the last, by partition."""
        name = self._names.name(topic)
        return {partition: self._watermarks(name, partition)[1] for partition in range(self._names.partitions(topic))}

    def _watermarks(self, name: str, partition: int) -> tuple[int, int]:
        try:
            return self._consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
        except KafkaException as error:
            raise ConfigurationError(
                f"{name} cannot be read: {error.args[0].str()}; `spendstream topics` makes what is missing"
            ) from None

    def messages(self, first: dict[int, int], last: dict[int, int]) -> Iterator[Message]:
        """Yield the messages between offsets, every partition in its order."""
        name = self._names.name(self._topic)
        waiting = {partition for partition in last if first[partition] < last[partition]}
        self._consumer.assign([TopicPartition(name, partition, first[partition]) for partition in waiting])
        while waiting:
            for message in self._consumer.consume(500, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                partition, offset = message.partition() or 0, message.offset() or 0
                if partition in waiting and offset < last[partition]:
                    yield message
                # The last offsets of a compacted topic may be gone: then a later position tells that it is at its end.
                if offset >= last[partition] - 1:
                    waiting.discard(partition)
            for done in self._consumer.position([TopicPartition(name, partition) for partition in waiting]):
                if done.offset >= last[done.partition]:
                    waiting.discard(done.partition)
