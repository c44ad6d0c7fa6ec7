"""`/v1/rolling`: the current rolling windows of every series."""

from api.answers import RollingAnswer
from api.formats import MEDIA_TYPES, Kind
from api.listing import Selection, after_key, page
from api.parameters import RollingQuery
from api.route import Answer, Question, Route
from api.runs import known_run

_KEYS = ("currency", "level", "series", "window", "kind")
_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(_KEYS, "text"),
    "window_end": "day",
    "billed": "money",
    "effective": "money",
}


async def rolling(question: Question[RollingQuery]) -> Answer:
    """Answer with windows by series, in the order of their keys."""
    query = question.parameters
    chosen = Selection({"run": await known_run(question, query.run), "limit": query.limit + 1})
    chosen.add("run = {run:String}")
    chosen.named(query, ("level", "series", "window", "currency"))
    chosen.add(after_key(query.cursor, _KEYS, chosen.values))
    rows = await question.database.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM rolling_totals FINAL WHERE {chosen.where} "  # noqa: S608 - names are ours
        f"ORDER BY {', '.join(_KEYS)} LIMIT {{limit:UInt32}}",
        chosen.values,
    )
    return page(_COLUMNS, rows, query.limit, lambda row: row[: len(_KEYS)])


ROUTE = Route(
    "/v1/rolling",
    "Rolling windows: 7 and 30 days, month, quarter and year to date.",
    RollingQuery,
    RollingAnswer,
    rolling,
    formats=tuple(MEDIA_TYPES),
)
