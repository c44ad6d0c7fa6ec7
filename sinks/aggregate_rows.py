"""What totals announce → rows of day, hour and rolling totals, and of the announcement itself."""

from typing import Any

from processors.announced import day_rows, hour_rows, window_rows
from processors.series import WINDOWS, parse
from schemas.events import CostAggregate
from sinks.batch import KINDS, NO_VIEW, Batch

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
        for at, day, kind, billed, effective in day_rows(event)
    ]
    hours = [
        (*heads[at], day, hour, KINDS[kind], *above[at], billed, effective, *read)
        for at, day, hour, kind, billed, effective in hour_rows(event)
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
        for at, name, end, kind, billed, effective in window_rows(event)
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
    book = (event.source, event.provider, event.billing_account, event.view or NO_VIEW)
    return [(event.run, *book, event.reading, event.epoch, event.partition, event.partitions, event.closed_at, version)]
