"""What the JSON documents of the API hold, as models; the OpenAPI document is made from them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: An exact amount as text.
Money = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="an exact amount, in the row's currency")]
NEXT = "send it as `cursor` for the rows that follow; null: there are none"
Measure = Literal["billed", "effective"]


class Document(BaseModel):
    """An object of an answer, with no other names than these."""

    model_config = ConfigDict(extra="forbid")


class CostRow(BaseModel):
    """What one period and combination of dimensions cost; a further text for each dimension of `group_by`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]

    period: str = Field(description="first day of the period; for hours the time it begins")
    currency: str
    cost: Money


class CostsAnswer(Document):
    """Answer of `/v1/costs`."""

    measure: Measure
    granularity: Literal["hour", "day", "month", "quarter", "year", "total"]
    rows: list[CostRow]
    next_cursor: str | None = Field(description=NEXT)


class TagRow(Document):
    """What one value of a tag cost in one period."""

    period: date = Field(description="first day of the period")
    currency: str
    value: str = Field(description="in a view of Cost Explorer `(untagged)` or `(uncategorized)` for what has none")
    cost: Money


class TagAnswer(Document):
    """Answer of `/v1/tags/{tag}`."""

    tag: str
    measure: Measure
    granularity: Literal["day", "month", "quarter", "year", "total"]
    rows: list[TagRow]
    next_cursor: str | None = Field(description=NEXT)


class RollingRow(Document):
    """One window of one series."""

    currency: str
    level: str
    series: str
    window: Literal["d7", "d30", "mtd", "qtd", "ytd"]
    kind: str = Field(description="charge class")
    window_end: date = Field(description="last day of the window: the newest closed day of the series")
    billed: Money
    effective: Money


class RollingAnswer(Document):
    """Answer of `/v1/rolling`."""

    rows: list[RollingRow]
    next_cursor: str | None = Field(description=NEXT)


class ForecastRow(Document):
    """What a series comes to by the end of a horizon."""

    currency: str
    series: str
    kind: str = Field(description="charge class")
    horizon: Literal["day", "month", "quarter"]
    level: str
    provider: str
    account: str
    service: str
    tag: str
    value: str
    day: date = Field(description="day on which it was foretold, UTC")
    ends: date = Field(description="last day of the horizon")
    settled: date = Field(description="last day whose cost was learnt; later ones are judged by what is visible")
    so_far: Money = Field(description="cost of the horizon's settled days")
    mean: Money = Field(description="what it comes to by the end")
    lower: Money = Field(description="lower end of the band")
    upper: Money = Field(description="upper end of the band")
    coverage: float = Field(description="probability that the band holds what it comes to")
    source: str
    closed_at: datetime = Field(description="close of the reading that it follows")


class ForecastsAnswer(Document):
    """Answer of `/v1/forecasts`."""

    rows: list[ForecastRow]
    next_cursor: str | None = Field(description=NEXT)


class TotalRow(Document):
    """What all cost in a currency."""

    currency: str
    cost: Money


class DayRow(TotalRow):
    """What a day cost."""

    day: date


class AccountRow(TotalRow):
    """What an account cost."""

    account: str


class RegionRow(TotalRow):
    """What a region cost; empty: charges without a region."""

    region: str


class UsageTypeRow(TotalRow):
    """What a usage type cost, and a unit of it."""

    usage_type: str
    unit: str
    quantity: Money | None = Field(description="units of usage, where lines tell")
    unit_price: Money | None = Field(description="cost of usage lines by their quantity, rounded to 18 places")


class ServiceAnswer(Document):
    """Answer of `/v1/services/{service}`."""

    service: str
    first_day: date = Field(alias="from")
    last_day: date = Field(alias="to")
    measure: Measure
    total: list[TotalRow]
    by_day: list[DayRow]
    by_account: list[AccountRow]
    by_region: list[RegionRow]
    by_usage_type: list[UsageTypeRow]


class AnomalyRow(Document):
    """An incident, as it is known now."""

    id: str
    state: Literal["open", "updated", "closed", "withdrawn"]
    shape: str = Field(description="spike, step, creep, new, vanished, fee_new, fee_missing, …")
    currency: str
    level: str
    series: str
    provider: str
    account: str
    service: str
    tag: str
    value: str
    kind: str = Field(description="charge class")
    measure: str
    cause: Literal["unknown", "usage", "rate"]
    since: date = Field(description="day on which it most likely began")
    day: date = Field(description="its newest day, to which the amounts belong")
    hour: int | None = Field(description="the hour of it, UTC, to which they belong; null: all of the day")
    actual: Money
    expected: Money
    lower: Money = Field(description="lower end of what is expected")
    upper: Money = Field(description="upper end of what is expected")
    score: float = Field(description="−log10 p, of its most surprising day; 0 where a calendar says it")
    p: float
    impact_so_far: Money = Field(description="actual less expected, since it began")
    impact_lower: Money | None = Field(description="lower end of its 90 % band; null: none is known")
    impact_upper: Money | None = Field(description="upper end of it")
    impact_per_day: Money
    impact_to_month_end: Money = Field(description="if it goes on")
    completeness: float = Field(description="share of the day that is thought visible, 0 to 1")
    source: str
    reading: str
    scored_at: datetime
    detector: str
    detector_version: str


class AnomaliesAnswer(Document):
    """Answer of `/v1/anomalies`."""

    rows: list[AnomalyRow]
    next_cursor: str | None = Field(description=NEXT)


class EstimateRow(Document):
    """What metered usage of an account's service costs on a day."""

    day: date
    provider: str
    billing_account: str
    account: str
    service: str
    currency: str
    as_of: datetime = Field(description="end of the newest point of usage that is in it")
    so_far: Money = Field(description="until then")
    at_day_end: Money = Field(description="what that comes to by the end of the day")
    lower: Money = Field(description="lower end of the band of at_day_end (90 %)")
    upper: Money = Field(description="upper end of it")
    coverage: float = Field(description="share of the service's usage cost that is of metered usage types, 0 to 1")
    billed: Money | None = Field(description="what the bill came to say of the same usage types, once it has settled")


class EstimatesAnswer(Document):
    """Answer of `/v1/estimates`."""

    rows: list[EstimateRow]
    next_cursor: str | None = Field(description=NEXT)


class Contribution(Document):
    """A part of an incident's series, and its share of the change.

    Of an account's service its regions and its usage types, which add up apart. Of a level above first the account,
    service or account's service that holds the change, then the largest parts of that.
    """

    series: str
    share: float


class UsageOrRate(Document):
    """What of a change comes from how much was used, and what from its price, by the lines of its days."""

    usage: Money
    rate: Money


class EarlierAnomaly(Document):
    """An earlier incident that one is like."""

    id: str
    series: str
    since: date = Field(description="day on which it began")
    likeness: float = Field(description="0 to 1, by size, shape, length, cause and day")
    verdict: Literal["true", "false", "expected"] | None = Field(description="what a person said of it")


class AnomalyAnswer(AnomalyRow):
    """Answer of `/v1/anomalies/{id}`."""

    contributors: list[Contribution]
    alike: list[EarlierAnomaly] = Field(description="earlier ones that it is most like, the likest first")
    change: UsageOrRate | None = Field(description="null: its lines do not tell")


class ResourceRow(Document):
    """What a resource cost."""

    currency: str
    provider: str
    account: str
    service: str
    region: str
    resource: str
    first_day: date = Field(description="first day in the period with a line of it")
    last_day: date = Field(description="last day in the period with a line of it")
    cost: Money


class ResourcesAnswer(Document):
    """Answer of `/v1/resources`."""

    measure: Measure
    rows: list[ResourceRow]
    next_cursor: str | None = Field(description=NEXT)


class RunRow(Document):
    """A replay, or the live run once it was promoted."""

    run: str
    state: str
    steps: list[str]
    started_at: datetime
    finished_at: datetime | None
    events: int
    note: str


class RunsAnswer(Document):
    """Answer of `/v1/runs`."""

    live: str = Field(description="the run that answers where none is named")
    rows: list[RunRow]


class FreshnessRow(Document):
    """A book: one source's word about one billing account."""

    source: str
    provider: str
    billing_account: str
    view: str = Field(description="tag or cost category, for a view by one; else empty")
    last_opened: datetime
    last_closed: datetime | None
    last_announced: datetime | None = Field(description="close of the newest reading that the totals hold")
    closed_through: date | None = Field(description="newest charge day that had ended when the source told of it")
    final_through: date | None = Field(description="newest charge day that the source calls final")
    open_readings: int


class FreshnessAnswer(Document):
    """Answer of `/v1/freshness`."""

    asked_at: datetime
    rows: list[FreshnessRow]


class Comparison(Document):
    """Two sides of the same days; a difference is held less said, and stands where both sides have an amount."""

    provider: str
    billing_account: str
    source: str
    currency: str
    said_billed: Money | None
    said_effective: Money | None
    held_billed: Money
    held_effective: Money
    difference_billed: Money | None = None
    difference_effective: Money | None = None


class ReadingRow(Comparison):
    """What the last announced reading said of its coverage, against what is held of it."""

    reading: str


class ControlRow(Comparison):
    """What a source answers over a longer time, against what is held of the same days."""

    control: Literal["month", "year", "forecast"]
    first_day: date
    last_day: date
    lower: Money | None = Field(description="lower end of a forecast")
    upper: Money | None = Field(description="upper end of a forecast")
    estimated: bool = Field(description="the source says that this may still change")
    complete: bool = Field(description="all days are closed; a forecast has no difference before that")


class SourceRow(Comparison):
    """What a source that is not of record says of a month, against the one of record on the same days."""

    of_record: str = Field(description="source of record; several, where it changed in the month")
    month: date


class ReconciliationAnswer(Document):
    """Answer of `/v1/reconciliation`."""

    readings: list[ReadingRow]
    controls: list[ControlRow]
    sources: list[SourceRow]


class DimensionsAnswer(Document):
    """Answer of `/v1/dimensions`."""

    dimensions: list[str]


class ValuesAnswer(Document):
    """Answer of `/v1/dimensions/{name}/values`."""

    dimension: str
    first_day: date = Field(alias="from")
    last_day: date = Field(alias="to")
    values: list[str]


class ProblemAnswer(BaseModel):
    """What is wrong, and what to change (RFC 9457)."""

    type: str
    status: int
    title: str
    detail: str
