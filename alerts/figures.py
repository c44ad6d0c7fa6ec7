"""What is remembered of one series for rules over totals: the days of two months, and its rolling windows.

Amounts are integers of 10⁻¹⁸ currency units, days are counted since 1970-01-01, as in events.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

from processors.series import WINDOWS, Window
from schemas.events import CostAggregate
from spendstream.clock import day_number, day_of

#: Days that are remembered: two windows of 30 days.
_DAYS = 62
_LENGTHS = {"d7": 7, "d30": 30}
_MONTHS = {"mtd": 1, "qtd": 3, "ytd": 12}

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
    """

    end: int | None = None
    first: int | None = None
    days: dict[int, _Kinds] = field(default_factory=dict)
    windows: dict[str, _Kinds] = field(default_factory=dict)

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
        )

    def dump(self) -> Any:  # noqa: ANN401 - plain data of the state
        """Return it as plain data."""
        return {
            "end": self.end,
            "first": self.first,
            "days": {str(day): _plain(kinds) for day, kinds in self.days.items()},
            "windows": {name: _plain(kinds) for name, kinds in self.windows.items()},
        }

    def total(self, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return the total of a window that ends with `end`; None when nothing is known of it."""
        if self.end is None:
            return None
        if window == "day":
            return _sum(self.days.get(self.end, {}), kinds, billed)
        known = self.windows.get(window)
        return None if known is None else _sum(known, kinds, billed)

    def before(self, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return the total of the time before: for a day the same weekday; None unless all of it is known."""
        if self.end is None or self.first is None:
            return None
        length = _LENGTHS.get(window, 1)
        last = self.end - (7 if window == "day" else length)
        if self.first > last - length + 1:
            return None
        return sum(_sum(self.days.get(last - n, {}), kinds, billed) for n in range(length))

    def by_the_end(self, window: str, kinds: frozenset[int], billed: bool) -> int | None:
        """Return what a month, quarter or year comes to when the days left cost as the last 7 did, on average."""
        so_far, week = self.total(window, kinds, billed), self.total("d7", kinds, billed)
        if so_far is None or week is None or self.end is None:
            return None
        return so_far + week * (day_number(period(window, day_of(self.end))[1]) - self.end) // 7


def period(window: str, day: date) -> tuple[date, date]:
    """Return first and last day of the month, quarter or year (`mtd`, `qtd`, `ytd`) that holds `day`.

    Examples
    --------
    >>> period("qtd", date(2026, 5, 9))
    (datetime.date(2026, 4, 1), datetime.date(2026, 6, 30))
    """
    months = _MONTHS[window]
    first = (day.month - 1) // months * months + 1
    last = first + months - 1
    return date(day.year, first, 1), date(day.year, last, monthrange(day.year, last)[1])


def learn(event: CostAggregate, wanted: Callable[[str], bool], known: Callable[[str], Figures]) -> dict[str, Figures]:
    """Return the figures, by series key, that an announcement changes.

    Parameters
    ----------
    wanted
        Tells whether any rule watches a series.
    known
        Gives what is known of a series, an object of its own each time; it is changed.
    """
    changed: dict[str, Figures] = {}
    keys = [key if wanted(key) else None for key in event.series]

    def figures(index: int) -> Figures | None:
        key = keys[index]
        if key is None:
            return None
        if key not in changed:
            changed[key] = known(key)
        return changed[key]

    for series, day, kind, billed, effective in zip(
        event.row_series, event.row_day, event.row_kind, event.row_billed, event.row_effective, strict=True
    ):
        one = figures(series)
        if one is not None:
            one.days.setdefault(day, {})[kind] = (billed, effective)
            one.first = day if one.first is None else min(one.first, day)
    told: dict[tuple[int, int], tuple[int, _Kinds]] = {}
    for series, number, end, kind, billed, effective in zip(
        event.window_series,
        event.window_name,
        event.window_end,
        event.window_kind,
        event.window_billed,
        event.window_effective,
        strict=True,
    ):
        if keys[series] is not None:
            told.setdefault((series, number), (end, {}))[1][kind] = (billed, effective)
    for (series, number), (end, amounts) in told.items():
        one = figures(series)
        if one is not None:
            _take_window(one, WINDOWS[number], end, amounts)
    for one in changed.values():
        _close(one, event)
    return changed


def _take_window(figures: Figures, window: Window, end: int, kinds: _Kinds) -> None:
    if figures.end is None or end >= figures.end:
        figures.end = end
        figures.windows[window] = kinds


def _close(figures: Figures, event: CostAggregate) -> None:
    """Move the end of a series without windows (regions, usage types); forget days that no rule looks at."""
    if not figures.windows and event.closed_through is not None:
        closed = day_number(event.closed_through)
        newest = max((day for day in figures.days if day <= closed), default=None)
        if newest is not None:
            figures.end = newest if figures.end is None else max(figures.end, newest)
    if figures.end is not None:
        figures.days = {day: kinds for day, kinds in figures.days.items() if day > figures.end - _DAYS}


def _kinds(plain: Any) -> _Kinds:  # noqa: ANN401 - plain data of the state
    return {int(kind): (amounts[0], amounts[1]) for kind, amounts in plain.items()}


def _plain(kinds: _Kinds) -> dict[str, list[int]]:
    return {str(kind): list(amounts) for kind, amounts in kinds.items()}


def _sum(amounts: _Kinds, kinds: frozenset[int], billed: bool) -> int:
    return sum(pair[0 if billed else 1] for kind, pair in amounts.items() if kind in kinds)
