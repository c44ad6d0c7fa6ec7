"""Totals as rows in parallel arrays: what partials and aggregates carry, built and read in one place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.events import CostAggregate, CostPartial


class Row(NamedTuple):
    """One total: a series, a day (days since 1970), an hour or None, a charge class, amounts in 10⁻¹⁸ units."""

    series: str
    day: int
    hour: int | None
    kind: int
    billed: int
    effective: int


@dataclass(slots=True)
class Rows:
    """Rows of totals, as the arrays of `CostPartial` and `CostAggregate`."""

    series: list[str] = field(default_factory=list)
    row_series: list[int] = field(default_factory=list)
    row_day: list[int] = field(default_factory=list)
    row_kind: list[int] = field(default_factory=list)
    row_billed: list[int] = field(default_factory=list)
    row_effective: list[int] = field(default_factory=list)
    hour_series: list[int] = field(default_factory=list)
    hour_day: list[int] = field(default_factory=list)
    hour_kind: list[int] = field(default_factory=list)
    hour_hour: list[int] = field(default_factory=list)
    hour_billed: list[int] = field(default_factory=list)
    hour_effective: list[int] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows, hours included."""
        return len(self.row_series) + len(self.hour_series)

    def index_of(self, series: str) -> int:
        """Return the place of `series` in the dictionary, adding it when it is new."""
        index = self._index.get(series)
        if index is None:
            index = self._index[series] = len(self.series)
            self.series.append(series)
        return index

    def add(self, row: Row) -> None:
        """Append one row."""
        index = self.index_of(row.series)
        if row.hour is None:
            self.row_series.append(index)
            self.row_day.append(row.day)
            self.row_kind.append(row.kind)
            self.row_billed.append(row.billed)
            self.row_effective.append(row.effective)
        else:
            self.hour_series.append(index)
            self.hour_day.append(row.day)
            self.hour_kind.append(row.kind)
            self.hour_hour.append(row.hour)
            self.hour_billed.append(row.billed)
            self.hour_effective.append(row.effective)

    def columns(self) -> dict[str, list[str] | list[int]]:
        """Return the arrays by the name of the event's field."""
        return {name: getattr(self, name) for name in COLUMNS}


#: The fields of an event that make up its rows.
COLUMNS = (
    "series",
    "row_series",
    "row_day",
    "row_kind",
    "row_billed",
    "row_effective",
    "hour_series",
    "hour_day",
    "hour_kind",
    "hour_hour",
    "hour_billed",
    "hour_effective",
)


def unfold(event: Rows | CostPartial | CostAggregate) -> Iterator[Row]:
    """Yield the rows of an event, or of rows not yet in one."""
    series = event.series
    for index, day, kind, billed, effective in zip(
        event.row_series, event.row_day, event.row_kind, event.row_billed, event.row_effective, strict=True
    ):
        yield Row(series[index], day, None, kind, billed, effective)
    for index, day, kind, hour, billed, effective in zip(
        event.hour_series,
        event.hour_day,
        event.hour_kind,
        event.hour_hour,
        event.hour_billed,
        event.hour_effective,
        strict=True,
    ):
        yield Row(series[index], day, hour, kind, billed, effective)


def cut(rows: Rows, most: int) -> list[Rows]:
    """Return rows in pieces of at most `most`; at least one piece, which may be empty."""
    if len(rows) <= most:
        return [rows]
    pieces = [Rows()]
    for row in unfold(rows):
        if len(pieces[-1]) >= most:
            pieces.append(Rows())
        pieces[-1].add(row)
    return pieces
