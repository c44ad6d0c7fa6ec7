"""All that detection knows of one organisation's bill: each charge class by what it is.

Usage, and fees of every day, are scored by `CostSeries`; other fees are held against their calendar, credits against
their burn-down; a series that was never there is judged by how new series come here. A day is looked at as often as it
is read, and settled once, when its source has closed it: only then is it learnt. What is looked at changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import numpy as np

from detection.arrivals import Arrivals
from detection.calibration import Bools, Floats
from detection.completeness import CompletenessCurve
from detection.cost_series import CostSeries, Scores, periods_since
from detection.credits import CreditBurn
from detection.fees import FeeCalendar, FeeKind
from detection.seasons import Calendar
from detection.unit_price import UnitPrice

Kind = Literal[
    "spike", "step", "creep", "new", "vanished", "fee_new", "fee_missing", "fee_doubled", "fee_changed", "credit_end"
]
FEES = frozenset({"recurring_fee", "commitment", "tax", "marketplace"})
"""Charge classes that come by the calendar, unless they are charged every day."""
_FEE_KINDS: dict[FeeKind, Kind] = {
    "new": "fee_new",
    "missing": "fee_missing",
    "doubled": "fee_doubled",
    "changed": "fee_changed",
}
_WARM_UP_DAYS = 21
_DORMANT_DAYS = 30
_VANISHED = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """What one series costs on a day, in one charge class.

    Attributes
    ----------
    series
        Its key.
    charge
        usage, recurring_fee, commitment, credit, refund, tax, adjustment, marketplace.
    cost
        Currency units.
    quantity
        Units used, where the series has one unit.
    group
        What shares a completeness curve: the service.
    """

    series: str
    charge: str
    cost: float
    quantity: float | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know.

    Attributes
    ----------
    expected, lower, upper
        Currency units, of the visible part of the day where it is partial.
    score
        −log10 p; 0 where a calendar says it, not a probability.
    since
        The day on which it most likely began.
    change
        Whether usage or rate changed, where prices are known.
    completeness
        The share of the day that was expected to be visible.
    """

    series: str
    charge: str
    kind: Kind
    day: date
    actual: float
    expected: float
    lower: float
    upper: float
    score: float
    since: date
    change: Literal["usage", "rate"] | None = None
    completeness: float = 1.0

    @property
    def id(self) -> str:
        """Stable for one incident, however often it is found."""
        return f"{self.series}|{self.charge}|{self.since.isoformat()}"


@dataclass(slots=True)
class _Usage:
    """Where a usage series stands in the arrays, and what is kept beside them."""

    row: int
    last: date
    group: str
    price: UnitPrice = field(default_factory=UnitPrice)


class Watch:
    """Detection over one organisation's daily bill of one source and currency.

    Parameters
    ----------
    false_alerts_a_week
        How many the organisation bears.
    holidays
        Days that differ from their weekday.

    Notes
    -----
    `look` and `settle` take all rows of a day: a series without a row cost nothing. Days are settled in order.
    """

    def __init__(self, false_alerts_a_week: float = 1.0, holidays: Iterable[date] = ()) -> None:
        self.usage = CostSeries(Calendar(holidays=frozenset(holidays)), false_alerts_a_week)
        self.false_alerts_a_week = false_alerts_a_week
        self.known: dict[str, _Usage] = {}
        self.fees: dict[str, FeeCalendar] = {}
        self.credits: dict[str, CreditBurn] = {}
        self.curves: dict[str, CompletenessCurve] = {}
        self.arrivals = Arrivals()
        self.first: date | None = None

    def look(self, day: date, rows: Sequence[Row], age_hours: float) -> list[Finding]:
        """Return what is to be said of a day that may not be complete, `age_hours` after it began.

        The versions are noted for the completeness curves; all else stays as it is.
        """
        for group, total in _totals(rows).items():
            self.curves.setdefault(group, CompletenessCurve()).see(day.isoformat(), age_hours, total)
        period = self._period(day)
        at = self.usage.levels.period
        if at is None or period <= at:
            return []
        share, spread = self._shares(age_hours)
        values = self._values(day, rows)
        scores = self.usage.score_many(values, share, spread, ahead=period - at)
        return self._incidents(day, values, rows, scores, scores.passes & (self.usage.open == 0), share)

    def settle(self, day: date, rows: Sequence[Row]) -> list[Finding]:
        """Learn a day whose figures are final, and return what is to be said of it."""
        self.first = self.first or day
        for group, total in _totals(rows).items():
            if group in self.curves:
                self.curves[group].settle(day.isoformat(), total)
        found = self._settle_fees(day, rows) + self._settle_credits(day, rows)
        found += self._arrive(day, rows)
        self.usage.advance(self._period(day))
        values = self._values(day, rows)
        scores = self.usage.score_many(values)
        recent = self.usage.recent.copy()
        begins = self.usage.learn_many(values, scores)
        found += self._incidents(day, values, rows, scores, begins, np.ones(len(values)), recent)
        for row in rows:
            one = self.known.get(_key(row))
            if one is not None:
                one.last = day
                if row.quantity is not None:
                    one.price.learn(row.cost, row.quantity)
        return found

    def _period(self, day: date) -> int:
        return self.usage.calendar.index(datetime.combine(day, time(), UTC))

    def _values(self, day: date, rows: Sequence[Row]) -> Floats:
        values = np.full(len(self.usage), np.nan)
        for one in self.known.values():
            if (day - one.last).days <= _DORMANT_DAYS:
                values[one.row] = 0.0
        for row in rows:
            if _key(row) in self.known:
                values[self.known[_key(row)].row] = row.cost
        return values

    def _shares(self, age_hours: float) -> tuple[Floats, Floats]:
        source = self.curves.get("", CompletenessCurve())
        by_group = {group: curve.share(age_hours, source) for group, curve in self.curves.items()}
        other = source.share(age_hours)
        both = np.array([by_group.get(one.group, other) for one in self.known.values()]).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def _is_flow(self, row: Row) -> bool:
        """Say whether a row is usage, or a fee that is charged every day."""
        return row.charge == "usage" or (row.charge in FEES and self.fees[_key(row)].flows)

    def _arrive(self, day: date, rows: Sequence[Row]) -> list[Finding]:
        """Take up the series that are new, and say which of them are no ordinary ones."""
        new = [row for row in rows if self._is_flow(row) and _key(row) not in self.known]
        settled = self.first is not None and (day - self.first).days >= _WARM_UP_DAYS
        self.arrivals.pass_days(1.0)
        found = []
        costs = [row.cost for row in rows if row.charge == "usage" and row.cost > 0]
        self.arrivals.usual = float(np.median(costs)) if costs else self.arrivals.usual
        for row in new:
            self.known[_key(row)] = _Usage(len(self.known), day, row.group)
            if settled and row.charge == "usage":
                if self.arrivals.passes(row.cost, self.false_alerts_a_week):
                    found.append(Finding(row.series, "usage", "new", day, row.cost, 0.0, 0.0, 0.0, 0.0, day))
                self.arrivals.learn(row.cost)
        if new:
            self.usage.add(len(new))
        return found

    def _incidents(
        self,
        day: date,
        values: Floats,
        rows: Sequence[Row],
        scores: Scores,
        begins: Bools,
        share: Floats,
        recent: Floats | None = None,
    ) -> list[Finding]:
        recent = self.usage.recent if recent is None else recent
        names = list(self.known)
        by_name = {_key(row): row for row in rows}
        found = []
        for place in np.flatnonzero(begins):
            name, length = names[place], abs(int(scores.window[place]))
            last = np.append(recent[1:, place], scores.z[place])
            since = day - timedelta(days=periods_since(last, int(scores.window[place])))
            actual, expected = float(values[place]), float(scores.expected[place])
            row, price = by_name.get(name), self.known[name].price
            change = None
            if row is not None and row.quantity is not None and price.known and share[place] >= 1:
                change = price.split(actual, row.quantity, expected).mostly
            series, _, charge = name.rpartition("|")
            found.append(
                Finding(
                    series,
                    charge,
                    self._kind(length, actual, expected),
                    day,
                    actual,
                    expected,
                    float(scores.lower[place]),
                    float(scores.upper[place]),
                    float(scores.score[place]),
                    since,
                    change,
                    float(share[place]),
                )
            )
        return found

    def _kind(self, window: int, actual: float, expected: float) -> Kind:
        if actual <= _VANISHED * expected:
            return "vanished"
        if window == 1:
            return "spike"
        return "creep" if window == self.usage.windows[-1] else "step"

    def _settle_fees(self, day: date, rows: Sequence[Row]) -> list[Finding]:
        for row in rows:
            if row.charge in FEES:
                self.fees.setdefault(_key(row), FeeCalendar()).put(day, row.cost)
        found = []
        for key, calendar in self.fees.items():
            if key in self.known:
                continue
            series, _, charge = key.rpartition("|")
            for one in calendar.findings(day, day):
                started = self.first is not None and (day - self.first).days >= _WARM_UP_DAYS
                if not started:
                    continue
                band = (one.expected, one.expected)
                found.append(
                    Finding(series, charge, _FEE_KINDS[one.kind], day, one.amount, one.expected, *band, 0.0, one.day)
                )
        return found

    def _settle_credits(self, day: date, rows: Sequence[Row]) -> list[Finding]:
        usage: dict[str, float] = {}
        credit: dict[str, float] = {}
        for row in rows:
            if row.charge in {"usage", "credit"}:
                into = usage if row.charge == "usage" else credit
                into[row.series] = into.get(row.series, 0.0) + row.cost
        for series in credit:
            self.credits.setdefault(series, CreditBurn())
        found = []
        for series, burn in self.credits.items():
            end = burn.learn(day, credit.get(series, 0.0), usage.get(series, 0.0))
            if end is not None:
                actual, expected = credit.get(series, 0.0), -end.a_day
                found.append(
                    Finding(series, "credit", "credit_end", day, actual, expected, expected, expected, 0.0, day)
                )
        return found

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        known = {
            name: [one.row, one.last.isoformat(), one.group, one.price.plain()] for name, one in self.known.items()
        }
        return {
            "first": self.first.isoformat() if self.first else None,
            "usage": self.usage.plain(),
            "known": known,
            "fees": {key: one.plain() for key, one in self.fees.items()},
            "credits": {key: one.plain() for key, one in self.credits.items()},
            "curves": {key: one.plain() for key, one in self.curves.items()},
            "arrivals": self.arrivals.plain(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `plain` returned."""
        self.first = date.fromisoformat(state["first"]) if state["first"] else None
        self.usage.restore(state["usage"])
        self.known = {
            name: _Usage(row, date.fromisoformat(last), group, UnitPrice.from_plain(price))
            for name, (row, last, group, price) in state["known"].items()
        }
        self.fees = {key: FeeCalendar.from_plain(one) for key, one in state["fees"].items()}
        self.credits = {key: CreditBurn.from_plain(one) for key, one in state["credits"].items()}
        self.curves = {key: CompletenessCurve.from_plain(one) for key, one in state["curves"].items()}
        self.arrivals = Arrivals.from_plain(state["arrivals"])


def _key(row: Row) -> str:
    return f"{row.series}|{row.charge}"


def _totals(rows: Iterable[Row]) -> dict[str, float]:
    """Return the usage of each group, and of all under the empty name."""
    found: dict[str, float] = {"": 0.0}
    for row in rows:
        if row.charge == "usage":
            found[""] += row.cost
            if row.group:
                found[row.group] = found.get(row.group, 0.0) + row.cost
    return found
