"""The log of what receivers were told, as the desk knows it: what was accepted, and what is not yet. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.routing import Known
from schemas.events import Attempt, Incident, Notification


@dataclass(frozen=True, slots=True)
class Perhaps:
    """What a receiver may have heard, though no channel said so."""

    state: str
    severity: str
    sent_at: datetime


class ToldLog:
    """What each receiver was told last of each incident, and what it is to be told and has not accepted.

    A message that got no answer, or was on its way when a process ended, may have arrived or not. While the incident
    fires it is told again, as if it had not; of what follows, and above all of the end, the receiver is told as if it
    had.

    Parameters
    ----------
    events
        The log, in its order.
    """

    def __init__(self, events: Iterable[Notification | Attempt]) -> None:
        self._told: dict[str, dict[str, Notification]] = {}
        self._attempts: dict[str, dict[str, Attempt]] = {}
        for event in events:
            if isinstance(event, Attempt):
                self.note(event)
            else:
                self.add(event)

    def told(self, receiver: str) -> Mapping[str, Notification]:
        """Return what a receiver accepted last, by incident."""
        return self._told.get(receiver, {})

    def attempts(self, receiver: str) -> Mapping[str, Attempt]:
        """Return what a receiver is to be told and has not accepted, by incident."""
        return self._attempts.get(receiver, {})

    def add(self, notification: Notification) -> None:
        """Note that something was accepted."""
        self._told.setdefault(notification.receiver, {})[notification.incident] = notification
        self._attempts.get(notification.receiver, {}).pop(notification.incident, None)

    def note(self, attempt: Attempt) -> None:
        """Note how it stands with something that is not accepted."""
        self._attempts.setdefault(attempt.receiver, {})[attempt.incident] = attempt

    def attempt(self, receiver: str, incident: Incident, since: datetime) -> Attempt:
        """Return how it stands with telling a receiver of an incident as it is now."""
        before = self.attempts(receiver).get(incident.id)
        if before is None:
            return Attempt(
                receiver=receiver, incident=incident.id, run=incident.run, version=incident.version, since=since
            )
        return replace(before, version=incident.version, since=since)

    def known(self, receiver: str, incident: Incident) -> Known | None:
        """Return what a receiver knows of an incident, as far as it matters for what it is to be told next."""
        told = self.told(receiver).get(incident.id)
        tried = self.attempts(receiver).get(incident.id)
        if incident.state == "firing" or tried is None or tried.heard is None or tried.heard == incident.state:
            return told
        return Perhaps(tried.heard, incident.severity, tried.sent_at or tried.since)

    def knowing(self, incident: Incident) -> Iterator[tuple[str, Known]]:
        """Yield who knows of an incident, and what."""
        for receiver in {**self._told, **self._attempts}:
            known = self.known(receiver, incident)
            if known is not None:
                yield receiver, known

    def gave_up(self, receiver: str, incident: str) -> int | None:
        """Return the newest version of an incident that a receiver was not told and is not tried with any more."""
        attempt = self.attempts(receiver).get(incident)
        return None if attempt is None else attempt.given_up

    def tried_at(self, receiver: str) -> set[datetime]:
        """Return when a receiver was told something, or tried with, as far as it is known."""
        accepted = {one.sent_at for one in self.told(receiver).values()}
        return accepted | {one.sent_at for one in self.attempts(receiver).values() if one.sent_at is not None}
