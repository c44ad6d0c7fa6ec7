"""Fees by the calendar: when one is due, how much it is, and what is missing, doubled, new or changed.

Recurring fees, commitments, taxes and marketplace charges mostly come on days, not in a flow; to score them as usage is
to cry on the first of each month. A calendar keeps the charges of one series and finds the cycle that they follow.
Findings are a function of the charges and of the day, so a restatement, a replay or a second reading needs no special
case. What is charged every day is a flow, whose amounts are not judged here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Literal

FeeKind = Literal["new", "missing", "doubled", "changed"]
Cycle = Literal["daily", "weekly", "monthly", "yearly", "unknown"]

_KEPT = 26
_MONTH = (27, 32)
_WEEK = (6, 8)
_YEAR = (360, 370)
_TOLERANCE = 0.02
_SPREADS = 5.0
_TO_DEVIATION = 1.4826
_TWICE = (1.7, 2.3)
_ENOUGH_FOR_A_CYCLE = 2
_A_WEEK = 7
_ENOUGH_FOR_A_SPREAD = 3
_SHORT = 0.6
"""A charge that comes before this share of its cycle has passed is one too many."""


@dataclass(frozen=True, slots=True)
class FeeFinding:
    """Something about a fee that a person should know.

    Attributes
    ----------
    day
        The day of the charge; for a missing one, the day on which it was due.
    amount, expected
        In currency units; 0 where there is no charge, or nothing was expected.
    """

    kind: FeeKind
    day: date
    amount: float
    expected: float


@dataclass(slots=True)
class FeeCalendar:
    """The charges of one fee series, newest last; at most the last 26, for daily ones too."""

    charges: dict[date, float] = field(default_factory=dict)
    grace_days: int = 4

    def put(self, day: date, amount: float) -> None:
        """Set what a day was charged: later versions replace, 0 takes it away."""
        if amount == 0:
            self.charges.pop(day, None)
        else:
            self.charges[day] = amount
        self.charges = dict(sorted(self.charges.items())[-_KEPT:])

    @property
    def flows(self) -> bool:
        """Whether it is charged every day, for a week at least: then it has seasons and noise, as usage has."""
        return len(self.charges) > _A_WEEK and self.cycle == "daily"

    @property
    def cycle(self) -> Cycle:
        """The cycle that the charges follow; one that comes twice within a month does not hide that it is monthly."""
        return _cycle(sorted(self.charges))

    def due(self) -> date | None:
        """Return the day of the next charge; None when no cycle is known."""
        if len(self.charges) < _ENOUGH_FOR_A_CYCLE:
            return None
        return _after(self._regular()[-1], self.cycle, self._anchor())

    def coming(self, today: date, until: date) -> list[date]:
        """Return the days up to one on which charges are due; one that is late may still come within its grace."""
        found: list[date] = []
        day = self.due()
        while day is not None and day <= until:
            if day + timedelta(days=self.grace_days) >= today:
                found.append(day)
            day = _after(day, self.cycle, self._anchor())
        return found

    @property
    def spread(self) -> float:
        """The standard deviation of a charge, as a share of what is expected."""
        amounts = list(self.charges.values())[-6:]
        if len(amounts) < _ENOUGH_FOR_A_SPREAD:
            return 10 * _TOLERANCE
        middle = median(amounts)
        return max(_TOLERANCE / 4, _TO_DEVIATION * median(abs(amount / middle - 1) for amount in amounts))

    def expected(self, before: date | None = None) -> float:
        """Return the amount of a charge, by those before a day: 0 when there were none."""
        amounts = [amount for day, amount in self.charges.items() if before is None or day < before]
        return median(amounts[-6:]) if amounts else 0.0

    def findings(self, today: date, since: date) -> list[FeeFinding]:
        """Return what is to be said of the days from `since` to `today`."""
        found = [one for day in self.charges if since <= day <= today and (one := self._judged(day)) is not None]
        due = self.due()
        if due is not None and self.cycle != "unknown":
            late = due + timedelta(days=self.grace_days if self.cycle != "daily" else 1)
            if since <= late <= today:
                found.append(FeeFinding("missing", due, 0.0, self.expected()))
        return sorted(found, key=lambda one: one.day)

    def _judged(self, day: date) -> FeeFinding | None:
        earlier = [one for one in sorted(self.charges) if one < day]
        amount, expected = self.charges[day], self.expected(day)
        if not earlier:
            return FeeFinding("new", day, amount, 0.0)
        if _cycle(earlier) == "daily":
            return None
        if _TWICE[0] <= amount / expected <= _TWICE[1] and len(earlier) >= _ENOUGH_FOR_A_CYCLE:
            return FeeFinding("doubled", day, amount, expected)
        length = {"daily": 1, "weekly": 7, "monthly": 30, "yearly": 365, "unknown": 0}[_cycle(earlier)]
        near = abs(amount - expected) <= self._tolerance(earlier) * abs(expected)
        if length > 1 and (day - earlier[-1]).days < _SHORT * length and near:
            return FeeFinding("doubled", day, amount + self.charges[earlier[-1]], expected)
        if not near and len(earlier) >= _ENOUGH_FOR_A_CYCLE:
            return FeeFinding("changed", day, amount, expected)
        return None

    def _tolerance(self, days: list[date]) -> float:
        """Return by what share amounts differ ordinarily: taxes do, a support plan does not."""
        amounts = [self.charges[day] for day in days]
        if len(amounts) < _ENOUGH_FOR_A_SPREAD:
            return 10 * _TOLERANCE
        middle = median(amounts)
        return max(_TOLERANCE, _SPREADS * median(abs(amount / middle - 1) for amount in amounts))

    def _regular(self) -> list[date]:
        """Return the days without those that came too early to be of the cycle."""
        length = {"daily": 1, "weekly": 7, "monthly": 30, "yearly": 365, "unknown": 0}[self.cycle]
        days: list[date] = []
        for day in sorted(self.charges):
            if not days or (day - days[-1]).days >= _SHORT * length:
                days.append(day)
        return days

    def _anchor(self) -> int:
        return int(median(day.day for day in self._regular()))

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"charges": {day.isoformat(): amount for day, amount in self.charges.items()}, "grace": self.grace_days}

    @classmethod
    def from_plain(cls, state: Mapping[str, Any]) -> "FeeCalendar":
        """Return the calendar that `plain` described."""
        charges = {date.fromisoformat(day): amount for day, amount in state["charges"].items()}
        return cls(charges, state["grace"])


def _cycle(days: list[date]) -> Cycle:
    if len(days) < _ENOUGH_FOR_A_CYCLE:
        return "unknown"
    gap = median((later - earlier).days for earlier, later in pairwise(days))
    if gap <= 1:
        return "daily"
    if _WEEK[0] <= gap <= _WEEK[1]:
        return "weekly"
    if _MONTH[0] <= gap <= _MONTH[1]:
        return "monthly"
    return "yearly" if _YEAR[0] <= gap <= _YEAR[1] else "unknown"


def _after(day: date, cycle: Cycle, anchor: int) -> date | None:
    if cycle == "monthly":
        # a fee of the 31st comes on the last day of a shorter month; one that slipped past a weekend comes back
        following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = ((following + timedelta(days=32)).replace(day=1) - timedelta(days=1)).day
        return following.replace(day=min(anchor, last))
    days = {"daily": 1, "weekly": 7, "yearly": 365}.get(cycle)
    return None if days is None else day + timedelta(days=days)
