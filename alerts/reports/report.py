"""A report as data, and which days it is about; a part of the routing file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api.dimensions import TAG

#: By what a report is divided and narrowed down, besides `tag:KEY` and `category:NAME`.
DIMENSIONS = ("provider", "account", "service", "region")
#: Cost categories are told by views of Cost Explorer.
CATEGORY = "category:"
#: What was due longer ago is not sent by itself any more: nobody waits for it.
GRACE = timedelta(days=3)

Every = Literal["day", "week", "month"]


def _dimension(name: str) -> str:
    begins = next((word for word in (TAG, CATEGORY) if name.startswith(word)), name)
    if name not in DIMENSIONS and len(begins) == len(name):
        raise ValueError(f"{name!r} is none of {', '.join(DIMENSIONS)}, tag:KEY and category:NAME")
    return name


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _time(value: object) -> object:
    # YAML takes 10:30 without quotes for a number.
    if not isinstance(value, str | time):
        raise ValueError('write the time in quotes, as "08:00"')  # noqa: TRY004 - pydantic wants a ValueError
    return value


def _utc(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("the time is UTC already: leave its zone out")
    return at


At = Annotated[time, BeforeValidator(_time), AfterValidator(_utc)]
Dimension = Annotated[str, AfterValidator(_dimension)]
Values = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]


class Report(BaseModel):
    """What is told regularly, to whom, and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-zA-Z0-9][\w.-]{0,62}$", description="letters, digits, and - _ .")
    every: Every = Field(description="length of its period: a day, a week from Monday on, or a calendar month")
    title: str = Field("", max_length=100, description="what people call it; by default of its period")
    where: Mapping[Dimension, Values] = Field(
        default_factory=dict, description="only these providers, accounts, services, regions or values of tags"
    )
    by: Dimension = Field("service", description="what its tables list: a provider, account, service, region or tag")
    for_each: Dimension | None = Field(
        None, description="each value of it gets a report of its own, to the receivers that routes name for it"
    )
    receivers: tuple[str, ...] = Field(min_length=1, description="names of receivers; with for_each, of the overview")
    at: At = Field(time(8), description="UTC time at which it goes out")
    days_after: int = Field(1, ge=1, le=20, description="so many days after the last one of its period")
    measure: Literal["billed", "effective"] = Field("effective", description="FOCUS BilledCost or EffectiveCost")
    correct_from: Decimal = Field(
        Decimal("0.02"), ge=0, le=10, description="a correction follows when a total differs by this share or more"
    )
    rows: int = Field(15, ge=1, le=100, description="rows of a table; the rest is added up in one")

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or {"day": "Daily costs", "week": "Weekly costs", "month": "Monthly costs"}[self.every]

    @property
    def whole(self) -> "Report":
        """What its own receivers are told: itself, or the overview of all that there is a report for each of."""
        return self if self.for_each is None else self.model_copy(update={"by": self.for_each, "for_each": None})

    def of(self, value: str) -> "Report":
        """Return the report of one value of what it is made for each of."""
        if self.for_each is None:
            raise ValueError(f"report {self.id} is not made for each of anything")
        return self.model_copy(update={"where": {**self.where, self.for_each: (value,)}, "for_each": None})

    def newest(self, now: datetime) -> "Period":
        """Return the newest period whose time to be told has come."""
        at = timedelta(hours=self.at.hour, minutes=self.at.minute, seconds=self.at.second)
        return self.period_of((now.astimezone(UTC) - at).date() - timedelta(days=self.days_after))

    def period_of(self, day: date) -> "Period":
        """Return the newest period that has ended with `day`."""
        if self.every == "day":
            return Period(self.every, Span(day, day))
        if self.every == "week":
            last = day - timedelta(days=(day.weekday() + 1) % 7)
            return Period(self.every, Span(last - timedelta(days=6), last))
        last = day if (day + timedelta(days=1)).day == 1 else day.replace(day=1) - timedelta(days=1)
        return Period(self.every, Span(last.replace(day=1), last))

    def due_at(self, period: "Period") -> datetime:
        """Return when a period is to be told."""
        return datetime.combine(period.span.last + timedelta(days=self.days_after), self.at, UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """Charge days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    def earlier(self, days: int) -> "Span":
        """Return the span so many days before."""
        return Span(self.first - timedelta(days=days), self.last - timedelta(days=days))


@dataclass(frozen=True, slots=True)
class Period:
    """The days that a report is about.

    Examples
    --------
    >>> Period("day", Span(date(2026, 3, 9), date(2026, 3, 9))).name
    'Monday 2026-03-09'
    >>> Period("week", Span(date(2026, 3, 2), date(2026, 3, 8))).name
    'the week 2026-03-02 to 2026-03-08'
    """

    every: Every
    span: Span

    @property
    def name(self) -> str:
        """What it is called."""
        if self.every == "day":
            return f"{self.span.first:%A %Y-%m-%d}"
        if self.every == "week":
            return f"the week {self.span.first} to {self.span.last}"
        return f"{self.span.first:%B %Y}"

    @property
    def before(self) -> tuple[tuple[str, Span], ...]:
        """What it is compared with, the first above all: a day with its weekday, since weeks have a shape."""
        span = self.span
        if self.every == "day":
            week = span.earlier(7)
            return (f"{week.first:%a} {week.first}", week), ("the day before", span.earlier(1))
        if self.every == "week":
            return (("the week before", span.earlier(7)),)
        last = span.first - timedelta(days=1)
        return ((f"{last:%B %Y}", Span(last.replace(day=1), last)),)

    @property
    def trend(self) -> tuple[Span, ...]:
        """The periods that its small chart shows, itself last: 14 days, 8 weeks, 12 months."""
        if self.every == "month":
            spans, last = [self.span], self.span.first - timedelta(days=1)
            while len(spans) < 12:  # noqa: PLR2004 - a year
                spans.append(Span(last.replace(day=1), last))
                last = last.replace(day=1) - timedelta(days=1)
            return tuple(reversed(spans))
        count, days = (14, 1) if self.every == "day" else (8, 7)
        return tuple(self.span.earlier(days * back) for back in reversed(range(count)))


@dataclass(frozen=True, slots=True)
class Edition:
    """A report of a period as some receivers get it.

    Attributes
    ----------
    report
        The report itself, or what it is for one value.
    value
        Whose it is, where a report is made for each of something; None: the whole.
    receivers
        Who is told.
    """

    report: Report
    period: Period
    value: str | None
    receivers: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in logs."""
        return self.report.id if self.value is None else f"{self.report.id} of {self.value or '(none)'}"
