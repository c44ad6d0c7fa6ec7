"""`/v1/incidents`: what alerts are about, the newest change first; and one of them with all that happened to it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import repeat
from typing import Any

from alerts.cases import FOLDED
from api.carriers import Change, carriers
from api.cursors import bad_cursor, key_of
from api.formats import MEDIA_TYPES, Kind, dicts
from api.incident_answers import IncidentAnswer, IncidentsAnswer
from api.listing import Selection, page
from api.parameters import IncidentQuery, IncidentsQuery
from api.problems import Problem
from api.route import Answer, Question, Route, Rows
from api.runs import known_run

_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("id", "state", "severity", "scope", "level", "kind", "rules", "currency"), "text"),
    **dict.fromkeys(("provider", "account", "service", "says"), "text"),
    **dict.fromkeys(("actual", "expected", "impact_per_day", "impact_so_far", "impact_lower", "impact_upper"), "money"),
    "impact_to_month_end": "money",
    **dict.fromkeys(("since", "opened_at", "changed_at", "snoozed_until"), "time"),
    **dict.fromkeys(("alert_count", "firing_count"), "number"),
    **dict.fromkeys(("owner", "runbook"), "text"),
    "version": "number",
}
_SELECTED = ", ".join("arrayStringConcat(rules, ',') AS rules" if name == "rules" else name for name in _COLUMNS)
_TABLE = "(SELECT * FROM incidents FINAL WHERE run = {run:String}) AS i"
_NAMED = ("severity", "kind", "level", "scope", "provider", "account", "service", "currency", "owner")
_OPEN = ["firing", "acknowledged", "snoozed", "suppressed", "expected"]
_TRANSITION = ("at", "before", "after", "by", "why", "version")
_ALERT = (
    *("id", "rule", "kind", "state", "severity", "subject", "charges", "says", "anomaly", "shape", "day"),
    *("actual", "expected", "impact_per_day", "since", "observed_at"),
)
_DELIVERY = ("at", "receiver", "channel", "outcome", "state", "reason", "error", "attempt")
_FEEDBACK = ("at", "verdict", "by", "why", "first_day", "last_day")


async def incidents(question: Question[IncidentsQuery]) -> Answer:
    """Answer with incidents, the newest change first."""
    query = question.parameters
    chosen = Selection({"run": await known_run(question, query.run), "limit": query.limit + 1}, "i")
    chosen.named(query, _NAMED)
    if query.state is not None:
        chosen.add("i.state IN {states:Array(String)}", states=_OPEN if query.state == "open" else [query.state])
    if query.cursor is not None:
        at, key = key_of(query.cursor, 2)
        chosen.add(
            "(toUnixTimestamp64Milli(i.changed_at) < {c0:Int64} "
            "OR (toUnixTimestamp64Milli(i.changed_at) = {c0:Int64} AND i.id > {c1:String}))",
            c0=_millis(at),
            c1=key,
        )
    rows = await question.database.rows(
        f"SELECT {_SELECTED}, toUnixTimestamp64Milli(changed_at) FROM {_TABLE} "  # noqa: S608 - names are ours
        f"WHERE {chosen.where} ORDER BY i.changed_at DESC, i.id LIMIT {{limit:UInt32}}",
        chosen.values,
    )
    return page(_COLUMNS, rows, query.limit, lambda row: [row[-1], row[0]])


def _millis(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**53)):
        raise bad_cursor()
    return int(text)


async def incident(question: Question[IncidentQuery]) -> Answer:
    """Answer with one incident, and all that happened to it."""
    return await known(question.database, await known_run(question, question.parameters.run), question.path["id"])


async def known(database: Rows, run: str, name: str) -> dict[str, Any]:
    """Return what is known of an incident.

    Raises
    ------
    Problem
        404, when there is none of this id.
    """
    values: dict[str, Any] = {"run": run, "id": name}
    rows = await database.rows(
        f"SELECT {_SELECTED}, course_from, course, course_lower, course_upper, labels, child_series, child_share, "  # noqa: S608 - names are ours
        f"alert_ids FROM {_TABLE} WHERE i.id = {{id:String}}",
        values,
    )
    if not rows:
        raise Problem(404, "no such incident", f"{name!r} is not known in this run; /v1/incidents lists those that are")
    *row, first, costs, lower, upper, labels, series, shares, alerts = rows[0]
    (told,) = dicts(list(_COLUMNS), [row])

    async def asked(columns: tuple[str, ...], rest: str) -> list[dict[str, Any]]:
        return dicts(columns, await database.rows(f"SELECT {', '.join(columns)} FROM {rest}", values))  # noqa: S608

    of_it = "WHERE run = {run:String} AND incident = {id:String}"
    values["alerts"] = alerts
    folded = await asked(
        _ALERT,
        "alerts FINAL WHERE run = {run:String} AND id IN {alerts:Array(String)} "
        "ORDER BY state, indexOf({alerts:Array(String)}, id)",
    )
    children = [{"series": one, "share": share} for one, share in zip(series, shares, strict=True)]
    return {
        **told,
        "course": _course(first, costs, lower, upper),
        "labels": labels,
        "children": children or await _carriers(database, run, told, folded),
        "transitions": await asked(_TRANSITION, f"incident_transitions FINAL {of_it} ORDER BY version DESC"),
        "alerts": folded,
        "deliveries": await asked(_DELIVERY, f"deliveries FINAL {of_it} ORDER BY at DESC, receiver LIMIT 100"),
        "feedback": await asked(_FEEDBACK, "feedback FINAL WHERE incident = {id:String} ORDER BY at DESC, id"),
    }


async def _carriers(
    database: Rows, run: str, told: dict[str, Any], alerts: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what carries an incident of the days of a scope, of which nothing below it alerts."""
    if told["currency"] is None or told["kind"] not in FOLDED:
        return []
    since = datetime.fromisoformat(told["since"]).date()
    last = max((date.fromisoformat(one["day"]) for one in alerts if one["day"]), default=since)
    charges = sorted({charge for one in alerts for charge in one["charges"]}) or ["usage"]
    return await carriers(database, run, Change(told["scope"], charges, since, last))


def _course(
    first: date | None, costs: Sequence[Decimal], lower: Sequence[Decimal], upper: Sequence[Decimal]
) -> list[dict[str, Any]]:
    if first is None:
        return []
    days = (first + timedelta(days=number) for number in range(len(costs)))
    bands = zip(lower, upper, strict=True) if lower else repeat((None, None))
    rows = [(day, cost, *band) for day, cost, band in zip(days, costs, bands)]  # noqa: B905 - bands may be endless
    return dicts(("day", "cost", "lower", "upper"), rows)


async def newest(database: Rows, run: str, most: int, *, resolved: bool) -> list[dict[str, Any]]:
    """Return the incidents of a run that changed last, `most` at most; without `resolved` those that go on."""
    rows = await database.rows(
        f"SELECT {_SELECTED} FROM {_TABLE} WHERE i.state IN {{states:Array(String)}} "  # noqa: S608 - names are ours
        "ORDER BY i.changed_at DESC, i.id LIMIT {limit:UInt32}",
        {"run": run, "states": [*_OPEN, "resolved"] if resolved else _OPEN, "limit": most},
    )
    return dicts(list(_COLUMNS), rows)


ROUTE = Route(
    "/v1/incidents",
    "Incidents: what alerts are about, and who cares for it; the newest change first.",
    IncidentsQuery,
    IncidentsAnswer,
    incidents,
    formats=tuple(MEDIA_TYPES),
    kept=False,
)
ONE = Route(
    "/v1/incidents/{id}",
    "One incident: what carries it, its alerts, its transitions, and who was told.",
    IncidentQuery,
    IncidentAnswer,
    incident,
    values={"id": "`id` of `/v1/incidents`"},
    kept=False,
)
