"""`/v1/costs`: costs by period and dimension, from day totals where they have the answer, else from lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from api.announced import LINES, LINES_THEN, bound, of_record, over_then
from api.answers import CostsAnswer
from api.cursors import bad_cursor, cursor_of, key_of
from api.dimensions import TAG, TOTALS_DIMENSIONS
from api.formats import MEDIA_TYPES, Kind, Table
from api.parameters import FIRST_DAY, LAST_DAY, CostQuery, Filters, check_line_days
from api.problems import Problem
from api.route import Answer, Question, Route
from api.runs import known_run
from spendstream.settings import Settings

#: Granularity → the first day of the period that a day is in.
BUCKETS: dict[str, str] = {
    "day": "day",
    "month": "toStartOfMonth(day)",
    "quarter": "toStartOfQuarter(day)",
    "year": "toStartOfYear(day)",
    "total": "toDate('1970-01-01')",
}
#: Dimensions by which totals have every dollar: lines without region or usage type are in no series by these.
_LEVELLED = tuple(name for name in TOTALS_DIMENSIONS if name not in {"region", "usage_type"})


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement, its bound values, the names of its columns, and whether it reads the newest lines."""

    text: str
    values: dict[str, Any]
    columns: list[str]
    of_lines: bool


async def costs(question: Question[CostQuery]) -> Answer:
    """Answer with costs by period, currency and dimension."""
    query = question.parameters
    run = await known_run(question, query.run)
    asked = sql(query, question.filters, run, question.now, question.settings)
    if asked.of_lines:
        rows = await question.lines.rows(asked.text, asked.values)
    else:
        rows = await question.database.rows(over_then(asked.text), asked.values)
    following = cursor_of(rows[query.limit - 1][:-1]) if len(rows) > query.limit else None
    rows = rows[: query.limit]
    if query.granularity == "total":
        rows = [[query.first_day, *row[1:]] for row in rows]
    first: Kind = "time" if query.granularity == "hour" else "day"
    kinds: list[Kind] = [first, *["text" for _ in asked.columns[1:-1]], "money"]  # type: ignore[list-item]
    columns = dict(zip(asked.columns, kinds, strict=True))
    return Table(columns, rows, following, {"measure": query.measure, "granularity": query.granularity})


def sql(query: CostQuery, filters: Filters, run: str, now: datetime, settings: Settings) -> Sql:
    """Return the statement that answers a question.

    Day totals answer what they can, at the one level where no dollar stands twice; everything else is read from lines,
    over a year at most: of the source of record, and as the readings that were announced left them.

    Raises
    ------
    Problem
        400, when lines are needed and cannot be read for this question.
    """
    level = _level({*query.group_by, *filters}, query)
    values = bound(settings, query.first_day, query.last_day)
    conditions = ["day >= {first:Date32}", "day <= {last:Date32}"]
    if level is None:
        source = _lines(query, run, now, settings, values)
        conditions += of_record(settings, values)
    else:
        source = f"{'hour_totals' if query.granularity == 'hour' else 'totals'} FINAL"
        values |= {"run": run, "level": level}
        conditions += ["run = {run:String}", "level = {level:String}"]
    if query.granularity == "hour":
        period = "toDateTime(day, 'UTC') + toIntervalHour(hour)"
        conditions.append("hour >= 0")
    else:
        period = BUCKETS[query.granularity]
    conditions += narrowed(query.currency, filters, values)
    names = [column(name, f"g{number}", values) for number, name in enumerate(query.group_by)]
    keys = [f"{period} AS period", "currency", *(f"{name} AS g{i}" for i, name in enumerate(names))]
    aliases = ["period", "currency", *(f"g{i}" for i in range(len(names)))]
    having = _after(query, aliases, values)
    values["limit"] = query.limit + 1
    text = (
        f"SELECT {', '.join(keys)}, sum({query.measure}) AS cost FROM {source} WHERE {' AND '.join(conditions)} "  # noqa: S608
        f"GROUP BY {', '.join(aliases)} {having} ORDER BY {', '.join(aliases)} LIMIT {{limit:UInt32}}"
    )
    return Sql(text, values, ["period", "currency", *query.group_by, "cost"], source == LINES)


def _level(used: set[str], query: CostQuery) -> str | None:
    """Return the level of totals at which every dollar of the answer stands once; None: lines are needed."""
    if query.as_of is not None or not used <= set(_LEVELLED):
        return None
    if {"account", "service"} <= used:
        return "account_service"
    if "account" in used:
        return "account"
    if "service" in used:
        return "service"
    return "provider" if "provider" in used else "organisation"


def _lines(query: CostQuery, run: str, now: datetime, settings: Settings, values: dict[str, Any]) -> str:
    check_line_days(query.first_day, query.last_day)
    if run != settings.processing.run:
        raise Problem(
            400,
            "a run has no lines",
            f"run {run} has day totals of its own, lines stand for the live run only: leave out run, or as_of, "
            f"and group and filter by {', '.join(_LEVELLED)}",
        )
    if query.as_of is None:
        return LINES
    days = settings.clickhouse.history_days
    if query.as_of < now - timedelta(days=days):
        raise Problem(400, "before the horizon", f"what was known is kept for {days} days: ask for a later as_of")
    values["as_of"] = query.as_of.astimezone(UTC).replace(tzinfo=None)
    return LINES_THEN


def column(name: str, key: str, values: dict[str, Any]) -> str:
    """Return the expression of a dimension over lines; a tag's key is bound as a value that begins with `key`."""
    if name.startswith(TAG):
        values[f"{key}t"] = name.removeprefix(TAG)
        return f"tags[{{{key}t:String}}]"
    return f"toString({name})" if name == "billing_period" else name


def narrowed(currency: str | None, filters: Filters, values: dict[str, Any]) -> list[str]:
    """Return the conditions of a currency and of filters; what they bind is added to `values`."""
    conditions = []
    if currency is not None:
        values["currency"] = currency
        conditions.append("currency = {currency:String}")
    for number, (dimension, (wanted, exclude)) in enumerate(filters.items()):
        values[f"f{number}"] = wanted
        operator = "NOT IN" if exclude else "IN"
        conditions.append(f"{column(dimension, f'f{number}', values)} {operator} {{f{number}:Array(String)}}")
    return conditions


def _after(query: CostQuery, aliases: Sequence[str], values: dict[str, Any]) -> str:
    """Return the clause that skips the rows up to the cursor's."""
    if query.cursor is None:
        return ""
    first, *rest = key_of(query.cursor, len(aliases))
    try:
        period = datetime.fromisoformat(first)
    except ValueError as error:
        raise bad_cursor() from error
    if not FIRST_DAY <= period.date() <= LAST_DAY:
        raise bad_cursor()
    if query.granularity == "hour":
        values["c0"], bound_first = period.replace(tzinfo=None), "{c0:DateTime('UTC')}"
    else:
        values["c0"], bound_first = period.date(), "{c0:Date32}"
    values |= {f"c{number}": value for number, value in enumerate(rest, start=1)}
    bounds = ", ".join([bound_first, *(f"{{c{n}:String}}" for n in range(1, len(aliases)))])
    return f"HAVING ({', '.join(aliases)}) > ({bounds})"


ROUTE = Route(
    "/v1/costs",
    "Costs by period and dimension.",
    CostQuery,
    CostsAnswer,
    costs,
    formats=tuple(MEDIA_TYPES),
)
