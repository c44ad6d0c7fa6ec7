"""One incident, from its opening to its close, and the event that tells it.

What settled days say is kept (`excess` and the like); what days say that are not settled is added each time anew, so
that a day which is read ten times counts once.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from hashlib import blake2b
from math import isfinite
from typing import Any, Literal

from detection.cost_series import BAND
from detection.impact import NOTHING, Impact
from processors.announced import number_of
from processors.series import ChargeKind, parse
from schemas.events import AnomalyCause, AnomalyShape, Contributor, CostAggregate, CostAnomaly
from spendstream.clock import day_number, day_of
from spendstream.money import from_units

DETECTOR = "spendstream.cost_series"
DETECTOR_VERSION = "1"
_HARDLY = 0.02
_FRESH_DAYS = 7

_MICRO = 10**6
_MOST = 1e19
State = Literal["open", "updated", "closed", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Shown:
    """The day of an incident that is told (since 1970): currency units, and the share that should be visible."""

    day: int
    actual: float
    expected: float
    lower: float
    upper: float
    share: float = 1.0
    unsure: float = 0.0
    """The part of the standard deviation of `expected` that all days share."""

    @property
    def impact(self) -> Impact:
        """What it cost beyond the expected."""
        return Impact.of(self.actual, self.expected, (self.upper - self.expected) / BAND, self.unsure)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident of one series and charge class.

    Attributes
    ----------
    key
        Series and number of the charge class, as `USD|0`.
    opened, since, last, ended
        Days since 1970: on which it was found, on which it began, the last one outside, the last of all.
    side
        1: more than expected, −1: less.
    confirmed
        A settled day has shown it.
    until
        It closes when this day is settled, whatever comes; None: when its cost is back, or has become the usual.
    excess, weight
        Actual less expected of its settled days outside, and how many days they are.
    tail
        The same of the days since, which count when another one is outside.
    cause
        Whether it is usage or rate.
    a_day
        Periods a day: 24 where what is called a day here is an hour.
    said
        What was told last.
    """

    id: str
    key: str
    shape: AnomalyShape
    opened: int
    since: int
    side: int
    score: float
    shown: Shown
    confirmed: bool = False
    until: int | None = None
    excess: Impact = NOTHING
    weight: float = 0.0
    tail: Impact = NOTHING
    last: int = 0
    ended: int | None = None
    withdrawn: bool = False
    parts: tuple[tuple[str, float], ...] = ()
    cause: AnomalyCause = "unknown"
    a_day: int = 1
    said: tuple[Any, ...] = field(default=())

    @property
    def series(self) -> str:
        """Its series."""
        return self.key.rpartition("|")[0]

    @property
    def kind(self) -> int:
        """Its charge class."""
        return int(self.key.rpartition("|")[2])

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.ended is None and not self.withdrawn

    @property
    def apart(self) -> bool:
        """Whether a calendar or a restatement says it, which no model follows."""
        return stands_apart(self.shape)

    def outside(self, shown: Shown, score: float) -> "Incident":
        """Return it with a further day outside."""
        weight = self.weight + shown.share
        shape: AnomalyShape = "step" if self.shape == "spike" and weight > 1 else self.shape
        return replace(
            self, shape=shape, excess=self.excess + self.tail + shown.impact, tail=NOTHING, weight=weight,
            last=shown.day, shown=shown, score=max(self.score, score),
        )  # fmt: skip

    def inside(self, shown: Shown) -> "Incident":
        """Return it with a further day on which the cost was as expected."""
        return replace(self, tail=self.tail + shown.impact)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "parts": [list(part) for part in self.parts], "said": list(self.said)}

    @classmethod
    def from_plain(cls, stored: Any) -> "Incident":  # noqa: ANN401 - plain data of the state
        """Return what `plain` described."""
        lists = {
            "parts": tuple((series, share) for series, share in stored["parts"]),
            "said": tuple(stored["said"]),
            "shown": Shown(**stored["shown"]),
            "excess": Impact(**stored["excess"]),
            "tail": Impact(**stored["tail"]),
        }
        return cls(**{**stored, **lists})


def stands_apart(shape: AnomalyShape) -> bool:
    """Say whether incidents of a shape stand by themselves, and are not followed by the models."""
    return shape.startswith("fee") or shape in {"credit", "restatement"}


def incident_id(key: str, day: int, shape: AnomalyShape, a_day: int = 1) -> str:
    """Return the id of an incident that is found on a day; what a calendar or a restatement says stands by itself."""
    series, _, kind = key.rpartition("|")
    day, hour = divmod(day, a_day)
    began = day_of(day).isoformat() + (f"T{hour:02d}" if a_day > 1 else "")
    apart = f"|{shape}" if stands_apart(shape) else ""
    name = f"{series}|{ChargeKind(int(kind)).label}{apart}|{began}"
    return blake2b(name.encode(), digest_size=12).hexdigest()


def event_of(incident: Incident, event: CostAggregate) -> tuple[Incident, CostAnomaly | None]:
    """Return what is to be told of an incident, None when nothing has changed; and the incident that remembers it."""
    shown = incident.shown
    state = _state(incident, day_number(event.closed_at.date()))
    said = (state, shown.day, incident.shape, incident.cause, shown.actual, incident.excess.amount)
    if _alike(incident.said, said) or (incident.withdrawn and not incident.said):
        return incident, None
    goes_on = state == "open" and incident.said and incident.said[0] == "open"
    return replace(incident, said=said), _event(incident, event, "updated" if goes_on else state)


def _state(incident: Incident, today: int) -> State:
    """Return the state that is told.

    What is over when it is found opens first and closes with the next announcement, so that whoever hears of openings
    hears of it; unless it has been over for long, as what a backfill brings.
    """
    if incident.withdrawn:
        return "withdrawn"
    if incident.ended is None or (not incident.said and today - incident.ended <= _FRESH_DAYS):
        return "open"
    return "closed"


def with_course(told: CostAnomaly, course: Sequence[Shown]) -> CostAnomaly:
    """Return what is told with the days to the one that it is about, without a gap; none of them: as it is."""
    if not course:
        return told
    return replace(
        told,
        course_from=day_of(course[0].day),
        course=[_units(shown.actual) for shown in course],
        course_lower=[_units(shown.lower) for shown in course],
        course_upper=[_units(shown.upper) for shown in course],
    )


def _alike(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Say whether there is nothing new to tell: the same, but for amounts that hardly moved."""
    if before[:4] != now[:4]:
        return False
    return all(abs(one - other) <= _HARDLY * abs(other) for one, other in zip(before[4:], now[4:], strict=True))


def _event(incident: Incident, event: CostAggregate, state: State) -> CostAnomaly:
    shown = incident.shown
    number, hour = divmod(shown.day, incident.a_day)
    day = day_of(number)
    began, after = divmod(incident.since, incident.a_day)
    excess = incident.excess.amount
    a_day = excess / max(incident.weight, 1e-3) * incident.a_day
    left = monthrange(day.year, day.month)[1] - day.day if incident.is_open and incident.until is None else 0
    by_calendar = incident.score == 0
    # What nothing was expected of, and what a calendar says, has no band.
    lower, upper = map(_money, incident.excess.band) if incident.excess.variance else (None, None)
    return CostAnomaly(
        run=event.run,
        id=incident.id,
        version=number_of(event),
        state=state,
        series=incident.series,
        currency=parse(incident.series).currency,
        measure="effective",
        kind=incident.kind,
        day=day,
        hour=hour if incident.a_day > 1 else None,
        source=event.source,
        reading=event.reading,
        source_version=event.version,
        actual=_money(shown.actual),
        expected=_money(shown.expected),
        lower=_money(shown.lower),
        upper=_money(shown.upper),
        score=incident.score,
        p=1.0 if by_calendar else 10**-incident.score,
        passes=True,
        shape=incident.shape,
        cause=incident.cause,
        since=datetime.combine(day_of(began), time(after), UTC),
        impact_so_far=_money(excess),
        impact_lower=lower,
        impact_upper=upper,
        impact_per_day=_money(a_day),
        impact_to_month_end=_money(excess + a_day * left),
        contributors=[Contributor(series=series, share=share) for series, share in incident.parts],
        completeness=min(max(shown.share, 0.0), 1.0),
        scored_at=event.closed_at,
        detector=DETECTOR,
        detector_version=DETECTOR_VERSION,
    )


def _money(amount: float) -> Decimal:
    """Return a model's amount to a millionth of a currency unit, within what an amount can be."""
    return from_units(_units(amount))


def _units(amount: float) -> int:
    held = min(max(amount if isfinite(amount) else _MOST, -_MOST), _MOST)
    return round(held * _MICRO) * 10**12
