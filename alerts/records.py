"""What is written down of telling receivers: the log of what was accepted, and each state of a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from alerts.channels.channel import Outcome
from alerts.message import Message
from alerts.routing import Told
from schemas.events import DeliveryOutcome, DeliveryState, Incident, Notification
from spendstream.clock import from_millis

#: Steps that score: the last one that an event passed tells when it was scored.
_SCORING = ("anomalies", "totals")
_FIRING = "rules"

#: Attempts of a notification that is logged before its message leaves: nobody knows whether it was accepted.
ON_ITS_WAY = 0


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
    """What the desk wants written down: states of messages, delivery's own incidents, what was lost."""

    states: list[DeliveryState] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.states or self.incidents or self.lost)


def notification(
    message: Message,
    told: Told,
    last: Notification | None,
    passed: Passed,
    outcome: Outcome,
    *,
    channel: str,
    attempts: int,
    now: datetime,
) -> Notification:
    """Return what the log is to have of an incident of an accepted message; `last`: what it had before."""
    incident = told.incident
    same = last is not None and (last.state, last.severity) == (incident.state, incident.severity)
    return Notification(
        receiver=message.receiver,
        group=message.group,
        incident=incident.id,
        run=incident.run,
        version=incident.version,
        state=incident.state,
        severity=incident.severity,
        reason=told.reason,
        channel=channel,
        sent_at=now,
        observed_at=incident.changed_at,
        attempts=attempts,
        repeats=last.repeats + 1 if last is not None and same else 0,
        handle=outcome.handle_of(incident.id) or told.handle,
        scored_at=passed.scored_at,
        fired_at=passed.fired_at,
    )


def state(
    receiver: str,
    incident: Incident,
    outcome: DeliveryOutcome,
    reason: str,
    passed: Passed,
    now: datetime,
    *,
    channel: str,
    message: str = "",
    group: str = "",
    error: str | None = None,
    fallback: str | None = None,
    attempt: int = 0,
) -> DeliveryState:
    """Return the event that says what became of telling a receiver of an incident."""
    return DeliveryState(
        message=message,
        receiver=receiver,
        channel=channel,
        group=group,
        incident=incident.id,
        run=incident.run,
        version=incident.version,
        state=incident.state,
        severity=incident.severity,
        outcome=outcome,
        reason=reason,
        error=error or None,
        fallback=fallback,
        attempt=attempt,
        at=now,
        observed_at=incident.changed_at,
        scored_at=passed.scored_at,
        fired_at=passed.fired_at,
    )
