"""What the live driver sends to Kafka.

By confluent-kafka: its own threads batch, compress and send, beside the steps; Faust's producer would do that on the
event loop, with several futures a message, and take as much time as the steps themselves.
"""

import asyncio
import contextlib

from confluent_kafka import KafkaError, Message, Producer

from processors.passage import Headers
from spendstream.admin import kafka_producer
from spendstream.settings import Settings

_POLL_SECONDS = 0.005


class UndeliveredError(RuntimeError):
    """Kafka did not take a message."""


class Flight:
    """Messages on their way that belong together.

    Attributes
    ----------
    offset
        Offset of the newest of them that Kafka has, -1 for none; of use where all go to one partition.
    """

    __slots__ = ("_failure", "_under_way", "_waiter", "offset")

    def __init__(self) -> None:
        self.offset = -1
        self._under_way = 0
        self._failure: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    def leaves(self) -> None:
        """Note that a message is on its way."""
        self._under_way += 1

    def lands(self, error: KafkaError | None, message: Message) -> None:
        """Note what became of one."""
        self._under_way -= 1
        if error is None:
            self.offset = max(self.offset, message.offset() or 0)
        else:
            self._failure = self._failure or f"{message.topic()}: {error.str()}"
        if self._under_way == 0 and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def arrived(self) -> None:
        """Wait until Kafka has acknowledged all.

        Raises
        ------
        UndeliveredError
            When it did not take one.
        """
        if self._under_way:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._failure is not None:
            raise UndeliveredError(self._failure)


class Outbox:
    """An idempotent producer on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(kafka_producer(settings))
        self._under_way = 0
        self._anything = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to hear of what has arrived."""
        self._polling = asyncio.ensure_future(self._poll())

    async def stop(self) -> None:
        """Forget what is under way: its events were not committed, and are read again."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling

    def send(
        self,
        flight: Flight,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """Send a message as a part of `flight`."""

        def landed(error: KafkaError | None, message: Message) -> None:
            self._under_way -= 1
            flight.lands(error, message)

        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=landed, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.05)
        flight.leaves()
        self._under_way += 1
        self._anything.set()

    async def _poll(self) -> None:
        while True:
            await self._anything.wait()
            while self._under_way:
                self._producer.poll(0)
                await asyncio.sleep(_POLL_SECONDS)
            self._anything.clear()
