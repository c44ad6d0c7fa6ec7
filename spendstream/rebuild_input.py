"""The old topic of a rebuild: every partition in its order, the oldest message of all next."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from spendstream.admin import kafka_consumer
from spendstream.regrouping import Item
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import MAX_MESSAGE_BYTES

_AHEAD = 1000
_SECONDS = 60


class RebuildInput:
    """An old topic from where the last rebuild was to its end; nobody publishes meanwhile."""

    def __init__(self, settings: Settings, name: str, partitions: range, group: str) -> None:
        self._name = name
        self._partitions = partitions
        self._consumer = Consumer(
            {
                **kafka_consumer(settings, group),
                "queued.max.messages.kbytes": 65_536,
                "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            }
        )
        self._ahead: dict[int, deque[Message]] = {partition: deque() for partition in partitions}
        self._items: dict[int, Item[Message] | None] = {}
        self._next: dict[int, int] = {}
        self._end: dict[int, int] = {}
        self._paused: set[int] = set()
        self._unread: set[int] = set()
        self.total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def taken_before(self) -> Iterator[tuple[int, Message]]:
        """Go to where the last rebuild was, and yield the closes that it had taken and that still waited."""
        committed = self._consumer.committed(
            [TopicPartition(self._name, p) for p in self._partitions], timeout=_SECONDS
        )
        held: list[tuple[int, int]] = []
        for known in committed:
            partition = known.partition
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self._name, partition), timeout=_SECONDS)
            self._next[partition], self._end[partition] = max(low, known.offset), high
            if known.offset >= 0 and known.metadata:
                held += [(partition, int(offset)) for offset in known.metadata.split(",")]
        for partition, offset in held:
            yield partition, self._at(partition, offset)
        self._unread = {partition for partition in self._partitions if self._next[partition] < self._end[partition]}
        self.total = sum(self._end[partition] - self._next[partition] for partition in self._partitions)
        self._consumer.assign([TopicPartition(self._name, p, self._next[p]) for p in sorted(self._unread)])

    def _at(self, partition: int, offset: int) -> Message:
        self._consumer.assign([TopicPartition(self._name, partition, offset)])
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            message = self._consumer.poll(1)
            if message is not None and message.error() is None and message.offset() == offset:
                return message
        raise ConfigurationError(f"{self._name}/{partition} offset {offset} cannot be read: run it again")

    def fill(self) -> bool:
        """Wait until every partition that is not at its end has a message ahead; return whether any has."""
        while any(not self._ahead[partition] for partition in self._unread):
            for message in self._consumer.consume(500, 0.2):
                self._keep(message)
            waiting = [TopicPartition(self._name, partition) for partition in self._unread]
            for where in self._consumer.position(waiting):
                # The last offsets of a compacted topic may be gone: then the position alone tells that it ended.
                if where.offset >= self._end[where.partition]:
                    self._unread.discard(where.partition)
        return any(self._ahead.values())

    def _keep(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise KafkaException(error)
        partition, offset = message.partition() or 0, message.offset() or 0
        if partition not in self._unread:
            return
        if offset < self._end[partition]:
            self._ahead[partition].append(message)
        if offset >= self._end[partition] - 1:
            self._unread.discard(partition)
        if len(self._ahead[partition]) > _AHEAD and partition not in self._paused:
            self._consumer.pause([TopicPartition(self._name, partition)])
            self._paused.add(partition)

    def heads(self, read: Callable[[Message], Item[Message] | None]) -> Iterator[tuple[int, Item[Message] | None]]:
        """Yield the next item of every partition that has one; None: its message cannot be read."""
        for partition, ahead in self._ahead.items():
            if ahead:
                if partition not in self._items:
                    self._items[partition] = read(ahead[0])
                yield partition, self._items[partition]

    def time_of(self, partition: int) -> int:
        """Return the time of the next message of a partition, in ms since 1970."""
        at: int = self._ahead[partition][0].timestamp()[1]
        return at

    def take(self, partition: int) -> tuple[Message, Item[Message] | None]:
        """Take the next message of a partition, and what `heads` has read of it."""
        message = self._ahead[partition].popleft()
        self._next[partition] = (message.offset() or 0) + 1
        if partition in self._paused and len(self._ahead[partition]) < _AHEAD // 4:
            self._consumer.resume([TopicPartition(self._name, partition)])
            self._paused.discard(partition)
        return message, self._items.pop(partition)

    def positions(self, held: dict[int, list[int]]) -> list[TopicPartition]:
        """Return how far every partition was taken; its metadata names the offsets of closes that still wait."""
        return [
            TopicPartition(self._name, partition, offset, metadata=",".join(map(str, held[partition])))
            for partition, offset in self._next.items()
        ]

    def group(self) -> Any:  # noqa: ANN401 - the client does not name the type
        """Return the consumer group, for a transaction."""
        return self._consumer.consumer_group_metadata()
