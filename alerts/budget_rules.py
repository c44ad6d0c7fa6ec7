"""Budgets as data: how much may be spent in which period, and which bars are told."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from alerts.periods import MONTHS, CustomPeriod, period
from alerts.rule_parts import USAGE, Amount, BaseRule, Charges, Measure, Part, Selector, Share, windows_are_kept
from processors.series import Window
from schemas.events import AlertSeverity

Calendar = Literal["month", "quarter", "year"]
#: Who writes 50 means 50 %.
_MOST_OF_A_BUDGET = 10
_WINDOWS: dict[Calendar, Window] = {"month": "mtd", "quarter": "qtd", "year": "ytd"}


def _of_the_whole(value: float) -> float:
    if value > _MOST_OF_A_BUDGET:
        raise ValueError(f"{value:g} would be {value * 100:g} %: write shares, 0.8 is 80 %")
    return value


#: A share of a budget: 0.8 is 80 %.
BudgetShare = Annotated[Share, AfterValidator(_of_the_whole)]


class Opening(Part):
    """What was spent of a period before the stream knew of it."""

    through: date = Field(description="last day that it covers")
    amount: Amount = Field(description="spent from the first day of that period through it")


class Burn(Part):
    """How many times faster than planned a budget may be spent; two windows, so that one day alone says nothing."""

    fast: Annotated[float, Field(gt=1)] = Field(3.0, description="the newest day and 7 days, both: critical")
    slow: Annotated[float, Field(gt=1)] = Field(1.5, description="7 and 30 days, both: warning")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast < self.slow:
            raise ValueError(
                f"fast ({self.fast:g}) must not be below slow ({self.slow:g}): one day varies more than 30"
            )
        return self


class Variance(Part):
    """How far what is spent may be above the plan for this day of the period."""

    above: Mapping[BudgetShare, AlertSeverity] = Field(min_length=1, description="share of the plan to date → severity")
    course: Literal["linear", "last"] = Field(
        "linear", description="the plan: each day the same, or as the period before was spent"
    )
    after_days: Annotated[int, Field(ge=1)] = Field(3, description="days of the period before which nothing is said")


def _actual_bars() -> Mapping[float, AlertSeverity]:
    return {0.5: "info", 0.8: "warning", 1.0: "critical"}


def _forecast_bars() -> Mapping[float, AlertSeverity]:
    return {1.0: "warning"}


class BudgetRule(BaseRule):
    """Alerts when a budget is used up to a share, will be, or is spent too fast."""

    kind: Literal["budget"]
    where: Selector
    amount: Amount = Field(description="for one whole period, in the series' currency")
    period: Calendar | CustomPeriod = Field("month", description="month, quarter, year, or a start and a length")
    measure: Measure = "effective"
    charges: Charges = USAGE
    actual: Mapping[BudgetShare, AlertSeverity] = Field(
        default_factory=_actual_bars, description="share of the budget that is spent → severity"
    )
    forecast: Mapping[BudgetShare, AlertSeverity] = Field(
        default_factory=_forecast_bars,
        description="share of the budget that will be spent by the end of the period → severity",
    )
    burn: Burn | None = Field(None, description="alert also when it is spent too fast")
    variance: Variance | None = Field(None, description="alert also when more is spent than planned to date")
    rollover: bool = Field(False, description="what the period before left over is added")
    opening: Opening | None = Field(None, description="spent before the stream knew of it; custom periods only")

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        windows_are_kept(self.where, self.window or "custom")
        if self.opening is not None and self.window is not None:
            raise ValueError("opening is for periods with a start: of a month, quarter or year all is known")
        return self

    @property
    def window(self) -> Window | None:
        """The rolling window that its period is; None: none is."""
        return None if isinstance(self.period, CustomPeriod) else _WINDOWS[self.period]

    def around(self, day: date) -> tuple[date, date]:
        """Return first and last day of its period that holds `day`."""
        return self.period.around(day) if isinstance(self.period, CustomPeriod) else period(_WINDOWS[self.period], day)

    @property
    def days_looked_at(self) -> int:
        """How many days back it has to know."""
        looks_back = self.rollover or (self.variance is not None and self.variance.course == "last")
        if isinstance(self.period, CustomPeriod):
            length = self.period.days or (self.period.months or 1) * 31
        else:
            length = MONTHS[_WINDOWS[self.period]] * 31
        periods = (1 if self.window is None else 0) + (2 if looks_back else 0)
        return min(periods, 2) * length
