"""How a lane detects, and where it stands."""

from dataclasses import dataclass, field
from datetime import date

from processors.series import Level

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_STALE_DAYS = 5
"""A book that is so far behind the others is not waited for."""


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How a lane detects.

    Attributes
    ----------
    false_alerts_a_week
        How many this partition bears, over all its lanes.
    settle_hours
        Hours after a day began from which its figures are learnt.
    fee_level
        The one level at which fees and credits are judged: on every level above they are the same ones.
    holidays
        Days that differ from their weekday.
    hours
        Whether hours are scored, where there are any.
    """

    false_alerts_a_week: float
    settle_hours: int
    fee_level: Level
    holidays: tuple[date, ...] = ()
    hours: bool = True


@dataclass(slots=True)
class Head:
    """Where a lane stands; days are since 1970.

    Attributes
    ----------
    first, settled, told, newest
        Its first day; the last that was learnt; the last whose fees were judged; the newest with a cost.
    at
        Time of the newest close, in ms.
    books
        Book → newest closed and final day.
    changed
        What settled days cost before they were restated, by series, charge class and day, until the next close.
    again
        A backfill brought older days, and all is learnt once more.
    foretold
        Time of the newest close that forecasts followed, in ms.
    """

    first: int | None = None
    settled: int | None = None
    told: int | None = None
    newest: int = 0
    at: int = 0
    books: dict[str, list[int | None]] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    again: bool = False
    foretold: int = 0

    def targets(self, settle_hours: int) -> tuple[int, int]:
        """Return the last day that all books have closed, and the last that is old enough to be learnt."""
        books = list(self.books.values())
        newest = max(closed or 0 for closed, _ in books)
        live = [(closed or 0, final) for closed, final in books if (closed or 0) >= newest - _STALE_DAYS]
        closed = min(closed for closed, _ in live)
        old = (self.at - settle_hours * _HOUR_MS) // _DAY_MS
        final = min(final or 0 for _, final in live)
        return closed, min(closed, max(old, final))
