"""Event → rows: one pure function per event class. A row's version makes an insert that is repeated change nothing.

Amounts and days stay as the event has them, see `sinks.native`. Statements, aggregates,
anomalies and alerting have files of their own.
"""

from collections.abc import Callable, Sequence
from typing import Any

from schemas.events import (
    Alert,
    AlertRule,
    AnomalyFeedback,
    CostAggregate,
    CostAnomaly,
    CostEstimate,
    CostForecast,
    CostReport,
    CostStatement,
    DeadLetter,
    DeliveryState,
    Event,
    Incident,
    IncidentTransition,
    PaidRequest,
    ReadingClosed,
    ReadingOpened,
    Run,
    SourceControl,
    UsageMetrics,
)
from sinks.aggregate_rows import aggregate_rows
from sinks.alert_rows import (
    alert_rows,
    delivery_rows,
    feedback_rows,
    incident_rows,
    report_rows,
    rule_rows,
    transition_rows,
)
from sinks.anomaly_rows import anomaly_rows
from sinks.batch import NO_VIEW, Batch
from sinks.estimate_rows import estimate_rows
from sinks.forecast_rows import forecast_rows
from sinks.statement_rows import statement_rows
from spendstream.clock import from_millis, to_millis

_READING = (
    "run",
    "source",
    "provider",
    "billing_account",
    "reading",
    "view",
    "opened_at",
    "first_day",
    "last_day",
    "billing_periods",
    "closed_at",
    "scopes",
    "published",
    "closed_through",
    "final_through",
    "currencies",
    "lines",
    "billed",
    "effective",
    "version",
)


def opened_rows(event: ReadingOpened, run: str) -> list[Batch]:
    """Return a reading that has begun."""
    head = (run, event.source, event.provider, event.billing_account, event.reading, event.view or NO_VIEW)
    nothing: tuple[Any, ...] = (None, 0, 0, None, None, [], [], [], [], 0)
    row = (*head, event.opened_at, event.first_day, event.last_day, list(event.billing_periods), *nothing)
    return [Batch("readings", _READING, [row], 1)]


def closed_rows(event: ReadingClosed, run: str) -> list[Batch]:
    """Return a reading that is complete; the copies of all partitions give the same row."""
    head = (run, event.source, event.provider, event.billing_account, event.reading, event.view or NO_VIEW)
    row: tuple[Any, ...] = (
        *(*head, event.opened_at, event.first_day, event.last_day, list(event.billing_periods)),
        *(event.closed_at, event.scopes, event.published),
        *(event.closed_through, event.final_through, [total.currency for total in event.totals]),
        [total.lines for total in event.totals],
        [total.billed for total in event.totals],
        [total.effective for total in event.totals],
        to_millis(event.closed_at),
    )
    return [Batch("readings", _READING, [row], 1)]


_USAGE = (
    "run",
    "source",
    "account",
    "region",
    "namespace",
    "metric",
    "statistic",
    "dimensions",
    "period_seconds",
    "start",
    "value",
    "complete",
    "unit",
    "service",
    "usage_type",
    "factor",
    "version",
)


def usage_rows(event: UsageMetrics, run: str) -> list[Batch]:
    """Return a row a point."""
    dimensions = ",".join(f"{name}={value}" for name, value in sorted(event.dimensions.items()))
    head = (run, event.source, event.account, event.region, event.namespace, event.metric, event.statistic, dimensions)
    tail = (event.unit, event.service or "", event.usage_type or "", event.factor, event.version)
    rows = [
        (*head, event.period_seconds, from_millis(start), value, complete, *tail)
        for start, value, complete in zip(event.starts, event.values, event.complete, strict=True)
    ]
    return [Batch("usage_metrics", _USAGE, rows, len(rows))]


def _plain(table: str, names: Sequence[str], version: Callable[[Any], int]) -> Callable[[Any, str], list[Batch]]:
    """Return a function for events whose fields are the table's columns."""
    columns = ("run", *names, "version")

    def rows(event: Any, run: str) -> list[Batch]:  # noqa: ANN401 - any event class with these fields
        values = [getattr(event, name) for name in names]
        row = (
            run,
            *("" if value is None and name in _TEXT else value for name, value in zip(names, values, strict=True)),
        )
        return [Batch(table, columns, [(*row, version(event))], 1)]

    return rows


#: Columns that hold an empty text where the event has nothing.
_TEXT = frozenset({"reading", "topic"})

_CONTROL = (
    "source",
    "provider",
    "billing_account",
    "control",
    "first_day",
    "last_day",
    "currency",
    "billed",
    "effective",
    "lower",
    "upper",
    "estimated",
    "read_at",
)
_PAID = ("id", "at", "api", "billing_account", "purpose", "detail", "cost", "outcome", "reading")
_LETTER = ("id", "at", "stage", "origin", "topic", "error", "reason", "value", "retries")


def run_rows(event: Run, _: str) -> list[Batch]:
    """Return a replay's row."""
    columns = ("run", "state", "steps", "started_at", "finished_at", "events", "note", "version")
    version = to_millis(event.finished_at or event.started_at)
    row = (
        event.id,
        event.state,
        list(event.steps),
        event.started_at,
        event.finished_at,
        event.events,
        event.note,
        version,
    )
    return [Batch("runs", columns, [row], 1)]


_ROWS: dict[type[Any], Callable[[Any, str], list[Batch]]] = {
    CostStatement: statement_rows,
    CostAggregate: aggregate_rows,
    CostAnomaly: anomaly_rows,
    CostForecast: forecast_rows,
    CostEstimate: estimate_rows,
    ReadingOpened: opened_rows,
    ReadingClosed: closed_rows,
    UsageMetrics: usage_rows,
    SourceControl: _plain("controls", _CONTROL, lambda event: int(event.version)),
    PaidRequest: _plain("paid_requests", _PAID, lambda event: to_millis(event.at)),
    DeadLetter: _plain("dead_letters", _LETTER, lambda event: to_millis(event.at)),
    Run: run_rows,
    Incident: incident_rows,
    IncidentTransition: transition_rows,
    Alert: alert_rows,
    DeliveryState: delivery_rows,
    CostReport: report_rows,
    AnomalyFeedback: feedback_rows,
    AlertRule: rule_rows,
}


def rows_of(event: Event, run: str = "live") -> list[Batch]:
    """Return the rows that an event makes; none for an event that no table holds.

    `run` is the run under which input is stored; what a step made carries its own.
    """
    make = _ROWS.get(type(event))
    return [] if make is None else make(event, run)
