"""Whether an anomaly is more usage or another price, by the lines of its days and of the four weeks before it.

The stream says which of the two it is; how much of each, the lines say when somebody looks at one anomaly: they have
the quantities of every usage type, in every region.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from api.announced import LINES, bound, of_record
from api.route import Question
from detection.unit_price import Change, UnitPrice

_BEFORE = timedelta(days=28)
_LONGEST = timedelta(days=28)
_LEAST = 0.005

#: Usage type with region and unit, day, cost and quantity.
Used = tuple[tuple[str, ...], date, float, float]


def weighed(rows: Iterable[Used], since: date) -> Change | None:
    """Return what of the change since a day is usage and what is rate, in currency units; None where nobody can tell.

    Examples
    --------
    >>> before = [(("Disk",), date(2026, 3, day), 10.0, 100.0) for day in range(1, 11)]
    >>> found = weighed([*before, (("Disk",), date(2026, 3, 11), 20.0, 100.0)], date(2026, 3, 11))
    >>> round(found.usage), round(found.rate)
    (0, 10)
    """
    used: dict[tuple[str, ...], dict[date, tuple[float, float]]] = defaultdict(dict)
    for name, day, cost, quantity in rows:
        used[name][day] = (cost, quantity)
    days = {day for by_day in used.values() for day in by_day}
    before, during = [day for day in days if day < since], [day for day in days if day >= since]
    if not before or not during:
        return None
    usage = rate = 0.0
    for by_day in used.values():
        price = UnitPrice()
        for day in sorted(before):
            price.learn(*by_day.get(day, (0.0, 0.0)))
        expected = sum(by_day[day][0] for day in before if day in by_day) / len(before)
        for day in during:
            change = price.split(*by_day.get(day, (0.0, 0.0)), expected)
            usage, rate = usage + change.usage, rate + change.rate
    return Change(usage, rate)


async def change_of(question: Question[Any], told: dict[str, Any]) -> Change | None:
    """Return what of an anomaly is usage and what is rate; None where its lines do not tell.

    Asked of usage in an account, a service or an account's service: lines are read within these.
    """
    if told["kind"] != "usage" or not (told["account"] or told["service"]):
        return None
    since, last = date.fromisoformat(told["since"]), date.fromisoformat(told["day"])
    values = bound(question.settings, since - _BEFORE, min(last, since + _LONGEST))
    conditions = ["kind = 'usage'", "quantity > 0", *of_record(question.settings, values)]
    for name in ("provider", "account", "service", "currency"):
        if told[name]:
            values[name] = told[name]
            conditions.append(f"{name} = {{{name}:String}}")
    rows = await question.lines.rows(
        "SELECT region, usage_type, unit, day, toFloat64(sum(effective)), toFloat64(sum(quantity)) "  # noqa: S608 - names are ours
        f"FROM {LINES} WHERE {' AND '.join(conditions)} GROUP BY region, usage_type, unit, day",
        values,
    )
    found = weighed(
        (((region, name, unit), day, cost, number) for region, name, unit, day, cost, number in rows), since
    )
    return None if found is None or max(abs(found.usage), abs(found.rate)) < _LEAST else found
