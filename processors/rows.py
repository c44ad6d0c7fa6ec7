"""Totals as rows in parallel arrays: what partials and aggregates carry, built and read in one place."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from processors.columns import Columns
from schemas.events import CostAggregate, CostPartial


class Row(NamedTuple):
    """One total: a series, a day (days since 1970), an hour or None, a charge class, amounts in 10⁻¹⁸ units."""

    series: str
    day: int
    hour: int | None
    kind: int
    billed: int
    effective: int


class _Index(dict[str, int]):
    """Place of each series in a list, which grows when it is asked for another one."""

    def __init__(self, series: list[str]) -> None:
        super().__init__((name, place) for place, name in enumerate(series))
        self._series = series

    def __missing__(self, name: str) -> int:
        place = self[name] = len(self._series)
        self._series.append(name)
        return place


@dataclass(slots=True)
class Rows:
    """Rows of totals, as the arrays of `CostPartial` and `CostAggregate`."""

    series: list[str] = field(default_factory=list)
    row_series: list[int] = field(default_factory=list)
    row_day: list[int] = field(default_factory=list)
    row_kind: list[int] = field(default_factory=list)
    row_billed: list[int] = field(default_factory=list)
    row_effective: list[int] = field(default_factory=list)
    price_series: list[int] = field(default_factory=list)
    price_day: list[int] = field(default_factory=list)
    price_cost: list[int] = field(default_factory=list)
    price_before: list[int] = field(default_factory=list)
    hour_series: list[int] = field(default_factory=list)
    hour_day: list[int] = field(default_factory=list)
    hour_kind: list[int] = field(default_factory=list)
    hour_hour: list[int] = field(default_factory=list)
    hour_billed: list[int] = field(default_factory=list)
    hour_effective: list[int] = field(default_factory=list)
    _index: "_Index" = field(init=False)

    def __post_init__(self) -> None:
        """Take up the series that are there."""
        self._index = _Index(self.series)

    def __len__(self) -> int:
        """Return the number of rows, prices and hours included."""
        return len(self.row_series) + len(self.price_series) + len(self.hour_series)

    def index_of(self, series: str) -> int:
        """Return the place of `series` in the dictionary, adding it when it is new."""
        return self._index[series]

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

    def extend(self, family: str, day: int, columns: Columns) -> None:
        """Append the totals of one family and day; the names are suffixes to the family's key."""
        suffixes, kinds, billed, effective = columns
        self.row_series += map(self._index.__getitem__, [family + suffix for suffix in suffixes])
        self.row_day += [day] * len(suffixes)
        self.row_kind += kinds
        self.row_billed += billed
        self.row_effective += effective

    def extend_prices(self, family: str, day: int, columns: Columns) -> None:
        """Append what a family's usage of a day costs, and would have cost at earlier prices."""
        names, _, cost, before = columns
        self.price_series += [self.index_of(family)] * len(names)
        self.price_day += [day] * len(names)
        self.price_cost += cost
        self.price_before += before

    def extend_hours(self, family: str, day: int, columns: Columns) -> None:
        """Append the hours of one family and day; the names are hours, 0 to 23."""
        hours, kinds, billed, effective = columns
        self.hour_series += [self.index_of(family)] * len(hours)
        self.hour_day += [day] * len(hours)
        self.hour_hour += hours
        self.hour_kind += kinds
        self.hour_billed += billed
        self.hour_effective += effective

    def columns(self) -> dict[str, list[str] | list[int]]:
        """Return the arrays by the name of the event's field."""
        return {name: getattr(self, name) for name in COLUMNS}


_ROW_COLUMNS = ("row_series", "row_day", "row_kind", "row_billed", "row_effective")
_PRICE_COLUMNS = ("price_series", "price_day", "price_cost", "price_before")
_HOUR_COLUMNS = ("hour_series", "hour_day", "hour_kind", "hour_hour", "hour_billed", "hour_effective")

#: The fields of an event that make up its rows.
COLUMNS = ("series", *_ROW_COLUMNS, *_PRICE_COLUMNS, *_HOUR_COLUMNS)


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


def runs(event: Rows, families: Sequence[str]) -> Iterator[tuple[str, int, slice]]:
    """Yield the runs of rows of one family and day; `families` has the family of each series. Hours are left out."""
    return _runs(map(families.__getitem__, event.row_series), event.row_day)


def hour_runs(event: Rows, families: Sequence[str]) -> Iterator[tuple[str, int, slice]]:
    """Yield the runs of hours of one family and day."""
    return _runs(map(families.__getitem__, event.hour_series), event.hour_day)


def price_runs(event: Rows, families: Sequence[str]) -> Iterator[tuple[str, int, slice]]:
    """Yield the runs of prices of one family and day."""
    return _runs(map(families.__getitem__, event.price_series), event.price_day)


def _runs(families: Iterable[str], days: Sequence[int]) -> Iterator[tuple[str, int, slice]]:
    start = 0
    for (family, day), run in groupby(zip(families, days, strict=True)):
        end = start + len(list(run))
        yield family, day, slice(start, end)
        start = end


def cut(rows: Rows, most: int) -> list[Rows]:
    """Return rows in pieces of at most `most`, then prices, hours last; at least one piece, which may be empty."""
    if len(rows) <= most:
        return [rows]
    pieces = []
    for start in range(0, len(rows), most):
        piece, begin = Rows(), start
        for names in (_ROW_COLUMNS, _PRICE_COLUMNS, _HOUR_COLUMNS):
            _copy(rows, piece, names, slice(max(begin, 0), max(begin + most, 0)))
            begin -= len(getattr(rows, names[0]))
        pieces.append(piece)
    return pieces


def _copy(rows: Rows, piece: Rows, names: Sequence[str], part: slice) -> None:
    first, *others = names
    indexes = getattr(rows, first)[part]
    place = {index: piece.index_of(rows.series[index]) for index in dict.fromkeys(indexes)}
    setattr(piece, first, [place[index] for index in indexes])
    for name in others:
        setattr(piece, name, getattr(rows, name)[part])
