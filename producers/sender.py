"""Sending events to Kafka: idempotent, acknowledged by all replicas, and never lost silently."""

import json
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from processors.step import Json
from schemas.codec import Codec
from schemas.events import Event
from schemas.registry import schema_source
from spendstream.admin import kafka_producer
from spendstream.clock import Clock
from spendstream.settings import Settings
from spendstream.topics import Topic

_FLUSH_SECONDS = 120


class DeliveryError(RuntimeError):
    """Kafka did not take a message; nothing was announced, and the next reading publishes it again."""


class Sender:
    """Sends for one deployment, from one thread. After a `DeliveryError` it is of no use: make a new one.

    Parameters
    ----------
    settings, clock
        The deployment, and the time of reading.

    Attributes
    ----------
    codec
        Encodes and decodes its events.
    moved
        Called before each event, and by a source that reads for long without sending any: a sign of life. What it
        raises keeps the event from being sent.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.codec = Codec(schema_source(settings))
        self.moved: Callable[[], None] = lambda: None
        self._producer = Producer(kafka_producer(settings))
        self._failure: str | None = None
        self._acknowledged: list[Callable[[], None]] = []

    def send(
        self, topic: Topic, partition: int, key: str, event: Event, then: Callable[[], None] | None = None
    ) -> None:
        """Send one event; `then` runs when Kafka has acknowledged it.

        Raises
        ------
        DeliveryError
            When Kafka did not take an earlier one.
        """

        def done(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._failure = self._failure or f"{topic.name}: {error.str()}"
            elif then is not None:
                self._acknowledged.append(then)

        self.moved()
        self._produce(self.topic(topic), partition, key.encode(), self.codec.encode(event), done)
        self._raise()
        self._follow()

    def send_state(self, changelog: str, states: Mapping[int, Mapping[str, Json]]) -> None:
        """Send a step's state to its changelog topic, as the live driver would; `states` by partition and key."""
        for partition, entries in states.items():
            for key, value in entries.items():
                self._produce(changelog, partition, key.encode(), json.dumps(value).encode(), self._noted(changelog))
        self._raise()

    def remove_state(self, changelog: str, entries: Iterable[tuple[int, bytes]]) -> None:
        """Remove entries, given by partition and key, from a step's changelog topic."""
        for partition, key in entries:
            self._produce(changelog, partition, key, None, self._noted(changelog))
        self._raise()

    def _noted(self, name: str) -> Callable[[KafkaError | None, Message], None]:
        def done(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._failure = self._failure or f"{name}: {error.str()}"

        return done

    def _produce(
        self,
        name: str,
        partition: int,
        key: bytes,
        value: bytes | None,
        done: Callable[[KafkaError | None, Message], None],
    ) -> None:
        while True:
            try:
                self._producer.produce(name, value, key, partition, on_delivery=done)
                break
            except BufferError:
                self._producer.poll(0.5)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything.

        Raises
        ------
        DeliveryError
            When it did not.
        """
        while True:
            if self._producer.flush(_FLUSH_SECONDS):
                self._failure = self._failure or "messages were not acknowledged in time"
            self._raise()
            if not self._acknowledged:
                return
            self._follow()

    def topic(self, topic: Topic) -> str:
        """Return the physical name of a topic."""
        return self.settings.kafka.topics.name(topic)

    def _follow(self) -> None:
        """Do what waited for an acknowledgement; a delivery callback itself must not produce."""
        while self._acknowledged:
            self._acknowledged.pop(0)()

    def _raise(self) -> None:
        if self._failure is not None:
            raise DeliveryError(f"Kafka did not take a message: {self._failure}; run it again when Kafka is well")
