"""The desk: what is known of incidents and of what receivers were told, and so what is to be sent now. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.channels.channel import ACCEPTED, Outcome
from alerts.lines import Breaker, Line
from alerts.message import Message
from alerts.own_incidents import CANARY, Canaries, OwnIncidents, is_own
from alerts.places import Place, places_of
from alerts.receivers import Receiver
from alerts.records import Journal, Passed, Written
from alerts.returned_mail import Returned
from alerts.routes import Routing
from alerts.routing import Decision, Told, decide
from alerts.told_log import ToldLog
from schemas.events import Attempt, DeliveryOutcome, Incident, Notification, Suspension

_UNKNOWN = Passed()


class Desk:
    """Decides for all receivers; whoever sends reports back.

    Parameters
    ----------
    routing
        Receivers, routes, silences, inhibition.
    log
        What receivers were told, and what they were tried with, as it was written down.
    max_age
        What was older than that when it was worked out is history, and not told.
    """

    def __init__(self, routing: Routing, log: Iterable[Notification | Attempt], max_age: timedelta) -> None:
        self._max_age = max_age
        self._log = ToldLog(log)
        self._incidents: dict[str, Incident] = {}
        self._passed: dict[str, Passed] = {}
        self._places: dict[str, list[Place]] = {}
        self._history: set[str] = set()
        self._lines: dict[str, Line] = {}
        # By receiver and incident: since when it is due; why it is held.
        self._due_since: dict[tuple[str, str], datetime] = {}
        self._held: dict[tuple[str, str], str] = {}
        self._own = OwnIncidents()
        # Receivers to whom nothing can be sent, and why.
        self._closed: Mapping[str, str] = {}
        self._canaries = Canaries()
        self._journal = Journal()
        # Whether something came since the last question, and when time alone changes the answer.
        self._fresh = True
        self._run = ""
        self._again_at: datetime | None = None
        self.reroute(routing)

    def reroute(self, routing: Routing) -> None:
        """Go on with another routing: what was told stays told."""
        self._routing = routing
        self._journal.channels = {receiver.name: receiver.channel for receiver in routing.receivers}
        for receiver in routing.receivers:
            name = receiver.name
            if name not in self._lines:
                self._lines[name] = Line(receiver, self._log.tried_at(name))
                self._due_since |= {(name, one.incident): one.since for one in self._log.attempts(name).values()}
            self._lines[name].limits = receiver
        for incident in self._incidents.values():
            self._place(incident)
        self._fresh = True

    def close(self, receivers: Mapping[str, str]) -> None:
        """Take to whom nothing can be sent from now on, and why: their fallbacks are told at once. Others are open."""
        self._closed, self._fresh = receivers, True

    def take(self, incident: Incident, written_at: datetime, passed: Passed = _UNKNOWN) -> None:
        """Take the newest version of an incident, with the time at which it was written to Kafka."""
        known = self._incidents.get(incident.id)
        if known is not None and incident.version < known.version:
            return
        self._incidents[incident.id] = incident
        self._passed[incident.id] = passed
        self._own.take(incident)
        self._place(incident)
        self._fresh = True
        if written_at - incident.changed_at > self._max_age:
            self._history.add(incident.id)
        else:
            self._history.discard(incident.id)

    def _place(self, incident: Incident) -> None:
        """Keep in which groups an incident stands; what is over and was told to all who knew of it stands in none."""
        self._places.pop(incident.id, None)
        knows = dict(self._log.knowing(incident))
        if incident.state != "resolved" or any(one.state != "resolved" for one in knows.values()):
            self._places[incident.id] = places_of(self._routing, incident, knows, self._instead(incident))

    def _instead(self, incident: Incident) -> dict[str, str]:
        """Return who is told of an incident instead of whom: of its own trouble, delivery tells no third."""
        return {
            receiver.fallback: receiver.name
            for receiver in self._routing.receivers
            if receiver.fallback is not None
            and not is_own(incident)
            and self._log.gave_up(receiver.name, incident.id) is not None
        }

    def messages(self, run: str, now: datetime) -> list[Message]:
        """Return what is to be sent now, at most one message a receiver; each is under way until it is reported.

        Cheap when nothing came and no time has passed that matters, so it may be asked often.

        Parameters
        ----------
        run
            The live run: incidents of others are never told.
        """
        waits = self._again_at is None or now < self._again_at
        if not self._fresh and run == self._run and waits:
            return []
        self._fresh, self._run = False, run
        times: list[datetime] = []
        due = self._due(now, times)
        self._give_up_late(due, now, times)
        found = []
        for receiver in self._routing.receivers:
            line = self._lines[receiver.name]
            if line.busy:
                continue
            parts = due.get(receiver.name) or self._test(receiver, now, times)
            if not parts:
                continue
            waiting = line.waits(now)
            if waiting is None:
                line.begins(now)
                found.append(_message(receiver, parts, line.left(now), now))
            else:
                times.append(waiting[0])
                if not line.failures and line.limits.rate is not None:
                    self._hold(receiver, {one.incident.id: waiting[1] for _, told in parts for one in told}, now)
        self._again_at = min(times, default=None)
        return found

    def _due(self, now: datetime, times: list[datetime]) -> dict[str, list[tuple[str, list[Told]]]]:
        """Return what is due, by receiver: groups, and what of each; nothing for whom a message is under way."""
        incidents = [self._incidents[name] for name in self._places if self._incidents[name].run == self._run]
        groups: dict[Place, list[Incident]] = {}
        for incident in incidents:
            if incident.id not in self._history:
                for place in self._places[incident.id]:
                    groups.setdefault(place, []).append(incident)
        due: dict[str, list[tuple[str, list[Told]]]] = {}
        for (way, group, name), members in groups.items():
            if self._lines[name].busy:
                continue
            receiver = self._routing.receiver(name)
            log = {one.id: known for one in members if (known := self._log.known(name, one)) is not None}
            decision = decide(self._routing, way, receiver, members, incidents, log, now)
            self._note_held(receiver, members, decision, now)
            if decision.again_at is not None:
                times.append(decision.again_at)
            told = [
                self._worded(name, one)
                for one in decision.told
                if self._log.gave_up(name, one.incident.id) != one.incident.version
            ]
            if told:
                due.setdefault(name, []).append((group, told))
        return due

    def _worded(self, receiver: str, told: Told) -> Told:
        """Return it with what the channel called the last message, and of whom the receiver stands in for."""
        last = self._log.told(receiver).get(told.incident.id)
        first = self._instead(told.incident).get(receiver)
        reason = told.reason if first is None or last is not None else f"{first} could not be told: {told.reason}"
        return replace(self._told(told.incident, reason), handle=None if last is None else last.handle)

    def _told(self, incident: Incident, reason: str) -> Told:
        passed = self._passed.get(incident.id, _UNKNOWN)
        return Told(incident, reason, scored_at=passed.scored_at, fired_at=passed.fired_at)

    def _give_up_late(
        self, due: Mapping[str, list[tuple[str, list[Told]]]], now: datetime, times: list[datetime]
    ) -> None:
        """Give up what was due for longer than the deadline at a receiver that fails."""
        known = {key: since for key, since in self._due_since.items() if self._lines[key[0]].busy}
        for name, parts in due.items():
            line = self._lines[name]
            for _, told in parts:
                for one in list(told):
                    key = name, one.incident.id
                    since = known[key] = self._due_since.get(key, now)
                    if line.failures:
                        self._journal.attempt(self._log.waiting(name, one.incident, since))
                    if name in self._closed:
                        told.remove(one)
                        del known[key]
                        self._give_up(name, one, "refused", self._closed[name], now)
                    elif line.failures and now >= since + line.limits.deadline:
                        told.remove(one)
                        del known[key]
                        self._give_up(name, one, "expired", line.error, now)
                    elif line.failures:
                        times.append(since + line.limits.deadline)
            parts[:] = [(group, told) for group, told in parts if told]
        self._due_since = known

    def _test(self, receiver: Receiver, now: datetime, times: list[datetime]) -> list[tuple[str, list[Told]]]:
        """Return the test of a receiver, when it is due."""
        if receiver.canary is None or receiver.name in self._closed or not self._run:
            return []
        logged = self._log.told(receiver.name).get(CANARY)
        accepted = None if logged is None else logged.sent_at
        test, at = self._canaries.next(self._run, receiver.name, receiver, accepted, now)
        if now < at or (receiver.quiet is not None and receiver.quiet.holds(now)):
            times.append(max(at, now + timedelta(minutes=1)))
            return []
        self._incidents[CANARY] = test
        since = self._due_since.setdefault((receiver.name, CANARY), now)
        line, told = self._lines[receiver.name], Told(test, "a test")
        if line.failures and now >= since + receiver.deadline:
            self._give_up(receiver.name, told, "expired", line.error, now)
            return []
        return [(CANARY, [told])]

    def _note_held(self, receiver: Receiver, members: Iterable[Incident], decision: Decision, now: datetime) -> None:
        for incident in members:
            if incident.id not in decision.hushed:
                self._held.pop((receiver.name, incident.id), None)
        self._hold(receiver, decision.hushed, now)

    def _hold(self, receiver: Receiver, why: Mapping[str, str], now: datetime) -> None:
        """Write down why something waits, once for each reason."""
        for name, reason in why.items():
            if self._held.get((receiver.name, name)) != reason:
                self._held[receiver.name, name] = reason
                self._journal.state(receiver.name, self._told(self._incidents[name], reason), "held", now)

    def leaving(self, message: Message, now: datetime) -> list[Attempt]:
        """Return what the log is to have before a message leaves: what its receiver may then have heard."""
        name = message.receiver
        incidents = [told.incident for told in message.told if told.incident.id != CANARY]
        return [self._log.trying(name, one, self._since(name, one, now), now) for one in incidents]

    def _since(self, name: str, incident: Incident, now: datetime) -> datetime:
        return self._due_since.get((name, incident.id), now)

    def accepted(
        self, message: Message, pause: timedelta, now: datetime, outcome: Outcome = ACCEPTED
    ) -> list[Notification]:
        """Note that a message was accepted; return what is to be logged before the receiver is told anything else."""
        name, line = message.receiver, self._lines[message.receiver]
        attempts = line.failures + 1
        notifications = []
        for told in message.told:
            incident = told.incident
            last = self._log.told(name).get(incident.id)
            one = self._journal.notification(message, told, last, outcome, now, attempts=attempts)
            notifications.append(one)
            self._log.add(one)
            self._journal.state(name, told, "accepted", now, message=message, attempt=attempts)
            self._due_since.pop((name, incident.id), None)
            if incident.id != CANARY:
                self._place(self._incidents[incident.id])
        line.accepted(now, pause)
        self._well(f"receiver {name}", "it can be reached again", now)
        return notifications

    def logged(self, message: Message) -> None:
        """Note that the log has what became of a message: the receiver may be told more."""
        self._lines[message.receiver].busy = False
        self._fresh = True

    def failed(self, message: Message, outcome: Outcome, now: datetime, jitter: float = 1.0) -> None:
        """Note that a message was not accepted: it waits, longer each time, or is given up when nothing can help.

        What is given up is told again when the incident changes. `jitter`, around 1, spreads the tries.
        """
        name = message.receiver
        line = self._lines[name]
        line.failed(now, outcome, jitter)
        self._fresh = True
        for told in message.told:
            if told.incident.id != CANARY:
                since = self._since(name, told.incident, now)
                self._journal.attempt(self._log.failed(name, told.incident, since, now, unknown=outcome.unknown))
            if outcome.retry:
                self._journal.state(
                    name, told, "retrying", now, message=message, error=outcome.error, attempt=line.failures
                )
            else:
                self._give_up(name, told, "refused", outcome.error, now, message)
        if line.failures >= line.limits.breaker:
            self._ill(f"receiver {name}", f"{line.failures} tries in a row failed: {outcome.error}", now)

    def _give_up(
        self,
        name: str,
        told: Told,
        outcome: DeliveryOutcome,
        error: str,
        now: datetime,
        message: Message | None = None,
    ) -> None:
        """Give up telling a receiver of a version of an incident: its fallback is told, or it is lost."""
        incident = told.incident
        line = self._lines[name]
        self._due_since.pop((name, incident.id), None)
        self._journal.state(name, told, outcome, now, message=message, error=error, attempt=line.failures)
        if incident.id == CANARY:
            self._canaries.give_up(name, now)
        else:
            self._tell_instead(name, told, error, now, message)
        self._ill(f"receiver {name}", f"it was not told of something: {error}", now)
        self._fresh = True

    def _tell_instead(self, name: str, told: Told, error: str, now: datetime, message: Message | None) -> None:
        """See to it that another one is told what a receiver was not; what nobody is told of is lost."""
        self._journal.attempt(self._log.given_up(name, told.incident, now))
        line = self._lines[name]
        instead = line.limits.fallback
        if instead is None or is_own(told.incident):
            self._journal.lost(name, told.incident, error)
            return
        self._journal.state(name, told, "fell_back", now, message=message, fallback=instead, attempt=line.failures)
        self._place(told.incident)

    def returned(self, found: Returned, suspended: Iterable[Suspension], now: datetime) -> None:
        """Note that a mail came back, and what is suspended for it; what nobody got goes to the fallback."""
        name = found.receiver
        for event in suspended:
            self._journal.suspension(event)
        told = [one for one in self._log.told(name).values() if one.message == found.message]
        for one in told:
            self._journal.returned(found, one, self._run)
        if not told:
            self._journal.returned(found, None, self._run)
        if found.outcome == "bounced" and name in self._closed:
            for one in told:
                incident = self._incidents.get(one.incident)
                if incident is not None and incident.id != CANARY and incident.state != "resolved":
                    self._tell_instead(name, self._told(incident, one.reason), found.says, now, None)
            self._ill(f"receiver {name}", found.says, now)
        self._fresh = True

    def pipeline(self, silent: str | None, now: datetime) -> None:
        """Note whether what comes before delivery is silent, and how; None: it is not."""
        if silent is None:
            self._well("pipeline", "it gives signs of life again", now)
        else:
            self._ill("pipeline", silent, now)

    def _ill(self, subject: str, says: str, now: datetime) -> None:
        """Begin an incident about delivery's own trouble, unless there is one."""
        self._keep_own(self._own.ill(self._run, subject, says, now), now)

    def _well(self, subject: str, says: str, now: datetime) -> None:
        self._keep_own(self._own.well(subject, says, now), now)

    def _keep_own(self, incident: Incident | None, now: datetime) -> None:
        if incident is not None:
            self._journal.incident(incident)
            self.take(incident, now)

    def written(self) -> Written:
        """Return what is to be written down since the last question."""
        return self._journal.written()

    def troubles(self, now: datetime) -> dict[str, str]:
        """Return the receivers that cannot be reached, and why, for the health page."""
        return {
            name: f"{line.failures} failed in a row: {line.error}; breaker {line.breaker(now)}"
            for name, line in self._lines.items()
            if line.failures
        }

    def breakers(self, now: datetime) -> dict[str, Breaker]:
        """Return how the breaker of each receiver that fails stands."""
        return {name: line.breaker(now) for name, line in self._lines.items() if line.failures}


def _message(receiver: Receiver, parts: list[tuple[str, list[Told]]], left: int | None, now: datetime) -> Message:
    """Return the message of the first group; of all together after quiet hours, or when the rate is short."""
    quiet = receiver.quiet
    kept = quiet is not None and any(quiet.holds(one.incident.changed_at) for _, told in parts for one in told)
    short = left is not None and left < len(parts) - 1
    if len(parts) > 1 and (kept or short):
        told = {one.incident.id: one for _, told in parts for one in told}
        return Message.of(receiver.name, "together", list(told.values()), now)
    group, told_now = parts[0]
    return Message.of(receiver.name, group, told_now, now)
