"""Unit prices of usage, from what bills said: cost ÷ quantity of a usage type on the newest days that have a bill.

What is kept of an account's service, as plain data: `source` and `currency` that are listened to; `days`, for each of
the newest days `[version, parts, {part: {usage type: [cost, quantity]}}]`. A newer version of a day replaces it whole,
so that restatements and repetitions need no special case. Under the usage type "" stands the cost of all usage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

from processors.series import ChargeKind
from schemas.events import CostStatement
from spendstream.clock import day_number

_DAYS_KEPT = 10
_DAYS_OF_A_PRICE = 3
_MOST_TYPES = 64
_LEAST_SPREAD = 0.002
_SPREAD_OF_ONE_DAY = 0.02
_UNITS = 10.0**18
#: The usage type under which the cost of all usage stands.
ALL = ""


@dataclass(frozen=True, slots=True)
class Price:
    """What a unit of a usage type costs, in currency units, and its standard deviation as a share of it."""

    amount: float
    spread: float


def learnt(known: Any, statement: CostStatement) -> dict[str, Any] | None:  # noqa: ANN401 - plain data of the state
    """Return what is known after a statement; None when it says nothing new.

    Of a second currency, or of another source for the same account's service, nothing is learnt.
    """
    record = known or {"source": statement.source, "currency": statement.currency, "days": {}}
    if statement.view is not None or (record["source"], record["currency"]) != (statement.source, statement.currency):
        return None
    days = record["days"]
    day = str(day_number(statement.day))
    before = days.get(day)
    if before is not None and before[0] > statement.version:
        return None
    parts = dict(before[2]) if before is not None and before[0] == statement.version else {}
    if str(statement.part) in parts:
        return None
    parts[str(statement.part)] = _lines(statement)
    newest = sorted({*days, day}, key=int)[-_DAYS_KEPT:]
    if day not in newest:
        return None
    entry = [statement.version, statement.parts, parts]
    return {**record, "days": {one: entry if one == day else days[one] for one in newest}}


def prices(record: Any, types: Iterable[str], listed: Mapping[str, float]) -> dict[str, Price]:  # noqa: ANN401
    """Return the prices of those of `types` that have one; `listed` are those of a price list, which come first."""
    days = [whole for _, whole in _whole_days(record)]
    found = {}
    for name in types:
        if name in listed:
            found[name] = Price(listed[name], _LEAST_SPREAD)
            continue
        billed = [day[name] for day in days if name in day and day[name][0] > 0 and day[name][1] > 0]
        if billed:
            newest = billed[:_DAYS_OF_A_PRICE]
            amount = sum(cost for cost, _ in newest) / sum(quantity for _, quantity in newest)
            found[name] = Price(amount, _spread([cost / quantity for cost, quantity in billed], amount))
    return found


def billed(record: Any, day: int, types: Iterable[str]) -> tuple[int, float] | None:  # noqa: ANN401
    """Return version and cost of what the bill says of some usage types on a day (since 1970); None: nothing yet."""
    for one, whole in _whole_days(record):
        if one == day:
            return record["days"][str(day)][0], sum(whole[name][0] for name in types if name in whole)
    return None


def coverage(record: Any, types: Iterable[str]) -> float:  # noqa: ANN401
    """Return the share of the service's usage cost that is of `types`, 0 to 1, over the days that are kept."""
    chosen = tuple(types)
    days = [whole for _, whole in _whole_days(record)]
    everything = sum(day[ALL][0] for day in days)
    if everything <= 0:
        return 0.0
    return min(1.0, max(0.0, sum(day[name][0] for day in days for name in chosen if name in day) / everything))


def _whole_days(record: Any) -> list[tuple[int, dict[str, list[float]]]]:  # noqa: ANN401
    """Return the days of which all parts are there, the newest first."""
    found = []
    for day in sorted((record or {"days": {}})["days"], key=int, reverse=True):
        _, count, parts = record["days"][day]
        if len(parts) == count:
            whole: dict[str, list[float]] = {}
            for part in parts.values():
                for name, (cost, quantity) in part.items():
                    known = whole.get(name, [0.0, 0.0])
                    whole[name] = [known[0] + cost, known[1] + quantity]
            found.append((int(day), whole))
    return found


def _spread(daily: list[float], amount: float) -> float:
    if len(daily) == 1:
        return _SPREAD_OF_ONE_DAY
    return _LEAST_SPREAD + sqrt(sum(log(one / amount) ** 2 for one in daily) / len(daily))


def _lines(statement: CostStatement) -> dict[str, list[float]]:
    """Return cost and quantity of the costliest usage types of a part."""
    sums: dict[str, list[float]] = {ALL: [0.0, 0.0]}
    quantities = statement.quantity or [0] * len(statement.kind)
    rows = zip(statement.kind, statement.usage_type, statement.effective, quantities, strict=True)
    for kind, name, cost, quantity in rows:
        if kind == ChargeKind.USAGE:
            sums[ALL][0] += cost / _UNITS
            if quantity > 0 and statement.strings[name] != ALL:
                own = sums.setdefault(statement.strings[name], [0.0, 0.0])
                own[0] += cost / _UNITS
                own[1] += quantity / _UNITS
    costliest = sorted(sums, key=lambda name: (name != ALL, -sums[name][0], name))[: _MOST_TYPES + 1]
    return {name: sums[name] for name in costliest}
