"""`/v1/anomalies`: incidents, the newest day first, and one of them with the parts that carry it."""

from typing import Any

from api.anomaly_cause import change_of
from api.answers import AnomaliesAnswer, AnomalyAnswer
from api.cursors import cursor_of, day_and_key_of
from api.formats import MEDIA_TYPES, Kind, Table, dicts
from api.parameters import FIRST_DAY, LAST_DAY, AnomaliesQuery, AnomalyQuery
from api.problems import Problem
from api.route import Answer, Question, Route
from api.runs import known_run

_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("id", "state", "shape", "currency", "level", "series"), "text"),
    **dict.fromkeys(("provider", "account", "service", "tag", "value", "kind", "measure", "cause"), "text"),
    "since": "day",
    "day": "day",
    **dict.fromkeys(("actual", "expected", "lower", "upper"), "money"),
    **dict.fromkeys(("score", "p"), "number"),
    **dict.fromkeys(("impact_so_far", "impact_per_day", "impact_to_month_end"), "money"),
    "completeness": "number",
    **dict.fromkeys(("source", "reading"), "text"),
    "scored_at": "time",
    **dict.fromkeys(("detector", "detector_version"), "text"),
}
_TOLD = {"value": "tag_value AS value", "since": "toDate(since) AS since"}
_SELECTED = ", ".join(_TOLD.get(name, name) for name in _COLUMNS)
_TABLE = "(SELECT * FROM anomalies FINAL WHERE run = {run:String}) AS a"
_NAMED = ("level", "series", "currency", "provider", "account", "service", "tag", "kind", "shape")
_STATES = {"open": ["open", "updated"], "closed": ["closed"], "withdrawn": ["withdrawn"]}


async def anomalies(question: Question[AnomaliesQuery]) -> Answer:
    """Answer with incidents, the newest day first."""
    query = question.parameters
    values: dict[str, Any] = {"run": await known_run(question, query.run), "limit": query.limit + 1}
    conditions = ["1"]
    for name in _NAMED:
        wanted = getattr(query, name)
        if wanted is not None:
            values[name] = wanted
            conditions.append(f"a.{name} = {{{name}:String}}")
    if query.value is not None:
        values["value"] = query.value
        conditions.append("a.tag_value = {value:String}")
    if query.state is not None:
        values["states"] = _STATES[query.state]
        conditions.append("a.state IN {states:Array(String)}")
    values |= {"first": query.first_day or FIRST_DAY, "last": query.last_day or LAST_DAY}
    conditions += ["a.day >= {first:Date32}", "a.day <= {last:Date32}"]
    for name, least in (("score", query.min_score), ("impact_so_far", query.min_impact)):
        if least is not None:
            # A bound to choose by, not an amount: what is told stays exact.
            values[f"least_{name}"] = least
            conditions.append(f"abs(toFloat64(a.{name})) >= {{least_{name}:Float64}}")
    conditions += _after(query.cursor, values)
    rows = await question.database.rows(
        f"SELECT {_SELECTED} FROM {_TABLE} WHERE {' AND '.join(conditions)} "  # noqa: S608 - names are ours
        "ORDER BY a.day DESC, a.id LIMIT {limit:UInt32}",
        values,
    )
    at = list(_COLUMNS).index("day")
    following = None
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        following = cursor_of([last[at], last[0]])
    return Table(_COLUMNS, rows[: query.limit], following)


def _after(cursor: str | None, values: dict[str, Any]) -> list[str]:
    if cursor is None:
        return []
    values["c0"], [values["c1"]] = day_and_key_of(cursor, 2)
    return ["(a.day < {c0:Date32} OR (a.day = {c0:Date32} AND a.id > {c1:String}))"]


async def anomaly(question: Question[AnomalyQuery]) -> Answer:
    """Answer with one incident, the parts that carry it, and what of it is usage and what is rate.

    Raises
    ------
    Problem
        404, when there is none of this id.
    """
    name = question.path["id"]
    values = {"run": await known_run(question, question.parameters.run), "id": name}
    rows = await question.database.rows(
        f"SELECT {_SELECTED}, contributor_series, contributor_share FROM {_TABLE} WHERE a.id = {{id:String}}",  # noqa: S608 - names are ours
        values,
    )
    if not rows:
        raise Problem(404, "no such anomaly", f"{name!r} is not known in this run; /v1/anomalies lists those that are")
    *row, series, shares = rows[0]
    (told,) = dicts(list(_COLUMNS), [row])
    parts = [{"series": one, "share": share} for one, share in zip(series, shares, strict=True)]
    change = await change_of(question, told) if values["run"] == question.settings.processing.run else None
    if change is not None and told["cause"] == "unknown":
        told["cause"] = change.mostly
    amounts = None if change is None else {"usage": _text(change.usage), "rate": _text(change.rate)}
    return {**told, "contributors": parts, "change": amounts}


def _text(amount: float) -> str:
    """Return a model's amount to a hundredth of a currency unit."""
    return f"{round(amount, 2) + 0.0:.2f}"


ROUTE = Route(
    "/v1/anomalies",
    "What costs more or less than expected, since when, and how much that is.",
    AnomaliesQuery,
    AnomaliesAnswer,
    anomalies,
    formats=tuple(MEDIA_TYPES),
)
ONE = Route(
    "/v1/anomalies/{id}",
    "One anomaly, and the parts that carry it.",
    AnomalyQuery,
    AnomalyAnswer,
    anomaly,
    values={"id": "`id` of `/v1/anomalies`"},
)
