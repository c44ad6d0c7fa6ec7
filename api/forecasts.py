"""`/v1/forecasts`: what series come to by the end of the day, month and quarter."""

from api.answers import ForecastsAnswer
from api.formats import MEDIA_TYPES, Kind
from api.listing import Selection, after_key, page
from api.parameters import ForecastsQuery
from api.route import Answer, Question, Route
from api.runs import known_run

_KEYS = ("currency", "series", "kind", "horizon")
_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("currency", "series", "kind", "horizon", "level"), "text"),
    **dict.fromkeys(("provider", "account", "service", "tag", "value"), "text"),
    **dict.fromkeys(("day", "ends", "settled"), "day"),
    **dict.fromkeys(("so_far", "mean", "lower", "upper"), "money"),
    "coverage": "number",
    "source": "text",
    "closed_at": "time",
}
_NAMED = ("level", "series", "currency", "provider", "account", "service", "tag", "kind", "horizon")


async def forecasts(question: Question[ForecastsQuery]) -> Answer:
    """Answer with the newest forecast of each series, or that of a day."""
    query = question.parameters
    chosen = Selection({"run": await known_run(question, query.run), "limit": query.limit + 1})
    chosen.add("run = {run:String}")
    chosen.named(query, _NAMED)
    chosen.equal("tag_value", query.value, "value")
    if query.day is not None:
        chosen.add("day <= {day:Date32}", day=query.day)
    after = after_key(query.cursor, _KEYS, chosen.values)
    selected = ", ".join("tag_value AS value" if name == "value" else name for name in _COLUMNS)
    newest = (
        f"SELECT * FROM forecasts FINAL WHERE {chosen.where} "  # noqa: S608 - names are ours
        f"ORDER BY {', '.join(_KEYS)}, day DESC LIMIT 1 BY {', '.join(_KEYS)}"
    )
    rows = await question.database.rows(
        f"SELECT {selected} FROM ({newest}) WHERE {after} ORDER BY {', '.join(_KEYS)} LIMIT {{limit:UInt32}}",  # noqa: S608 - as above
        chosen.values,
    )
    return page(_COLUMNS, rows, query.limit, lambda row: row[: len(_KEYS)])


ROUTE = Route(
    "/v1/forecasts",
    "What series come to by the end of the day, the month and the quarter, with a band.",
    ForecastsQuery,
    ForecastsAnswer,
    forecasts,
    formats=tuple(MEDIA_TYPES),
)
