"""Alerting → rows: incidents and alerts as they are now, each transition, who was told what; rules and feedback."""

from typing import Any

from processors.series import Series, parse
from schemas.events import Alert, AlertRule, AnomalyFeedback, CostReport, DeliveryState, Incident, IncidentTransition
from sinks.batch import KINDS, Batch
from spendstream.clock import to_millis

#: Fields of the events that are columns as they are.
_INCIDENT = (
    "run",
    "id",
    "state",
    "severity",
    "scope",
    "level",
    "kind",
    "currency",
    "says",
    "actual",
    "expected",
    "impact_per_day",
    "impact_so_far",
    "impact_lower",
    "impact_upper",
    "impact_to_month_end",
    "since",
    "opened_at",
    "changed_at",
    "snoozed_until",
    "alert_count",
    "firing_count",
    "owner",
    "labels",
    "runbook",
    "version",
)
_INCIDENT_MADE = ("rules", "provider", "account", "service", "child_series", "child_share", "alert_ids")
_COURSE = ("course_from", "course", "course_lower", "course_upper")
_TRANSITION = ("run", "incident", "version", "before", "after", "at", "by", "why")
_ALERT = (
    "run",
    "id",
    "state",
    "change",
    "rule",
    "kind",
    "severity",
    "subject",
    "currency",
    "anomaly",
    "shape",
    "day",
    "actual",
    "expected",
    "impact_per_day",
    "impact_so_far",
    "impact_lower",
    "impact_upper",
    "impact_to_month_end",
    "score",
    "since",
    "observed_at",
    "says",
    "labels",
    "runbook",
    "version",
)
_DELIVERY = (
    "run",
    "incident",
    "receiver",
    "at",
    "outcome",
    "message",
    "channel",
    "version",
    "state",
    "severity",
    "reason",
    "error",
    "fallback",
    "attempt",
    "observed_at",
    "scored_at",
    "fired_at",
)
_FEEDBACK = ("id", "verdict", "first_day", "last_day", "by", "why", "at")
_REPORT = (
    *("report", "receiver", "first_day", "last_day", "number", "measure", "state", "stage", "channel", "digest"),
    *("sent_at", "attempts"),
)
#: From the least certain figures to the most: what is noted later of the same message counts.
_STAGES = ("provisional", "complete", "final")
_RULE = ("id", "definition", "by", "applied_at")


def _values(event: object, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(event, name) for name in names)


def incident_rows(event: Incident, _: str) -> list[Batch]:
    """Return what is known of an incident; one that is about no costs has no dimensions."""
    series = Series("") if event.currency is None else parse(event.scope)
    row = (
        *_values(event, _INCIDENT),
        list(event.rules),
        *(series.provider or "", series.account or "", series.service or ""),
        [child.series for child in event.children],
        [child.share for child in event.children],
        [alert.id for alert in event.alerts],
        *_values(event, _COURSE),
    )
    return [Batch("incidents", (*_INCIDENT, *_INCIDENT_MADE, *_COURSE), [row], 1)]


def transition_rows(event: IncidentTransition, _: str) -> list[Batch]:
    """Return a move of an incident."""
    return [Batch("incident_transitions", _TRANSITION, [_values(event, _TRANSITION)], 1)]


def alert_rows(event: Alert, _: str) -> list[Batch]:
    """Return what a rule said."""
    row = (*_values(event, _ALERT), list(event.charges))
    return [Batch("alerts", (*_ALERT, "charges"), [row], 1)]


def delivery_rows(event: DeliveryState, _: str) -> list[Batch]:
    """Return what became of telling a receiver."""
    row = (*_values(event, _DELIVERY), event.group)
    return [Batch("deliveries", (*_DELIVERY, "told_group"), [row], 1)]


def report_rows(event: CostReport, _: str) -> list[Batch]:
    """Return what a receiver was told of a report."""
    row = (
        *_values(event, _REPORT),
        event.value or "",
        [total.currency for total in event.totals],
        [total.amount for total in event.totals],
        to_millis(event.sent_at) * len(_STAGES) + _STAGES.index(event.stage),
    )
    return [Batch("reports", (*_REPORT, "value", "currencies", "amounts", "version"), [row], 1)]


def feedback_rows(event: AnomalyFeedback, _: str) -> list[Batch]:
    """Return what somebody said of anomalies; the copies of all partitions give the same row."""
    row = (
        *_values(event, _FEEDBACK),
        event.incident or "",
        [one.anomaly for one in event.judged],
        [one.series for one in event.judged],
        [KINDS[one.kind] for one in event.judged],
        to_millis(event.at),
    )
    return [Batch("feedback", (*_FEEDBACK, "incident", "anomalies", "series", "kinds", "version"), [row], 1)]


def rule_rows(event: AlertRule, _: str) -> list[Batch]:
    """Return a rule as it was applied; the copies of all partitions give the same row."""
    row = (*_values(event, _RULE), to_millis(event.applied_at))
    return [Batch("rules", (*_RULE, "version"), [row], 1)]
