"""An announcement of totals: its number, and its rows, one tuple each.

Amounts are billed and effective, in 10⁻¹⁸ units.
"""

from collections.abc import Iterable

from schemas.events import CostAggregate

_LONGEST_VERSION = 48


def number_of(event: CostAggregate) -> int:
    """Return the number of an announcement in its partition, over all epochs; what follows has it as version."""
    return event.epoch << _LONGEST_VERSION | event.version


def day_rows(event: CostAggregate) -> Iterable[tuple[int, int, int, int, int]]:
    """Return (index of the series, day, charge class, billed, effective) of each total of a day."""
    return zip(event.row_series, event.row_day, event.row_kind, event.row_billed, event.row_effective, strict=True)


def hour_rows(event: CostAggregate) -> Iterable[tuple[int, int, int, int, int, int]]:
    """Return (index of the series, day, hour, charge class, billed, effective) of each total of an hour."""
    return zip(
        event.hour_series,
        event.hour_day,
        event.hour_hour,
        event.hour_kind,
        event.hour_billed,
        event.hour_effective,
        strict=True,
    )


def window_rows(event: CostAggregate) -> Iterable[tuple[int, int, int, int, int, int]]:
    """Return (index of the series, index of the window, its last day, charge class, billed, effective) of each."""
    return zip(
        event.window_series,
        event.window_name,
        event.window_end,
        event.window_kind,
        event.window_billed,
        event.window_effective,
        strict=True,
    )
