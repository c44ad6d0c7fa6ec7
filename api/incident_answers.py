"""What the documents about incidents and rules hold, and what is sent to change them; as `api.answers`."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from alerts.wording import plain
from api.answers import NEXT, Document, Money
from api.parameters import storable
from schemas.events import (
    AlertSeverity,
    DeliveryOutcome,
    IncidentAction,
    IncidentState,
    ReportStage,
    ReportState,
    Verdict,
)


class IncidentRow(Document):
    """An incident, as it is known now."""

    id: str
    state: IncidentState
    severity: AlertSeverity
    scope: str = Field(description="smallest series that explains most of the change, or the subject of its rule")
    level: str
    kind: str = Field(description="kind of the rule that began it")
    rules: str = Field(description="ids of its rules, comma-separated")
    currency: str | None = Field(description="null: it is about no costs")
    provider: str
    account: str
    service: str
    says: str = Field(description="one sentence for people")
    actual: Money | None
    expected: Money | None
    impact_per_day: Money | None
    impact_so_far: Money | None
    impact_lower: Money | None = Field(description="lower end of its 90 % band; null: none is known")
    impact_upper: Money | None = Field(description="upper end of it")
    impact_to_month_end: Money | None = Field(description="if it goes on")
    since: datetime = Field(description="when the cause began")
    opened_at: datetime
    changed_at: datetime
    snoozed_until: datetime | None
    alert_count: int
    firing_count: int
    owner: str | None
    runbook: str | None
    version: int


class IncidentsAnswer(Document):
    """Answer of `/v1/incidents`."""

    rows: list[IncidentRow]
    next_cursor: str | None = Field(description=NEXT)


class ChildRow(Document):
    """A series below the scope, and its share of the change."""

    series: str
    share: float


class TransitionRow(Document):
    """A move from one state to another."""

    at: datetime
    before: IncidentState | None = Field(description="null: it began")
    after: IncidentState
    by: str = Field(description="a person, or `spendstream`")
    why: str
    version: int = Field(description="version of the incident that it led to")


class AlertRow(Document):
    """What a rule says."""

    id: str
    rule: str
    kind: str
    state: Literal["firing", "resolved"]
    severity: AlertSeverity
    subject: str
    charges: list[str] = Field(description="charge classes that it is about")
    says: str
    anomaly: str | None
    shape: str | None
    day: date | None
    actual: Money | None
    expected: Money | None
    impact_per_day: Money | None
    since: datetime
    observed_at: datetime


class DeliveryRow(Document):
    """What became of telling a receiver."""

    at: datetime
    receiver: str
    channel: str
    outcome: DeliveryOutcome
    state: IncidentState
    reason: str
    error: str | None
    attempt: int


class FeedbackRow(Document):
    """What somebody said of its anomalies."""

    at: datetime
    verdict: Verdict
    by: str
    why: str
    first_day: date | None
    last_day: date | None


class CourseRow(Document):
    """A day of its scope, and what was expected of it."""

    day: date
    cost: Money
    lower: Money | None = Field(description="null: nothing was expected")
    upper: Money | None


class IncidentAnswer(IncidentRow):
    """Answer of `/v1/incidents/{id}`."""

    course: list[CourseRow] = Field(description="the last days, as its newest alert tells them, 14 at most")
    labels: dict[str, str]
    children: list[ChildRow]
    transitions: list[TransitionRow] = Field(description="the newest first")
    alerts: list[AlertRow]
    deliveries: list[DeliveryRow] = Field(description="the newest first, 100 at most")
    feedback: list[FeedbackRow]


class ReportRow(Document):
    """What a receiver was told of a report, or was not."""

    report: str
    value: str = Field(description="whose it is, where the report is made for each of something; empty: the whole")
    receiver: str
    first_day: date
    last_day: date
    number: int = Field(description="0: first told; then counts corrections and repetitions")
    measure: str
    state: ReportState = Field(description="expired: the receiver could not be reached in time")
    stage: ReportStage
    channel: str
    totals: str = Field(description="of all charge classes, exact, as `1234.5 USD, 12 EUR`")
    sent_at: datetime
    attempts: int


class ReportsAnswer(Document):
    """Answer of `/v1/reports`."""

    rows: list[ReportRow]
    next_cursor: str | None = Field(description=NEXT)


class RuleRow(Document):
    """A rule as it is applied."""

    id: str
    by: str
    applied_at: datetime
    rule: dict[str, Any] = Field(description="as in a file of rules, see /v1/rules/schema")


class RulesAnswer(Document):
    """Answer of `/v1/rules`."""

    rules: list[RuleRow]


class RuleSchemaAnswer(Document):
    """Answer of `/v1/rules/schema`."""

    json_schema: dict[str, Any] = Field(description="the JSON schema of a file of rules")


class AppliedAnswer(Document):
    """What applying rules changed, or would change."""

    applied: bool
    added: list[str]
    changed: list[str]
    removed: list[str]


class TakenAnswer(Document):
    """What was taken; incidents follow within seconds."""

    id: str = Field(description="of the request: the same one twice does nothing more")
    incident: str
    asked: IncidentAction | Verdict
    state: IncidentState = Field(description="as it was before")
    by: str
    at: datetime


def _line(text: str) -> str:
    return plain(storable(text), _LONGEST)


_LONGEST = 600
_NAME = 100
Line = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_line)]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Said(Document):
    """Who says something about an incident, and why."""

    why: Line = Field(min_length=1, description="the reason, for those who come after")
    by: Annotated[str, Field(min_length=1, max_length=_NAME), AfterValidator(_line)] | None = Field(
        None, description="for whom it is said; the name of the token stands behind it"
    )
    id: Id | None = Field(None, description="id of this request, so that it can be sent again: it counts once")


class ActionBody(Said):
    """What is to be done with an incident."""

    until: datetime | None = Field(None, description="end of a snooze, with its zone")

    @model_validator(mode="after")
    def _zoned(self) -> Self:
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("until needs a zone, as 2026-01-31T12:00:00Z")
        return self


class FeedbackBody(Said):
    """What the anomalies behind an incident were."""

    verdict: Verdict = Field(description="`true`: real; `false`: an ordinary cost; `expected`: meant to be")
    first_day: date | None = Field(None, description="of what is expected; null: the day on which it began")
    last_day: date | None = Field(None, description="of what is expected; null: a level that is meant to stay")


class RulesBody(Document):
    """Rules that are to be applied, as a file of rules holds them."""

    rules: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
