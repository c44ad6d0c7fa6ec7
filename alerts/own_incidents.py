"""What delivery itself has to say: a message that is a test, a receiver or a pipeline that is silent."""

from dataclasses import replace
from datetime import datetime, time

from alerts.limits import Limits
from schemas.events import AlertSeverity, Incident
from spendstream.clock import to_millis

#: Rule of the incidents of delivery; no rule of a file is called so.
DELIVERY = "delivery:"
#: Kind, and id, of what is a test.
CANARY = "canary"


def trouble(run: str, subject: str, says: str, severity: AlertSeverity, now: datetime) -> Incident:
    """Return an incident of delivery that begins now; `subject` as `receiver NAME` or `pipeline`."""
    word, _, name = subject.partition(" ")
    return Incident(
        run=run,
        id="-".join(filter(None, (word, name, f"{now:%Y%m%dT%H%M%S}"))),
        version=to_millis(now),
        state="firing",
        severity=severity,
        scope=subject,
        level="health",
        kind="health",
        rules=[DELIVERY],
        currency=None,
        says=says,
        since=now,
        opened_at=now,
        changed_at=now,
        children=[],
        alerts=[],
        alert_count=0,
        firing_count=0,
        labels={word: name or word},
    )


def over(incident: Incident, says: str, now: datetime) -> Incident:
    """Return such an incident at its end."""
    version = max(to_millis(now), incident.version + 1)
    return replace(incident, version=version, state="resolved", says=says, changed_at=now)


def is_own(incident: Incident) -> bool:
    """Tell whether an incident is delivery's own."""
    return list(incident.rules) == [DELIVERY]


class OwnIncidents:
    """Delivery's own incidents that fire: one for each subject."""

    def __init__(self) -> None:
        self._firing: dict[str, Incident] = {}

    def take(self, incident: Incident) -> None:
        """Take the newest version of an incident; others than delivery's own change nothing."""
        if is_own(incident):
            self._firing.pop(incident.scope, None)
            if incident.state == "firing":
                self._firing[incident.scope] = incident

    def ill(self, run: str, subject: str, says: str, now: datetime) -> Incident | None:
        """Return the incident that begins; None: there is one, or no run is live yet."""
        return None if not run or subject in self._firing else trouble(run, subject, says, "critical", now)

    def well(self, subject: str, says: str, now: datetime) -> Incident | None:
        """Return the incident that ends; None: there is none."""
        known = self._firing.get(subject)
        return None if known is None else over(known, says, now)


class Canaries:
    """The tests of receivers: when the next of each is due."""

    def __init__(self) -> None:
        self._given_up: dict[str, datetime] = {}

    def give_up(self, receiver: str, now: datetime) -> None:
        """Note that a test was given up: the next one is due at its time."""
        self._given_up[receiver] = now

    def next(
        self, run: str, receiver: str, limits: Limits, accepted: datetime | None, now: datetime
    ) -> tuple[Incident, datetime]:
        """Return the test of a receiver, and when it is due; `accepted`: when the last one was."""
        last = max(filter(None, (accepted, self._given_up.get(receiver))), default=None)
        return _canary(run, receiver, last, limits, now)


def _canary(run: str, receiver: str, last: datetime | None, limits: Limits, now: datetime) -> tuple[Incident, datetime]:
    """Return the test of a receiver, and when it is due; the same one at each try.

    Parameters
    ----------
    last
        When the last one was accepted, or given up.
    """
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    due = midnight if last is None or limits.canary is None else last + limits.canary
    says = f"This is a test of the way to {receiver}. Nothing has happened, and nothing is to be done."
    made = trouble(run, f"receiver {receiver}", says, "info", due)
    return replace(made, id=CANARY, kind=CANARY, level=CANARY), due
