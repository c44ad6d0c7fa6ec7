"""One process at a time publishes for a deployment; a second one waits, and takes over when the first is gone.

Two would take each other's heads: what one has published, the other does not know, so it would publish it again, not
empty what vanished, and spend the polling budget twice. The right to publish is partition 0 of a small topic in a
consumer group of its own: Kafka gives it to one member, takes it from one that is silent for
`processing.session_seconds`, and lets the owner keep it when another one joins. Nothing outlives its owner, and nothing
has to be cleaned up.

Fencing by a transactional id would refuse the *older* of two, so that two processes under supervisors would throw each
other out for ever, and would put each reading of hours into one transaction. What is left here instead: a process that
was stopped and goes on later could send what it held in its hands at that moment. It looks at its own clock before
every event, so that is at most the few messages already on their way.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Protocol, Self

from confluent_kafka import Consumer, TopicPartition

from producers.sender import DeliveryError
from spendstream.admin import kafka_client
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import SOURCE_RUNS

_TELL_SECONDS = 5.0
_FURTHER_SECONDS = 10.0
_POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


class RivalError(DeliveryError):
    """The right to publish has passed on to another process; nothing more may be sent."""


class Sole(Protocol):
    """The right to publish."""

    def wait(self, stop: threading.Event) -> bool:
        """Wait for it, and return True; False when stopped before."""
        ...

    def check(self) -> None:
        """Raise `RivalError` when it is lost."""
        ...


class SoleProducer:
    """The right to publish for a deployment, held by one process at a time.

    Parameters
    ----------
    settings
        The deployment.
    duty
        What it is that one process does: `produce`, or the same right over messages to people: `deliver`, `report`.
    """

    def __init__(self, settings: Settings, duty: Literal["produce", "deliver", "report"] = "produce") -> None:
        self.group = settings.kafka.group(duty)
        session = self._session = settings.processing.session_seconds
        # Kafka counts from the last heartbeat: after so long a silence it has not given the right to another one yet.
        self._longest_silence = session * 0.6
        self._held = threading.Event()
        self._had = False
        self._end = threading.Event()
        self._seen = time.monotonic()
        self._consumer = Consumer(
            {
                **kafka_client(settings),
                "group.id": self.group,
                "session.timeout.ms": round(session * 1000),
                "heartbeat.interval.ms": round(session * 200),
                # The owner keeps the partition when another process joins.
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
            }
        )
        self._consumer.subscribe(
            [settings.kafka.topics.name(SOURCE_RUNS)], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken
        )
        self._thread = threading.Thread(target=self._stay, name="sole-producer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._held.clear()
        self._consumer.close()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for the right, and return True; False when stopped before."""
        began, told = time.monotonic(), False
        while not stop.is_set():
            if self._held.wait(_POLL_SECONDS):
                return True
            if not told and time.monotonic() - began > _TELL_SECONDS:
                told = True
                log.info("another process has %s: waiting to take over from it", self.group)
        return False

    def wait_briefly(self, seconds: float | None = None) -> None:
        """Wait for the right; by default longer than a process that was killed keeps it.

        Raises
        ------
        ConfigurationError
            When another process has it.
        """
        if not self._held.wait(self._session + _FURTHER_SECONDS if seconds is None else seconds):
            raise ConfigurationError(
                f"another process publishes for this deployment (consumer group {self.group}): stop it first, or let "
                "it read a source now with `spendstream produce --now SOURCE` on its machine"
            )

    def check(self) -> None:
        """Raise `RivalError` when the right is lost, or may be."""
        silent = time.monotonic() - self._seen
        if not self._held.is_set() or silent > self._longest_silence:
            self._held.clear()
            raise RivalError("another process may publish for this deployment now; this one begins anew and waits")

    def _stay(self) -> None:
        """Stay a member of the group; after a silence nothing is certain any more."""
        while not self._end.is_set():
            self._consumer.poll(_POLL_SECONDS)
            now = time.monotonic()
            if now - self._seen > self._longest_silence and self._had:
                self._held.clear()
            self._seen = now

    def _given(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # What was lost once is not taken up again: whoever had it in between has published.
        if any(one.partition == 0 for one in partitions) and not self._had:
            self._had = True
            self._seen = time.monotonic()
            self._held.set()

    def _taken(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if any(one.partition == 0 for one in partitions):
            self._held.clear()


@contextmanager
def publishing(settings: Settings) -> Iterator[Callable[[], None]]:
    """Hold the right to publish for a command; yields what is to be called with every event.

    Raises
    ------
    ConfigurationError
        When another process has it, takes it over, or Kafka does not take what is sent.
    """
    with SoleProducer(settings) as sole:
        sole.wait_briefly()
        try:
            yield sole.check
        except DeliveryError as error:
            raise ConfigurationError(str(error)) from None
