"""What one account's service costs from its metered usage: five minutes by five minutes, its incidents, its errors.

All of it is plain data of the state and pure functions of it. Costs are in currency units.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from math import log10, sqrt
from typing import Any

from detection.deviation import DeviationDetector
from detection.unit_price import EstimateError

SLOT_MS = 300_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
_SLOTS_AN_HOUR = 12
_HOURS_A_WEEK = 168
_WARM_UP_SLOTS = 3 * 288
_GAIN = 0.02
_NEW_NORMAL_SLOTS = 3 * 288
_OVER_SLOTS = 12
_INSIDE = 1.0
_WAITS_FOR_BILL_MS = 3 * DAY_MS
_FIRST_ERROR = 0.04


def bar(false_alerts_a_week: float, series: int) -> float:
    """Return the score from where a slot is an incident, when `series` series share the false alerts.

    A score is −log10 of how many such slots are expected an hour, so the expected number of false alerts adds up
    however the series depend on each other.

    Examples
    --------
    >>> round(bar(1.0, 100), 2)
    4.23
    """
    return log10(_HOURS_A_WEEK * max(series, 1) / false_alerts_a_week)


@dataclass(slots=True)
class Rise:
    """An incident of metered usage.

    Attributes
    ----------
    since, last
        Start of its first slot, and of the last one outside, in ms since 1970.
    excess
        Actual less usual since then.
    slots, inside
        How many slots it has lasted, and for how many the usage has been back.
    score
        The highest.
    parts
        What each usage type has cost more than usual.
    """

    id: str
    since: int
    last: int
    excess: float = 0.0
    slots: int = 0
    inside: int = 0
    score: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def is_back(self) -> bool:
        """Whether usage has been back for an hour."""
        return self.inside >= _OVER_SLOTS


@dataclass(frozen=True, slots=True)
class Look:
    """The newest slot, as it was seen: cost of five minutes, usual cost, standard deviation."""

    slot: int
    actual: float
    usual: float
    deviation: float


@dataclass(slots=True)
class Usual:
    """What five minutes usually cost, by hour of the day and by usage type, and how far they stray.

    Attributes
    ----------
    hours
        Mean of each UTC hour; None: not seen yet.
    types
        Mean of each usage type.
    square
        Mean squared distance from the usual.
    """

    hours: list[float | None] = field(default_factory=lambda: [None] * 24)
    types: dict[str, float] = field(default_factory=dict)
    square: float = 0.0
    rows: int = 0

    def at(self, slot: int) -> float | None:
        """Return the usual cost of a slot; None before anything was seen."""
        here = self.hours[slot % DAY_MS // HOUR_MS]
        if here is not None:
            return here
        seen = [hour for hour in self.hours if hour is not None]
        return sum(seen) / len(seen) if seen else None

    def learn(self, slot: int, costs: Mapping[str, float]) -> None:
        """Learn a slot."""
        cost = sum(costs.values())
        usual = self.at(slot)
        hour = slot % DAY_MS // HOUR_MS
        before = self.hours[hour]
        # The first hours are means; later ones forget.
        gain = max(_GAIN, 1 / (self.rows + 1)) if before is not None and self.rows < _SLOTS_AN_HOUR else _GAIN
        self.hours = list(self.hours)
        self.hours[hour] = cost if before is None else before + gain * (cost - before)
        for name in {*self.types, *costs}:
            mean = self.types.get(name)
            now = costs.get(name, 0.0)
            self.types[name] = now if mean is None and not self.rows else (mean or 0.0) + gain * (now - (mean or 0.0))
        if usual is not None:
            self.square += max(_GAIN, 1 / (self.rows + 1)) * ((cost - usual) ** 2 - self.square)
        self.rows += 1

    def raise_by(self, cost: float) -> None:
        """Take a new level: what five minutes cost more than was usual."""
        self.hours = [None if hour is None else hour + cost for hour in self.hours]

    def left_of_day(self, slot: int) -> tuple[float, float]:
        """Return what the slots after `slot` to the end of its day usually cost, and the standard deviation of that."""
        ends = slot - slot % DAY_MS + DAY_MS
        slots = range(slot + SLOT_MS, ends, SLOT_MS)
        cost = sum(self.at(one) or 0.0 for one in slots)
        return cost, sqrt(self.square * len(slots)) * sqrt(_SLOTS_AN_HOUR)


class Meter:
    """The usage of an account's service: scores slots, keeps the incident that is open, learns its errors.

    Parameters
    ----------
    stored
        What `plain` returned; None: nothing is known yet.
    """

    def __init__(self, stored: Any = None) -> None:  # noqa: ANN401 - plain data of the state
        known = stored or {}
        self.usual = Usual(**known["usual"]) if known else Usual()
        self.usual.types = dict(self.usual.types)
        self.error = EstimateError(**known["error"]) if known else EstimateError(square=_FIRST_ERROR)
        self.rise = Rise(**known["rise"]) if known and known["rise"] else None
        self.scored: int = known["scored"] if known else 0
        self._detector = DeviationDetector()
        if known:
            self._detector.restore(known["detector"])

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {
            "usual": asdict(self.usual),
            "error": self.error.plain(),
            "rise": None if self.rise is None else asdict(self.rise),
            "scored": self.scored,
            "detector": self._detector.state(),
        }

    def look(self, name: str, slot: int, costs: Mapping[str, float], least: float) -> Look:
        """Score a slot, newer than any before it, and learn it unless it is outside.

        Parameters
        ----------
        name
            The series, for the id of an incident.
        slot
            Its start, in ms since 1970.
        costs
            What it cost, by usage type.
        least
            The score from where it is an incident.
        """
        self.scored = slot
        actual = sum(costs.values())
        usual = self.usual.at(slot)
        distance = actual - (actual if usual is None else usual)
        score = self._detector.score_one(distance, slot / 1000)
        outside = distance > 0 and score >= least and self.usual.rows >= _WARM_UP_SLOTS
        if outside and self.rise is None:
            digest = blake2b(f"{name}|estimate|{slot}".encode(), digest_size=12).hexdigest()
            self.rise = Rise(digest, since=slot, last=slot)
        seen = Look(slot, actual, actual if usual is None else usual, sqrt(self.usual.square))
        if self.rise is not None and (outside or not self.rise.is_back):
            self._follow(self.rise, slot, costs, distance, score)
        else:
            self._detector.learn_one(distance, slot / 1000)
            self.usual.learn(slot, costs)
        return seen

    def _follow(self, rise: Rise, slot: int, costs: Mapping[str, float], distance: float, score: float) -> None:
        """Add a slot to the incident; nothing of it is learnt as usual."""
        back = distance <= 0 or score < _INSIDE
        rise.inside = rise.inside + 1 if back else 0
        rise.slots += 1
        rise.excess += distance
        rise.score = max(rise.score, score)
        parts = dict(rise.parts)
        for name in {*self.usual.types, *costs}:
            parts[name] = parts.get(name, 0.0) + costs.get(name, 0.0) - self.usual.types.get(name, 0.0)
        rise.parts = parts
        if not back:
            rise.last = slot
        if rise.slots == _NEW_NORMAL_SLOTS:
            self.usual.raise_by(rise.excess / rise.slots)
            rise.inside = _OVER_SLOTS

    def is_over(self, billed_at: int | None) -> bool:
        """Say whether the incident is over: usage is back for an hour, and the bill has told of its last day.

        What lasts three days is the new normal, and over as an incident of usage.

        Until the bill tells, the incident stays open, so that it is one with what detection finds in the bill.

        Parameters
        ----------
        billed_at
            Version of the bill of its last day, in ms since 1970; None: there is none.
        """
        rise = self.rise
        if rise is None or not rise.is_back:
            return False
        ended = rise.last - rise.last % DAY_MS + DAY_MS
        return (billed_at is not None and billed_at >= ended) or self.scored >= rise.last + _WAITS_FOR_BILL_MS
