"""`/v1/rolling`: the current rolling windows of every series."""

from typing import Any

from api.answers import RollingAnswer
from api.cursors import cursor_of, key_of
from api.formats import MEDIA_TYPES, Kind, Table
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
    wanted = {"level": query.level, "series": query.series, "window": query.window, "currency": query.currency}
    given = {name: value for name, value in wanted.items() if value is not None}
    values: dict[str, Any] = {**given, "run": await known_run(question, query.run), "limit": query.limit + 1}
    where = " AND ".join(f"{name} = {{{name}:String}}" for name in ("run", *given))
    if query.cursor is not None:
        values |= {f"c{number}": value for number, value in enumerate(key_of(query.cursor, len(_KEYS)))}
        where += f" AND ({', '.join(_KEYS)}) > ({', '.join(f'{{c{n}:String}}' for n in range(len(_KEYS)))})"
    rows = await question.database.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM rolling_totals FINAL WHERE {where} "  # noqa: S608 - names are ours
        f"ORDER BY {', '.join(_KEYS)} LIMIT {{limit:UInt32}}",
        values,
    )
    following = cursor_of(rows[query.limit - 1][: len(_KEYS)]) if len(rows) > query.limit else None
    return Table(_COLUMNS, rows[: query.limit], following)


ROUTE = Route(
    "/v1/rolling",
    "Rolling windows: 7 and 30 days, month, quarter and year to date.",
    RollingQuery,
    RollingAnswer,
    rolling,
    formats=tuple(MEDIA_TYPES),
)
