"""The desk: what is known of incidents and of what receivers were told, and so what is to be sent now. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.channels.channel import ACCEPTED, Outcome
from alerts.message import Message
from alerts.routes import Routing, labels_of
from alerts.routing import Way, decide, ways_of
from schemas.events import Incident, Notification

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=5)


#: A group of a way, and one who is told of it.
_Place = tuple[Way, str, str]


@dataclass(slots=True)
class _Line:
    """How it stands with one receiver: one message at a time, and a pause after a failure."""

    busy: bool = False
    failures: int = 0
    not_before: datetime | None = None
    error: str = ""


class Desk:
    """Decides for all receivers; whoever sends reports back.

    Parameters
    ----------
    routing
        Receivers, routes, silences, inhibition.
    notifications
        What receivers were told, as the log has it.
    max_age
        What was older than that when it was worked out is history, and not told.
    """

    def __init__(self, routing: Routing, notifications: Iterable[Notification], max_age: timedelta) -> None:
        self._routing = routing
        self._max_age = max_age
        self._log: dict[str, dict[str, Notification]] = {receiver.name: {} for receiver in routing.receivers}
        for notification in notifications:
            self._log.setdefault(notification.receiver, {})[notification.incident] = notification
        self._incidents: dict[str, Incident] = {}
        self._places: dict[str, list[_Place]] = {}
        self._history: set[str] = set()
        self._refused: set[tuple[str, str, int]] = set()
        self._lines = {receiver.name: _Line() for receiver in routing.receivers}
        # Whether something came since the last question, and when time alone changes the answer.
        self._fresh = True
        self._asked_of = ""
        self._again_at: datetime | None = None

    def take(self, incident: Incident, written_at: datetime) -> None:
        """Take the newest version of an incident, with the time at which it was written to Kafka."""
        known = self._incidents.get(incident.id)
        if known is not None and incident.version < known.version:
            return
        self._incidents[incident.id] = incident
        self._place(incident)
        self._fresh = True
        if written_at - incident.changed_at > self._max_age:
            self._history.add(incident.id)
        else:
            self._history.discard(incident.id)

    def _place(self, incident: Incident) -> None:
        """Keep in which groups an incident stands; what is over and was told to all who knew of it stands in none."""
        self._places.pop(incident.id, None)
        awaited = [log[incident.id].state != "resolved" for log in self._log.values() if incident.id in log]
        if incident.state == "resolved" and not any(awaited):
            return
        labels = labels_of(incident)
        self._places[incident.id] = [
            (way, way.group_of(labels), receiver)
            for way in ways_of(self._routing, incident)
            for receiver in dict.fromkeys((way.receiver, way.escalate_to))
            if receiver is not None
        ]

    def messages(self, run: str, now: datetime) -> list[Message]:
        """Return what is to be sent now, at most one message a receiver; each is under way until it is reported.

        Cheap when nothing came and no time has passed that matters, so it may be asked often.

        Parameters
        ----------
        run
            The live run: incidents of others are never told.
        """
        waits = self._again_at is None or now < self._again_at
        if not self._fresh and run == self._asked_of and waits:
            return []
        self._fresh, self._asked_of = False, run
        incidents = [self._incidents[name] for name in self._places if self._incidents[name].run == run]
        groups: dict[_Place, list[Incident]] = {}
        for incident in incidents:
            if incident.id not in self._history:
                for place in self._places[incident.id]:
                    groups.setdefault(place, []).append(incident)
        found: list[Message] = []
        times: list[datetime] = []
        for (way, group, receiver), members in groups.items():
            line = self._lines[receiver]
            if line.busy:
                continue
            if line.not_before is not None and now < line.not_before:
                times.append(line.not_before)
                continue
            log = self._log[receiver]
            decision = decide(self._routing, way, self._routing.receiver(receiver), members, incidents, log, now)
            if decision.again_at is not None:
                times.append(decision.again_at)
            told = [
                replace(one, handle=log[one.incident.id].handle if one.incident.id in log else None)
                for one in decision.told
                if _name(receiver, one.incident) not in self._refused
            ]
            if told:
                line.busy = True
                found.append(Message.of(receiver, group, told, now))
        self._again_at = min(times, default=None)
        return found

    def accepted(
        self, message: Message, channel: str, pause: timedelta, now: datetime, outcome: Outcome = ACCEPTED
    ) -> list[Notification]:
        """Note that a message was accepted; return what is to be logged before the receiver is told anything else."""
        log, line = self._log[message.receiver], self._lines[message.receiver]
        notifications = []
        for told in message.told:
            incident = told.incident
            last = log.get(incident.id)
            same = last is not None and (last.state, last.severity) == (incident.state, incident.severity)
            notifications.append(
                Notification(
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
                    attempts=line.failures + 1,
                    repeats=last.repeats + 1 if last is not None and same else 0,
                    handle=outcome.handle_of(incident.id) or told.handle,
                )
            )
        log.update({one.incident: one for one in notifications})
        for told in message.told:
            self._place(self._incidents[told.incident.id])
        self._lines[message.receiver] = _Line(busy=True, not_before=now + pause)
        return notifications

    def logged(self, message: Message) -> None:
        """Note that the log has what `accepted` returned: the receiver may be told more."""
        self._lines[message.receiver].busy = False
        self._fresh = True

    def failed(self, message: Message, outcome: Outcome, now: datetime, jitter: float = 1.0) -> None:
        """Note that a message was not accepted: it waits, longer each time, or is given up when nothing can help.

        What is given up is told again when the incident changes. `jitter`, around 1, spreads the tries.
        """
        line = self._lines[message.receiver]
        line.busy, line.error = False, outcome.error
        line.failures += 1
        pause = min(_FIRST_PAUSE * 2 ** min(line.failures - 1, 20), _LONGEST_PAUSE)
        line.not_before = now + max(pause * jitter, outcome.retry_after or timedelta(0))
        self._fresh = True
        if not outcome.retry:
            self._refused |= {_name(message.receiver, told.incident) for told in message.told}

    @property
    def troubles(self) -> Mapping[str, str]:
        """Receivers that cannot be reached, and why, for the health page."""
        return {
            name: f"{line.failures} failed in a row: {line.error}"
            for name, line in self._lines.items()
            if line.failures
        }


def _name(receiver: str, incident: Incident) -> tuple[str, str, int]:
    return receiver, incident.id, incident.version
