"""Forecasts → a row for each series, charge class and horizon; the newest of a day stays."""

from detection.forecast import HORIZONS
from processors.series import parse
from schemas.events import CostForecast
from sinks.batch import KINDS, Batch

_COLUMNS = (
    *("run", "currency", "level", "series", "provider", "account", "service", "tag", "tag_value", "kind", "horizon"),
    *("day", "ends", "settled", "so_far", "mean", "lower", "upper", "coverage", "source", "reading", "closed_at"),
    "version",
)


def forecast_rows(event: CostForecast, _: str) -> list[Batch]:
    """Return a row for each forecast of the event."""
    parsed = [parse(key) for key in event.series]
    heads = [
        (one.currency, one.level, key, one.provider or "", one.account or "", one.service or "", one.tag or "",
         one.value or "")
        for key, one in zip(event.series, parsed, strict=True)
    ]  # fmt: skip
    tail = (event.coverage, event.source, event.reading, event.closed_at, event.version)
    rows = [
        (event.run, *heads[place], KINDS[kind], HORIZONS[horizon], event.day, end, event.settled, *amounts, *tail)
        for place, kind, horizon, end, *amounts in zip(
            event.row_series, event.row_kind, event.row_horizon, event.row_end,
            event.row_so_far, event.row_mean, event.row_lower, event.row_upper, strict=True,
        )
    ]  # fmt: skip
    return [Batch("forecasts", _COLUMNS, rows, len(rows))]
