"""What a budget's rule finds: used, soon to be used, spent too fast, or ahead of its plan. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal

from alerts.budget_rules import BudgetRule
from alerts.figures import Figures
from alerts.findings import Finding
from alerts.rule_parts import kinds_of
from alerts.wording import money, name_of, share
from processors.series import parse
from schemas.events import AlertSeverity
from spendstream.clock import day_number, day_of
from spendstream.money import from_units

_EXACT = Context(prec=60)
_CENTS_OF_CENTS = Decimal("0.000001")
_FAST, _SLOW = 2, 1


@dataclass(frozen=True, slots=True)
class _Book:
    """A budget as it stands on the newest closed day: its period, what there is to spend, and what was spent."""

    rule: BudgetRule
    key: str
    figures: Figures
    at: datetime
    end: int
    first: date
    last: date
    budget: Decimal
    spent: Decimal | None
    #: Since when it is known what was spent, where that is later than the period's first day.
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

    def total(self, window: str) -> Decimal | None:
        """Return the total of a window in the rule's charge classes and measure."""
        units = self.figures.total(window, kinds_of(self.rule.charges), self.rule.measure == "billed")
        return None if units is None else from_units(units)

    def found(
        self, track: str, rank: int, severity: AlertSeverity, says: str, actual: Decimal, expected: Decimal
    ) -> Finding:
        """Return a finding about this period."""
        return Finding(
            track=track,
            period=self.first,
            rank=rank,
            severity=severity,
            says=f"{name_of(self.key)} {says}{self.caveat}",
            observed_at=self.at,
            day=self.end,
            actual=actual,
            expected=expected,
            impact_per_day=actual - expected if track == "burn" else None,
            charges=self.rule.charges,
        )


def of_budget(rule: BudgetRule, key: str, figures: Figures, at: datetime) -> list[Finding]:
    """Return what a budget's rule finds in a series; nothing before its first closed day."""
    if figures.end is None:
        return []
    first, last = rule.around(day_of(figures.end))
    spent, known_since = _spent(rule, figures, first)
    budget = rule.amount + (_left_over(rule, figures, first) if rule.rollover else Decimal(0))
    book = _Book(rule, key, figures, at, figures.end, first, last, budget, spent, known_since)
    return [*_of_shares(book), *_of_variance(book), *_of_burn(book)]


def _of_shares(book: _Book) -> list[Finding]:
    rule, week = book.rule, book.total("d7")
    if book.spent is None:
        return []
    found = []
    if rule.actual:
        used = share(_EXACT.divide(book.spent, book.budget))
        says = f"has used {used} of {book.name}: {money(book.spent, book.currency)}"
        found.append(
            book.found("actual", *_reached(rule.actual, book.spent, book.budget), says, book.spent, book.budget)
        )
    if rule.forecast and week is not None:
        left = book.length - book.passed
        amount = book.spent + _EXACT.divide(week * left, Decimal(7)).quantize(_CENTS_OF_CENTS, context=_EXACT)
        used = share(_EXACT.divide(amount, book.budget))
        says = f"will use {used} by {book.last} of {book.name}: {money(amount, book.currency)}"
        found.append(book.found("forecast", *_reached(rule.forecast, amount, book.budget), says, amount, book.budget))
    return found


def _of_variance(book: _Book) -> list[Finding]:
    variance = book.rule.variance
    if variance is None or book.spent is None or book.passed < variance.after_days:
        return []
    course = _course(book) if variance.course == "last" else Decimal(book.passed) / book.length
    if not course:
        return []
    planned = _EXACT.multiply(book.budget, course).quantize(_CENTS_OF_CENTS, context=_EXACT)
    above = {1 + bar: severity for bar, severity in variance.above.items()}
    ahead = share(_EXACT.divide(abs(book.spent - planned), planned))
    word = "above" if book.spent >= planned else "below"
    says = (
        f"has spent {money(book.spent, book.currency)} by {day_of(book.end)}, {ahead} {word} the plan of "
        f"{money(planned, book.currency)} to that day, of {book.name}"
    )
    return [book.found("variance", *_reached(above, book.spent, planned), says, book.spent, planned)]


def _of_burn(book: _Book) -> list[Finding]:
    burn = book.rule.burn
    day, week, month = (book.total(window) for window in ("day", "d7", "d30"))
    if burn is None or day is None or week is None or month is None:
        return []
    planned = _EXACT.divide(book.budget, Decimal(book.length))
    rates = [_EXACT.divide(total, planned * days) for total, days in ((day, 1), (week, 7), (month, 30))]
    if min(rates[:2]) >= Decimal(str(burn.fast)):
        rank = _FAST
    else:
        rank = _SLOW if min(rates[1:]) >= Decimal(str(burn.slow)) else 0
    a_day = _EXACT.divide(week, Decimal(7)).quantize(_CENTS_OF_CENTS, context=_EXACT)
    says = (
        f"spends its budget {rates[1]:.1f} times as fast as planned over 7 days ({rates[0]:.1f} on the newest day, "
        f"{rates[2]:.1f} over 30): {money(a_day, book.currency)} a day, {money(planned, book.currency)} planned"
    )
    severity: AlertSeverity = "critical" if rank == _FAST else "warning"
    return [book.found("burn", rank, severity, says, a_day, planned.quantize(_CENTS_OF_CENTS, context=_EXACT))]


def _reached(bars: Mapping[float, AlertSeverity], amount: Decimal, whole: Decimal) -> tuple[int, AlertSeverity]:
    """Return how many of the bars, shares of `whole`, an amount reaches, and the severity of the highest."""
    ordered = sorted(bars)
    reached = [bar for bar in ordered if amount >= whole * Decimal(str(bar))]
    return len(reached), bars[reached[-1] if reached else ordered[0]]


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


def _course(book: _Book) -> Decimal | None:
    """Return which share of the period before was spent by the same day of it; None where that is not known."""
    rule, figures = book.rule, book.figures
    begin, last = (day_number(day) for day in rule.around(day_of(day_number(book.first) - 1)))
    if figures.first is None or figures.first > begin:
        return None
    kinds, billed = kinds_of(rule.charges), rule.measure == "billed"
    whole = figures.between(begin, last, kinds, billed)
    by_then = figures.between(begin, min(begin + book.passed - 1, last), kinds, billed)
    return _EXACT.divide(Decimal(by_then), Decimal(whole)) if whole > 0 and by_then > 0 else None
