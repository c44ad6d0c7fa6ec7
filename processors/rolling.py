"""Rolling windows of one series, kept exact by differences: a restatement of any day moves the windows that hold it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from processors.series import Window
from spendstream.clock import day_of

_DAYS = 30

#: Window, charge class, billed and effective cost in 10⁻¹⁸ units.
WindowTotal = tuple[Window, int, int, int]


@dataclass(slots=True)
class Sheet:
    """Day totals of the last days, and month totals, of one series; amounts in 10⁻¹⁸ units as (billed, effective).

    Attributes
    ----------
    books
        Numbers of the books that ever contributed; the windows end at the newest day that one of them has closed.
    days
        Day (days since 1970) → charge class → amounts, for the 30 days before the end and any day after it.
    months
        Month (year × 12 + month − 1) → charge class → amounts.
    """

    books: set[str] = field(default_factory=set)
    days: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    months: dict[int, dict[int, list[int]]] = field(default_factory=dict)

    @classmethod
    def load(cls, plain: Any) -> "Sheet":  # noqa: ANN401 - plain data of the state
        """Return the sheet that `dump` gave; an empty one for None."""
        if plain is None:
            return cls()
        return cls(
            set(plain["books"]),
            {int(day): {int(kind): list(v) for kind, v in kinds.items()} for day, kinds in plain["days"].items()},
            {int(month): {int(kind): list(v) for kind, v in kinds.items()} for month, kinds in plain["months"].items()},
        )

    def dump(self) -> Any:  # noqa: ANN401 - plain data of the state
        """Return the sheet as plain data."""
        return {
            "books": sorted(self.books),
            "days": {str(day): {str(kind): v for kind, v in kinds.items()} for day, kinds in self.days.items()},
            "months": {str(month): {str(kind): v for kind, v in kinds.items()} for month, kinds in self.months.items()},
        }

    def change(self, day: int, kind: int, old: tuple[int, int], new: tuple[int, int]) -> None:
        """Replace a day's amounts, whichever day it is."""
        for amounts in (
            self.days.setdefault(day, {}).setdefault(kind, [0, 0]),
            self.months.setdefault(_month_of(day), {}).setdefault(kind, [0, 0]),
        ):
            amounts[0] += new[0] - old[0]
            amounts[1] += new[1] - old[1]

    def forget_before(self, end: int) -> None:
        """Forget what no window that ends at `end`, or later, can need; the months of the year before stay."""
        self.days = {day: kinds for day, kinds in self.days.items() if day > end - _DAYS}
        oldest = _month_of(end) - 24
        self.months = {month: kinds for month, kinds in self.months.items() if month > oldest}

    def windows(self, end: int) -> Iterator[WindowTotal]:
        """Yield the total of every window that ends with the day `end`."""
        month = _month_of(end)
        year, quarter = month - month % 12, month - month % 3
        for kind in sorted({kind for kinds in (*self.days.values(), *self.months.values()) for kind in kinds}):
            sums: dict[Window, tuple[int, int]] = {
                "d7": self._sum(kind, end - 6, end),
                "d30": self._sum(kind, end - 29, end),
                "mtd": self._sum_months(kind, month, month, end),
                "qtd": self._sum_months(kind, quarter, month, end),
                "ytd": self._sum_months(kind, year, month, end),
            }
            for window, (billed, effective) in sums.items():
                yield window, kind, billed, effective

    def _sum(self, kind: int, first: int, last: int) -> tuple[int, int]:
        found = [kinds[kind] for day, kinds in self.days.items() if first <= day <= last and kind in kinds]
        return sum(v[0] for v in found), sum(v[1] for v in found)

    def _sum_months(self, kind: int, first: int, last: int, end: int) -> tuple[int, int]:
        found = [kinds[kind] for month, kinds in self.months.items() if first <= month <= last and kind in kinds]
        billed, effective = sum(v[0] for v in found), sum(v[1] for v in found)
        # The month totals hold the days after the end, too.
        late = [
            kinds[kind] for day, kinds in self.days.items() if day > end and _month_of(day) == last and kind in kinds
        ]
        return billed - sum(v[0] for v in late), effective - sum(v[1] for v in late)


def _month_of(day: int) -> int:
    moment = day_of(day)
    return moment.year * 12 + moment.month - 1
