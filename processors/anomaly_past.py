"""Which earlier incidents an incident is like, and what people said of those.

Compared are incidents of the same series, or of the same service elsewhere, and of the same charge class and direction:
how large they were beside what was expected, their shape, how long they lasted, usage or rate, and the day of the week
or of the month. Each that differs takes a factor off a likeness of 1.

State: `y/{lane}/{service and charge class, or the series}`: the newest that are over.
"""

from dataclasses import asdict, dataclass, replace
from math import exp, log, sqrt
from typing import Any

from processors.anomaly_feedback import Words, like
from processors.anomaly_incidents import Incident
from processors.step import State
from schemas.events import AlikeAnomaly, AnomalyCause, AnomalyShape, CostAnomaly
from spendstream.clock import day_of

_KEPT = 16
_TOLD = 3
_LEAST = 0.5
_ELSEWHERE = 0.8
_OTHER_SHAPE = 0.8
_OTHER_CAUSE = 0.7
_OTHER_DAY = 0.9
_SMALLEST = 0.01


@dataclass(frozen=True, slots=True)
class Likeness:
    """What of an incident is compared.

    Attributes
    ----------
    since
        Day since 1970.
    days
        How many it lasted, or has lasted so far.
    size
        Logarithm of its excess a day: beside what was expected, or in currency units where nothing was.
    """

    id: str
    key: str
    shape: AnomalyShape
    cause: AnomalyCause
    side: int
    since: int
    days: int
    size: float

    @classmethod
    def of(cls, incident: Incident) -> "Likeness":
        """Return what is compared of an incident."""
        a_day, expected = abs(incident.excess.amount) / max(incident.weight, 1.0), incident.shown.expected
        size = log(max(a_day / expected if expected > 0 else a_day, _SMALLEST))
        days = max(incident.last, incident.opened) - incident.since + 1
        return cls(incident.id, incident.key, incident.shape, incident.cause, incident.side, incident.since, days, size)

    def to(self, past: "Likeness", *, is_over: bool) -> float:
        """Return how like a past incident it is, 0 to 1; while it goes on, it may still come to last as long."""
        if self.side != past.side or (self.shape == "new") != (past.shape == "new"):
            return 0.0
        longer = self.days / past.days
        lasted = longer if is_over and longer < 1 else 1 / max(longer, 1.0)
        found = exp(-abs(self.size - past.size)) * sqrt(lasted)
        if self.key != past.key:
            found *= _ELSEWHERE
        if _lasting(self.shape) != _lasting(past.shape):
            found *= _OTHER_SHAPE
        if "unknown" not in {self.cause, past.cause} and self.cause != past.cause:
            found *= _OTHER_CAUSE
        one, other = day_of(self.since), day_of(past.since)
        return found if one.weekday() == other.weekday() or one.day == other.day else found * _OTHER_DAY


class PastIncidents:
    """The incidents of a lane that are over."""

    def __init__(self, lane: str, state: State, words: Words) -> None:
        self._prefix = f"y/{lane}/"
        self._state = state
        self._words = words

    def told(self, incident: Incident, event: CostAnomaly, at_ms: int) -> CostAnomaly:
        """Return what is told of an incident with those that it is like; remember it when it is over."""
        key, now = self._group(incident), Likeness.of(incident)
        stored: Any = self._state.get(key) or []
        others = [Likeness(**one) for one in stored if one["id"] != now.id]
        if event.state == "closed":
            kept = sorted([*others, now], key=lambda one: (one.since, one.id))[-_KEPT:]
            self._state.put(key, [asdict(one) for one in kept])
        elif len(others) < len(stored):
            self._state.put(key, [asdict(one) for one in others])
        earlier = [one for one in others if one.since < now.since]
        weighed = [(now.to(one, is_over=not incident.is_open), one) for one in earlier]
        best = sorted(
            ((much, one) for much, one in weighed if much >= _LEAST),
            key=lambda found: (-found[0], -found[1].since, found[1].id),
        )
        alike = [
            AlikeAnomaly(
                id=one.id,
                series=one.key.rpartition("|")[0],
                since=day_of(one.since),
                likeness=round(much, 3),
                verdict=self._words.verdict(one.id, at_ms),
            )
            for much, one in best[:_TOLD]
        ]
        return replace(event, alike=alike)

    def _group(self, incident: Incident) -> str:
        return self._prefix + (like(incident.series, incident.kind) or incident.key)


def _lasting(shape: AnomalyShape) -> AnomalyShape:
    """Return a shape, where a creep and a step are one: they differ in how they were found."""
    return "step" if shape == "creep" else shape
