"""What a budget's rule finds so far: used, spent too fast, or ahead of its plan. Pure functions."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Context, Decimal

from alerts.budget_rules import BudgetRule
from alerts.budget_standing import BudgetStanding, standing_of
from alerts.figures import Figures
from alerts.findings import Finding
from alerts.rule_parts import reached
from alerts.wording import money, name_of, share
from schemas.events import AlertSeverity
from spendstream.clock import day_of

_EXACT = Context(prec=60)
_CENTS_OF_CENTS = Decimal("0.000001")
_FAST, _SLOW = 2, 1


def of_budget(rule: BudgetRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    """Return what a budget's rule finds in a series; nothing before its first closed day."""
    budget = standing_of(rule, key, figures)
    if budget is None:
        return []
    return [*_of_shares(budget, at), *_of_variance(budget, at), *_of_burn(budget, at)]


def _of_shares(budget: BudgetStanding, at: datetime) -> list[Finding]:
    rule, spent = budget.rule, budget.spent
    if spent is None or not rule.actual:
        return []
    says = f"has used {share(budget.share(spent))} of {budget.name}: {money(spent, budget.currency)}"
    return [_found(budget, at, "actual", rule.actual, says, spent, budget.budget)]


def _of_variance(budget: BudgetStanding, at: datetime) -> list[Finding]:
    variance, spent = budget.rule.variance, budget.spent
    if variance is None or spent is None or budget.passed < variance.after_days:
        return []
    course = budget.course() if variance.course == "last" else Decimal(budget.passed) / budget.length
    if not course:
        return []
    planned = _EXACT.multiply(budget.budget, course).quantize(_CENTS_OF_CENTS, context=_EXACT)
    above = {1 + bar: severity for bar, severity in variance.above.items()}
    ahead = share(_EXACT.divide(abs(spent - planned), planned))
    word = "above" if spent >= planned else "below"
    says = (
        f"has spent {money(spent, budget.currency)} by {day_of(budget.end)}, {ahead} {word} the plan of "
        f"{money(planned, budget.currency)} to that day, of {budget.name}"
    )
    return [_found(budget, at, "variance", above, says, spent, planned)]


def _of_burn(budget: BudgetStanding, at: datetime) -> list[Finding]:
    burn = budget.rule.burn
    day, week, month = (budget.total(window) for window in ("day", "d7", "d30"))
    if burn is None or day is None or week is None or month is None:
        return []
    planned = _EXACT.divide(budget.budget, Decimal(budget.length))
    rates = [_EXACT.divide(total, planned * days) for total, days in ((day, 1), (week, 7), (month, 30))]
    if min(rates[:2]) >= Decimal(str(burn.fast)):
        rank = _FAST
    else:
        rank = _SLOW if min(rates[1:]) >= Decimal(str(burn.slow)) else 0
    a_day = _EXACT.divide(week, Decimal(7)).quantize(_CENTS_OF_CENTS, context=_EXACT)
    says = (
        f"spends its budget {rates[1]:.1f} times as fast as planned over 7 days ({rates[0]:.1f} on the newest day, "
        f"{rates[2]:.1f} over 30): {money(a_day, budget.currency)} a day, {money(planned, budget.currency)} planned"
    )
    severity: AlertSeverity = "critical" if rank == _FAST else "warning"
    expected = planned.quantize(_CENTS_OF_CENTS, context=_EXACT)
    found = _finding(budget, at, "burn", (rank, severity), says, a_day, expected)
    return [replace(found, impact_per_day=a_day - expected)]


def _found(
    budget: BudgetStanding,
    at: datetime,
    track: str,
    bars: Mapping[float, AlertSeverity],
    says: str,
    actual: Decimal,
    expected: Decimal,
) -> Finding:
    """Return a finding as bad as the highest of the bars, shares of `expected`, that `actual` reaches."""
    return _finding(budget, at, track, reached(bars, actual, expected), says, actual, expected)


def _finding(
    budget: BudgetStanding,
    at: datetime,
    track: str,
    rank: tuple[int, AlertSeverity],
    says: str,
    actual: Decimal,
    expected: Decimal,
) -> Finding:
    return Finding(
        track=track,
        period=budget.first,
        rank=rank[0],
        severity=rank[1],
        says=f"{name_of(budget.key)} {says}{budget.caveat}",
        observed_at=at,
        day=budget.end,
        actual=actual,
        expected=expected,
        charges=budget.rule.charges,
    )
