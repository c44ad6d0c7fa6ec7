"""Rules as data: what is worth an alert. A file of them is checked when it is read (`alerts.rule_files`).

Every kind says which series it watches (`where`), and at which bar which severity begins. Amounts are in the currency
of the series, shares are fractions (0.5: one half).
"""

from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from processors.series import ChargeKind, Level, Series, Window
from schemas.events import AnomalyShape
from spendstream.money import MoneyError, to_units

Severity = Literal["info", "warning", "critical"]
#: From the mildest to the worst.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

Need = Literal["either", "both"]
Measure = Literal["billed", "effective"]
Period = Literal["month", "quarter", "year"]
ChargeClass = Literal["usage", "recurring_fee", "commitment", "credit", "refund", "tax", "adjustment", "marketplace"]

#: What concerns fees, commitments and credits, among the shapes of anomalies.
FEE_SHAPES: tuple[AnomalyShape, ...] = ("fee_missing", "fee_doubled", "fee_new", "fee_changed", "credit")


def _exact(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is no amount: write a number, as 250 or 0.5")  # noqa: TRY004 - pydantic's error
    try:
        to_units(str(value))
    except MoneyError as error:
        raise ValueError(str(error)) from None
    return Decimal(str(value))


Amount = Annotated[Decimal, BeforeValidator(_exact, json_schema_input_type=float | str), Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1000)]


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Selector(_Part):
    """Which series a rule watches: patterns as of file names (`*`, `?`), several of them mean any.

    Without `level`, the series that have exactly the dimensions that are named: none of them is the organisation,
    `account` and `service` together are an account's service. `provider` and `currency` only narrow it down.
    """

    level: Annotated[tuple[Level, ...], BeforeValidator(_several)] = Field((), description="levels of the lattice")
    currency: Patterns = Field((), description="ISO 4217")
    provider: Patterns = ()
    account: Patterns = ()
    service: Patterns = ()
    region: Patterns = ()
    usage_type: Patterns = ()
    tag: Patterns = Field((), description="key of a tag, as in ledger.tags")
    value: Patterns = Field((), description="value of that tag")

    def takes(self, series: Series, *, any_level: bool = False) -> bool:
        """Tell whether `series` is one of those; `any_level` when no level is asked for unless one is named."""
        for name in ("currency", "provider", "account", "service", "region", "usage_type", "tag", "value"):
            patterns = getattr(self, name)
            value = getattr(series, name)
            if patterns and (value is None or not any(fnmatchcase(value, pattern) for pattern in patterns)):
                return False
        if self.level:
            return series.level in self.level
        return any_level or series.level == self.implied_level

    @property
    def implied_level(self) -> Level:
        """The level whose dimensions are those that are named."""
        if self.tag or self.value:
            return "tag"
        if self.usage_type:
            return "usage_type"
        if self.region:
            return "region"
        if self.account:
            return "account_service" if self.service else "account"
        if self.service:
            return "service"
        return "provider" if self.provider else "organisation"


class Bar(_Part):
    """How large a rise has to be.

    Where nothing was expected, the share of the rise is beyond any bar: a new service is never lost to a share.
    """

    score: float = Field(0, ge=0, description="-log10 of p, at least; anomalies only")
    amount: Amount | None = Field(None, description="a day, in the series' currency, at least")
    share: Share | None = Field(None, description="of what was expected, at least")
    need: Need = Field("either", description="whether amount or share is enough, where both are given")

    def holds(self, rise: Decimal, expected: Decimal, score: float = 0.0) -> bool:
        """Tell whether a rise (or fall: its absolute amount) reaches the bar.

        Examples
        --------
        >>> Bar(amount=100, share=0.5, need="both").holds(Decimal(120), Decimal(0))
        True
        >>> Bar(amount=100, share=0.5).holds(Decimal(60), Decimal(100))
        True
        """
        if score < self.score:
            return False
        enough = []
        if self.amount is not None:
            enough.append(abs(rise) >= self.amount)
        if self.share is not None:
            enough.append(rise != 0 if expected <= 0 else abs(rise) / expected >= Decimal(str(self.share)))
        return (all(enough) if self.need == "both" else any(enough)) if enough else True


def worst(bars: Mapping[Severity, Bar], rise: Decimal, expected: Decimal, score: float = 0.0) -> int:
    """Return how bad a rise is: 0 below every bar, then 1 to 3 for the severities from the mildest on."""
    ranks = [SEVERITIES.index(name) + 1 for name, bar in bars.items() if bar.holds(rise, expected, score)]
    return max(ranks, default=0)


class _Rule(_Part):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="small letters, digits, and - _ .")
    description: str = Field("", max_length=500, description="what it is for, for people")
    enabled: bool = Field(True, description="false: it is kept, and fires nothing")
    labels: Mapping[str, str] = Field(default_factory=dict, description="added to its alerts, for routing")
    runbook: str | None = Field(None, pattern=r"^https?://\S+$", description="address of what to do about it")


_Bars = Annotated[Mapping[Severity, Bar], Field(min_length=1)]


class AnomalyRule(_Rule):
    """Alerts of what detection found."""

    kind: Literal["anomaly"]
    where: Selector = Field(default_factory=Selector, description="without a level: all levels")
    shapes: tuple[AnomalyShape, ...] = Field((), description="kinds of change; empty: all")
    charges: tuple[ChargeClass, ...] = Field((), description="charge classes; empty: all")
    let_pass_only: bool = Field(True, description="only what the false-alert control lets pass")
    falls: bool = Field(False, description="also costs that fell")
    severities: _Bars


class FeeRule(_Rule):
    """Alerts of recurring fees that are new, missing or doubled, and of credits that run out."""

    kind: Literal["fee"]
    where: Selector = Field(default_factory=Selector, description="without a level: all levels")
    shapes: tuple[AnomalyShape, ...] = Field(FEE_SHAPES, min_length=1, description="kinds of change")
    severity: Severity = "warning"
    amount: Amount | None = Field(None, description="difference to what was expected, at least")


class ThresholdRule(_Rule):
    """Alerts when a total, or what it comes to by the end of its period, crosses a limit."""

    kind: Literal["threshold"]
    where: Selector
    window: Literal["day", "d7", "d30", "mtd", "qtd", "ytd"] = Field(description="a day, 7 or 30 days, or to date")
    of: Literal["total", "forecast"] = Field("total", description="forecast: at the end of the month, quarter or year")
    measure: Measure = "effective"
    charges: tuple[ChargeClass, ...] = Field(("usage",), min_length=1, description="charge classes, added up")
    limits: Mapping[Severity, Amount] = Field(min_length=1, description="severity → amount from which it begins")

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.of == "forecast" and self.window not in {"mtd", "qtd", "ytd"}:
            raise ValueError("a forecast needs window mtd, qtd or ytd: the end that it is made for")
        _windows_are_kept(self.where, self.window, self.of)
        ordered = [self.limits[name] for name in SEVERITIES if name in self.limits]
        if ordered != sorted(ordered):
            raise ValueError("limits must not fall from info over warning to critical")
        return self


class ChangeRule(_Rule):
    """Alerts when a day, 7 or 30 days cost more than the same length of time before."""

    kind: Literal["change"]
    where: Selector
    window: Literal["day", "d7", "d30"] = Field(description="a day is compared with the same weekday before")
    measure: Measure = "effective"
    charges: tuple[ChargeClass, ...] = Field(("usage",), min_length=1, description="charge classes, added up")
    severities: _Bars

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        _windows_are_kept(self.where, self.window, "total")
        if any(bar.score for bar in self.severities.values()):
            raise ValueError("score belongs to rules of kind anomaly: use amount or share")
        return self


class Burn(_Part):
    """How many times faster than planned a budget may be spent; two windows, so that one day alone says nothing."""

    fast: Annotated[float, Field(gt=1)] = Field(3.0, description="the newest day and 7 days, both: critical")
    slow: Annotated[float, Field(gt=1)] = Field(1.5, description="7 and 30 days, both: warning")


def _actual_bars() -> Mapping[float, Severity]:
    return {0.5: "info", 0.8: "warning", 1.0: "critical"}


def _forecast_bars() -> Mapping[float, Severity]:
    return {1.0: "warning"}


class BudgetRule(_Rule):
    """Alerts when a budget is used up to a share, will be, or is spent too fast."""

    kind: Literal["budget"]
    where: Selector
    amount: Amount = Field(description="for one whole period, in the series' currency")
    period: Period = "month"
    measure: Measure = "effective"
    charges: tuple[ChargeClass, ...] = Field(("usage",), min_length=1, description="charge classes, added up")
    actual: Mapping[Share, Severity] = Field(
        default_factory=_actual_bars, description="share of the amount that is spent → severity"
    )
    forecast: Mapping[Share, Severity] = Field(
        default_factory=_forecast_bars,
        description="share of the amount that will be spent by the end of the period → severity",
    )
    burn: Burn | None = Field(None, description="alert also when it is spent too fast")

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        _windows_are_kept(self.where, self.window, "total")
        return self

    @property
    def window(self) -> Window:
        """The rolling window that its period is."""
        windows: dict[Period, Window] = {"month": "mtd", "quarter": "qtd", "year": "ytd"}
        return windows[self.period]


class FreshnessRule(_Rule):
    """Alerts when a source is silent, or what it tells ends too long ago."""

    kind: Literal["freshness"]
    source: Patterns = Field(("*",), description="names of sources, as cost_explorer or focus.main")
    silent_hours: Annotated[float, Field(gt=0)] | None = Field(None, description="since its last closed reading")
    late_days: Annotated[int, Field(ge=1)] | None = Field(None, description="since the newest closed day")
    severity: Severity = "warning"

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.silent_hours is None and self.late_days is None:
            raise ValueError("set silent_hours, late_days or both")
        return self


#: Rules of kinds that watch a series' totals.
TotalRule = ThresholdRule | ChangeRule | BudgetRule
Rule = Annotated[
    AnomalyRule | FeeRule | ThresholdRule | ChangeRule | BudgetRule | FreshnessRule, Field(discriminator="kind")
]


def kinds_of(charges: tuple[ChargeClass, ...]) -> frozenset[int]:
    """Return the numbers of charge classes as events have them."""
    return frozenset(ChargeKind[name.upper()] for name in charges)


def _windows_are_kept(where: Selector, window: str, of: str) -> None:
    levels = where.level or (where.implied_level,)
    detailed = [level for level in levels if level in {"region", "usage_type"}]
    if detailed and (window != "day" or of != "total"):
        raise ValueError(f"of {', '.join(detailed)} only the totals of a day are kept: use window day")
