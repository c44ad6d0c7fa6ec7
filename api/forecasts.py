"""`/v1/forecasts`: what series come to by the end of the day, month and quarter."""

from typing import Any

from api.answers import ForecastsAnswer
from api.cursors import cursor_of, key_of
from api.formats import MEDIA_TYPES, Kind, Table
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
    values: dict[str, Any] = {"run": await known_run(question, query.run), "limit": query.limit + 1}
    conditions = ["run = {run:String}"]
    for name in _NAMED:
        wanted = getattr(query, name)
        if wanted is not None:
            values[name] = wanted
            conditions.append(f"{name} = {{{name}:String}}")
    if query.value is not None:
        values["value"] = query.value
        conditions.append("tag_value = {value:String}")
    if query.day is not None:
        values["day"] = query.day
        conditions.append("day <= {day:Date32}")
    after = ""
    if query.cursor is not None:
        values |= {f"c{number}": value for number, value in enumerate(key_of(query.cursor, len(_KEYS)))}
        after = f"WHERE ({', '.join(_KEYS)}) > ({', '.join(f'{{c{n}:String}}' for n in range(len(_KEYS)))})"
    selected = ", ".join("tag_value AS value" if name == "value" else name for name in _COLUMNS)
    newest = (
        f"SELECT * FROM forecasts FINAL WHERE {' AND '.join(conditions)} "  # noqa: S608 - names are ours
        f"ORDER BY {', '.join(_KEYS)}, day DESC LIMIT 1 BY {', '.join(_KEYS)}"
    )
    rows = await question.database.rows(
        f"SELECT {selected} FROM ({newest}) {after} ORDER BY {', '.join(_KEYS)} LIMIT {{limit:UInt32}}",  # noqa: S608 - as above
        values,
    )
    following = cursor_of(rows[query.limit - 1][: len(_KEYS)]) if len(rows) > query.limit else None
    return Table(_COLUMNS, rows[: query.limit], following)


ROUTE = Route(
    "/v1/forecasts",
    "What series come to by the end of the day, the month and the quarter, with a band.",
    ForecastsQuery,
    ForecastsAnswer,
    forecasts,
    formats=tuple(MEDIA_TYPES),
)
