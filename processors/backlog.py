"""How far a step is behind in its input, asked of Kafka itself.

Faust knows what it was given; it does not know when its consumer has fallen silent. So the worker looks from outside:
what stands in the input's partitions beyond the offsets that the step's group has committed. Input that waits while no
offset moves is a stall.

An offset need not be an event: a transaction ends with a mark of its own, and compaction leaves gaps. So where nothing
moved it is seen whether there is anything to read.
"""

from collections.abc import Collection
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processors.live_names import app_id
from processors.step import Step
from spendstream.admin import kafka_consumer
from spendstream.settings import Settings

_TIMEOUT_SECONDS = 5.0


class Backlog:
    """What waits in the input of one step.

    Parameters
    ----------
    settings, step
        Whose consumer group, and which topics.

    Attributes
    ----------
    events
        How many events waited at the last look.
    moved
        Whether offsets were committed between the last two looks.
    """

    def __init__(self, settings: Settings, step: Step) -> None:
        names = settings.kafka.topics
        self._input = [
            TopicPartition(names.name(topic), partition)
            for topic in step.inputs
            for partition in range(names.partitions(topic))
        ]
        # It joins no group: it only asks what the group has committed.
        self._consumer = Consumer(
            {
                **kafka_consumer(settings, app_id(settings, step)),
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        self._committed: dict[tuple[str, int], int] = {}
        self.events = 0
        self.moved = False

    def look(self, mine: Collection[int]) -> None:
        """Ask Kafka; while it does not answer, all stays as it was.

        Parameters
        ----------
        mine
            The partitions that this worker was given; what waits in the others is theirs who have them. A worker that
            has none looks at all: nobody may have them.
        """
        asked = [one for one in self._input if not mine or one.partition in mine]
        try:
            committed = self._consumer.committed(asked, timeout=_TIMEOUT_SECONDS)
            waiting = {place: count for place in committed if (count := self._beyond(place))}
            still = [place for place in waiting if self._committed.get((place.topic, place.partition)) == place.offset]
            for place in self._empty(still):
                del waiting[place]
        except KafkaException:
            return
        offsets = {(place.topic, place.partition): place.offset for place in committed}
        self.moved = any(self._committed.get(where, offset) != offset for where, offset in offsets.items())
        self._committed |= offsets
        self.events = sum(waiting.values())

    def _beyond(self, place: TopicPartition) -> int:
        first, end = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
        return max(end - max(place.offset, first), 0)  # a negative offset stands for none

    def _empty(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """Return the places from which on there is nothing to read."""
        unknown = {(place.topic, place.partition): place for place in places}
        empty = []
        self._consumer.assign(places)
        try:
            while unknown and (message := self._consumer.poll(_TIMEOUT_SECONDS)) is not None:
                place = unknown.pop((message.topic() or "", message.partition() or 0), None)
                error = message.error()
                if place is not None and error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    empty.append(place)
        finally:
            self._consumer.unassign()
        return empty

    def __enter__(self) -> Self:
        """Return it, ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its client."""
        self._consumer.close()
