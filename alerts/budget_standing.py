"""How a budget stands on the newest closed day: what there is to spend, what was spent, what it comes to. Pure.

Rules judge by it, and reports tell it: there is one way to work it out.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal

from alerts.budget_rules import BudgetRule
from alerts.figures import Figures
from alerts.rule_parts import kinds_of
from alerts.wording import money
from processors.series import parse
from spendstream.clock import day_number, day_of
from spendstream.money import from_units

_EXACT = Context(prec=60)
_CENTS_OF_CENTS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A budget of one series as it stands on the newest closed day.

    Attributes
    ----------
    rule, key, figures
        The budget, the series, and what is known of that.
    end
        The newest closed day, since 1970.
    first, last
        Days of its period.
    budget
        What there is to spend in it, with what is left over of the one before.
    spent
        What was spent of it to `end`; None: it is not known yet.
    known_since
        Since when it is known what was spent, where that is later than the period's first day.
    """

    rule: BudgetRule
    key: str
    figures: Figures
    end: int
    first: date
    last: date
    budget: Decimal
    spent: Decimal | None
    known_since: date | None

    @property
    def length(self) -> int:
        """Days of the period."""
        return (self.last - self.first).days + 1

    @property
    def passed(self) -> int:
        """Days of the period that are closed."""
        return self.end - day_number(self.first) + 1

    @property
    def left(self) -> int:
        """Days of the period that are still to come."""
        return self.length - self.passed

    @property
    def currency(self) -> str:
        """Currency of the series."""
        return parse(self.key).currency

    @property
    def name(self) -> str:
        """The budget in words."""
        rule = self.rule
        period = f"the {rule.period}" if isinstance(rule.period, str) else f"{self.first} to {self.last}"
        added = f", {money(self.budget - rule.amount, self.currency)} of it left over" if rule.rollover else ""
        return f"its budget of {money(self.budget, self.currency)} for {period}{added}"

    @property
    def caveat(self) -> str:
        """What the reader has to know of the figures."""
        return "" if self.known_since is None else f" (known since {self.known_since})"

    @property
    def forecast(self) -> Decimal | None:
        """What it comes to by the end of the period, each day left as the mean of the last seven; None: not known."""
        week = self.total("d7")
        if self.spent is None or week is None:
            return None
        return self.spent + _EXACT.divide(week * self.left, Decimal(7)).quantize(_CENTS_OF_CENTS, context=_EXACT)

    def share(self, amount: Decimal) -> Decimal:
        """Return an amount as a share of the budget."""
        return _EXACT.divide(amount, self.budget)

    def total(self, window: str) -> Decimal | None:
        """Return the total of a window in the rule's charge classes and measure."""
        units = self.figures.total(window, kinds_of(self.rule.charges), self.rule.measure == "billed")
        return None if units is None else from_units(units)

    def course(self) -> Decimal | None:
        """Return which share of the period before was spent by the same day of it; None where that is not known."""
        rule, figures = self.rule, self.figures
        begin, last = (day_number(day) for day in rule.around(day_of(day_number(self.first) - 1)))
        if figures.first is None or figures.first > begin:
            return None
        kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
        whole = figures.between(begin, last, kinds, billed)
        by_then = figures.between(begin, min(begin + self.passed - 1, last), kinds, billed)
        return _EXACT.divide(Decimal(by_then), Decimal(whole)) if whole > 0 and by_then > 0 else None


def standing_of(rule: BudgetRule, key: str, figures: Figures) -> BudgetStanding | None:
    """Return how a budget stands in a series; None before its first closed day."""
    if figures.end is None:
        return None
    first, last = rule.around(day_of(figures.end))
    spent, known_since = _spent(rule, figures, first)
    budget = rule.amount + (_left_over(rule, figures, first) if rule.rollover else Decimal(0))
    return BudgetStanding(rule, key, figures, figures.end, first, last, budget, spent, known_since)


def _spent(rule: BudgetRule, figures: Figures, first: date) -> tuple[Decimal | None, date | None]:
    """Return what was spent of the period, and since when that is known when it is not from its first day on."""
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    if rule.window is not None:
        units = figures.total(rule.window, kinds, billed)
        return None if units is None else from_units(units), None
    begin, end = day_number(first), figures.end or 0
    before = Decimal(0)
    if rule.opening is not None and begin <= day_number(rule.opening.through) <= end:
        before, begin = rule.opening.amount, day_number(rule.opening.through) + 1
    spent = before + from_units(figures.between(begin, end, kinds, billed))
    known = figures.first
    return spent, day_of(known) if known is not None and known > begin else None


def _left_over(rule: BudgetRule, figures: Figures, first: date) -> Decimal:
    """Return what the period before left of its own amount; nothing where it is not known from its first day on."""
    begin, last = (day_number(day) for day in rule.around(day_of(day_number(first) - 1)))
    if figures.first is None or figures.first > begin:
        return Decimal(0)
    spent = from_units(figures.between(begin, last, kinds_of(rule.charges), rule.measure == "billed"))
    return max(rule.amount - max(spent, Decimal(0)), Decimal(0))
