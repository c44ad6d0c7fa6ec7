"""`/v1/estimates`: what metered usage costs, before the bill says so. Never part of totals."""

from typing import Any

from api.answers import EstimatesAnswer
from api.cursors import cursor_of, day_and_key_of
from api.formats import MEDIA_TYPES, Kind, Table
from api.parameters import FIRST_DAY, LAST_DAY, EstimatesQuery
from api.route import Answer, Question, Route
from api.runs import known_run

_COLUMNS: dict[str, Kind] = {
    "day": "day",
    **dict.fromkeys(("provider", "billing_account", "account", "service", "currency"), "text"),
    "as_of": "time",
    **dict.fromkeys(("so_far", "at_day_end", "lower", "upper"), "money"),
    "coverage": "number",
    "billed": "money",
}
_NAMED = ("provider", "account", "service", "currency")
_KEY = ("account", "service", "currency")


async def estimates(question: Question[EstimatesQuery]) -> Answer:
    """Answer with estimates, the newest day first."""
    query = question.parameters
    values: dict[str, Any] = {
        "run": await known_run(question, None),
        "limit": query.limit + 1,
        "first": query.first_day or FIRST_DAY,
        "last": query.last_day or LAST_DAY,
    }
    conditions = ["run = {run:String}", "day >= {first:Date32}", "day <= {last:Date32}"]
    for name in _NAMED:
        wanted = getattr(query, name)
        if wanted is not None:
            values[name] = wanted
            conditions.append(f"{name} = {{{name}:String}}")
    conditions += _after(query.cursor, values)
    rows = await question.database.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM estimates FINAL WHERE {' AND '.join(conditions)} "  # noqa: S608 - names are ours
        f"ORDER BY day DESC, {', '.join(_KEY)} LIMIT {{limit:UInt32}}",
        values,
    )
    following = None
    if len(rows) > query.limit:
        last = dict(zip(_COLUMNS, rows[query.limit - 1], strict=True))
        following = cursor_of([last["day"], *(last[name] for name in _KEY)])
    return Table(_COLUMNS, rows[: query.limit], following)


def _after(cursor: str | None, values: dict[str, Any]) -> list[str]:
    if cursor is None:
        return []
    values["c0"], key = day_and_key_of(cursor, 1 + len(_KEY))
    values |= {f"c{place}": value for place, value in enumerate(key, 1)}
    names = ", ".join(_KEY)
    places = ", ".join(f"{{c{place}:String}}" for place in range(1, len(_KEY) + 1))
    return [f"(day < {{c0:Date32}} OR (day = {{c0:Date32}} AND ({names}) > ({places})))"]


ROUTE = Route(
    "/v1/estimates",
    "What metered usage costs, minutes after it and a day or two before the bill; never part of totals.",
    EstimatesQuery,
    EstimatesAnswer,
    estimates,
    formats=tuple(MEDIA_TYPES),
)
