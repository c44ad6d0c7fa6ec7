"""What a rule finds in a fact: how bad it is now, and in figures. Pure functions; what was before is `alerts.edge`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Literal

from alerts.figures import Figures, period
from alerts.rules import (
    SEVERITIES,
    AnomalyRule,
    BudgetRule,
    ChangeRule,
    FeeRule,
    FreshnessRule,
    Severity,
    ThresholdRule,
    TotalRule,
    kinds_of,
    worst,
)
from alerts.wording import money, name_of, over, share
from processors.series import ChargeKind, parse
from schemas.events import AlertPart, CostAnomaly
from spendstream.clock import day_of
from spendstream.money import from_units

_EXACT = Context(prec=60)
_LENGTHS = {"day": 1, "d7": 7, "d30": 30}
_FAST, _SLOW = 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How a rule's condition stands.

    Attributes
    ----------
    track
        Which of a rule's conditions: `actual`, `forecast` or `burn` of a budget, the id of an anomaly; else empty.
    period
        First day of the month, quarter or year that it is about; the next one is another occasion.
    rank
        0: the condition does not hold; a higher one is worse.
    day
        Newest charge day that was looked at, days since 1970-01-01.
    ended
        Why the occasion is over, whatever the condition says.
    """

    track: str
    rank: int
    severity: Severity
    says: str
    observed_at: datetime
    period: date | None = None
    day: int | None = None
    actual: Decimal | None = None
    expected: Decimal | None = None
    impact_per_day: Decimal | None = None
    impact_so_far: Decimal | None = None
    impact_to_month_end: Decimal | None = None
    since: datetime | None = None
    score: float | None = None
    anomaly: str | None = None
    shape: str | None = None
    parts: Sequence[AlertPart] = field(default=())
    charges: Sequence[str] = ()
    ended: Literal["restated", "ended"] | None = None


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source: when its last reading closed, and through which charge day (days since 1970)."""

    source: str
    closed_at: datetime
    closed_through: int | None


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
        impact_to_month_end=event.impact_to_month_end,
        since=event.since,
        score=event.score,
        anomaly=event.id,
        shape=event.shape,
        parts=[AlertPart(series=part.series, share=part.share) for part in event.contributors],
        charges=[charge],
        ended=ended,
    )


def _anomaly_in_words(event: CostAnomaly, rise: Decimal) -> str:
    what = name_of(event.series)
    cost = f"{what} cost {money(event.actual, event.currency)} on {event.day}"
    if event.expected == 0:
        return f"{cost}; nothing was expected"
    word = "more" if rise >= 0 else "less"
    relative = share(_EXACT.divide(abs(rise), abs(event.expected)))
    return (
        f"{cost}, {money(abs(rise), event.currency)} ({relative}) {word} than the "
        f"{money(event.expected, event.currency)} expected"
    )


def of_totals(rule: TotalRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    """Return what a rule finds in a series' totals; none while too little is known to judge."""
    if isinstance(rule, ThresholdRule):
        return _of_threshold(rule, key, figures, at)
    if isinstance(rule, ChangeRule):
        return _of_change(rule, key, figures, at)
    return _of_budget(rule, key, figures, at)


def _of_threshold(rule: ThresholdRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    told = figures.by_the_end if rule.of == "forecast" else figures.total
    units = told(rule.window, kinds, billed)
    if units is None or figures.end is None:
        return []
    actual, currency, end = from_units(units), parse(key).currency, day_of(figures.end)
    reached = [name for name in SEVERITIES if name in rule.limits and actual >= rule.limits[name]]
    severity = reached[-1] if reached else next(name for name in SEVERITIES if name in rule.limits)
    first, last = period(rule.window, end) if rule.window in {"mtd", "qtd", "ytd"} else (None, None)
    verb = "will cost" if rule.of == "forecast" else "cost"
    when = f"by {last}" if rule.of == "forecast" else over(rule.window, end)
    limit = rule.limits[severity]
    return [
        Finding(
            track="",
            period=first,
            rank=SEVERITIES.index(severity) + 1 if reached else 0,
            severity=severity,
            says=f"{name_of(key)} {verb} {money(actual, currency)} {when}; the limit is {money(limit, currency)}",
            observed_at=at,
            day=figures.end,
            actual=actual,
            expected=limit,
            charges=rule.charges,
        )
    ]


def _of_change(rule: ChangeRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    now, before = figures.total(rule.window, kinds, billed), figures.before(rule.window, kinds, billed)
    if now is None or before is None or figures.end is None:
        return []
    length = _LENGTHS[rule.window]
    actual, expected, per_day = from_units(now), from_units(before), from_units((now - before) // length)
    # The bars' amounts are a day; only a rise is a change that this rule is about.
    rank = worst(rule.severities, per_day, from_units(before // length)) if now > before else 0
    currency = parse(key).currency
    earlier = "a week before" if rule.window == "day" else f"the {length} days before"
    return [
        Finding(
            track="",
            rank=rank,
            severity=SEVERITIES[max(rank - 1, 0)],
            says=(
                f"{name_of(key)} cost {money(actual, currency)} {over(rule.window, day_of(figures.end))}, "
                f"and {money(expected, currency)} {earlier}"
            ),
            observed_at=at,
            day=figures.end,
            actual=actual,
            expected=expected,
            impact_per_day=per_day,
            impact_so_far=from_units(now - before),
            charges=rule.charges,
        )
    ]


def _of_budget(rule: BudgetRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    if figures.end is None:
        return []
    end = day_of(figures.end)
    first, last = period(rule.window, end)
    found = []
    for track, bars, units in (
        ("actual", rule.actual, figures.total(rule.window, kinds, billed)),
        ("forecast", rule.forecast, figures.by_the_end(rule.window, kinds, billed)),
    ):
        if units is None or not bars:
            continue
        amount, currency = from_units(units), parse(key).currency
        ordered = sorted(bars)
        reached = [bar for bar in ordered if amount >= rule.amount * Decimal(str(bar))]
        used = share(_EXACT.divide(amount, rule.amount))
        verb = f"has used {used}" if track == "actual" else f"will use {used} by {last}"
        found.append(
            Finding(
                track=track,
                period=first,
                rank=len(reached),
                severity=bars[reached[-1]] if reached else bars[ordered[0]],
                says=(
                    f"{name_of(key)} {verb} of its budget of {money(rule.amount, currency)} for the {rule.period}: "
                    f"{money(amount, currency)}"
                ),
                observed_at=at,
                day=figures.end,
                actual=amount,
                expected=rule.amount,
                charges=rule.charges,
            )
        )
    return [*found, *_of_burn(rule, key, figures, at)]


def _of_burn(rule: BudgetRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    day, week, month = (figures.total(window, kinds, billed) for window in ("day", "d7", "d30"))
    if rule.burn is None or figures.end is None or day is None or week is None or month is None:
        return []
    first, last = period(rule.window, day_of(figures.end))
    planned = _EXACT.divide(rule.amount, Decimal((last - first).days + 1))
    rates = [_EXACT.divide(from_units(units), planned * days) for units, days in ((day, 1), (week, 7), (month, 30))]
    if min(rates[:2]) >= Decimal(str(rule.burn.fast)):
        rank = _FAST
    else:
        rank = _SLOW if min(rates[1:]) >= Decimal(str(rule.burn.slow)) else 0
    currency = parse(key).currency
    return [
        Finding(
            track="burn",
            period=first,
            rank=rank,
            severity="critical" if rank == _FAST else "warning",
            says=(
                f"{name_of(key)} spends its budget {rates[1]:.1f} times as fast as planned over 7 days "
                f"({rates[0]:.1f} on the newest day, {rates[2]:.1f} over 30): "
                f"{money(from_units(week // 7), currency)} a day, {money(planned, currency)} planned"
            ),
            observed_at=at,
            day=figures.end,
            actual=from_units(week // 7),
            expected=planned.quantize(Decimal("0.000001"), context=_EXACT),
            impact_per_day=from_units(week // 7) - planned.quantize(Decimal("0.000001"), context=_EXACT),
            charges=rule.charges,
        )
    ]


def of_source(rule: FreshnessRule, facts: SourceFacts, now: datetime) -> Finding:
    """Return how fresh a source is at `now`."""
    faults = []
    if rule.silent_hours is not None and now - facts.closed_at > timedelta(hours=rule.silent_hours):
        faults.append(f"closed no reading since {facts.closed_at:%Y-%m-%d %H:%M} UTC")
    if rule.late_days is not None and facts.closed_through is not None:
        late = (now.date() - day_of(facts.closed_through)).days
        if late > rule.late_days:
            faults.append(f"tells of no day after {day_of(facts.closed_through)}, {late} days ago")
    return Finding(
        track="",
        rank=1 if faults else 0,
        severity=rule.severity,
        says=f"the source {facts.source} " + (" and ".join(faults) if faults else "is fresh"),
        observed_at=now,
        since=facts.closed_at,
    )
