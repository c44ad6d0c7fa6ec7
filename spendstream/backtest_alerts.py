"""Alerts as people got them: what was told of each anomaly, folded."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any

from schemas.events import CostAnomaly

_NEAR = timedelta(days=7)


@dataclass(slots=True)
class Told:
    """An alert as people got it: what was told of one anomaly, folded.

    Attributes
    ----------
    at
        When it was first told.
    first, last
        Its days, by all that was told of it.
    days
        Day → expected, lower and upper, as they were told.
    """

    id: str
    series: str
    kind: int
    shape: str
    at: datetime
    first: date
    last: date
    impact: float
    withdrawn: bool
    days: dict[date, tuple[float, float, float]] = field(default_factory=dict)

    def same(self, other: "Told") -> bool:
        """Say whether two alerts are about the same."""
        near = self.first - _NEAR <= other.last and other.first <= self.last + _NEAR
        return (self.series, self.kind) == (other.series, other.kind) and near

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, without its days' bands."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "days"}

    def text(self) -> str:
        """Return it in a line."""
        end = ", withdrawn" if self.withdrawn else ""
        told = f"{self.at:%Y-%m-%d %H:%M} {self.shape} of {self.series} since {self.first}"
        return f"{told}, {self.impact:+,.2f}{end}"


def folded(events: Iterable[CostAnomaly], since: date, until: date) -> list[Told]:
    """Return the alerts that were first told from one day to another, both included, the earliest first."""
    found: dict[str, Told] = {}
    for event in events:
        one = found.get(event.id)
        if one is None:
            one = found[event.id] = Told(
                event.id, event.series, event.kind, event.shape, event.scored_at, event.since.date(), event.day, 0.0,
                withdrawn=False,
            )  # fmt: skip
        one.first, one.last = min(one.first, event.since.date()), max(one.last, event.day)
        one.shape, one.impact = event.shape, float(event.impact_so_far)
        one.withdrawn = event.state == "withdrawn"
        one.days[event.day] = (float(event.expected), float(event.lower), float(event.upper))
    told = [one for one in found.values() if since <= one.at.date() <= until]
    return sorted(told, key=lambda one: (one.at, one.id))
