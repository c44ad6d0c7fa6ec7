"""The question for costs: its parameters, and the SQL that answers it, with every value bound."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from api.problems import Problem, unknown

Granularity = Literal["hour", "day", "month", "quarter", "year", "total"]

#: Dimensions that day totals answer.
TOTALS_DIMENSIONS = ("provider", "account", "service", "region", "usage_type", "kind")
#: Dimensions that only lines have.
LINE_DIMENSIONS = (
    "source",
    "billing_account",
    "billing_period",
    "account_name",
    "resource",
    "operation",
    "charge_category",
    "charge_class",
    "charge_frequency",
    "pricing_category",
    "commitment",
    "description",
    "unit",
)
DIMENSIONS = (*TOTALS_DIMENSIONS, *LINE_DIMENSIONS)
_BUCKETS: dict[str, str] = {
    "day": "day",
    "month": "toStartOfMonth(day)",
    "quarter": "toStartOfQuarter(day)",
    "year": "toStartOfYear(day)",
    "total": "toDate('1970-01-01')",
}
_MAX_LINE_DAYS = 366


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_split)]


class CostQuery(BaseModel):
    """Parameters of `/v1/costs`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first_day: date = Field(alias="from", description="first charge day (UTC), as 2026-01-01")
    last_day: date = Field(alias="to", description="last charge day, inclusive")
    granularity: Granularity = Field("day", description="length of a row's period")
    group_by: Names = Field(default_factory=list, description=f"of {', '.join(DIMENSIONS)}, tag:KEY; comma-separated")
    measure: Literal["billed", "effective"] = Field("effective", description="FOCUS BilledCost or EffectiveCost")
    currency: str | None = Field(None, description="only this currency (ISO 4217)")
    run: str = Field("live", description="run whose totals are read")
    as_of: datetime | None = Field(None, description="what was known at this time, as 2026-01-31T12:00:00Z")
    format: Literal["json", "csv", "parquet"] = Field("json", description="of the answer")
    limit: int = Field(1000, ge=1, le=100_000, description="rows in one answer")
    cursor: str | None = Field(None, description="`next_cursor` of the answer before")

    @model_validator(mode="after")
    def _check(self) -> "CostQuery":
        if self.last_day < self.first_day:
            raise ValueError("`to` lies before `from`: swap them")
        if (self.last_day - self.first_day) > timedelta(days=40 * 366):
            raise ValueError("a period of over 40 years: choose a shorter one")
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError("as_of needs a zone, as 2026-01-31T12:00:00Z")
        return self


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement, its bound values, and the names of its columns."""

    text: str
    values: dict[str, Any]
    columns: list[str]


def parse(query: Mapping[str, str]) -> tuple[CostQuery, dict[str, tuple[list[str], bool]]]:
    """Return parameters and filters (dimension → values, exclude) of a request.

    Raises
    ------
    Problem
        400, saying which parameter to change and how.
    """
    plain = {name: value for name, value in query.items() if not name.startswith("filter.")}
    names = [field.alias or name for name, field in CostQuery.model_fields.items()]
    for name in plain:
        if name not in names:
            raise unknown("parameter", name, [*names, "filter.DIMENSION"])
    try:
        parameters = CostQuery.model_validate(plain)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'query'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise Problem(400, "bad parameters", "; ".join(problems)) from None
    filters = {}
    for name, value in query.items():
        if name.startswith("filter."):
            dimension = name.removeprefix("filter.")
            _check_dimension(dimension)
            filters[dimension] = (value.removeprefix("!").split(","), value.startswith("!"))
    for dimension in parameters.group_by:
        _check_dimension(dimension)
    if len(set(parameters.group_by)) < len(parameters.group_by):
        raise Problem(400, "bad parameters", "group_by names a dimension twice")
    return parameters, filters


def _check_dimension(name: str) -> None:
    if name not in DIMENSIONS and not (name.startswith("tag:") and len(name) > len("tag:")):
        raise unknown("dimension", name, [*DIMENSIONS, "tag:KEY"])


def sql(query: CostQuery, filters: dict[str, tuple[list[str], bool]], now: datetime, history_days: int) -> Sql:
    """Return the statement that answers a question.

    Day totals answer what they can, at the one level where no dollar stands twice; everything else is read from lines,
    over a year at most.
    """
    used = {*query.group_by, *filters}
    level = _level(used, query)
    values: dict[str, Any] = {"run": query.run, "first": query.first_day, "last": query.last_day}
    if level is None:
        if (query.last_day - query.first_day).days > _MAX_LINE_DAYS:
            raise Problem(
                400, "period too long", f"lines are read over {_MAX_LINE_DAYS} days at most: shorten the period"
            )
        source = _lines(query, now, history_days, values)
    else:
        source = f"{'hour_totals' if query.granularity == 'hour' else 'totals'} FINAL"
    conditions = ["run = {run:String}", "day >= {first:Date32}", "day <= {last:Date32}"]
    if level is not None:
        values["level"] = level
        conditions.append("level = {level:String}")
    else:
        conditions.append("view = ''")
    if query.currency is not None:
        values["currency"] = query.currency
        conditions.append("currency = {currency:String}")
    names = _columns(values)
    for number, (dimension, (wanted, exclude)) in enumerate(filters.items()):
        values[f"f{number}"] = wanted
        operator = "NOT IN" if exclude else "IN"
        conditions.append(f"{names(dimension)} {operator} {{f{number}:Array(String)}}")
    if query.granularity == "hour":
        period = "toDateTime(day, 'UTC') + toIntervalHour(hour)"
        conditions.append("hour >= 0")
    else:
        period = _BUCKETS[query.granularity]
    keys = [f"{period} AS period", "currency", *(f"{names(name)} AS g{i}" for i, name in enumerate(query.group_by))]
    aliases = ["period", "currency", *(f"g{i}" for i in range(len(query.group_by)))]
    having = _after(query, aliases, values)
    values["limit"] = query.limit + 1
    text = (
        f"SELECT {', '.join(keys)}, sum({query.measure}) AS cost FROM {source} WHERE {' AND '.join(conditions)} "  # noqa: S608
        f"GROUP BY {', '.join(aliases)} {having} ORDER BY {', '.join(aliases)} LIMIT {{limit:UInt32}}"
    )
    return Sql(text, values, ["period", "currency", *query.group_by, "cost"])


def _level(used: set[str], query: CostQuery) -> str | None:
    """Return the level of totals at which every dollar of the answer stands once; None: lines are needed."""
    if query.as_of is not None:
        return None
    tags = [name for name in used if name.startswith("tag:")]
    if tags or not used <= set(TOTALS_DIMENSIONS):
        return None
    if {"region", "usage_type"} & used:
        # Lines without a region or usage type are in no such series: only lines have all dollars.
        return None
    if {"account", "service"} <= used:
        return "account_service"
    if "account" in used:
        return "account"
    if "service" in used:
        return "service"
    return "provider" if "provider" in used else "organisation"


def _lines(query: CostQuery, now: datetime, history_days: int, values: dict[str, Any]) -> str:
    if query.as_of is None:
        return "lines"
    if query.as_of < now - timedelta(days=history_days):
        raise Problem(
            400, "before the horizon", f"what was known is kept for {history_days} days: ask for a later as_of"
        )
    values["as_of"] = query.as_of.astimezone(UTC).replace(tzinfo=None)
    return _AS_OF


_SCOPE = "run, source, provider, billing_account, billing_period, account, service, currency, day, view"
_AS_OF = f"""(
    SELECT {_SCOPE}, account_name, s.kind[n] AS kind, s.region[n] AS region, s.usage_type[n] AS usage_type, s.tags[n] AS tags,
        if(empty(s.hour), -1, s.hour[n]) AS hour, s.billed[n] AS billed, s.effective[n] AS effective,
        s.resource[n] AS resource, s.operation[n] AS operation, s.charge_category[n] AS charge_category, s.charge_class[n] AS charge_class,
        s.charge_frequency[n] AS charge_frequency, s.pricing_category[n] AS pricing_category,
        s.commitment[n] AS commitment, s.description[n] AS description, s.unit[n] AS unit
    FROM (
        SELECT * FROM statement_history FINAL
        WHERE ({_SCOPE}, version) IN (
            SELECT {_SCOPE}, max(version) FROM (
                SELECT {_SCOPE}, version FROM statement_history FINAL
                WHERE read_at <= {{as_of:DateTime64(3, 'UTC')}} AND run = {{run:String}}
                    AND day >= {{first:Date32}} AND day <= {{last:Date32}}
                GROUP BY {_SCOPE}, version, parts HAVING uniqExact(part) = parts
            ) GROUP BY {_SCOPE}
        )
    ) AS s ARRAY JOIN arrayEnumerate(s.billed) AS n
)"""  # noqa: S608 - nothing of a request stands in it


def _columns(values: dict[str, Any]) -> Callable[[str], str]:
    def column(name: str) -> str:
        if name.startswith("tag:"):
            key = f"t{len([k for k in values if k.startswith('t')])}"
            values[key] = name.removeprefix("tag:")
            return f"tags[{{{key}:String}}]"
        return f"toString({name})" if name == "billing_period" else name

    return column


def _after(query: CostQuery, aliases: list[str], values: dict[str, Any]) -> str:
    """Return the clause that skips the rows up to the cursor's."""
    if query.cursor is None:
        return ""
    try:
        last = json.loads(base64.urlsafe_b64decode(query.cursor.encode()))
        period = datetime.fromisoformat(last[0])
        rest = [str(value) for value in last[1 : len(aliases)]]
    except (ValueError, TypeError, LookupError) as error:
        raise Problem(400, "bad cursor", "send next_cursor of the answer before, with the same parameters") from error
    if query.granularity == "hour":
        values["c0"], first = period.replace(tzinfo=None), "{c0:DateTime('UTC')}"
    else:
        values["c0"], first = period.date(), "{c0:Date32}"
    values |= {f"c{number}": value for number, value in enumerate(rest, start=1)}
    bound = ", ".join([first, *(f"{{c{n}:String}}" for n in range(1, len(aliases)))])
    return f"HAVING ({', '.join(aliases)}) > ({bound})"


def cursor_of(row: list[Any]) -> str:
    """Return the cursor that continues after a row (without its cost)."""
    plain = [value.isoformat() if isinstance(value, date) else value for value in row]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode()
