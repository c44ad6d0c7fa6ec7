"""What is written down of telling receivers: the log of what was accepted, and each state of a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from alerts.channels.channel import Outcome
from alerts.message import Message
from alerts.returned_mail import Returned
from alerts.routing import Told
from schemas.events import Attempt, DeadLetter, DeliveryOutcome, DeliveryState, Incident, Notification, Suspension
from spendstream.clock import from_millis

#: Steps that score: the last one that an event passed tells when it was scored.
_SCORING = ("anomalies", "totals")
_FIRING = "rules"


@dataclass(frozen=True, slots=True)
class Passed:
    """When what an incident tells was scored, and when its rule fired; None: it is not known."""

    scored_at: datetime | None = None
    fired_at: datetime | None = None

    @classmethod
    def of(cls, passage: Mapping[str, int]) -> "Passed":
        """Return the times of a passage (see `processors.passage`)."""
        scored = next((passage[step] for step in _SCORING if step in passage), None)
        fired = passage.get(_FIRING)
        return cls(
            None if scored is None else from_millis(scored),
            None if fired is None else from_millis(fired),
        )


@dataclass(frozen=True, slots=True)
class Lost:
    """What nobody was told: the receiver that was the last to be tried, and why it was not told."""

    receiver: str
    incident: Incident
    error: str


@dataclass(slots=True)
class Written:
    """What is to be written down: the log, states of messages, own incidents, what was lost, what is suspended."""

    notifications: list[Notification] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    states: list[DeliveryState] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    suspensions: list[Suspension] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return any(getattr(self, one.name) for one in fields(self))


class Journal:
    """Keeps what is to be written down until somebody asks for it.

    Attributes
    ----------
    channels
        The kind of each receiver's channel.
    """

    def __init__(self) -> None:
        self.channels: Mapping[str, str] = {}
        self._written = Written()

    def written(self) -> Written:
        """Return what is to be written down since the last question."""
        found, self._written = self._written, Written()
        return found

    def attempt(self, attempt: Attempt | None) -> None:
        """Write down how it stands with something that is not accepted; None: that is known."""
        if attempt is not None:
            self._written.attempts.append(attempt)

    def incident(self, incident: Incident) -> None:
        """Write down an incident of delivery's own."""
        self._written.incidents.append(incident)

    def lost(self, receiver: str, incident: Incident, error: str) -> None:
        """Write down that nobody was told of something."""
        self._written.lost.append(Lost(receiver, incident, error))

    def suspension(self, event: Suspension) -> None:
        """Write down that an address gets no mail any more."""
        self._written.suspensions.append(event)

    def returned(self, found: Returned, told: Notification | None, run: str) -> None:
        """Write down that a mail came back; `told`: what it told of one incident, None where nobody knows any more."""
        state = DeliveryState(
            message=found.message,
            receiver=found.receiver,
            channel=self.channels.get(found.receiver, ""),
            group="",
            incident="",
            run=run,
            version=0,
            state="",
            severity="",
            outcome=found.outcome,
            reason="",
            error=found.says,
            attempt=0,
            at=found.at,
            observed_at=found.at,
        )
        if told is not None:
            state = replace(
                state,
                group=told.group,
                incident=told.incident,
                run=told.run,
                version=told.version,
                state=told.state,
                severity=told.severity,
                reason=told.reason,
                observed_at=told.observed_at,
                scored_at=told.scored_at,
                fired_at=told.fired_at,
            )
        self._written.states.append(state)

    def notification(
        self,
        message: Message,
        told: Told,
        last: Notification | None,
        outcome: Outcome,
        now: datetime,
        *,
        attempts: int,
    ) -> Notification:
        """Write down, and return, that an incident was told; `last`: what of it was told before."""
        incident = told.incident
        same = last is not None and (last.state, last.severity) == (incident.state, incident.severity)
        one = Notification(
            receiver=message.receiver,
            group=message.group,
            message=message.id,
            incident=incident.id,
            run=incident.run,
            version=incident.version,
            state=incident.state,
            severity=incident.severity,
            reason=told.reason,
            channel=self.channels.get(message.receiver, ""),
            sent_at=now,
            observed_at=incident.changed_at,
            attempts=attempts,
            repeats=last.repeats + 1 if last is not None and same else 0,
            handle=outcome.handle_of(incident.id) or told.handle,
            scored_at=told.scored_at,
            fired_at=told.fired_at,
        )
        self._written.notifications.append(one)
        return one

    def state(
        self,
        receiver: str,
        told: Told,
        outcome: DeliveryOutcome,
        now: datetime,
        *,
        message: Message | None = None,
        error: str | None = None,
        fallback: str | None = None,
        attempt: int = 0,
    ) -> None:
        """Write down what became of telling a receiver of an incident."""
        incident = told.incident
        self._written.states.append(
            DeliveryState(
                message="" if message is None else message.id,
                receiver=receiver,
                channel=self.channels.get(receiver, ""),
                group="" if message is None else message.group,
                incident=incident.id,
                run=incident.run,
                version=incident.version,
                state=incident.state,
                severity=incident.severity,
                outcome=outcome,
                reason=told.reason,
                error=error or None,
                fallback=fallback,
                attempt=attempt,
                at=now,
                observed_at=incident.changed_at,
                scored_at=told.scored_at,
                fired_at=told.fired_at,
            )
        )
