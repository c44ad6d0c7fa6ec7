"""A case: one incident as the step remembers it, with all that its alerts have said. Plain data goes in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Context, Decimal
from functools import cached_property
from heapq import nsmallest
from typing import Any, Self

from alerts.incident_states import Move
from alerts.lattice import Change, below, cause, largest
from alerts.rules import SEVERITIES
from alerts.wording import name_of, share
from processors.series import parse
from schemas.codec import Codec, CodecError
from schemas.events import Alert, AlertSeverity, Incident, IncidentAlert, IncidentChild, IncidentState
from schemas.repository import RepositorySchemas
from spendstream.clock import from_millis, to_millis

_CHILDREN = 10
_ALERTS = 50
_EXACT = Context(prec=60)
_CODEC = Codec(RepositorySchemas())
#: What is worked out of a case's alerts alone.
_OF_ALERTS = (
    "firing",
    "telling",
    "folds",
    "charges",
    "currencies",
    "since",
    "scope",
    "severity",
    "_changes",
    "_heaviest",
)
#: Kinds of rules whose alerts fold by their place in the lattice.
FOLDED = frozenset({"anomaly", "fee"})


@dataclass(frozen=True)
class Case:
    """One incident.

    Attributes
    ----------
    alerts
        The newest version of each of its alerts, by id.
    shared
        Ids of alerts of wider series that several incidents explain together; they say nothing about this one's scope.
    requests
        Ids of the requests that it has seen.
    into
        The incident that took over its alerts, which say more about that one from then on.
    """

    id: str
    run: str
    version: int
    state: IncidentState
    opened_at: datetime
    changed_at: datetime
    alerts: dict[str, Alert] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    snoozed_until: datetime | None = None
    requests: tuple[str, ...] = ()
    into: str | None = None

    @cached_property
    def firing(self) -> list[Alert]:
        """Its alerts that fire; none, once another incident has taken them over."""
        return [] if self.into is not None else [alert for alert in self.alerts.values() if alert.state == "firing"]

    @cached_property
    def telling(self) -> list[Alert]:
        """The alerts that say what it is about: those that fire, or when none does, all."""
        own = [alert for alert in self.firing or self.alerts.values() if alert.id not in self.shared]
        return own or list(self.alerts.values())

    @cached_property
    def folds(self) -> bool:
        """Whether alerts join it by their place in the lattice."""
        return any(alert.kind in FOLDED for alert in self.alerts.values())

    @cached_property
    def charges(self) -> frozenset[str]:
        """Charge classes that its alerts are about."""
        return frozenset(charge for alert in self.alerts.values() for charge in alert.charges)

    @cached_property
    def currencies(self) -> frozenset[str | None]:
        """Currencies of its alerts: one, or None where it is about no cost."""
        return frozenset(alert.currency for alert in self.alerts.values())

    @cached_property
    def since(self) -> datetime:
        """Start of the cause."""
        return min(alert.since for alert in self.telling)

    @cached_property
    def scope(self) -> Change:
        """The smallest series that explains most of the change. Only of a case that folds."""
        return cause(self._changes)

    @cached_property
    def severity(self) -> AlertSeverity:
        """The worst severity of its alerts that fire; when none does, of all."""
        return max((alert.severity for alert in self.firing or self.alerts.values()), key=SEVERITIES.index)

    def with_alert(self, alert: Alert) -> "Case":
        """Return it with what an alert says now.

        An alert that is new and fires, in a storm one of thousands, is added to what was worked out before.
        """
        after = replace(self, alerts={**self.alerts, alert.id: alert})
        if alert.state == "firing" and alert.id not in self.alerts and self.firing:
            after.__dict__["firing"] = [*self.firing, alert]
            after.__dict__["folds"] = self.folds or alert.kind in FOLDED
            after.__dict__["_heaviest"] = nsmallest(_ALERTS, [*self._heaviest, alert], key=_weight)
            after.__dict__["severity"] = max(self.severity, alert.severity, key=SEVERITIES.index)
            after.__dict__["charges"] = self.charges | set(alert.charges)
            after.__dict__["currencies"] = self.currencies | {alert.currency}
            if alert.id not in self.shared and any(one.id not in self.shared for one in self.firing):
                after.__dict__["telling"] = [*self.telling, alert]
                after.__dict__["since"] = min(self.since, alert.since)
                after.__dict__["_changes"] = largest([*self._changes, *changes_of(alert)])
        return after

    def moved(self, move: Move, until: datetime | None = None) -> "Case":
        """Return it in another state."""
        return self._same(state=move.after, snoozed_until=until if move.after == "snoozed" else None)

    def changed(self, at: datetime) -> "Case":
        """Return it in its next version."""
        return self._same(version=self.version + 1, changed_at=at)

    def _same(self, **changes: Any) -> "Case":  # noqa: ANN401 - fields of it
        """Return it with other fields but the same alerts; what was worked out of those is kept."""
        after = replace(self, **changes)
        after.__dict__.update({name: self.__dict__[name] for name in _OF_ALERTS if name in self.__dict__})
        return after

    @cached_property
    def _heaviest(self) -> list[Alert]:
        """Its alerts that weigh most, as many as an event tells."""
        return nsmallest(_ALERTS, self.alerts.values(), key=_weight)

    @cached_property
    def _changes(self) -> list[Change]:
        return largest(change for alert in self.telling for change in changes_of(alert))

    def incident(self, owner: str | None) -> Incident:
        """Return it as the event that others read."""
        scope, level, says, told, size = self._subject()
        labels: dict[str, str] = {}
        for alert in sorted((one for one in self.alerts.values() if one.labels), key=lambda alert: alert.id):
            labels |= alert.labels
        runbooks = [alert.runbook for alert in self.telling if alert.runbook is not None]
        children = []
        if self.folds:
            children = [
                IncidentChild(series=child.series, share=_share(child.amount, self.scope.amount))
                for child in below(self._changes, scope)[:_CHILDREN]
            ]
        return Incident(
            run=self.run,
            id=self.id,
            version=self.version,
            state=self.state,
            severity=self.severity,
            scope=scope,
            level=level,
            kind=told.kind,
            rules=sorted({alert.rule for alert in self.alerts.values()}),
            currency=told.currency,
            says=says if self.into is None else f"it is part of incident {self.into}: {says}",
            actual=told.actual if told.subject == scope else None,
            expected=told.expected if told.subject == scope else None,
            impact_per_day=_scaled(told.impact_per_day, size),
            impact_so_far=_scaled(told.impact_so_far, size),
            impact_lower=_scaled(told.impact_lower, size),
            impact_upper=_scaled(told.impact_upper, size),
            impact_to_month_end=_scaled(told.impact_to_month_end, size),
            since=self.since,
            opened_at=self.opened_at,
            changed_at=self.changed_at,
            snoozed_until=self.snoozed_until,
            children=children,
            alerts=[
                IncidentAlert(
                    id=alert.id,
                    rule=alert.rule,
                    series=alert.subject,
                    firing=alert.state == "firing" and self.into is None,
                    severity=alert.severity,
                    impact_per_day=alert.impact_per_day,
                )
                for alert in self._heaviest
            ],
            alert_count=len(self.alerts),
            firing_count=len(self.firing),
            owner=owner,
            labels=labels,
            runbook=runbooks[0] if runbooks else None,
            **(_course_of(told) if told.subject == scope else {}),
        )

    def _subject(self) -> tuple[str, str, str, Alert, float]:
        """Return scope, level, sentence, the alert that tells of it, and which share of that alert the scope is."""
        if not self.folds:
            told = max(self.telling, key=lambda alert: (SEVERITIES.index(alert.severity), alert.observed_at, alert.id))
            return told.subject, told.kind, told.says, told, 1.0
        scope = self.scope.series
        level = parse(scope).level
        own = [alert for alert in self.telling if alert.subject == scope]
        if own:
            told = max(own, key=lambda alert: (alert.observed_at, alert.id))
            return scope, level, told.says, told, 1.0
        # No alert is about the scope itself: it is what carries most of an alert's change.
        carried = [(alert, part.share) for alert in self.telling for part in alert.parts if part.series == scope]
        told, size = max(carried, key=lambda pair: (abs(change_of(pair[0])) * _decimal(pair[1]), pair[0].id))
        return scope, level, f"{told.says}; {share(size)} of that is {name_of(scope)}", told, size

    def dump(self) -> Any:  # noqa: ANN401 - plain data of the state
        """Return it as plain data, without its alerts: there may be many, and one changes at a time."""
        return {
            "id": self.id,
            "run": self.run,
            "version": self.version,
            "state": self.state,
            "opened_at": to_millis(self.opened_at),
            "changed_at": to_millis(self.changed_at),
            "shared": list(self.shared),
            "snoozed_until": None if self.snoozed_until is None else to_millis(self.snoozed_until),
            "requests": list(self.requests),
            "into": self.into,
        }

    @classmethod
    def load(cls, plain: Any, alerts: Mapping[str, Alert]) -> Self:  # noqa: ANN401 - plain data of the state
        """Return what `dump` gave, with its alerts by id."""
        until = plain["snoozed_until"]
        return cls(
            plain["id"],
            plain["run"],
            plain["version"],
            plain["state"],
            from_millis(plain["opened_at"]),
            from_millis(plain["changed_at"]),
            dict(alerts),
            tuple(plain["shared"]),
            None if until is None else from_millis(until),
            tuple(plain["requests"]),
            plain["into"],
        )


def pack(alert: Alert) -> str:
    """Return an alert as text, for the state."""
    return _CODEC.encode(alert).hex()


def unpack(text: str) -> Alert:
    """Return the alert that `pack` made a text of.

    Raises
    ------
    schemas.codec.CodecError
        When the text is none.
    """
    event = _CODEC.decode(bytes.fromhex(text))
    if not isinstance(event, Alert):
        raise CodecError(f"an alert was kept, and {event.SUBJECT} stands there")
    return event


def changes_of(alert: Alert) -> list[Change]:
    """Return what an alert says of its subject, and of what carries the change."""
    amount = change_of(alert)
    carried = [Change(part.series, _part(amount, part.share)) for part in alert.parts]
    return [Change(alert.subject, amount), *carried]


def change_of(alert: Alert) -> Decimal:
    """Return how much more than expected the subject of an alert costs a day."""
    if alert.impact_per_day is not None:
        return alert.impact_per_day
    return (alert.actual or Decimal(0)) - (alert.expected or Decimal(0))


def sizes(cases: Sequence[Case]) -> Decimal:
    """Return how much the causes of several cases change together, a day."""
    return sum((abs(case.scope.amount) for case in cases), Decimal(0))


def _course_of(told: Alert) -> dict[str, Any]:
    return {name: getattr(told, name) for name in ("course_from", "course", "course_lower", "course_upper")}


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))


def _part(amount: Decimal, size: float) -> Decimal:
    return _EXACT.multiply(amount, _decimal(size)).quantize(Decimal("0.000001"), context=_EXACT)


def _scaled(amount: Decimal | None, size: float) -> Decimal | None:
    return amount if amount is None or size == 1.0 else _part(amount, size)


def _share(amount: Decimal, whole: Decimal) -> float:
    return float(min(Decimal(1), _EXACT.divide(abs(amount), abs(whole)))) if whole else 0.0


def _weight(alert: Alert) -> tuple[bool, int, Decimal, str]:
    return alert.state != "firing", -SEVERITIES.index(alert.severity), -abs(change_of(alert)), alert.id
