"""Rules about what is no total: sources, runs, dead letters, backlogs, deliveries, and commitments that end."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alerts.budget_rules import Opening
from alerts.rule_parts import Amount, BaseRule, Measure, Patterns, Selector
from schemas.events import AlertSeverity, HealthCheck

_LONGEST_BACKLOG = 8.0
#: Hours that a check looks back on when a rule does not say.
_HOURS: Mapping[HealthCheck, float] = {"dead_letters": 24.0, "undelivered": 24.0, "bounces": 24.0, "backlog": 0.25}

Days = Annotated[int, Field(ge=0, le=1000)]
Warnings = Annotated[
    Mapping[Days, AlertSeverity], Field(min_length=1, description="so many days before → severity, the nearest counts")
]


def _warnings() -> Mapping[int, AlertSeverity]:
    return {30: "info", 14: "warning", 3: "critical"}


class FreshnessRule(BaseRule):
    """Alerts when a source is silent, or what it tells ends too long ago."""

    kind: Literal["freshness"]
    source: Patterns = Field(("*",), description="names of sources, as cost_explorer or focus.main")
    silent_hours: Annotated[float, Field(gt=0)] | None = Field(None, description="since its last closed reading")
    late_days: Annotated[int, Field(ge=1)] | None = Field(None, description="since the newest closed day")
    severity: AlertSeverity = "warning"

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.silent_hours is None and self.late_days is None:
            raise ValueError("set silent_hours, late_days or both")
        return self


class HealthRule(BaseRule):
    """Alerts when the deployment itself is not well."""

    kind: Literal["health"]
    check: HealthCheck = Field(
        description="run_missed: hours since the newest good run began; run_failing: failed runs in a row; run_slow: "
        "minutes of the newest run; dead_letters: how many; backlog: events that wait for a step; undelivered: "
        "messages that were given up; bounces: mails that came back, and complaints"
    )
    subject: Patterns = Field(("*",), description="names of sources, steps or receivers")
    limit: Annotated[float, Field(gt=0)] = Field(description="from so much on, in what the check counts")
    hours: Annotated[float, Field(gt=0, le=24 * 30)] | None = Field(
        None, description="dead_letters, undelivered, bounces: within so many hours (24); backlog: for so long (0.25)"
    )
    severity: AlertSeverity = "warning"

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.hours is not None and self.check not in _HOURS:
            raise ValueError(f"hours has no meaning for {self.check}: leave it out")
        if self.check == "backlog" and self.looks_back > _LONGEST_BACKLOG:
            raise ValueError(f"a backlog is followed for {_LONGEST_BACKLOG:g} hours: set hours to that or less")
        return self

    @property
    def looks_back(self) -> float:
        """Hours that it looks back on."""
        return self.hours or _HOURS.get(self.check, 0.0)


class CommitmentRule(BaseRule):
    """Alerts before commitments end, at the dates that the rule names."""

    kind: Literal["commitment"]
    ends: Mapping[Annotated[str, Field(min_length=1, max_length=200)], date] = Field(
        min_length=1, description="name of a Savings Plan, a reservation, a contract → its last day"
    )
    before_days: Warnings = Field(default_factory=_warnings)


class CreditRule(BaseRule):
    """Alerts before a credit is used up, as fast as it is used now."""

    kind: Literal["credit"]
    where: Selector = Field(description="series whose credits are counted")
    amount: Amount = Field(description="the whole credit, in the series' currency")
    start: date = Field(description="first day on which it is used")
    opening: Opening | None = Field(None, description="used of it before the stream knew")
    measure: Measure = "billed"
    before_days: Warnings = Field(default_factory=_warnings)
