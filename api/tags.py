"""`/v1/tags/{tag}`: costs by the values of a tag or cost category that has totals of its own."""

from dataclasses import replace
from typing import Any

from api.answers import TagAnswer
from api.costs import BUCKETS
from api.formats import MEDIA_TYPES, Kind
from api.listing import after_key, page
from api.parameters import TagQuery
from api.problems import Problem, unknown
from api.route import Answer, Question, Route
from api.runs import known_run

_COLUMNS: dict[str, Kind] = {"period": "day", "currency": "text", "value": "text", "cost": "money"}
_KEYS = ("toString(period)", "currency", "value")


async def tag(question: Question[TagQuery]) -> Answer:
    """Answer with costs by period, currency and value; what carries no value has one of its own in a view.

    Raises
    ------
    Problem
        404, when the tag has no totals at all; 400, when another one was meant.
    """
    query, name = question.parameters, question.path["tag"]
    values: dict[str, Any] = {
        "run": await known_run(question, query.run),
        "tag": name,
        "first": query.first_day,
        "last": query.last_day,
        "limit": query.limit + 1,
    }
    conditions = [
        "run = {run:String}", "level = 'tag'", "tag = {tag:String}", "day >= {first:Date32}", "day <= {last:Date32}",
    ]  # fmt: skip
    if query.currency is not None:
        values["currency"] = query.currency
        conditions.append("currency = {currency:String}")
    having = f"HAVING {after_key(query.cursor, _KEYS, values)}"
    rows = await question.database.rows(
        f"SELECT {BUCKETS[query.granularity]} AS period, currency, tag_value AS value, sum({query.measure}) AS cost "  # noqa: S608 - names are ours
        f"FROM totals FINAL WHERE {' AND '.join(conditions)} GROUP BY period, currency, value {having} "
        "ORDER BY period, currency, value LIMIT {limit:UInt32}",
        values,
    )
    if not rows and query.cursor is None:
        await _check_known(question, name, values["run"])
    shown = page(_COLUMNS, rows, query.limit, lambda row: row[: len(_KEYS)])
    told = [[query.first_day, *row[1:]] for row in shown.rows] if query.granularity == "total" else shown.rows
    return replace(shown, rows=told, head={"tag": name, "measure": query.measure, "granularity": query.granularity})


async def _check_known(question: Question[TagQuery], name: str, run: str) -> None:
    """Raise `Problem` unless the tag has totals in some period."""
    found = await question.database.rows(
        "SELECT DISTINCT tag FROM totals WHERE run = {run:String} AND level = 'tag' ORDER BY tag", {"run": run}
    )
    known = [row[0] for row in found]
    if name in known:
        return
    if known:
        raise unknown("tag with totals", name, known)
    raise Problem(
        404,
        "no tag has totals",
        "name tags of lines in ledger.tags, and tags or cost categories of AWS in cost_explorer.view_tags and "
        "cost_explorer.view_categories",
    )


ROUTE = Route(
    "/v1/tags/{tag}",
    "Costs by the values of a tag or cost category.",
    TagQuery,
    TagAnswer,
    tag,
    formats=tuple(MEDIA_TYPES),
    values={"tag": "a key of ledger.tags, as team; or a view of Cost Explorer, as tag:team or category:Product"},
)
