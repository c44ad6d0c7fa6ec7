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

    def note(self, attempt: Attempt) -> Attempt:
        """Note, and return, how it stands with something that is not accepted."""
        self._attempts.setdefault(attempt.receiver, {})[attempt.incident] = attempt
        return attempt

    def trying(self, receiver: str, incident: Incident, since: datetime, now: datetime) -> Attempt:
        """Return what is to be written down before a try: what the receiver may have heard after it."""
        before = self._attempt(receiver, incident, since)
        # Of an end it is told until it accepts that: what it may have heard before still matters.
        heard = before.heard if incident.state == "resolved" else incident.state
        return replace(before, sent_at=now, heard=heard)

    def failed(self, receiver: str, incident: Incident, since: datetime, now: datetime, *, unknown: bool) -> Attempt:
        """Note, and return, that a try failed; `unknown`: the receiver may have heard of it all the same."""
        if unknown:
            return self.note(self.trying(receiver, incident, since, now))
        return self.note(replace(self._attempt(receiver, incident, since), sent_at=now))

    def waiting(self, receiver: str, incident: Incident, since: datetime) -> Attempt | None:
        """Note, and return, since when something waits for a receiver that fails; None: that is known."""
        before = self.attempts(receiver).get(incident.id)
        known = before is not None and before.since == since
        return None if known else self.note(self._attempt(receiver, incident, since))

    def given_up(self, receiver: str, incident: Incident, now: datetime) -> Attempt:
        """Note, and return, that a version of an incident is not tried any more."""
        return self.note(replace(self._attempt(receiver, incident, now), given_up=incident.version))

    def _attempt(self, receiver: str, incident: Incident, since: datetime) -> Attempt:
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
