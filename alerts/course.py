"""The course of a cost: its last days beside what was expected of them, as anomalies, alerts and incidents carry it.

So whoever tells of a rise can show it, and needs no database for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from alerts.wording import money
from schemas.events import Alert, CostAnomaly, Incident
from spendstream.money import from_units

#: Days that are told at most.
DAYS = 14
#: Two columns tell no story.
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Course:
    """What days cost, one after another, in 10⁻¹⁸ currency units, as in events.

    Attributes
    ----------
    first
        The first day; None: none is known.
    costs
        What each cost.
    lower, upper
        What was expected of each; empty: nothing was.
    """

    first: date | None
    costs: Sequence[int]
    lower: Sequence[int] = ()
    upper: Sequence[int] = ()

    @classmethod
    def of(cls, event: CostAnomaly | Alert | Incident) -> "Course":
        """Return the one that an event carries."""
        return cls(event.course_from, event.course, event.course_lower, event.course_upper)

    @property
    def days(self) -> list[date]:
        """Its days."""
        return [] if self.first is None else [self.first + timedelta(days=number) for number in range(len(self.costs))]

    @property
    def expected(self) -> list[tuple[int, int]]:
        """What was expected of each day, from and to; empty: nothing was."""
        return list(zip(self.lower, self.upper, strict=True))


NO_COURSE = Course(None, ())


@dataclass(frozen=True, slots=True)
class Column:
    """A day in a drawing; heights from the ground up, none below nothing.

    Attributes
    ----------
    within, beyond
        What it cost: as far as that was expected, and what is more.
    missing, room
        Above that: what was expected at least, and at most.
    says
        The same in words.
    """

    within: int
    beyond: int
    missing: int
    room: int
    says: str


def columns(course: Course, height: int, currency: str | None) -> list[Column]:
    """Return the drawing of a course, as high as `height`; empty where there is too little to see."""
    top = max((*course.costs, *course.upper), default=0)
    if len(course.costs) < _FEWEST or max(course.costs) <= 0:
        return []
    expected: Sequence[tuple[int, int] | None] = course.expected or [None] * len(course.costs)
    return [
        _column(f"{day}: {money(from_units(cost), currency)}", cost, band, height / top)
        for day, cost, band in zip(course.days, course.costs, expected, strict=True)
    ]


def _column(says: str, cost: int, band: tuple[int, int] | None, scale: float) -> Column:
    at = max(0, round(cost * scale))
    if band is None:
        return Column(at, 0, 0, 0, says)
    lower, upper = (max(0, round(one * scale)) for one in band)
    told = " to ".join(money(from_units(one), None) for one in band)
    within = min(at, upper)
    return Column(within, at - within, max(0, lower - at), max(0, upper - max(at, lower)), f"{says}, expected {told}")
