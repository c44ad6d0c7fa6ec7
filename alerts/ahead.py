"""What a total comes to by the end of its period, and what rules find in that. Pure functions.

By detection's forecast, where there is one for the series and period: it knows weekdays, trend and what is still to
arrive, and has a band. Else each day left costs as the last seven did, on average.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, Self, TypeGuard

from alerts.budget_rules import BudgetRule
from alerts.budget_standing import standing_of
from alerts.figures import Figures
from alerts.findings import Finding
from alerts.periods import period
from alerts.rule_parts import SEVERITIES, kinds_of, reached
from alerts.rules import ThresholdRule
from alerts.wording import money, name_of, share
from processors.series import Level, parse
from spendstream.clock import day_of, from_millis, to_millis
from spendstream.money import from_units

_EXACT = Context(prec=60)
#: Windows to date, by what detection calls the time that they go on to.
HORIZONS = {"mtd": "month", "qtd": "quarter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A total as it stands, and what it comes to at its pace.

    Attributes
    ----------
    series, day, at
        What was looked at: its newest closed day (since 1970-01-01), and when that was announced.
    first, last
        Days of the period.
    paced
        What it comes to when the days left cost as the last seven did.
    budget
        What there is to spend; None: a rule with limits.
    name, caveat
        The budget in words, and what the reader has to know of the figures.
    """

    series: str
    day: int
    at: datetime
    first: date
    last: date
    paced: Decimal
    budget: Decimal | None = None
    name: str = ""
    caveat: str = ""

    def dump(self) -> Any:  # noqa: ANN401 - plain data of the state
        """Return it as plain data."""
        told = asdict(self) | {"at": to_millis(self.at), "first": str(self.first), "last": str(self.last)}
        return told | {"paced": str(self.paced), "budget": None if self.budget is None else str(self.budget)}

    @classmethod
    def load(cls, plain: Any) -> Self:  # noqa: ANN401 - plain data of the state
        """Return what `dump` gave."""
        told = plain | {"at": from_millis(plain["at"]), "paced": Decimal(plain["paced"])}
        told |= {name: date.fromisoformat(plain[name]) for name in ("first", "last")}
        return cls(**told | {"budget": None if plain["budget"] is None else Decimal(plain["budget"])})


@dataclass(frozen=True, slots=True)
class Band:
    """A forecast: what it comes to, and between which amounts with the probability `coverage`."""

    mean: Decimal
    lower: Decimal
    upper: Decimal
    coverage: float


def bars_ahead(rule: object) -> TypeGuard[ThresholdRule | BudgetRule]:
    """Tell whether a rule has bars for what a total comes to."""
    return (isinstance(rule, ThresholdRule) and rule.of == "forecast") or (
        isinstance(rule, BudgetRule) and bool(rule.forecast)
    )


def is_foretold(rule: ThresholdRule | BudgetRule, level: Level, levels: frozenset[Level]) -> bool:
    """Tell whether detection, which scores `levels`, foretells what a rule is about: usage, of a month or quarter."""
    scored = rule.charges == ("usage",) and rule.measure == "effective"
    return scored and level in levels and rule.window in HORIZONS


def ahead_of(rule: ThresholdRule | BudgetRule, key: str, figures: Figures, at: datetime) -> Ahead | None:
    """Return how a series' total stands towards the end of its period; None while too little is known."""
    if figures.end is None:
        return None
    if isinstance(rule, BudgetRule):
        return _of_budget(rule, key, figures, at)
    units = figures.by_the_end(rule.window, kinds_of(rule.charges), rule.measure == "billed")
    if units is None:
        return None
    first, last = period(rule.window, day_of(figures.end))
    return Ahead(series=key, day=figures.end, at=at, first=first, last=last, paced=from_units(units))


def _of_budget(rule: BudgetRule, key: str, figures: Figures, at: datetime) -> Ahead | None:
    standing = standing_of(rule, key, figures)
    if standing is None or standing.forecast is None:
        return None
    return Ahead(
        series=key,
        day=standing.end,
        at=at,
        first=standing.first,
        last=standing.last,
        paced=standing.forecast,
        budget=standing.budget,
        name=standing.name,
        caveat=standing.caveat,
    )


def of_ahead(rule: ThresholdRule | BudgetRule, ahead: Ahead, band: Band | None) -> Finding:
    """Return what a rule finds in what is ahead; `band` is detection's forecast of the same end, where there is one."""
    currency, what = parse(ahead.series).currency, name_of(ahead.series)
    amount = ahead.paced if band is None else band.mean
    if isinstance(rule, BudgetRule):
        bar = rule.amount if ahead.budget is None else ahead.budget
        rank, severity = reached(rule.forecast, amount, bar)
        used = share(_EXACT.divide(amount, bar))
        says = f"{what} will use {used} by {ahead.last} of {ahead.name}: {money(amount, currency)}"
    else:
        over = [name for name in SEVERITIES if name in rule.limits and amount >= rule.limits[name]]
        severity = over[-1] if over else next(name for name in SEVERITIES if name in rule.limits)
        rank, bar = (SEVERITIES.index(severity) + 1 if over else 0), rule.limits[severity]
        says = f"{what} will cost {money(amount, currency)} by {ahead.last}; the limit is {money(bar, currency)}"
    return Finding(
        track="forecast" if isinstance(rule, BudgetRule) else "",
        period=ahead.first,
        rank=rank,
        severity=severity,
        says=f"{says}{ahead.caveat}; {_by_what(band, currency)}",
        observed_at=ahead.at,
        day=ahead.day,
        actual=amount,
        expected=bar,
        charges=rule.charges,
    )


def _by_what(band: Band | None, currency: str) -> str:
    if band is None:
        return "at the pace of its last 7 days"
    between = f"{money(band.lower, None)} to {money(band.upper, currency)}"
    return f"by its forecast, {between} with {share(band.coverage)}"
