"""Credits by their burn-down: how much of the use they pay, when they run out, and that they ended.

A credit hides a rise and its end looks like one; so credits are a series of their own, held against the usage that
they pay for.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from math import ceil, isfinite, sqrt
from typing import Any

_MONTHS = 4
_GAIN = 0.1
_FIRST_DAYS = 5
_ENDED = 0.2
_NOTICEABLE = 0.02
_CERTAIN = 1.645


@dataclass(frozen=True, slots=True)
class CreditEnd:
    """A credit has ended: what it paid, and what that will cost a day from now on, in currency units."""

    day: date
    paid_share: float
    a_day: float


@dataclass(slots=True)
class CreditBurn:
    """How a credit is used up.

    Attributes
    ----------
    days
        Days learnt.
    share
        Share of the eligible usage that the credit pays.
    burn, burn_square
        Mean of a day's credit in currency units (positive), and the mean squared deviation from it.
    used
        All that was used.
    ended
        Whether the end was told.
    months
        Used in each of the last months, by their names as `2026-03`.
    """

    days: int = 0
    share: float = 0.0
    burn: float = 0.0
    burn_square: float = 0.0
    used: float = 0.0
    ended: bool = False
    months: dict[str, float] = field(default_factory=dict)

    def learn(self, day: date, credit: float, usage: float) -> CreditEnd | None:
        """Learn a settled day, and say when the credit has ended with it.

        Parameters
        ----------
        credit
            What the credit took off, as it stands on the bill: negative.
        usage
            What it could have paid, before credits.
        """
        if not (isfinite(credit) and isfinite(usage)):
            return None
        paid = max(-credit, 0.0)
        expected = self.share * max(usage, 0.0)
        told = None
        gone = self.days >= _FIRST_DAYS and expected > 0 and paid < _ENDED * expected and self.share > _NOTICEABLE
        if gone:
            if not self.ended:
                told = CreditEnd(day, self.share, expected)
            self.ended = True
            return told
        self.ended = False
        self.days += 1
        gain = max(_GAIN, 1 / self.days)
        if usage > 0:
            self.share += gain * (min(paid / usage, 1.0) - self.share)
        error = paid - self.burn
        self.burn += gain * error
        self.burn_square = (1 - gain) * (self.burn_square + gain * error * error)
        self.used += paid
        name = f"{day:%Y-%m}"
        self.months = dict(sorted((self.months | {name: self.months.get(name, 0.0) + paid}).items())[-_MONTHS:])
        return None

    def paid(self, first: date, last: date) -> float:
        """Return what was used in the months from that of one day to that of another, as far back as they are kept."""
        return sum(used for name, used in self.months.items() if f"{first:%Y-%m}" <= name <= f"{last:%Y-%m}")

    def runs_out(self, today: date, granted: float) -> tuple[date, date, date] | None:
        """Return the day on which a credit of `granted` currency units runs out: early, likely, late (90 % between).

        None when nothing is burnt.
        """
        left = granted - self.used
        if self.burn <= 0 or left <= 0:
            return None if self.burn <= 0 else (today, today, today)
        days = left / self.burn
        spread = _CERTAIN * sqrt(self.burn_square * days) / self.burn + _CERTAIN * days * self._uncertainty()
        near, far = max(days - spread, 0.0), days + spread
        early, likely, late = (today + timedelta(days=min(ceil(n), 3650)) for n in (near, days, far))
        return early, likely, late

    def _uncertainty(self) -> float:
        """Return the standard error of the mean burn, as a share of it."""
        effective = min(self.days, (2 - _GAIN) / _GAIN)
        return sqrt(self.burn_square / max(effective, 1)) / self.burn

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return asdict(self)

    @classmethod
    def from_plain(cls, state: Mapping[str, Any]) -> "CreditBurn":
        """Return what `plain` described."""
        return cls(**state)
