"""Fees and credits of a lane, day by day as its sources close them: what came by the calendar, and what did not.

Fees of every day have seasons and noise as usage has, and are left to the models. State: `c/{lane}/{key}`, a key being
a series and its charge class.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from detection.credits import CreditBurn
from detection.fees import FeeCalendar, FeeKind
from processors.series import ChargeKind
from processors.step import State
from schemas.events import AnomalyShape
from spendstream.clock import day_number, day_of

FEES = frozenset({ChargeKind.RECURRING_FEE, ChargeKind.COMMITMENT, ChargeKind.TAX, ChargeKind.MARKETPLACE})
_SHAPES: dict[FeeKind, AnomalyShape] = {
    "new": "fee_new",
    "missing": "fee_missing",
    "doubled": "fee_doubled",
    "changed": "fee_changed",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a calendar says of a day (since 1970); amounts in currency units."""

    key: str
    shape: AnomalyShape
    day: int
    actual: float
    expected: float


class Calendars:
    """The fees and credits of one lane."""

    def __init__(self, lane: str, state: State) -> None:
        self._prefix = f"c/{lane}/"
        self._state = state
        self._fees: dict[str, FeeCalendar] = {}
        self._credits: dict[str, CreditBurn] = {}
        self._changed: set[str] = set()
        stored: Any
        for entry, stored in state.scan(self._prefix):
            key = entry[len(self._prefix) :]
            if "charges" in stored:
                self._fees[key] = FeeCalendar.from_plain(stored)
            else:
                self._credits[key] = CreditBurn.from_plain(stored)

    def flows(self, key: str) -> bool:
        """Say whether a fee is charged every day."""
        return key in self._fees and self._fees[key].flows

    def by_cycle(self) -> Iterator[tuple[str, FeeCalendar]]:
        """Yield the fees that are not charged every day."""
        return ((key, one) for key, one in sorted(self._fees.items()) if one.charges and not one.flows)

    def credits(self) -> Iterator[tuple[str, CreditBurn]]:
        """Yield the credits."""
        return iter(sorted(self._credits.items()))

    def has_credit(self, key: str) -> bool:
        """Say whether a series ever had a credit."""
        return key in self._credits

    def pass_day(self, day: int, fees: Mapping[str, float], credit: Mapping[str, tuple[float, float]]) -> list[Told]:
        """Take the fees (key → amount) and credits (key → credit, usage) of a closed day, and say what is odd."""
        at, told = day_of(day), []
        for key, amount in sorted(fees.items()):
            self._fees.setdefault(key, FeeCalendar()).put(at, amount)
            self._changed.add(key)
        for key in sorted(self._fees):
            told += self.judged(key, day)
        for key in credit:
            self._credits.setdefault(key, CreditBurn())
        for key, burn in sorted(self._credits.items()):
            paid, usage = credit.get(key, (0.0, 0.0))
            end = burn.learn(at, paid, usage)
            self._changed.add(key)
            if end is not None:
                told.append(Told(key, "credit", day, paid, -end.a_day))
        return told

    def judged(self, key: str, day: int) -> list[Told]:
        """Return what is odd about a fee on a day.

        That it is lower than usual is not told: taxes and percentages of the bill grow while their month goes on.
        """
        calendar, at = self._fees.get(key), day_of(day)
        if calendar is None or calendar.flows:
            return []
        return [
            Told(key, _SHAPES[one.kind], day_number(one.day), one.amount, one.expected)
            for one in calendar.findings(at, at)
            if one.kind != "changed" or one.amount > one.expected
        ]

    def restate(self, key: str, day: int, amount: float) -> None:
        """Put a fee's new amount in place of the old one."""
        if key in self._fees:
            self._fees[key].put(day_of(day), amount)
            self._changed.add(key)

    def still(self, key: str, shape: AnomalyShape, day: int) -> bool:
        """Say whether a day is odd as before, after it was restated."""
        calendar, at = self._fees.get(key), day_of(day)
        if calendar is None:
            return True
        if shape == "fee_missing":
            grace = timedelta(days=calendar.grace_days)
            return not any(at - grace <= one <= at + grace for one in calendar.charges)
        return any(_SHAPES[one.kind] == shape for one in calendar.findings(at, at))

    def save(self) -> None:
        """Write what has changed."""
        for key in sorted(self._changed):
            one = self._fees.get(key) or self._credits[key]
            self._state.put(self._prefix + key, one.plain())
        self._changed.clear()

    def begin_again(self) -> None:
        """Forget all."""
        for key in (*self._fees, *self._credits):
            self._state.delete(self._prefix + key)
        self._fees, self._credits = {}, {}
        self._changed.clear()
