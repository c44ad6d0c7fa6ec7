"""What is remembered of one series for rules over totals: its days, the hours of the newest, its rolling windows.

Amounts are integers of 10⁻¹⁸ currency units, days are counted since 1970-01-01, as in events.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from alerts.periods import MONTHS, period
from processors.announced import day_rows, hour_rows, window_rows
from processors.ledger import book_of
from processors.series import WINDOWS, Window
from schemas.events import CostAggregate
from spendstream.clock import day_number, day_of

#: Days that are remembered at least: two windows of 30 days.
DAYS = 62
_LENGTHS = {"d7": 7, "d30": 30}

#: Charge class → billed and effective cost.
_Kinds = dict[int, tuple[int, int]]


@dataclass(slots=True)
class Figures:
    """One series as the announcements have told of it.

    Attributes
    ----------
    end
        Newest closed day; None: none is closed yet.
    first
        Oldest day that was ever told of: before it nothing is known.
    hours
        Of the newest day that was told of by hours: hour → amounts; `hours_of` is that day.
    book
        Who told of it last: source, provider and billing account.
    """

    end: int | None = None
    first: int | None = None
    days: dict[int, _Kinds] = field(default_factory=dict)
    windows: dict[str, _Kinds] = field(default_factory=dict)
    hours_of: int | None = None
    hours: dict[int, _Kinds] = field(default_factory=dict)
    book: str | None = None

    @classmethod
    def load(cls, plain: Any) -> Self:  # noqa: ANN401 - plain data of the state
        """Return what `dump` gave; None gives empty figures."""
        if plain is None:
            return cls()
        return cls(
            plain["end"],
            plain["first"],
            {int(day): _kinds(kinds) for day, kinds in plain["days"].items()},
            {name: _kinds(kinds) for name, kinds in plain["windows"].items()},
            plain["hours_of"],
            {int(hour): _kinds(kinds) for hour, kinds in plain["hours"].items()},
            plain["book"],
        )

    def dump(self) -> Any:  # noqa: ANN401 - plain data of the state
        """Return it as plain data."""
        return {
            "end": self.end,
            "first": self.first,
            "days": {str(day): _plain(kinds) for day, kinds in self.days.items()},
            "windows": {name: _plain(kinds) for name, kinds in self.windows.items()},
            "hours_of": self.hours_of,
            "hours": {str(hour): _plain(kinds) for hour, kinds in self.hours.items()},
            "book": self.book,
        }

    def costs_at(self, day: int) -> bool:
        """Tell whether a day is known to have cost anything."""
        return any(any(amounts) for amounts in self.days.get(day, {}).values())

    def total(self, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return the total of a window that ends with `end`; None when nothing is known of it."""
        if self.end is None:
            return None
        if window == "day":
            return _sum(self.days.get(self.end, {}), kinds, billed)
        known = self.windows.get(window)
        return None if known is None else _sum(known, kinds, billed)

    def total_to(self, end: int, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return the total of a window that ends with `end`, now or some days ago; None when not all of it is known."""
        if end == self.end:
            return self.total(window, kinds, billed)
        first = first_day(window, end)
        if (
            self.end is None
            or self.first is None
            or not max(self.first, self.end - DAYS + 1) <= first <= end < self.end
        ):
            return None
        return self.between(first, end, kinds, billed)

    def before(self, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return the total of the time before: for a day the same weekday; None unless all of it is known."""
        if self.end is None or self.first is None:
            return None
        length = _LENGTHS.get(window, 1)
        last = self.end - (7 if window == "day" else length)
        if self.first > last - length + 1:
            return None
        return self.between(last - length + 1, last, kinds, billed)

    def between(self, first: int, last: int, kinds: frozenset[int], billed: bool) -> int:
        """Return the total of the days from `first` through `last`; a day that nothing is known of cost nothing."""
        return sum(_sum(self.days.get(day, {}), kinds, billed) for day in range(first, last + 1))

    def course(self, days: int, kinds: frozenset[int], billed: bool) -> tuple[int, list[int]] | None:
        """Return the first of the last `days` days, or of as many as are known, and what each cost; None: none is."""
        if self.end is None or self.first is None:
            return None
        first = max(self.first, self.end - days + 1)
        return first, [self.between(day, day, kinds, billed) for day in range(first, self.end + 1)]

    def dearest_hour(self, kinds: frozenset[int], billed: bool) -> tuple[int, int] | None:
        """Return hour and total of the dearest hour of the newest day that is known by hours; None: none is."""
        totals = {hour: _sum(amounts, kinds, billed) for hour, amounts in self.hours.items()}
        hour = max(totals, key=lambda hour: (totals[hour], -hour), default=None)
        return None if hour is None else (hour, totals[hour])

    def by_the_end(self, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return what a month, quarter or year comes to when the days left cost as the last 7 did, on average."""
        so_far, week = self.total(window, kinds, billed), self.total("d7", kinds, billed)
        if so_far is None or week is None or self.end is None:
            return None
        return so_far + week * (day_number(period(window, day_of(self.end))[1]) - self.end) // 7


def first_day(window: str, end: int) -> int:
    """Return the first day of a window that ends with the day `end`."""
    if window in MONTHS:
        return day_number(period(window, day_of(end))[0])
    return end - _LENGTHS.get(window, 1) + 1


def learn(event: CostAggregate, looks_at: Callable[[str], int], known: Callable[[str], Figures]) -> dict[str, Figures]:
    """Return the figures, by series key, that an announcement changes.

    Parameters
    ----------
    looks_at
        Tells how many days of a series are to be remembered; 0: no rule watches it.
    known
        Gives what is known of a series, an object of its own each time; it is changed.
    """
    changed: dict[str, Figures] = {}
    horizons = [looks_at(key) for key in event.series]

    def figures(index: int) -> Figures | None:
        if not horizons[index]:
            return None
        key = event.series[index]
        if key not in changed:
            changed[key] = known(key)
        return changed[key]

    for series, day, kind, billed, effective in day_rows(event):
        one = figures(series)
        if one is not None:
            one.days.setdefault(day, {})[kind] = (billed, effective)
            one.first = day if one.first is None else min(one.first, day)
    for series, day, hour, kind, billed, effective in hour_rows(event):
        one = figures(series)
        if one is not None:
            _take_hour(one, day, hour, kind, (billed, effective))
    for (series, number), (end, amounts) in _windows(event).items():
        one = figures(series)
        if one is not None:
            _take_window(one, WINDOWS[number], end, amounts)
    for index, key in enumerate(event.series):
        if key in changed:
            _close(changed[key], event, horizons[index])
    return changed


def _windows(event: CostAggregate) -> dict[tuple[int, int], tuple[int, _Kinds]]:
    """Return last day and amounts of each window, by the indices of series and window."""
    told: dict[tuple[int, int], tuple[int, _Kinds]] = {}
    for series, number, end, kind, billed, effective in window_rows(event):
        told.setdefault((series, number), (end, {}))[1][kind] = (billed, effective)
    return told


def _take_hour(figures: Figures, day: int, hour: int, kind: int, amounts: tuple[int, int]) -> None:
    if figures.hours_of is None or day > figures.hours_of:
        figures.hours_of, figures.hours = day, {}
    if day == figures.hours_of:
        figures.hours.setdefault(hour, {})[kind] = amounts


def _take_window(figures: Figures, window: Window, end: int, kinds: _Kinds) -> None:
    if figures.end is None or end >= figures.end:
        figures.end = end
        figures.windows[window] = kinds


def _close(figures: Figures, event: CostAggregate, horizon: int) -> None:
    """Move the end of a series without windows (regions, usage types); forget days that no rule looks at."""
    figures.book = book_of(event)
    if not figures.windows and event.closed_through is not None:
        told = [day for day in figures.days if day <= day_number(event.closed_through)]
        if told:
            figures.end = max(told) if figures.end is None else max(figures.end, *told)
    if figures.end is not None:
        figures.days = {day: kinds for day, kinds in figures.days.items() if day > figures.end - horizon}


def _kinds(plain: Any) -> _Kinds:  # noqa: ANN401 - plain data of the state
    return {int(kind): (amounts[0], amounts[1]) for kind, amounts in plain.items()}


def _plain(kinds: _Kinds) -> dict[str, list[int]]:
    return {str(kind): list(amounts) for kind, amounts in kinds.items()}


def _sum(amounts: _Kinds, kinds: frozenset[int], billed: bool) -> int:
    return sum(pair[0 if billed else 1] for kind, pair in amounts.items() if kind in kinds)
