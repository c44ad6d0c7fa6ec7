"""What rules find in a series' totals: limits, changes, budgets. Pure functions."""

from datetime import date, datetime

from alerts.budgets import of_budget
from alerts.figures import DAYS, Figures
from alerts.findings import Finding
from alerts.health_findings import of_credit
from alerts.health_rules import CreditRule
from alerts.periods import MONTHS, period
from alerts.rule_parts import SEVERITIES, kinds_of, worst
from alerts.rules import BudgetRule, ChangeRule, ThresholdRule, TotalRule
from alerts.wording import money, name_of, over
from processors.series import parse
from spendstream.clock import day_of
from spendstream.money import from_units

#: A credit is used up over years; what is older says `opening`.
_CREDIT_DAYS = 732
_LENGTHS = {"day": 1, "d7": 7, "d30": 30}


def days_looked_at(rule: TotalRule) -> int:
    """Return how many days of a series a rule looks back on."""
    if isinstance(rule, CreditRule):
        return _CREDIT_DAYS
    return max(DAYS, rule.days_looked_at) if isinstance(rule, BudgetRule) else DAYS


def of_totals(rule: TotalRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    """Return what a rule finds in a series' totals; none while too little is known, or another total is needed, too."""
    if isinstance(rule, ThresholdRule):
        return _of_threshold(rule, key, figures, at)
    if isinstance(rule, ChangeRule):
        return _of_change(rule, key, figures, at)
    if isinstance(rule, CreditRule):
        return of_credit(rule, key, figures, at)
    return of_budget(rule, key, figures, at)


def _of_threshold(rule: ThresholdRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    told = None if rule.of == "share" else _measured(rule, figures)
    if told is None:
        return []
    units, first, day, when = told
    actual, currency = from_units(units), parse(key).currency
    reached = [name for name in SEVERITIES if name in rule.limits and actual >= rule.limits[name]]
    severity = reached[-1] if reached else next(name for name in SEVERITIES if name in rule.limits)
    verb = "will cost" if rule.of == "forecast" else "cost"
    limit = rule.limits[severity]
    return [
        Finding(
            track="",
            period=first,
            rank=SEVERITIES.index(severity) + 1 if reached else 0,
            severity=severity,
            says=f"{name_of(key)} {verb} {money(actual, currency)} {when}; the limit is {money(limit, currency)}",
            observed_at=at,
            day=day,
            actual=actual,
            expected=limit,
            charges=rule.charges,
        )
    ]


def _measured(rule: ThresholdRule, figures: Figures) -> tuple[int, date | None, int, str] | None:
    """Return what a limit is held against, the occasion, the day, and the time in words; None: too little is known."""
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    if rule.window == "hour":
        dearest = figures.dearest_hour(kinds, billed)
        if dearest is None or figures.hours_of is None:
            return None
        day = day_of(figures.hours_of)
        return dearest[1], day, figures.hours_of, f"in the hour from {dearest[0]:02d}:00 UTC on {day}"
    told = figures.by_the_end if rule.of == "forecast" else figures.total
    units = told(rule.window, kinds, billed)
    if units is None or figures.end is None:
        return None
    end = day_of(figures.end)
    first, last = period(rule.window, end) if rule.window in MONTHS else (None, None)
    return units, first, figures.end, f"by {last}" if rule.of == "forecast" else over(rule.window, end)


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
