"""Rules as data: what is worth an alert. A file of them is checked when it is read (`alerts.rule_files`).

Every kind says which series it watches (`where`), and at which bar which severity begins. Amounts are in the currency
of the series, shares are fractions (0.5: one half).
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alerts.budget_rules import BudgetRule
from alerts.health_rules import CommitmentRule, CreditRule, FreshnessRule, HealthRule
from alerts.lattice import DIMENSIONS, HOLDERS
from alerts.periods import MONTHS
from alerts.rule_parts import (
    SEVERITIES,
    USAGE,
    Amount,
    Bar,
    BaseRule,
    ChargeClass,
    Charges,
    Measure,
    Selector,
    windows_are_kept,
)
from schemas.events import AlertSeverity, AnomalyShape

__all__ = [
    "SEVERITIES",
    "AnomalyRule",
    "Bar",
    "BudgetRule",
    "ChangeRule",
    "FeeRule",
    "HealthRule",
    "Rule",
    "Selector",
    "ThresholdRule",
    "TimedRule",
    "TotalRule",
]

#: What concerns fees, commitments and credits, among the shapes of anomalies.
FEE_SHAPES: tuple[AnomalyShape, ...] = ("fee_missing", "fee_doubled", "fee_new", "fee_changed", "credit")

_Bars = Annotated[Mapping[AlertSeverity, Bar], Field(min_length=1)]


Holder = Literal["organisation", "provider", "account", "service", "account_service"]


class AnomalyRule(BaseRule):
    """Alerts of what detection found."""

    kind: Literal["anomaly"]
    where: Selector = Field(default_factory=Selector, description="without a level: all levels")
    shapes: tuple[AnomalyShape, ...] = Field((), description="kinds of change; empty: all")
    charges: tuple[ChargeClass, ...] = Field((), description="charge classes; empty: all")
    let_pass_only: bool = Field(True, description="only what the false-alert control lets pass")
    falls: bool = Field(False, description="also costs that fell")
    severities: _Bars


class FeeRule(BaseRule):
    """Alerts of recurring fees that are new, missing or doubled, and of credits that run out."""

    kind: Literal["fee"]
    where: Selector = Field(default_factory=Selector, description="without a level: all levels")
    shapes: tuple[AnomalyShape, ...] = Field(FEE_SHAPES, min_length=1, description="kinds of change")
    severity: AlertSeverity = "warning"
    amount: Amount | None = Field(None, description="difference to what was expected, at least")


class ThresholdRule(BaseRule):
    """Alerts when a total, what it comes to by the end of its period, or its share of a wider one crosses a limit."""

    kind: Literal["threshold"]
    where: Selector
    window: Literal["hour", "day", "d7", "d30", "mtd", "qtd", "ytd"] = Field(
        description="the dearest hour of the newest day, a day, 7 or 30 days, or to date"
    )
    of: Literal["total", "forecast", "share"] = Field(
        "total", description="forecast: at the end of the month, quarter or year; share: of a wider total"
    )
    share_of: Holder | None = Field(None, description="the level whose total a share is of, as account")
    at_least: Amount | None = Field(None, description="what a share is too small to be told below")
    measure: Measure = "effective"
    charges: Charges = USAGE
    limits: Mapping[AlertSeverity, Amount] = Field(
        min_length=1, description="severity → amount from which it begins, or share: 0.3 is 30 %"
    )

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.of == "forecast" and self.window not in MONTHS:
            raise ValueError("a forecast needs window mtd, qtd or ytd: the end that it is made for")
        self._share_can_be_judged()
        windows_are_kept(self.where, self.window)
        ordered = [self.limits[name] for name in SEVERITIES if name in self.limits]
        if ordered != sorted(ordered):
            raise ValueError("limits must not fall from info over warning to critical")
        return self

    def _share_can_be_judged(self) -> None:
        if self.of != "share":
            if self.share_of is not None or self.at_least is not None:
                raise ValueError("share_of and at_least are about shares: add of: share")
            return
        if self.share_of is None:
            raise ValueError(f"a share needs share_of, what it is of: {', '.join(HOLDERS)}")
        outside = [level for level in self.where.levels if level not in HOLDERS[self.share_of]]
        if outside:
            raise ValueError(f"no single {self.share_of} holds a whole {outside[0]}: choose a wider share_of")
        if self.window == "hour":
            raise ValueError("a share needs another window than hour: the dearest hours of two series may differ")
        if max(self.limits.values()) > 1:
            raise ValueError("limits of a share are fractions: 0.3 is 30 %")

    @property
    def bases(self) -> Selector | None:
        """The series that its shares are of; None: it is not about shares."""
        if self.share_of is None:
            return None
        where = {name: getattr(self.where, name) for name in ("currency", *DIMENSIONS[self.share_of])}
        return Selector(level=(self.share_of,), **where)


class ChangeRule(BaseRule):
    """Alerts when a day, 7 or 30 days cost more than the same length of time before."""

    kind: Literal["change"]
    where: Selector
    window: Literal["day", "d7", "d30"] = Field(description="a day is compared with the same weekday before")
    measure: Measure = "effective"
    charges: Charges = USAGE
    severities: _Bars

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        windows_are_kept(self.where, self.window)
        if any(bar.score for bar in self.severities.values()):
            raise ValueError("score belongs to rules of kind anomaly: use amount or share")
        return self


#: Rules of kinds that watch a series' totals.
TotalRule = ThresholdRule | ChangeRule | BudgetRule | CreditRule
#: Rules about what is no cost, and what time alone may change.
TimedRule = FreshnessRule | HealthRule | CommitmentRule
Rule = Annotated[
    AnomalyRule
    | FeeRule
    | ThresholdRule
    | ChangeRule
    | BudgetRule
    | CreditRule
    | CommitmentRule
    | FreshnessRule
    | HealthRule,
    Field(discriminator="kind"),
]
