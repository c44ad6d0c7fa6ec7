"""The parameters of every route, and how they are read from a request; the OpenAPI document is made from them."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from multidict import MultiMapping
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from api.dimensions import DIMENSIONS, check_dimension
from api.problems import Problem, bad_parameters, unknown

#: Days that ClickHouse's Date holds.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2148, 12, 31)
#: Days over which lines are read at most.
MAX_LINE_DAYS = 366
#: Letters of a name, and of a cursor, which holds several.
_MAX_TEXT, _MAX_CURSOR = 1000, 8000
_MAX_DIMENSIONS = 20
_FILTER = "filter."

#: dimension → values that are kept, or left out
Filters = dict[str, tuple[list[str], bool]]


def storable(text: str) -> str:
    """Return `text` when it can be a name; ValueError for half of a surrogate pair, or a zero byte."""
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("this is not UTF-8 text: percent-encode names as UTF-8")
    return text


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=_MAX_TEXT), AfterValidator(storable)]
Names = Annotated[list[Text], BeforeValidator(_split)]
Cursor = Annotated[str, Field(max_length=_MAX_CURSOR), AfterValidator(storable)]
Measure = Literal["billed", "effective"]
Granularity = Literal["hour", "day", "month", "quarter", "year", "total"]
Format = Literal["json", "csv", "parquet"]
_MEASURE = "FOCUS BilledCost or EffectiveCost"
_FORMAT = "of the answer; without it, what the header Accept says"
_CURSOR = "`next_cursor` of the answer before"
_FROM, _TO = "first charge day (UTC), as 2026-01-01", "last charge day, inclusive"


class Parameters(BaseModel):
    """Parameters of a route; none of its own. `FILTERED`: it takes `filter.DIMENSION` as well."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    FILTERED: ClassVar[bool] = False


def _check_period(first_day: date, last_day: date, *, longest: bool = True) -> None:
    for name, day in (("from", first_day), ("to", last_day)):
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ValueError(f"`{name}`: choose a day from {FIRST_DAY} to {LAST_DAY}")
    if last_day < first_day:
        raise ValueError("`to` lies before `from`: swap them")
    if longest and (last_day - first_day) > timedelta(days=40 * 366):
        raise ValueError("a period of over 40 years: choose a shorter one")


class Period(Parameters):
    """A period that must be given."""

    first_day: date = Field(alias="from", description=_FROM)
    last_day: date = Field(alias="to", description=_TO)

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        _check_period(self.first_day, self.last_day)
        return self


class CostQuery(Period):
    """Parameters of `/v1/costs`."""

    FILTERED: ClassVar[bool] = True

    granularity: Granularity = Field("day", description="length of a row's period")
    group_by: Names = Field(
        default_factory=list,
        max_length=_MAX_DIMENSIONS,
        description=f"of {', '.join(DIMENSIONS)}, tag:KEY; comma-separated",
    )
    measure: Measure = Field("effective", description=_MEASURE)
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    run: Text | None = Field(
        None, description="run whose totals are read, by default the live one; lines stand for the live run only"
    )
    as_of: datetime | None = Field(None, description="what was known at this time, as 2026-01-31T12:00:00Z")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(1000, ge=1, le=100_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.as_of is not None and not FIRST_DAY <= self.as_of.date() < LAST_DAY:
            raise ValueError(f"as_of: choose a time from {FIRST_DAY} to {LAST_DAY}")
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError("as_of needs a zone, as 2026-01-31T12:00:00Z")
        for dimension in self.group_by:
            check_dimension(dimension)
        if len(set(self.group_by)) < len(self.group_by):
            raise ValueError("group_by names a dimension twice")
        return self


class TagQuery(Period):
    """Parameters of `/v1/tags/{tag}`."""

    granularity: Literal["day", "month", "quarter", "year", "total"] = Field(
        "day", description="length of a row's period"
    )
    measure: Measure = Field("effective", description=_MEASURE)
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    run: Text | None = Field(None, description="run whose totals are read, by default the live one")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(1000, ge=1, le=100_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)


class ResourceQuery(Period):
    """Parameters of `/v1/resources`."""

    FILTERED: ClassVar[bool] = True

    measure: Measure = Field("effective", description=_MEASURE)
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(100, ge=1, le=100_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)


class ServiceQuery(Period):
    """Parameters of `/v1/services/{service}`."""

    FILTERED: ClassVar[bool] = True

    measure: Measure = Field("effective", description=_MEASURE)
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    limit: int = Field(100, ge=1, le=1000, description="rows of each breakdown and currency, the dearest first")


class RollingQuery(Parameters):
    """Parameters of `/v1/rolling`."""

    level: Text | None = Field(None, description="organisation, provider, account, service, account_service or tag")
    series: Text | None = Field(None, description="key of a series, as USD/provider=AWS")
    window: Text | None = Field(None, description="d7, d30, mtd, qtd or ytd")
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    run: Text | None = Field(None, description="run whose windows are read, by default the live one")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(1000, ge=1, le=100_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)


class AnomalyQuery(Parameters):
    """Parameters of `/v1/anomalies/{id}`."""

    run: Text | None = Field(None, description="run that found it, by default the live one")


class AnomaliesQuery(AnomalyQuery):
    """Parameters of `/v1/anomalies`."""

    state: Literal["open", "closed", "withdrawn"] | None = Field(
        None, description="open: it goes on; withdrawn: a restatement took the cause away"
    )
    level: Text | None = Field(None, description="organisation, provider, account, service, account_service or tag")
    series: Text | None = Field(None, description="key of a series, as USD/provider=AWS")
    provider: Text | None = Field(None, description="only this provider")
    account: Text | None = Field(None, description="only this account")
    service: Text | None = Field(None, description="only this service")
    tag: Text | None = Field(None, description="only this tag")
    value: Text | None = Field(None, description="only this value of a tag")
    kind: Text | None = Field(None, description="only this charge class, as usage or recurring_fee")
    shape: Text | None = Field(None, description="only these, as spike, step, creep, new or vanished")
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    first_day: date | None = Field(None, alias="from", description="whose newest day outside is not before this one")
    last_day: date | None = Field(None, alias="to", description="whose newest day outside is not after this one")
    min_score: float | None = Field(None, ge=0, allow_inf_nan=False, description="least score, −log10 p")
    min_impact: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="least impact so far, up or down, in its currency"
    )
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(100, ge=1, le=10_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        _check_period(self.first_day or FIRST_DAY, self.last_day or LAST_DAY, longest=False)
        return self


class EstimatesQuery(Parameters):
    """Parameters of `/v1/estimates`."""

    provider: Text | None = Field(None, description="only this provider")
    account: Text | None = Field(None, description="only this account")
    service: Text | None = Field(None, description="only this service")
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    first_day: date | None = Field(None, alias="from", description="first charge day")
    last_day: date | None = Field(None, alias="to", description="last charge day, inclusive")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(100, ge=1, le=10_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        _check_period(self.first_day or FIRST_DAY, self.last_day or LAST_DAY, longest=False)
        return self


class IncidentQuery(Parameters):
    """Parameters of `/v1/incidents/{id}`."""

    run: Text | None = Field(None, description="run that made it, by default the live one")


class IncidentsQuery(IncidentQuery):
    """Parameters of `/v1/incidents`."""

    state: Literal["open", "firing", "acknowledged", "snoozed", "resolved", "suppressed", "expected"] | None = Field(
        None, description="open: all but resolved"
    )
    severity: Literal["info", "warning", "critical"] | None = Field(None, description="only this severity")
    kind: Text | None = Field(None, description="only this kind of rule, as anomaly or budget")
    level: Text | None = Field(None, description="only this level, as account or account_service")
    scope: Text | None = Field(None, description="only this scope, as USD/provider=AWS")
    provider: Text | None = Field(None, description="only this provider")
    account: Text | None = Field(None, description="only this account")
    service: Text | None = Field(None, description="only this service")
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    owner: Text | None = Field(None, description="only what this one is to care for")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(100, ge=1, le=10_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)


class ReportsQuery(Parameters):
    """Parameters of `/v1/reports`."""

    report: Text | None = Field(None, description="only the report of this id")
    value: Text | None = Field(None, description="only what is made for this one, as a team; empty: the whole")
    receiver: Text | None = Field(None, description="only what this receiver was told")
    state: Literal["sent", "refused", "expired"] | None = Field(None, description="only what came to this")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(100, ge=1, le=10_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)


class ForecastsQuery(Parameters):
    """Parameters of `/v1/forecasts`."""

    horizon: Literal["day", "month", "quarter"] | None = Field(None, description="only this one")
    day: date | None = Field(None, description="as foretold on this day or the last one before it; by default now")
    level: Text | None = Field(None, description="organisation, provider, account, service, account_service or tag")
    series: Text | None = Field(None, description="key of a series, as USD/provider=AWS")
    provider: Text | None = Field(None, description="only this provider")
    account: Text | None = Field(None, description="only this account")
    service: Text | None = Field(None, description="only this service")
    tag: Text | None = Field(None, description="only this tag")
    value: Text | None = Field(None, description="only this value of a tag")
    kind: Text | None = Field(None, description="only this charge class, as usage or recurring_fee")
    currency: Text | None = Field(None, description="only this currency (ISO 4217)")
    run: Text | None = Field(None, description="run that foretold it, by default the live one")
    format: Format | None = Field(None, description=_FORMAT)
    limit: int = Field(1000, ge=1, le=100_000, description="rows in one answer")
    cursor: Cursor | None = Field(None, description=_CURSOR)

    @model_validator(mode="after")
    def _check_day(self) -> Self:
        _check_period(FIRST_DAY, self.day or LAST_DAY, longest=False)
        return self


class ValueQuery(Parameters):
    """Parameters of `/v1/dimensions/{name}/values`."""

    prefix: Text = Field("", description="what the values begin with")
    last_day: date | None = Field(None, alias="to", description="last charge day, inclusive; by default today")
    first_day: date | None = Field(None, alias="from", description="first charge day; by default a year before `to`")
    limit: int = Field(100, ge=1, le=10_000, description="values in one answer")

    def period(self, today: date) -> tuple[date, date]:
        """Return first and last day of the period that is meant.

        Raises
        ------
        Problem
            400, when they are not in order, or not such days as there are.
        """
        last = self.last_day or max(today, self.first_day or today)
        year_before = max(last.toordinal() - MAX_LINE_DAYS, FIRST_DAY.toordinal())
        first = self.first_day or date.fromordinal(year_before)
        try:
            _check_period(first, last)
        except ValueError as error:
            raise bad_parameters(str(error)) from None
        check_line_days(first, last)
        return first, last


P = TypeVar("P", bound=Parameters)


def names_of(model: type[Parameters]) -> list[str]:
    """Return the names of parameters as a request has them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def parse(model: type[P], query: MultiMapping[str]) -> tuple[P, Filters]:
    """Return parameters and filters (dimension → values, exclude) of a request.

    Raises
    ------
    Problem
        400, saying which parameter to change and how.
    """
    plain: dict[str, str] = {}
    filters: Filters = {}
    names = names_of(model)
    for name in dict.fromkeys(query):
        found = query.getall(name)
        if model.FILTERED and name.startswith(_FILTER):
            dimension = name.removeprefix(_FILTER)
            check_dimension(dimension)
            filters[dimension] = _filter(name, found)
        elif name not in names:
            raise unknown("parameter", name, [*names, f"{_FILTER}DIMENSION"] if model.FILTERED else names)
        elif len(found) > 1:
            raise bad_parameters(f"{name} is given {len(found)} times: give it once")
        else:
            plain[name] = found[0]
    if len(filters) > _MAX_DIMENSIONS:
        raise bad_parameters(f"{len(filters)} filters: use {_MAX_DIMENSIONS} at most")
    return _validated(model, plain), filters


def _validated(model: type[P], plain: dict[str, Any]) -> P:
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'query'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False)
        ]
        raise bad_parameters("; ".join(problems)) from None


def _filter(name: str, found: list[str]) -> tuple[list[str], bool]:
    """Join a filter that is given several times; keeping and leaving out do not mix."""
    try:
        storable("".join([name, *found]))
    except ValueError as error:
        raise bad_parameters(f"{name}: {error}") from None
    excludes = {one.startswith("!") for one in found}
    if len(excludes) > 1:
        raise bad_parameters(f"{name} both keeps and leaves out: use either a,b or !a,b")
    return [value for one in found for value in one.removeprefix("!").split(",")], excludes.pop()


def check_line_days(first_day: date, last_day: date) -> None:
    """Raise `Problem` 400 when a period is longer than lines are read over."""
    if (last_day - first_day).days > MAX_LINE_DAYS:
        raise Problem(400, "period too long", f"lines are read over {MAX_LINE_DAYS} days at most: shorten the period")
