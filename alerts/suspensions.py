"""Addresses that get no mail: it came back for good, or somebody complained. They stay so until a person lifts it."""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from alerts.receivers import Receiver, SesReceiver, SmtpReceiver
from alerts.returned_mail import Returned
from producers.sender import DeliveryError, Sender
from schemas.codec import Codec
from schemas.events import Suspension
from schemas.registry import schema_source
from spendstream.admin import ensure_topics, kafka_consumer
from spendstream.clock import Clock
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import SUSPENSIONS

#: Why nothing is sent to a receiver without an address.
CLOSED = "its mail came back or was complained about: see `spendstream mail list`"


class Suspensions:
    """What is suspended, by receiver and address; the newest word holds. No I/O."""

    def __init__(self, events: Iterable[Suspension] = ()) -> None:
        self._known: dict[tuple[str, str], Suspension] = {}
        for event in events:
            self.take(event)

    def take(self, event: Suspension) -> bool:
        """Take a word; return whether it changes anything: an older one does not."""
        key = event.receiver, event.address
        known = self._known.get(key)
        if known is not None and known.at >= event.at:
            return False
        self._known[key] = event
        return event.suspended or known is not None

    def all(self) -> list[Suspension]:
        """Return what is suspended, the newest first."""
        found = [one for one in self._known.values() if one.suspended]
        return sorted(found, key=lambda one: (one.at, one.receiver, one.address), reverse=True)

    def of(self, receiver: str) -> set[str]:
        """Return the addresses of a receiver that are suspended, in small letters."""
        return {one.address for one in self._known.values() if one.suspended and one.receiver == receiver}

    def left(self, receiver: Receiver) -> Receiver | None:
        """Return a receiver without the addresses that are suspended; None when no address is left."""
        if not isinstance(receiver, SesReceiver | SmtpReceiver):
            return receiver
        suspended = self.of(receiver.name)
        left = tuple(address for address in receiver.to if address.lower() not in suspended)
        return receiver.model_copy(update={"to": left}) if left else None

    def closed(self, receivers: Iterable[Receiver]) -> Mapping[str, str]:
        """Return the receivers of which no address is left, and why nothing can be sent to them."""
        return {receiver.name: CLOSED for receiver in receivers if self.left(receiver) is None}


def suspended_by(found: Returned, receiver: Receiver) -> list[Suspension]:
    """Return what is suspended when a mail came back so: the addresses of the receiver that it came back from."""
    if not found.final or not isinstance(receiver, SesReceiver | SmtpReceiver):
        return []
    ours = {address.lower() for address in receiver.to}
    return [
        Suspension(receiver=receiver.name, address=address, suspended=True, at=found.at, by="SES", why=found.says)
        for address in found.addresses
        if address in ours
    ]


def known_suspensions(settings: Settings) -> Suspensions:
    """Return what is suspended now.

    Raises
    ------
    ConfigurationError
        When no Kafka answers.
    """
    codec = Codec(schema_source(settings))
    events = (codec.decode(raw) for raw in read_back(settings, SUSPENSIONS))
    return Suspensions(event for event in events if isinstance(event, Suspension))


def lift(settings: Settings, clock: Clock, address: str, by: str, why: str) -> list[Suspension]:
    """Let mail go to an address again, for all receivers that have it; return what was suspended.

    Raises
    ------
    ConfigurationError
        When it is not suspended, or Kafka does not answer.
    """
    ensure_topics(settings)
    found = [one for one in known_suspensions(settings).all() if one.address == address.lower()]
    if not found:
        raise ConfigurationError(f"{address} is not suspended; see `spendstream mail list`")
    sender = Sender(settings, clock)
    try:
        for one in found:
            lifted = Suspension(
                receiver=one.receiver, address=one.address, suspended=False, at=clock.now(), by=by, why=why
            )
            sender.send(SUSPENSIONS, 0, key_of(lifted), lifted)
        sender.flush()
    except DeliveryError as error:
        raise ConfigurationError(str(error)) from None
    return found


def key_of(event: Suspension) -> str:
    """Return the key of a suspension in its topic."""
    return f"{event.receiver}/{event.address}"


class SuspensionReader:
    """Follows what is suspended, and what people lift.

    Parameters
    ----------
    settings
        The deployment.
    """

    def __init__(self, settings: Settings) -> None:
        self.known = known_suspensions(settings)
        self._codec = Codec(schema_source(settings))
        self._consumer = Consumer(kafka_consumer(settings, settings.kafka.group("suspensions")))
        self._consumer.assign([TopicPartition(settings.kafka.topics.name(SUSPENSIONS), 0, 0)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def changed(self) -> bool:
        """Take what is new, without waiting; return whether anything else is suspended now.

        Raises
        ------
        KafkaException
            When the topic cannot be read any more.
        """
        changed = False
        for message in self._consumer.consume(500, 0):
            error = message.error()
            if error is None:
                event = self._codec.decode(message.value() or b"")
                changed |= isinstance(event, Suspension) and self.known.take(event)
            elif error.fatal():
                raise KafkaException(error)
        return changed
