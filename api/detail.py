"""`/v1/services/{service}` and `/v1/resources`: where the cost of a service arises, from its lines."""

from collections import defaultdict
from decimal import Context, Decimal, DecimalException
from typing import Any

from api.announced import LINES, bound, of_record
from api.answers import ResourcesAnswer, ServiceAnswer
from api.costs import narrowed
from api.cursors import bad_cursor, cursor_of, key_of
from api.formats import MEDIA_TYPES, Kind, Table, dicts
from api.parameters import ResourceQuery, ServiceQuery, check_line_days
from api.problems import Problem
from api.route import Answer, Question, Route
from spendstream.money import PRECISION, SCALE

_WIDE = Context(prec=80)
#: name of a breakdown → its columns; each is a grouping set.
_BREAKDOWNS = {
    "by_day": ("day",),
    "by_account": ("account",),
    "by_region": ("region",),
    "by_usage_type": ("usage_type", "unit"),
}
_SETS = ", ".join(["(currency)", *(f"(currency, {', '.join(names)})" for names in _BREAKDOWNS.values())])
_GROUPED = ("day", "account", "region", "usage_type", "unit")
#: Days of the longest period, and one more: no day is cut off.
_MOST_ROWS = 1000


async def service(question: Question[ServiceQuery]) -> Answer:
    """Answer with what a service cost, by day, account, region and usage type, and what a unit cost.

    Raises
    ------
    Problem
        404, when the service has no line in the period.
    """
    query, name = question.parameters, question.path["service"]
    check_line_days(query.first_day, query.last_day)
    values = bound(question.settings, query.first_day, query.last_day) | {"service": name, "most": _MOST_ROWS}
    conditions = ["service = {service:String}", *of_record(question.settings, values)]
    conditions += narrowed(query.currency, question.filters, values)
    found = await question.lines.rows(
        f"SELECT currency, {', '.join(_GROUPED)}, {', '.join(f'grouping({one})' for one in _GROUPED)}, "  # noqa: S608 - names are ours
        f"sum({query.measure}) AS cost, sumIf(quantity, kind = 'usage') AS used, "
        f"sumIf({query.measure}, kind = 'usage' AND isNotNull(quantity)) AS priced "
        f"FROM {LINES} WHERE {' AND '.join(conditions)} GROUP BY GROUPING SETS ({_SETS}) "
        f"ORDER BY currency, cost DESC, {', '.join(_GROUPED)} "
        f"LIMIT {{most:UInt32}} BY currency, {', '.join(f'grouping({one})' for one in _GROUPED)}",
        values,
    )
    if not found:
        raise Problem(
            404,
            "no cost of this service",
            f"{name!r} has no line in this period; /v1/dimensions/service/values lists services, and names are exact",
        )
    body: dict[str, Any] = {"service": name, "from": query.first_day.isoformat(), "to": query.last_day.isoformat()}
    return {**body, "measure": query.measure, **_breakdowns(found, query.limit)}


def _breakdowns(found: list[list[Any]], limit: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each grouping set by its name; those of each currency up to `limit`, the days all."""
    size = len(_GROUPED)
    wanted = {frozenset(names): name for name, names in _BREAKDOWNS.items()} | {frozenset(): "total"}
    result: dict[str, list[dict[str, Any]]] = {name: [] for name in ("total", *_BREAKDOWNS)}
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for currency, *rest in found:
        keys, unused, (cost, used, priced) = rest[:size], rest[size : 2 * size], rest[2 * size :]
        # `grouping` is 0 for a column that the row is grouped by.
        grouped = [(name, key) for name, key, absent in zip(_GROUPED, keys, unused, strict=True) if not absent]
        name = wanted[frozenset(column for column, _ in grouped)]
        counts[name, currency] += 1
        if name != "by_day" and counts[name, currency] > limit:
            continue
        columns, row = (
            ["currency", *(column for column, _ in grouped), "cost"],
            [currency, *(v for _, v in grouped), cost],
        )
        if name == "by_usage_type":
            columns, row = [*columns, "quantity", "unit_price"], [*row, used, unit_price(priced, used)]
        result[name] += dicts(columns, [row])
    result["by_day"].sort(key=lambda row: (row["currency"], row["day"]))
    return result


def unit_price(cost: Decimal, quantity: Decimal | None) -> Decimal | None:
    """Return the cost of one unit, rounded to 18 places; None where there is no quantity, or only a nil one."""
    if not quantity:
        return None
    try:
        return _WIDE.divide(cost, quantity).quantize(Decimal(1).scaleb(-SCALE), context=_WIDE)
    except DecimalException:
        return None


_RESOURCE_KEYS = ("currency", "provider", "account", "service", "region", "resource")
_RESOURCE_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(_RESOURCE_KEYS, "text"),
    "first_day": "day",
    "last_day": "day",
    "cost": "money",
}


async def resources(question: Question[ResourceQuery]) -> Answer:
    """Answer with what each resource cost, the dearest first; lines without a resource are in no row."""
    query = question.parameters
    check_line_days(query.first_day, query.last_day)
    values = bound(question.settings, query.first_day, query.last_day) | {"limit": query.limit + 1}
    conditions = ["resource != ''", *of_record(question.settings, values)]
    conditions += narrowed(query.currency, question.filters, values)
    order = ["currency", "falling", *_RESOURCE_KEYS[1:]]
    having = _after(query.cursor, order, values)
    rows = await question.lines.rows(
        f"SELECT {', '.join(_RESOURCE_KEYS)}, min(day) AS since, max(day) AS until, sum({query.measure}) AS cost, "  # noqa: S608 - names are ours
        f"negate(cost) AS falling FROM {LINES} WHERE {' AND '.join(conditions)} GROUP BY {', '.join(_RESOURCE_KEYS)} "
        f"{having} ORDER BY {', '.join(order)} LIMIT {{limit:UInt32}}",
        values,
    )
    following = None
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        following = cursor_of([last[0], f"{last[-1]:f}", *last[1 : len(_RESOURCE_KEYS)]])
    return Table(_RESOURCE_COLUMNS, [row[:-1] for row in rows[: query.limit]], following, {"measure": query.measure})


def _after(cursor: str | None, order: list[str], values: dict[str, Any]) -> str:
    if cursor is None:
        return ""
    key: list[Any] = [*key_of(cursor, len(order))]
    try:
        amount = Decimal(key[1])
        fits = amount.is_finite() and abs(amount) < Decimal(10) ** (PRECISION - SCALE)
        key[1] = str(amount.quantize(Decimal(1).scaleb(-SCALE), context=_WIDE)) if fits else None
    except DecimalException as error:
        raise bad_cursor() from error
    if key[1] is None:
        raise bad_cursor()
    values |= {f"c{number}": value for number, value in enumerate(key)}
    kinds = ["String", f"Decimal({PRECISION}, {SCALE})", *["String"] * (len(order) - 2)]
    return f"HAVING ({', '.join(order)}) > ({', '.join(f'{{c{n}:{kind}}}' for n, kind in enumerate(kinds))})"


SERVICE = Route(
    "/v1/services/{service}",
    "One service: by day, account, region and usage type, with the price of a unit.",
    ServiceQuery,
    ServiceAnswer,
    service,
    values={"service": "its exact name, percent-encoded"},
)
RESOURCES = Route(
    "/v1/resources",
    "Costs by resource, the dearest first, where lines name resources.",
    ResourceQuery,
    ResourcesAnswer,
    resources,
    formats=tuple(MEDIA_TYPES),
)
