"""Event → rows: one pure function per event class. A row's version makes an insert that is repeated change nothing.

Amounts and days stay as the event has them, see `sinks.native`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processors.series import WINDOWS, ChargeKind, parse
from schemas.events import (
    CostAggregate,
    CostStatement,
    DeadLetter,
    Event,
    PaidRequest,
    ReadingClosed,
    ReadingOpened,
    Run,
    SourceControl,
    UsageMetrics,
)
from spendstream.clock import from_millis, to_millis

KINDS = tuple(kind.label for kind in ChargeKind)
_NO_VIEW = ""


@dataclass(slots=True)
class Batch:
    """Rows of one table, in the order of `columns`; `weight` counts lines, for the size of a batch."""

    table: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    weight: int


_SCOPE = (
    "run",
    "source",
    "provider",
    "billing_account",
    "billing_period",
    "account",
    "service",
    "currency",
    "day",
    "view",
)
_STATEMENT = (
    *_SCOPE,
    "part",
    "version",
    "parts",
    "reading",
    "read_at",
    "source_time",
    "estimated",
    "reconciled",
    "account_name",
    "kind",
    "region",
    "usage_type",
    "tags",
    "hour",
    "billed",
    "effective",
    "list_cost",
    "contracted",
    "blended",
    "quantity",
    "unit",
    "resource",
    "operation",
    "charge_category",
    "charge_class",
    "charge_frequency",
    "pricing_category",
    "commitment",
    "description",
    "charge_end",
)


def _amounts(column: Sequence[int], absent: Sequence[int]) -> Sequence[int | None]:
    if not absent:
        return column
    amounts: list[int | None] = list(column)
    for row in absent:
        amounts[row] = None
    return amounts


def statement_rows(event: CostStatement, run: str) -> list[Batch]:
    """Return the statement's row for the history, and, when it is whole, the same row as the newest version."""
    names, details = event.strings, event.details
    no_tags: Mapping[str, str] = {}
    tags = [event.tag_sets[index] for index in event.tags] or [no_tags] * len(event.billed)
    row = (
        run,
        event.source,
        event.provider,
        event.billing_account,
        event.billing_period,
        event.account,
        event.service,
        event.currency,
        event.day,
        event.view or _NO_VIEW,
        event.part,
        event.version,
        event.parts,
        event.reading,
        event.read_at,
        event.source_time,
        event.estimated,
        event.reconciled,
        event.account_name or "",
        [KINDS[kind] for kind in event.kind],
        [names[index] for index in event.region],
        [names[index] for index in event.usage_type],
        tags,
        event.hour,
        event.billed,
        event.effective,
        _amounts(event.list_cost, event.list_cost_absent),
        _amounts(event.contracted, event.contracted_absent),
        event.blended,
        _amounts(event.quantity, event.quantity_absent),
        *(
            [details[index] for index in column]
            for column in (
                event.unit,
                event.resource,
                event.operation,
                event.charge_category,
                event.charge_class,
                event.charge_frequency,
                event.pricing_category,
                event.commitment,
                event.description,
            )
        ),
        event.charge_end,
    )
    weight = len(event.billed) + 1
    history = Batch("statement_history", _STATEMENT, [row], weight)
    return [history, Batch("statements", _STATEMENT, [row], 0)] if event.parts == 1 else [history]


_TOTAL = (
    "run",
    "currency",
    "level",
    "series",
    "day",
    "kind",
    "provider",
    "account",
    "service",
    "region",
    "usage_type",
    "tag",
    "tag_value",
    "billed",
    "effective",
    "reading",
    "closed_at",
    "version",
)
_HOUR_TOTAL = (
    "run",
    "currency",
    "level",
    "series",
    "day",
    "hour",
    "kind",
    "provider",
    "account",
    "service",
    "billed",
    "effective",
    "reading",
    "closed_at",
    "version",
)
_ROLLING = (
    "run",
    "currency",
    "level",
    "series",
    "window",
    "kind",
    "provider",
    "account",
    "service",
    "tag",
    "tag_value",
    "window_end",
    "billed",
    "effective",
    "reading",
    "version",
)
_ANNOUNCED = (
    "run",
    "source",
    "provider",
    "billing_account",
    "view",
    "reading",
    "epoch",
    "partition",
    "partitions",
    "closed_at",
    "version",
)


def aggregate_rows(event: CostAggregate, _: str) -> list[Batch]:
    """Return day totals, hour totals and rolling totals; and with the last part, that the partition has announced."""
    version = event.epoch << 48 | event.version
    read = (event.reading, event.closed_at, version)
    # What a row says of its series is made once a series, not once a row.
    parsed = [parse(key) for key in event.series]
    heads = [(event.run, s.currency, s.level, key) for key, s in zip(event.series, parsed, strict=True)]
    above = [(s.provider or "", s.account or "", s.service or "") for s in parsed]
    tagged = [(s.tag or "", s.value or "") for s in parsed]
    below = [(s.region or "", s.usage_type or "", *tag) for s, tag in zip(parsed, tagged, strict=True)]
    days = [
        (*heads[at], day, KINDS[kind], *above[at], *below[at], billed, effective, *read)
        for at, day, kind, billed, effective in zip(
            event.row_series, event.row_day, event.row_kind, event.row_billed, event.row_effective, strict=True
        )
    ]
    hours = [
        (*heads[at], day, hour, KINDS[kind], *above[at], billed, effective, *read)
        for at, day, hour, kind, billed, effective in zip(
            event.hour_series,
            event.hour_day,
            event.hour_hour,
            event.hour_kind,
            event.hour_billed,
            event.hour_effective,
            strict=True,
        )
    ]
    windows = [
        (
            *heads[at],
            WINDOWS[name],
            KINDS[kind],
            *above[at],
            *tagged[at],
            end,
            billed,
            effective,
            event.reading,
            version,
        )
        for at, name, end, kind, billed, effective in zip(
            event.window_series,
            event.window_name,
            event.window_end,
            event.window_kind,
            event.window_billed,
            event.window_effective,
            strict=True,
        )
    ]
    return [
        Batch("totals", _TOTAL, days, len(days)),
        Batch("hour_totals", _HOUR_TOTAL, hours, len(hours)),
        Batch("rolling_totals", _ROLLING, windows, len(windows)),
        # The sink writes tables in this order: what is announced is there.
        Batch("announcements", _ANNOUNCED, _announced(event, version), 0),
    ]


def _announced(event: CostAggregate, version: int) -> list[tuple[Any, ...]]:
    if event.part < event.parts - 1:
        return []
    book = (event.source, event.provider, event.billing_account, event.view or _NO_VIEW)
    return [(event.run, *book, event.reading, event.epoch, event.partition, event.partitions, event.closed_at, version)]


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
    head = (run, event.source, event.provider, event.billing_account, event.reading, event.view or _NO_VIEW)
    nothing: tuple[Any, ...] = (None, 0, 0, None, None, [], [], [], [], 0)
    row = (*head, event.opened_at, event.first_day, event.last_day, list(event.billing_periods), *nothing)
    return [Batch("readings", _READING, [row], 1)]


def closed_rows(event: ReadingClosed, run: str) -> list[Batch]:
    """Return a reading that is complete; the copies of all partitions give the same row."""
    head = (run, event.source, event.provider, event.billing_account, event.reading, event.view or _NO_VIEW)
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
    ReadingOpened: opened_rows,
    ReadingClosed: closed_rows,
    UsageMetrics: usage_rows,
    SourceControl: _plain("controls", _CONTROL, lambda event: int(event.version)),
    PaidRequest: _plain("paid_requests", _PAID, lambda event: to_millis(event.at)),
    DeadLetter: _plain("dead_letters", _LETTER, lambda event: to_millis(event.at)),
    Run: run_rows,
}


def rows_of(event: Event, run: str = "live") -> list[Batch]:
    """Return the rows that an event makes; none for an event that no table holds.

    `run` is the run under which input is stored; what a step made carries its own.
    """
    make = _ROWS.get(type(event))
    return [] if make is None else make(event, run)
