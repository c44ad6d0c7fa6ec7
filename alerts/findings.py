"""What a rule finds in a fact: how bad it is now, and in figures. Pure functions; what was before is `alerts.edge`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Literal

from alerts.course import NO_COURSE, Course
from alerts.rule_parts import SEVERITIES, worst
from alerts.rules import AnomalyRule, FeeRule
from alerts.wording import money, name_of, share
from processors.series import ChargeKind, parse
from schemas.events import AlertPart, AlertSeverity, CostAnomaly
from spendstream.clock import day_of

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How a rule's condition stands.

    Attributes
    ----------
    track
        Which of a rule's conditions: `actual`, `forecast`, `burn` or `variance` of a budget, the id of an anomaly; else
        empty.
    period
        First day of the month, quarter or year that it is about; the next one is another occasion.
    rank
        0: the condition does not hold; a higher one is worse.
    day
        Newest charge day that was looked at, days since 1970-01-01.
    ended
        Why the occasion is over, whatever the condition says.
    course
        The last days.
    """

    track: str
    rank: int
    severity: AlertSeverity
    says: str
    observed_at: datetime
    period: date | None = None
    day: int | None = None
    actual: Decimal | None = None
    expected: Decimal | None = None
    impact_per_day: Decimal | None = None
    impact_so_far: Decimal | None = None
    impact_lower: Decimal | None = None
    impact_upper: Decimal | None = None
    impact_to_month_end: Decimal | None = None
    since: datetime | None = None
    score: float | None = None
    anomaly: str | None = None
    shape: str | None = None
    parts: Sequence[AlertPart] = field(default=())
    charges: Sequence[str] = ()
    ended: Literal["restated", "ended"] | None = None
    course: Course = NO_COURSE


def of_anomaly(rule: AnomalyRule | FeeRule, event: CostAnomaly) -> Finding | None:
    """Return what a rule finds in an anomaly; None when the anomaly is none of its business."""
    charge = ChargeKind(event.kind).label
    shapes = rule.shapes
    if not rule.where.takes(parse(event.series), any_level=True) or (shapes and event.shape not in shapes):
        return None
    rise = event.actual - event.expected
    if isinstance(rule, AnomalyRule):
        if (rule.charges and charge not in rule.charges) or (rise < 0 and not rule.falls):
            # It may have fired for this anomaly before a restatement turned the rise into a fall.
            rank = 0
        elif rule.let_pass_only and not event.passes:
            rank = 0
        else:
            rank = worst(rule.severities, rise, event.expected, event.score)
        severity = SEVERITIES[max(rank - 1, 0)]
    else:
        rank = 1 if rule.amount is None or abs(rise) >= rule.amount else 0
        severity = rule.severity
    ended: Literal["restated", "ended"] | None = None
    if event.state == "withdrawn":
        ended = "restated"
    elif event.state == "closed":
        ended = "ended"
    return Finding(
        track=event.id,
        rank=rank,
        severity=severity,
        says=_anomaly_in_words(event, rise),
        observed_at=event.scored_at,
        day=(event.day - day_of(0)).days,
        actual=event.actual,
        expected=event.expected,
        impact_per_day=event.impact_per_day,
        impact_so_far=event.impact_so_far,
        impact_lower=event.impact_lower,
        impact_upper=event.impact_upper,
        impact_to_month_end=event.impact_to_month_end,
        since=event.since,
        score=event.score,
        anomaly=event.id,
        shape=event.shape,
        parts=[AlertPart(series=part.series, share=part.share) for part in event.contributors],
        charges=[charge],
        ended=ended,
        course=Course.of(event),
    )


def _anomaly_in_words(event: CostAnomaly, rise: Decimal) -> str:
    what = name_of(event.series)
    at = "" if event.hour is None else f" from {event.hour:02d}:00 to {event.hour:02d}:59 UTC"
    cost = f"{what} cost {money(event.actual, event.currency)} on {event.day}{at}"
    if event.expected == 0:
        return f"{cost}; nothing was expected"
    word = "more" if rise >= 0 else "less"
    relative = share(_EXACT.divide(abs(rise), abs(event.expected)))
    return (
        f"{cost}, {money(abs(rise), event.currency)} ({relative}) {word} than the "
        f"{money(event.expected, event.currency)} expected{_cause_in_words(event, rise)}{_past_in_words(event)}"
    )


def _past_in_words(event: CostAnomaly) -> str:
    """Return what earlier anomaly it is like: rather one of which somebody said what it was."""
    if not event.alike:
        return ""
    one = next((one for one in event.alike if one.verdict is not None), event.alike[0])
    which = f"{one.since}" if one.series == event.series else f"that of {name_of(one.series)} on {one.since}"
    verdict = {"true": "real", "false": "ordinary", "expected": "expected"}.get(one.verdict or "")
    return f"; like {which}" + (f", which was said to be {verdict}" if verdict else "")


def _cause_in_words(event: CostAnomaly, rise: Decimal) -> str:
    match event.cause:
        case "usage":
            return f"; {'more' if rise >= 0 else 'less'} was used"
        case "rate":
            return f"; the price of what was used is {'higher' if rise >= 0 else 'lower'}"
        case _:
            return ""
