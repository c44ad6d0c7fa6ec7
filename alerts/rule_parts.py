"""What rules are made of: amounts, which series they watch, and how large a rise has to be."""

from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerts.lattice import DIMENSIONS
from processors.series import ChargeKind, Level, Series
from schemas.events import AlertSeverity
from spendstream.money import MoneyError, to_units

#: From the mildest to the worst.
SEVERITIES: tuple[AlertSeverity, ...] = get_args(AlertSeverity)

_FIXED = ("account", "service", "region", "usage_type", "tag", "value")

Need = Literal["either", "both"]
Measure = Literal["billed", "effective"]
ChargeClass = Literal["usage", "recurring_fee", "commitment", "credit", "refund", "tax", "adjustment", "marketplace"]


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
    if isinstance(value, int | float):
        raise ValueError(f"{value} is a number: write it in quotes, so that no zero in front is lost")  # noqa: TRY004
    return [value] if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])]
Charges = Annotated[tuple[ChargeClass, ...], Field(min_length=1, description="charge classes, added up")]
USAGE: tuple[ChargeClass, ...] = ("usage",)


class Part(BaseModel):
    """A part of a rule: plain, frozen, and without entries that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Selector(Part):
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
        for name in ("currency", "provider", *_FIXED):
            patterns = getattr(self, name)
            value = getattr(series, name)
            if patterns and (value is None or not any(fnmatchcase(value, pattern) for pattern in patterns)):
                return False
        if self.level:
            return series.level in self.level
        return any_level or series.level == self.implied_level

    @model_validator(mode="after")
    def _can_take_something(self) -> Self:
        named = [name for name in ("provider", *_FIXED) if getattr(self, name)]
        for level in self.levels:
            outside = [name for name in named if name not in DIMENSIONS[level]]
            if outside and self.level:
                raise ValueError(f"a series of the level {level} has no {outside[0]}: leave one of them out")
            if outside:
                raise ValueError(f"no total has {' and '.join(named)} together: leave one of them out")
        return self

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

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that it names, or the one that follows from its dimensions."""
        return self.level or (self.implied_level,)


class Bar(Part):
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


def worst(bars: Mapping[AlertSeverity, Bar], rise: Decimal, expected: Decimal, score: float = 0.0) -> int:
    """Return how bad a rise is: 0 below every bar, then 1 to 3 for the severities from the mildest on."""
    ranks = [SEVERITIES.index(name) + 1 for name, bar in bars.items() if bar.holds(rise, expected, score)]
    return max(ranks, default=0)


def reached(bars: Mapping[float, AlertSeverity], amount: Decimal, whole: Decimal) -> tuple[int, AlertSeverity]:
    """Return how many of the bars, shares of `whole`, an amount reaches, and the severity of the highest."""
    ordered = sorted(bars)
    below = [bar for bar in ordered if amount >= whole * Decimal(str(bar))]
    return len(below), bars[below[-1] if below else ordered[0]]


def kinds_of(charges: tuple[ChargeClass, ...]) -> frozenset[int]:
    """Return the numbers of charge classes as events have them."""
    return frozenset(ChargeKind[name.upper()] for name in charges)


class BaseRule(Part):
    """What every rule has."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="small letters, digits, and - _ .")
    description: str = Field("", max_length=500, description="what it is for, for people")
    enabled: bool = Field(True, description="false: it is kept, and fires nothing")
    labels: Mapping[str, str] = Field(default_factory=dict, description="added to its alerts, for routing")
    runbook: str | None = Field(None, pattern=r"^https?://\S+$", description="address of what to do about it")


def windows_are_kept(where: Selector, window: str) -> None:
    """Raise `ValueError` when totals over `window` are not kept of a series that a rule watches."""
    detailed = [level for level in where.levels if level in {"region", "usage_type"}]
    if detailed and window != "day":
        raise ValueError(f"of {', '.join(detailed)} only the totals of a day are kept: use window day")
