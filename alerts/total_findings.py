"""What rules find in a series' totals: limits, changes, budgets. Pure functions."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Context, Decimal

from alerts.ahead import ahead_of, bars_ahead, of_ahead
from alerts.budgets import of_budget
from alerts.course import DAYS as COURSE_DAYS
from alerts.figures import DAYS, Figures, first_day
from alerts.findings import Finding
from alerts.health_findings import of_credit
from alerts.health_rules import CreditRule
from alerts.periods import MONTHS, period
from alerts.rule_parts import SEVERITIES, kinds_of, worst
from alerts.rules import BudgetRule, ChangeRule, ThresholdRule, TotalRule
from alerts.wording import money, name_of, over
from processors.series import parse
from schemas.events import Alert
from spendstream.clock import day_of
from spendstream.money import from_units

#: A credit is used up over years; what is older says `opening`.
_CREDIT_DAYS = 732
_LENGTHS = {"day": 1, "d7": 7, "d30": 30}
_EXACT = Context(prec=60)
_CENTS_OF_CENTS = Decimal("0.000001")


def days_looked_at(rule: TotalRule) -> int:
    """Return how many days of a series a rule looks back on."""
    if isinstance(rule, CreditRule):
        return _CREDIT_DAYS
    return max(DAYS, rule.days_looked_at) if isinstance(rule, BudgetRule) else DAYS


def of_totals(rule: TotalRule, key: str, figures: Figures, at: datetime, *, looks_ahead: bool = True) -> list[Finding]:
    """Return what a rule finds in a series' totals; none while too little is known, or another total is needed, too.

    Parameters
    ----------
    looks_ahead
        Also what they come to at their pace; False: detection's forecast is waited for.
    """
    found: list[Finding] = []
    if isinstance(rule, ChangeRule):
        found = _of_change(rule, key, figures, at)
    elif isinstance(rule, CreditRule):
        found = of_credit(rule, key, figures, at)
    elif isinstance(rule, BudgetRule):
        found = of_budget(rule, key, figures, at)
    elif rule.of == "total":
        found = _of_threshold(rule, key, figures, at)
    if looks_ahead and bars_ahead(rule):
        ahead = ahead_of(rule, key, figures, at)
        found += [] if ahead is None else [of_ahead(rule, ahead, None)]
    return found


def of_share(rule: ThresholdRule, key: str, wider: str, end: int, units: tuple[int, int], at: datetime) -> Finding:
    """Return what a rule finds in a share.

    Parameters
    ----------
    key, wider
        The series, and the one that holds it.
    end
        Last day of both totals.
    units
        The two totals.
    """
    part, whole = (from_units(amount) for amount in units)
    held = _EXACT.divide(part, whole) if whole > 0 else Decimal(0)
    reached = [name for name in SEVERITIES if name in rule.limits and held >= rule.limits[name]]
    if rule.at_least is not None and part < rule.at_least:
        reached = []
    severity = reached[-1] if reached else next(name for name in SEVERITIES if name in rule.limits)
    currency = parse(key).currency
    return Finding(
        track="",
        period=day_of(first_day(rule.window, end)) if rule.window in MONTHS else None,
        rank=SEVERITIES.index(severity) + 1 if reached else 0,
        severity=severity,
        says=(
            f"{name_of(key)} cost {money(part, currency)} {over(rule.window, day_of(end))}, {_percent(held)} of the "
            f"{money(whole, currency)} of {name_of(wider)}; the limit is {_percent(rule.limits[severity])}"
        ),
        observed_at=at,
        day=end,
        actual=part,
        expected=_EXACT.multiply(whole, rule.limits[severity]).quantize(_CENTS_OF_CENTS, context=_EXACT),
        charges=rule.charges,
    )


def _percent(held: Decimal) -> str:
    return f"{held * 100:,.1f} %"


def with_course(alert: Alert, rule: TotalRule, figures: Figures) -> Alert:
    """Return what a rule says with the last days of the series, as the rule adds them up; a credit has no course."""
    known = None
    if not isinstance(rule, CreditRule):
        known = figures.course(COURSE_DAYS, kinds_of(rule.charges), rule.measure == "billed")
    if known is None:
        return alert
    first, costs = known
    return replace(alert, course_from=day_of(first), course=costs)


def _of_threshold(rule: ThresholdRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    told = _measured(rule, figures)
    if told is None:
        return []
    units, first, day, when = told
    actual, currency = from_units(units), parse(key).currency
    reached = [name for name in SEVERITIES if name in rule.limits and actual >= rule.limits[name]]
    severity = reached[-1] if reached else next(name for name in SEVERITIES if name in rule.limits)
    limit = rule.limits[severity]
    return [
        Finding(
            track="",
            period=first,
            rank=SEVERITIES.index(severity) + 1 if reached else 0,
            severity=severity,
            says=f"{name_of(key)} cost {money(actual, currency)} {when}; the limit is {money(limit, currency)}",
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
    units = figures.total(rule.window, kinds, billed)
    if units is None or figures.end is None:
        return None
    end = day_of(figures.end)
    first = period(rule.window, end)[0] if rule.window in MONTHS else None
    return units, first, figures.end, over(rule.window, end)


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
