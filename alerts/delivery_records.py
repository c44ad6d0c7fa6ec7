"""What delivery writes down in Kafka: the log of what was told, states of messages, own incidents, what was lost."""

import asyncio
from collections.abc import Iterator

from alerts.delivery_metrics import DeliveryMetrics
from alerts.records import Written
from alerts.suspensions import key_of
from producers.sender import Sender
from schemas.dead_letters import dead_letter
from schemas.events import Attempt, Notification
from spendstream.clock import Clock
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, DELIVERIES, INCIDENTS, NOTIFICATIONS, SUSPENSIONS


class DeliveryRecords:
    """The records of a deployment's delivery.

    Parameters
    ----------
    settings, clock
        The deployment, and the time.
    metrics
        Counts what is written down.
    """

    def __init__(self, settings: Settings, clock: Clock, metrics: DeliveryMetrics) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._sender = Sender(settings, clock)
        self._sending = asyncio.Lock()

    def log(self) -> Iterator[Notification | Attempt]:
        """Yield the log, in its order."""
        for raw in read_back(self._settings, NOTIFICATIONS):
            event = self._sender.codec.decode(raw)
            if isinstance(event, (Notification, Attempt)):
                yield event

    async def keep(self, written: Written) -> None:
        """Send what is to be written down, and wait until Kafka has it; who comes first is written first.

        Raises
        ------
        DeliveryError
            When Kafka does not take it.
        """
        self._metrics.count(written.states)
        async with self._sending:
            self._send(written)
            await asyncio.to_thread(self._sender.flush)
        self._metrics.measure(written.notifications)

    def _send(self, written: Written) -> None:
        send = self._sender.send
        for attempt in written.attempts:
            # In a key of its own it leaves what was accepted before; what is accepted later stands behind it.
            send(NOTIFICATIONS, 0, f"{attempt.receiver}/{attempt.incident}/attempt", attempt)
        for one in written.notifications:
            send(NOTIFICATIONS, 0, f"{one.receiver}/{one.incident}", one)
        for state in written.states:
            send(DELIVERIES, 0, f"{state.receiver}/{state.incident}", state)
        for incident in written.incidents:
            send(INCIDENTS, 0, f"{incident.run}/{incident.id}", incident)
        for suspension in written.suspensions:
            send(SUSPENSIONS, 0, key_of(suspension), suspension)
        for lost in written.lost:
            # It is not tried again as it is; a dead letter leaves it to a person.
            incident = lost.incident
            letter = dead_letter(
                stage="deliver",
                origin=f"{lost.receiver}/{incident.id}/{incident.version}",
                value=self._sender.codec.encode(incident),
                error=_LostError(f"receiver {lost.receiver} was not told: {lost.error}"),
                at=self._clock.now(),
            )
            send(DEAD_LETTERS, 0, letter.id, letter)
        for letter in written.letters:
            send(DEAD_LETTERS, 0, letter.id, letter)


class _LostError(RuntimeError):
    """Nobody was told of an incident."""
