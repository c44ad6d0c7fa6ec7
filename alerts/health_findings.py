"""What rules find in what is no total: sources, health, commitments, credits. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Self

from alerts.figures import Figures
from alerts.findings import Finding
from alerts.health_rules import CommitmentRule, CreditRule, FreshnessRule, HealthRule
from alerts.wording import money, name_of
from processors.series import ChargeKind, parse
from schemas.events import AlertSeverity, HealthFact
from spendstream.clock import day_number, day_of, from_millis, to_millis
from spendstream.money import from_units

_EXACT = Context(prec=60)
#: So many facts of one subject are remembered, and for so long.
_REMEMBERED = 1000
_REMEMBERED_DAYS = 30
#: What is counted, before the name of its subject.
_COUNTED = {
    "dead_letters": "dead letters of",
    "undelivered": "messages given up at",
    "bounces": "bounces and complaints of mail to",
}


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source: when its last reading closed, and through which charge day (days since 1970)."""

    source: str
    closed_at: datetime
    closed_through: int | None


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


@dataclass(slots=True)
class Health:
    """What is known of one subject of a check.

    Attributes
    ----------
    told
        Its facts, the newest last: (ms since 1970, value, id).
    note
        What the newest says in words.
    """

    told: list[tuple[int, float, str]] = field(default_factory=list)
    note: str = ""

    @classmethod
    def load(cls, plain: Any) -> Self:  # noqa: ANN401 - plain data of the state
        """Return what `dump` gave; None gives nothing known."""
        return cls() if plain is None else cls([(at, value, name) for at, value, name in plain["told"]], plain["note"])

    def dump(self) -> Any:  # noqa: ANN401 - plain data of the state
        """Return it as plain data."""
        return {"told": [list(one) for one in self.told], "note": self.note}

    def learn(self, fact: HealthFact) -> bool:
        """Take a fact; return False when it is known."""
        at = to_millis(fact.at)
        if any((known, name) == (at, fact.id) for known, _, name in self.told):
            return False
        if not self.told or at >= self.told[-1][0]:
            self.note = fact.note
        kept = sorted([*self.told, (at, fact.value, fact.id)])[-_REMEMBERED:]
        oldest = kept[-1][0] - _REMEMBERED_DAYS * 86_400_000
        self.told = [one for one in kept if one[0] >= oldest]
        return True


def of_health(rule: HealthRule, subject: str, known: Health, now: datetime) -> Finding:
    """Return how a subject fares at `now`; something must be known of it."""
    newest, value, _ = known.told[-1]
    since = from_millis(newest)
    hours = rule.looks_back
    match rule.check:
        case "run_missed":
            bad = now - since >= timedelta(hours=rule.limit)
            says = f"no run of the source {subject} went well since that of {since:%Y-%m-%d %H:%M} UTC"
        case "run_failing":
            bad = value >= rule.limit
            says = f"the source {subject} failed {value:g} times in a row: {known.note}"
        case "run_slow":
            bad = value >= rule.limit
            says = f"the newest run of the source {subject} took {value:g} minutes"
        case "backlog":
            begun = _lasts_since(known, rule.limit)
            bad = begun is not None and now - begun >= timedelta(hours=hours)
            since = begun or since
            says = f"{value:,.0f} events wait for the step {subject}; it is behind since {since:%Y-%m-%d %H:%M} UTC"
        case "dead_letters" | "undelivered" | "bounces":
            after = to_millis(now) - int(hours * 3_600_000)
            count = sum(one for at, one, _ in known.told if at > after)
            bad = count >= rule.limit
            says = f"{count:g} {_COUNTED[rule.check]} {subject} within {hours:g} hours, the newest: {known.note}"
    return Finding(
        track="",
        rank=1 if bad else 0,
        severity=rule.severity,
        says=says,
        observed_at=now,
        since=since,
    )


def _lasts_since(known: Health, limit: float) -> datetime | None:
    """Return since when the value has been at the limit or above; None when it is not."""
    begun: int | None = None
    for at, value, _ in known.told:
        if value < limit:
            begun = None
        elif begun is None:
            begun = at
    return None if begun is None else from_millis(begun)


def of_commitment(rule: CommitmentRule, name: str, now: datetime) -> Finding:
    """Return how near the end of a commitment is; it is over on the day behind its last."""
    end = rule.ends[name]
    left = (end - now.date()).days
    rank, severity = _nearest(rule.before_days, left)
    return Finding(
        track="",
        period=end,
        rank=rank,
        severity=severity,
        says=f"the commitment {name} ends on {end}, in {left} days" if left >= 0 else f"{name} ended on {end}",
        observed_at=now,
        ended="ended" if left < 0 else None,
    )


def of_credit(rule: CreditRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    """Return when a credit is used up at the pace of the last seven days; nothing before the first closed day."""
    if figures.end is None or figures.end < day_number(rule.start):
        return []
    kinds, billed = frozenset({int(ChargeKind.CREDIT)}), rule.measure == "billed"
    begin, before = day_number(rule.start), Decimal(0)
    if rule.opening is not None:
        begin, before = max(begin, day_number(rule.opening.through) + 1), rule.opening.amount
    # Credits are below zero in a bill.
    used = before - from_units(figures.between(begin, figures.end, kinds, billed))
    week = -from_units(figures.between(max(begin, figures.end - 6), figures.end, kinds, billed))
    left = rule.amount - used
    a_day = _EXACT.divide(week, Decimal(7))
    currency = parse(key).currency
    what = f"the credit of {money(rule.amount, currency)} of {name_of(key)}"
    if left <= 0:
        days, says = 0, f"{what} is used up"
    elif a_day <= 0:
        days, says = None, f"{what} has {money(left, currency)} left and was not used for 7 days"
    else:
        days = int(left / a_day)
        says = (
            f"{what} has {money(left, currency)} left; at {money(a_day, currency)} a day it is used up on "
            f"{_day_after(figures.end, days)}, in {days} days"
        )
    if figures.first is not None and figures.first > begin:
        says += f" (known since {day_of(figures.first)})"
    rank, severity = _nearest(rule.before_days, days)
    return [
        Finding(
            track="",
            rank=rank,
            severity=severity,
            says=says,
            observed_at=at,
            day=figures.end,
            actual=used,
            expected=rule.amount,
            charges=["credit"],
        )
    ]


def _day_after(end: int, days: int) -> date:
    return day_of(end) + timedelta(days=days)


def _nearest(bars: Mapping[int, AlertSeverity], left: int | None) -> tuple[int, AlertSeverity]:
    """Return how many bars are reached with so many days left, and the severity of the nearest of them."""
    ordered = sorted(bars, reverse=True)
    reached = [] if left is None else [bar for bar in ordered if left <= bar]
    return len(reached), bars[reached[-1] if reached else ordered[0]]
