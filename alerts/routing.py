"""Should this go out now, to this receiver? One pure function, which says why.

The tree gives each incident its ways (`ways_of`); incidents that take the same way and agree in the labels that it
groups by are one group. `decide` looks at one group of one way, at what was told of it before, and at the time, and
says for the group whether a message goes out, about which incidents, and why or why not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from alerts.receivers import Receiver
from alerts.routes import Route, Routing, all_hold, labels_of
from alerts.rules import SEVERITIES
from schemas.events import AlertSeverity, Incident

_WAIT, _INTERVAL, _REPEAT = timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=4)
#: States that are told as they last; the end is told once.
TOLD = frozenset({"firing"})


@dataclass(frozen=True, slots=True)
class Way:
    """Where a route of the tree leads, with what it takes from the routes above it."""

    receiver: str
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    escalate_after: timedelta | None = None
    escalate_to: str | None = None

    def group_of(self, labels: Mapping[str, str]) -> str:
        """Return the group of an incident with these labels."""
        return ",".join(f"{name}={labels.get(name, '')}" for name in self.group_by)


@dataclass(frozen=True, slots=True)
class Told:
    """What goes out about one incident, and why.

    Attributes
    ----------
    link
        Address of its page, for the one who is told.
    handle
        What the channel called the last message about it to this receiver; None: this is the first.
    scored_at, fired_at
        When what it tells was scored, and when its rule fired; None: it is not known.
    """

    incident: Incident
    reason: str
    link: str | None = None
    handle: str | None = None
    scored_at: datetime | None = None
    fired_at: datetime | None = None


class Known(Protocol):
    """What a receiver knows of an incident: what it was told last, and when."""

    @property
    def state(self) -> str:
        """The state that it was told."""
        ...

    @property
    def severity(self) -> str:
        """The severity that it was told."""
        ...

    @property
    def sent_at(self) -> datetime:
        """When it was told."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one group now.

    Attributes
    ----------
    told
        What goes out, now and in one message; empty: nothing does.
    held
        Why each other incident does not, by its id.
    again_at
        When to ask again, though nothing new should come; None: only something new can change the answer.
    hushed
        Of those that are held: what would go out but for a silence, another incident or quiet hours, and which.
    """

    told: tuple[Told, ...]
    held: Mapping[str, str]
    again_at: datetime | None
    hushed: Mapping[str, str] = field(default_factory=dict)


def ways_of(routing: Routing, incident: Incident) -> list[Way]:
    """Return the ways of an incident: the deepest route that matches, and more where routes say `continue`."""
    return _ways(routing, labels_of(incident))


def named_by(routing: Routing, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the receivers that routes below the first one name for these labels; the first one takes everything."""
    if not any(all_hold(child.match, labels) for child in routing.route.routes):
        return ()
    return tuple(dict.fromkeys(way.receiver for way in _ways(routing, labels)))


def _ways(routing: Routing, labels: Mapping[str, str]) -> list[Way]:
    top = Way(routing.route.receiver or "", (), _WAIT, _INTERVAL, _REPEAT)
    return list(dict.fromkeys(_descend(routing.route, top, labels)))


def _descend(route: Route, above: Way, labels: Mapping[str, str]) -> list[Way]:
    way = Way(
        route.receiver or above.receiver,
        above.group_by if route.group_by is None else route.group_by,
        above.group_wait if route.group_wait is None else route.group_wait,
        above.group_interval if route.group_interval is None else route.group_interval,
        above.repeat_interval if route.repeat_interval is None else route.repeat_interval,
        route.escalate_after or above.escalate_after,
        route.escalate_to or above.escalate_to,
    )
    found: list[Way] = []
    for child in route.routes:
        if all_hold(child.match, labels):
            found += _descend(child, way, labels)
            if not child.go_on:
                break
    return found or [way]


def silenced(routing: Routing, incident: Incident, now: datetime) -> str | None:
    """Return why an incident is silenced at `now`; None: it is not."""
    labels = labels_of(incident)
    for silence in routing.silences:
        if now < silence.ends and all_hold(silence.match, labels):
            return f"silenced until {silence.ends:%Y-%m-%d %H:%M} UTC{silence.ends:%z}: {silence.comment}".replace(
                "UTC+0000", "UTC"
            )
    return None


def inhibited(routing: Routing, incident: Incident, others: Iterable[Incident]) -> str | None:
    """Return which other incident that fires inhibits this one; None: none does. Nothing inhibits itself."""
    labels = labels_of(incident)
    targets = [one for one in routing.inhibit if all_hold(one.target, labels)]
    if not targets:
        return None
    for other in others:
        if other.id == incident.id or other.state not in {"firing", "acknowledged"}:
            continue
        its = labels_of(other)
        for one in targets:
            # As in Alertmanager: what is source and target at once is not inhibited by its like.
            if all_hold(one.source, labels) and all_hold(one.target, its):
                continue
            if all_hold(one.source, its) and all(labels.get(name, "") == its.get(name, "") for name in one.equal):
                return f"inhibited by incident {other.id}"
    return None


def decide(
    routing: Routing,
    way: Way,
    receiver: Receiver,
    group: Sequence[Incident],
    others: Sequence[Incident],
    log: Mapping[str, Known],
    now: datetime,
) -> Decision:
    """Tell what goes out now about a group of incidents, to one receiver.

    Parameters
    ----------
    way
        The way that all incidents of the group take.
    receiver
        Who would be told: that of the way, or the one it escalates to.
    group
        The newest version of every incident of the group, resolved ones too.
    others
        All incidents, for inhibition.
    log
        What this receiver knows, by incident id.
    now
        The time.
    """
    escalation = receiver.name != way.receiver
    due: list[Told] = []
    held: dict[str, str] = {}
    hushed: dict[str, str] = {}
    times: list[datetime] = []
    for incident in group:
        reason, at = (_escalates if escalation else _due)(way, receiver, incident, log.get(incident.id), now)
        if reason is None:
            held[incident.id] = "nothing new"
            if at is not None:
                times.append(at)
                held[incident.id] = f"not before {at:%Y-%m-%d %H:%M:%S} UTC"
            continue
        why = _hushed(routing, receiver, incident, others, log.get(incident.id), now)
        if why is None:
            due.append(Told(incident, reason))
        else:
            held[incident.id] = hushed[incident.id] = why
            times.append(now + timedelta(minutes=1))
    waits = None if escalation else _waits_until(way, group, due, log, now)
    if due and waits is not None and now < waits:
        held |= {told.incident.id: f"its group waits until {waits:%Y-%m-%d %H:%M:%S} UTC" for told in due}
        return Decision((), held, min([*times, waits]), hushed)
    return Decision(tuple(due), held, min(times, default=None), hushed)


def _due(
    way: Way, receiver: Receiver, incident: Incident, last: Known | None, now: datetime
) -> tuple[str | None, datetime | None]:
    """Return why an incident is to be told, or None and when that may change."""
    if incident.state == "resolved":
        if last is None or last.state == "resolved" or not receiver.send_resolved:
            return None, None
        return "resolved", None
    if incident.state not in TOLD:
        known = last is not None and last.state not in {"resolved", incident.state}
        return (str(incident.state) if known and receiver.follows else None), None
    if last is None:
        return "new", None
    if last.state not in TOLD:
        return "fires again", None
    if SEVERITIES.index(incident.severity) > SEVERITIES.index(last.severity):
        return f"worse: {last.severity} became {incident.severity}", None
    again = last.sent_at + way.repeat_interval
    return ("repeated: nobody has acknowledged it", None) if now >= again else (None, again)


def _escalates(
    way: Way, receiver: Receiver, incident: Incident, last: Known | None, now: datetime
) -> tuple[str | None, datetime | None]:
    if way.escalate_after is None:
        # It knows of the incident, though no way leads there any more: it hears of the end.
        return _due(way, receiver, incident, last, now) if incident.state == "resolved" else (None, None)
    if incident.state == "resolved" or last is not None:
        # Whoever was told of it is told of its end, and of its getting worse; nobody else.
        return (None, None) if last is None else _due(way, receiver, incident, last, now)
    at = incident.opened_at + way.escalate_after
    if incident.state != "firing":
        return None, None
    return ("escalated: nobody has acknowledged it", None) if now >= at else (None, at)


def _hushed(
    routing: Routing,
    receiver: Receiver,
    incident: Incident,
    others: Sequence[Incident],
    last: Known | None,
    now: datetime,
) -> str | None:
    if incident.state == "resolved" and last is not None:
        return quiet_hours(receiver, incident.severity, now)
    if last is None and not receiver.takes(incident.severity):
        return f"it takes no incidents of severity {incident.severity}"
    quiet = quiet_hours(receiver, incident.severity, now)
    return silenced(routing, incident, now) or inhibited(routing, incident, others) or quiet


def quiet_hours(receiver: Receiver, severity: AlertSeverity, now: datetime) -> str | None:
    """Return until when a receiver is left alone with what is of a severity; None: it is not."""
    quiet = receiver.quiet
    if quiet is None or severity in quiet.passes or not quiet.holds(now):
        return None
    return f"quiet hours until {quiet.end:%H:%M} {quiet.zone}"


def _waits_until(
    way: Way, group: Sequence[Incident], due: Sequence[Told], log: Mapping[str, Known], now: datetime
) -> datetime | None:
    """Return until when a group waits: for more to come when it is new, else for its interval."""
    told = [log[incident.id].sent_at for incident in group if incident.id in log]
    newest = max(told, default=None)
    alive = any(log[incident.id].state != "resolved" for incident in group if incident.id in log)
    if newest is not None and (alive or now < newest + way.group_interval):
        return newest + way.group_interval
    return min((one.incident.opened_at for one in due), default=now) + way.group_wait
