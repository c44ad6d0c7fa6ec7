"""What happens in a deployment's other topics, handed to the rules: runs of sources, dead letters, lost messages.

Those topics have one partition each, so the steps of alerting, which share partitions, cannot read them. The watch
reads them and sends what rules need to `alert.health`; an offset is committed once the facts before it are in Kafka, so
a crash repeats some, as does a second worker; a fact that is known changes nothing.
"""

import logging
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_STORED, Consumer, KafkaException, TopicPartition

from producers.sender import DeliveryError, Sender
from schemas.codec import CodecError
from schemas.events import DeadLetter, DeliveryState, Event, HealthCheck, HealthFact, SourceRun
from schemas.repository import UnknownSchemaError
from spendstream.admin import kafka_consumer
from spendstream.clock import Clock, SystemClock
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, DELIVERIES, HEALTH, SOURCE_RUNS

log = logging.getLogger(__name__)

_WATCHED = (SOURCE_RUNS, DEAD_LETTERS, DELIVERIES)
_AT_ONCE = 500
_WAIT_SECONDS = 1.0
_PAUSE_SECONDS = 10.0
_LONGEST_NOTE = 300


def facts(event: Event) -> Iterator[HealthFact]:
    """Yield what an event tells of the deployment's health."""
    match event:
        case SourceRun():
            name, note = event.source, event.note[:_LONGEST_NOTE]
            run = f"{name}/{event.started_at.isoformat()}"
            minutes = (event.ended_at - event.started_at).total_seconds() / 60
            yield HealthFact(
                id=run, check="run_failing", subject=name, at=event.ended_at, value=float(event.failures), note=note
            )
            yield HealthFact(
                id=run, check="run_slow", subject=name, at=event.ended_at, value=round(minutes, 2), note=note
            )
            if event.good_at is not None:
                yield HealthFact(
                    id=event.good_at.isoformat(),
                    check="run_missed",
                    subject=name,
                    at=event.good_at,
                    value=0.0,
                    note=note,
                )
        case DeadLetter():
            note = event.reason[:_LONGEST_NOTE]
            yield HealthFact(id=event.id, check="dead_letters", subject=event.stage, at=event.at, value=1.0, note=note)
        case DeliveryState() if event.outcome in {"refused", "expired"}:
            one = f"{event.message}/{event.incident}/{event.outcome}"
            yield _of_receiver("undelivered", one, event)
        case DeliveryState() if event.outcome in {"bounced", "complained"}:
            # A mail about several incidents came back once.
            yield _of_receiver("bounces", f"{event.message}/{event.outcome}", event)


def _of_receiver(check: HealthCheck, one: str, event: DeliveryState) -> HealthFact:
    note = (event.error or event.reason)[:_LONGEST_NOTE]
    return HealthFact(id=one, check=check, subject=event.receiver, at=event.at, value=1.0, note=note)


class HealthWatch:
    """Reads the topics in a thread, from `with` to its end."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="health-watch", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave the group."""
        self._stop.set()
        self._thread.join(10)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except (KafkaException, DeliveryError) as error:
                log.warning("health cannot be watched now, it is tried again: %s", error)
                self._stop.wait(_PAUSE_SECONDS)

    def _read(self) -> None:
        names = self._settings.kafka.topics
        sender = Sender(self._settings, self._clock)
        consumer = Consumer(kafka_consumer(self._settings, self._settings.kafka.group("health")))
        try:
            # From what is committed, without joining the group: several that read the same do no harm.
            consumer.assign([TopicPartition(names.name(topic), 0, OFFSET_STORED) for topic in _WATCHED])
            while not self._stop.is_set():
                messages = [one for one in consumer.consume(_AT_ONCE, _WAIT_SECONDS) if one.error() is None]
                for message in messages:
                    for fact in _told(sender, message.value() or b""):
                        sender.send(HEALTH, 0, f"{fact.check}/{fact.subject}", fact)
                if messages:
                    sender.flush()
                    consumer.commit(asynchronous=False)
        finally:
            consumer.close()


def _told(sender: Sender, raw: bytes) -> list[HealthFact]:
    try:
        return list(facts(sender.codec.decode(raw)))
    except (CodecError, UnknownSchemaError):
        return []  # whoever reads the topic itself says so
