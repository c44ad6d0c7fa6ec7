"""How the API hands events to Kafka: delivered before it is answered. It connects when there is something to send."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaException

from api.problems import Problem
from producers.sender import DeliveryError, Sender
from spendstream.admin import check_kafka
from spendstream.clock import Clock
from spendstream.settings import ConfigurationError, Settings

#: Whoever waits for an answer is told after so long that Kafka is away.
_MILLISECONDS = 10_000

T = TypeVar("T")


class Publisher:
    """Sends for the API; one event after the other."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        client = {**settings.kafka.client, "message.timeout.ms": str(_MILLISECONDS)}
        self._settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"client": client})})
        self._clock = clock
        self._lock = threading.Lock()
        self._sender: Sender | None = None

    async def send(self, send: Callable[[Sender], None]) -> None:
        """Let `send` send; Kafka has it when this returns.

        Raises
        ------
        Problem
            503, when Kafka does not take it.
        """
        await asyncio.to_thread(self._send, send)

    def _send(self, send: Callable[[Sender], None]) -> None:
        with self._lock:
            try:
                if self._sender is None:
                    self._sender = Sender(self._settings, self._clock)
                send(self._sender)
                self._sender.flush()
            except (DeliveryError, ConfigurationError, KafkaException) as error:
                self._sender = None
                raise away(error) from error


async def in_kafka(settings: Settings, ask: Callable[[], T]) -> T:
    """Return what blocking code says that talks to Kafka, once it is sure that one answers.

    Raises
    ------
    Problem
        503, when Kafka does not answer.
    """
    try:
        await asyncio.to_thread(check_kafka, settings, _MILLISECONDS / 2000)
        return await asyncio.to_thread(ask)
    except (DeliveryError, ConfigurationError, KafkaException) as error:
        raise away(error) from error


def away(error: Exception) -> Problem:
    """Return the problem of a Kafka that did not take something."""
    return Problem(
        503, "Kafka did not take it", f"nothing is sure to have changed; send it again in a moment ({error})"
    )
