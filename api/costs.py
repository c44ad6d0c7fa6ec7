"""The question for costs: its parameters, and the SQL that answers it, with every value bound."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from multidict import MultiMapping
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from api.problems import Problem, unknown
from processors.ledger import Record
from processors.pipeline import record_of
from spendstream.settings import Settings

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
#: Days that ClickHouse's Date holds.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2148, 12, 31)

#: dimension → values that are kept, or left out
Filters = dict[str, tuple[list[str], bool]]


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
    run: str | None = Field(None, description="run whose totals are read; by default the live one")
    as_of: datetime | None = Field(None, description="what was known at this time, as 2026-01-31T12:00:00Z")
    format: Literal["json", "csv", "parquet"] = Field("json", description="of the answer")
    limit: int = Field(1000, ge=1, le=100_000, description="rows in one answer")
    cursor: str | None = Field(None, description="`next_cursor` of the answer before")

    @model_validator(mode="after")
    def _check(self) -> "CostQuery":
        for name, day in (("from", self.first_day), ("to", self.last_day)):
            if not _FIRST_DAY <= day <= _LAST_DAY:
                raise ValueError(f"`{name}`: choose a day from {_FIRST_DAY} to {_LAST_DAY}")
        if self.as_of is not None and not _FIRST_DAY <= self.as_of.date() <= _LAST_DAY:
            raise ValueError(f"as_of: choose a time from {_FIRST_DAY} to {_LAST_DAY}")
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


def parse(query: MultiMapping[str]) -> tuple[CostQuery, Filters]:
    """Return parameters and filters (dimension → values, exclude) of a request.

    Raises
    ------
    Problem
        400, saying which parameter to change and how.
    """
    plain: dict[str, str] = {}
    filters: Filters = {}
    names = [field.alias or name for name, field in CostQuery.model_fields.items()]
    for name in dict.fromkeys(query):
        found = query.getall(name)
        if name.startswith("filter."):
            dimension = name.removeprefix("filter.")
            _check_dimension(dimension)
            filters[dimension] = _filter(name, found)
        elif name not in names:
            raise unknown("parameter", name, [*names, "filter.DIMENSION"])
        elif len(found) > 1:
            raise Problem(400, "bad parameters", f"{name} is given {len(found)} times: give it once")
        else:
            plain[name] = found[0]
    try:
        parameters = CostQuery.model_validate(plain)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'query'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise Problem(400, "bad parameters", "; ".join(problems)) from None
    for dimension in parameters.group_by:
        _check_dimension(dimension)
    if len(set(parameters.group_by)) < len(parameters.group_by):
        raise Problem(400, "bad parameters", "group_by names a dimension twice")
    return parameters, filters


def _filter(name: str, found: list[str]) -> tuple[list[str], bool]:
    """Join a filter that is given several times; keeping and leaving out do not mix."""
    excludes = {one.startswith("!") for one in found}
    if len(excludes) > 1:
        raise Problem(400, "bad parameters", f"{name} both keeps and leaves out: use either a,b or !a,b")
    return [value for one in found for value in one.removeprefix("!").split(",")], excludes.pop()


def _check_dimension(name: str) -> None:
    if name not in DIMENSIONS and not (name.startswith("tag:") and len(name) > len("tag:")):
        raise unknown("dimension", name, [*DIMENSIONS, "tag:KEY"])


def sql(query: CostQuery, filters: Filters, now: datetime, settings: Settings) -> Sql:
    """Return the statement that answers a question.

    Day totals answer what they can, at the one level where no dollar stands twice; everything else is read from lines,
    over a year at most: of the source of record, and as the readings that have closed left them.
    """
    level = _level({*query.group_by, *filters}, query)
    values: dict[str, Any] = {
        "run": query.run or settings.processing.run,
        "first": query.first_day,
        "last": query.last_day,
    }
    conditions = ["day >= {first:Date32}", "day <= {last:Date32}"]
    if level is None:
        if (query.last_day - query.first_day).days > _MAX_LINE_DAYS:
            raise Problem(
                400, "period too long", f"lines are read over {_MAX_LINE_DAYS} days at most: shorten the period"
            )
        source = announced_lines(query, now, settings.clickhouse.history_days, values)
        conditions += ["view = ''", *of_record(record_of(settings), values)]
    else:
        source = f"{'hour_totals' if query.granularity == 'hour' else 'totals'} FINAL"
        values["level"] = level
        conditions += ["run = {run:String}", "level = {level:String}"]
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


def of_record(record: Record, values: dict[str, Any]) -> list[str]:
    """Return conditions that leave out sources that are not of record, as the ledger leaves them out."""
    rules: dict[str, list[tuple[date, str]]] = {}
    for account, source, first_day in record.rules:
        rules.setdefault(account, []).append((first_day or date.min, source))
    conditions = []
    for number, (account, found) in enumerate(sorted(rules.items())):
        values[f"ra{number}"] = account
        chosen = "source"
        # Sorted by their first day, a later rule wraps the earlier ones, and of two of one day the last one given wins.
        for rule, (since, source) in enumerate(sorted(found, key=lambda pair: pair[0])):
            values[f"rs{number}_{rule}"] = source
            values[f"rd{number}_{rule}"] = max(since, _FIRST_DAY)
            chosen = f"if(day >= {{rd{number}_{rule}:Date32}}, {{rs{number}_{rule}:String}}, {chosen})"
        conditions.append(f"(billing_account != {{ra{number}:String}} OR source = {chosen})")
    return conditions


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


def announced_lines(query: CostQuery, now: datetime, history_days: int, values: dict[str, Any]) -> str:
    """Return what lines are read from: of every scope the newest version that a closed reading has announced."""
    if query.as_of is not None:
        if query.as_of < now - timedelta(days=history_days):
            raise Problem(
                400, "before the horizon", f"what was known is kept for {history_days} days: ask for a later as_of"
            )
        values["as_of"] = query.as_of.astimezone(UTC).replace(tzinfo=None)
        return _unfolded(_HISTORY.format(books="", known="AND closed_at <= {as_of:DateTime64(3, 'UTC')}"))
    # Where no reading is open, `statements` holds what was announced. The others are read from the history.
    history = _HISTORY.format(books=f"AND ({_BOOK}) IN ({_OPEN_BOOKS})", known="")
    settled = (
        f"SELECT {_COLUMNS} FROM statements FINAL WHERE {_SPAN} "  # noqa: S608 - nothing of a request stands in it
        f"AND ({_BOOK}) NOT IN ({_OPEN_BOOKS})"
    )
    return _unfolded(f"{settled} UNION ALL {history}")


_BOOK = "source, provider, billing_account, view"
_SCOPE = "run, source, provider, billing_account, billing_period, account, service, currency, day, view"
#: Input is the same for every run.
_SPAN = "run = 'live' AND day >= {first:Date32} AND day <= {last:Date32}"
_ARRAYS = (
    "kind", "region", "usage_type", "tags", "billed", "effective", "resource", "operation", "charge_category",
    "charge_class", "charge_frequency", "pricing_category", "commitment", "description", "unit",
)  # fmt: skip
_COLUMNS = f"{_SCOPE}, account_name, hour, {', '.join(_ARRAYS)}"
#: Books whose newest reading has not closed.
_OPEN_BOOKS = (
    f"SELECT {_BOOK} FROM readings FINAL WHERE run = 'live' "  # noqa: S608 - nothing of a request stands in it
    f"GROUP BY {_BOOK} HAVING isNull(argMax(tuple(closed_at), opened_at).1)"
)
# A version counts when all its parts are there, and a reading that began with or after its own has closed.
_HISTORY = f"""
    SELECT {_COLUMNS} FROM statement_history FINAL
    WHERE {_SPAN} {{books}} AND ({_SCOPE}, version) IN (
        SELECT {_SCOPE}, max(version) FROM (
            SELECT {_SCOPE}, version FROM statement_history FINAL
            INNER JOIN (
                SELECT {_BOOK}, max(opened_at) AS cut FROM readings FINAL
                WHERE run = 'live' AND isNotNull(closed_at) {{known}} GROUP BY {_BOOK}
            ) AS closed USING ({_BOOK})
            WHERE {_SPAN} {{books}} AND read_at <= cut
            GROUP BY {_SCOPE}, version, parts HAVING uniqExact(part) = parts
        ) GROUP BY {_SCOPE}
    )"""  # noqa: S608 - nothing of a request stands in it
_HISTORY = _HISTORY.replace("{first:Date32}", "{{first:Date32}}").replace("{last:Date32}", "{{last:Date32}}")


def _unfolded(statements: str) -> str:
    columns = ", ".join(f"s.{name}[n] AS {name}" for name in _ARRAYS)
    return (
        f"(SELECT {_SCOPE}, account_name, if(empty(s.hour), -1, s.hour[n]) AS hour, {columns} "  # noqa: S608 - as above
        f"FROM ({statements}) AS s ARRAY JOIN arrayEnumerate(s.billed) AS n)"
    )


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
        rest = [str(value) for value in last[1:]]
        fits = len(rest) == len(aliases) - 1 and _FIRST_DAY <= period.date() <= _LAST_DAY
    except (ValueError, TypeError, LookupError) as error:
        raise _bad_cursor() from error
    if not fits:
        raise _bad_cursor()
    if query.granularity == "hour":
        values["c0"], first = period.replace(tzinfo=None), "{c0:DateTime('UTC')}"
    else:
        values["c0"], first = period.date(), "{c0:Date32}"
    values |= {f"c{number}": value for number, value in enumerate(rest, start=1)}
    bound = ", ".join([first, *(f"{{c{n}:String}}" for n in range(1, len(aliases)))])
    return f"HAVING ({', '.join(aliases)}) > ({bound})"


def _bad_cursor() -> Problem:
    return Problem(400, "bad cursor", "send next_cursor of the answer before, with the same parameters")


def after(cursor: str, length: int) -> list[str]:
    """Return the key that a cursor of plain names stands for.

    Raises
    ------
    Problem
        400, when it is none of this question.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError as error:
        raise _bad_cursor() from error
    if not isinstance(key, list) or len(key) != length:
        raise _bad_cursor()
    return [str(value) for value in key]


def cursor_of(row: list[Any]) -> str:
    """Return the cursor that continues after a row (without its cost)."""
    plain = [value.isoformat() if isinstance(value, date) else value for value in row]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode()
