"""`/v1/anomalies`: incidents, the newest day first, and one of them with the parts that carry it."""

from datetime import date

from api.anomaly_cause import change_of
from api.answers import AnomaliesAnswer, AnomalyAnswer
from api.carriers import Change, carriers
from api.formats import MEDIA_TYPES, Kind, dicts
from api.listing import Selection, page
from api.parameters import AnomaliesQuery, AnomalyQuery
from api.problems import Problem
from api.route import Answer, Question, Route
from api.runs import known_run

_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("id", "state", "shape", "currency", "level", "series"), "text"),
    **dict.fromkeys(("provider", "account", "service", "tag", "value", "kind", "measure", "cause"), "text"),
    "since": "day",
    "day": "day",
    "hour": "number",
    **dict.fromkeys(("actual", "expected", "lower", "upper"), "money"),
    **dict.fromkeys(("score", "p"), "number"),
    **dict.fromkeys(("impact_so_far", "impact_lower", "impact_upper"), "money"),
    **dict.fromkeys(("impact_per_day", "impact_to_month_end"), "money"),
    "completeness": "number",
    **dict.fromkeys(("source", "reading"), "text"),
    "scored_at": "time",
    **dict.fromkeys(("detector", "detector_version"), "text"),
}
_TOLD = {"value": "tag_value AS value", "since": "toDate(since) AS since"}
_SELECTED = ", ".join(_TOLD.get(name, name) for name in _COLUMNS)
_TABLE = "(SELECT * FROM anomalies FINAL WHERE run = {run:String}) AS a"
_NAMED = ("level", "series", "currency", "provider", "account", "service", "tag", "kind", "shape")
_EARLIER = ("id", "series", "since", "likeness", "verdict")
_ALIKE = f"arrayZip({', '.join(f'alike_{name}' for name in _EARLIER)})"
_STATES = {"open": ["open", "updated"], "closed": ["closed"], "withdrawn": ["withdrawn"]}


async def anomalies(question: Question[AnomaliesQuery]) -> Answer:
    """Answer with incidents, the newest day first."""
    query = question.parameters
    chosen = Selection({"run": await known_run(question, query.run), "limit": query.limit + 1}, "a")
    chosen.named(query, _NAMED)
    chosen.equal("tag_value", query.value, "value")
    if query.state is not None:
        chosen.add("a.state IN {states:Array(String)}", states=_STATES[query.state])
    chosen.days(query)
    for name, least in (("score", query.min_score), ("impact_so_far", query.min_impact)):
        if least is not None:
            # A bound to choose by, not an amount: what is told stays exact.
            chosen.add(f"abs(toFloat64(a.{name})) >= {{least_{name}:Float64}}", **{f"least_{name}": least})
    chosen.after_day(query.cursor, ["id"])
    rows = await question.database.rows(
        f"SELECT {_SELECTED} FROM {_TABLE} WHERE {chosen.where} "  # noqa: S608 - names are ours
        "ORDER BY a.day DESC, a.id LIMIT {limit:UInt32}",
        chosen.values,
    )
    at = list(_COLUMNS).index("day")
    return page(_COLUMNS, rows, query.limit, lambda row: [row[at], row[0]])


async def anomaly(question: Question[AnomalyQuery]) -> Answer:
    """Answer with one incident, the parts that carry it, those it is like, and what of it is usage or rate.

    Raises
    ------
    Problem
        404, when there is none of this id.
    """
    name = question.path["id"]
    values = {"run": await known_run(question, question.parameters.run), "id": name}
    rows = await question.database.rows(
        f"SELECT {_SELECTED}, contributor_series, contributor_share, {_ALIKE} FROM {_TABLE} WHERE a.id = {{id:String}}",  # noqa: S608 - names are ours
        values,
    )
    if not rows:
        raise Problem(404, "no such anomaly", f"{name!r} is not known in this run; /v1/anomalies lists those that are")
    *row, series, shares, alike = rows[0]
    (told,) = dicts(list(_COLUMNS), [row])
    parts = [{"series": one, "share": share} for one, share in zip(series, shares, strict=True)]
    if not parts:
        since, last = date.fromisoformat(told["since"]), date.fromisoformat(told["day"])
        asked = Change(told["series"], [told["kind"]], since, last, told["measure"])
        parts = await carriers(question.database, values["run"], asked)
    change = await change_of(question, told) if values["run"] == question.settings.processing.run else None
    if change is not None and told["cause"] == "unknown":
        told["cause"] = change.mostly
    amounts = None if change is None else {"usage": _text(change.usage), "rate": _text(change.rate)}
    earlier = [dict(zip(_EARLIER, one, strict=True)) for one in alike]
    for one in earlier:
        one["verdict"] = one["verdict"] or None
    return {**told, "contributors": parts, "alike": earlier, "change": amounts}


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
