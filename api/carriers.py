"""What carries a change of an account, a service, a provider or all: which accounts and services, by their totals.

The stream tells the regions and usage types of an account's service, which lie in its partition. What lies below the
levels above it is spread over all partitions, so it is asked for when somebody looks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from api.route import Rows
from detection.explain import Cause, Contributor, Leaf, root_cause
from processors.series import Series, parse

_BEFORE = 14
"""Days before the change by whose median it is judged what a part usually costs."""
_LONGEST = timedelta(days=28)
_LEAST_SHARE = 0.05
_LEVELS = frozenset({"organisation", "provider", "account", "service"})
_NAMES = ("provider", "account", "service")


@dataclass(frozen=True, slots=True)
class Change:
    """The change whose parts are asked for.

    Attributes
    ----------
    series
        Its key.
    charges
        The charge classes it is about, as `usage`.
    since, last
        Its first day, and the newest that is known of it.
    measure
        `billed` or `effective`.
    """

    series: str
    charges: Sequence[str]
    since: date
    last: date
    measure: str = "effective"


async def carriers(database: Rows, run: str, change: Change) -> list[dict[str, Any]]:
    """Return the parts that carry a change, as series and share from 0 to 1: the scope that holds it, and within.

    The scope comes first: the account, service or account's service in which the change lies, where there is one. Its
    largest parts follow; none where the change is that of an account's service or a tag, or no part stands out.
    """
    whole = parse(change.series)
    if whole.level not in _LEVELS:
        return []
    last = min(change.last, change.since + _LONGEST)
    values: dict[str, Any] = {
        "run": run,
        "currency": whole.currency,
        "charges": list(change.charges),
        "first": change.since - timedelta(days=_BEFORE),
        "since": change.since,
        "last": last,
    }
    fixed = {name: value for name in _NAMES if (value := getattr(whole, name)) is not None}
    conditions = [f"{name} = {{{name}:String}}" for name in fixed]
    where = " AND ".join(
        ["run = {run:String} AND currency = {currency:String} AND level = 'account_service'", *conditions]
    )
    measure = "billed" if change.measure == "billed" else "effective"
    rows = await database.rows(
        "SELECT provider, account, service, groupArrayIf(cost, day < {since:Date}), sumIf(cost, day >= {since:Date}) "  # noqa: S608 - names are ours
        f"FROM (SELECT provider, account, service, day, toFloat64(sum({measure})) AS cost FROM totals FINAL "
        f"WHERE {where} AND kind IN {{charges:Array(String)}} AND day >= {{first:Date}} AND day <= {{last:Date}} "
        "GROUP BY provider, account, service, day) "
        "GROUP BY provider, account, service ORDER BY provider, account, service",
        values | fixed,
    )
    days = (last - change.since).days + 1
    leaves = [_leaf(fixed, row, days) for row in rows]
    return [] if not leaves else told(whole, await asyncio.to_thread(root_cause, leaves))


def _leaf(fixed: Mapping[str, str], row: Sequence[Any], days: int) -> Leaf:
    """Return an account's service over the days of a change; a day without a total has cost nothing."""
    *names, before, actual = row
    usual = [*before, *[0.0] * (_BEFORE - len(before))]
    dimensions = {name: value for name, value in zip(_NAMES, names, strict=True) if name not in fixed}
    return Leaf.beside(dimensions, actual, usual, days)


def told(whole: Series, cause: Cause) -> list[dict[str, Any]]:
    """Return series and shares: of the scope, where it is narrower than the whole, and of what is in it."""
    found: dict[str, float] = {}
    providers = {part.dimensions.get("provider", whole.provider) for part in cause.contributors}
    if cause.scope and len(providers) == 1:
        found[_key(whole, {"provider": next(iter(providers)), **cause.scope})] = cause.carried
    for part in _large(cause.contributors):
        found.setdefault(_key(whole, part.dimensions), part.share)
    found.pop(whole.key, None)
    return [{"series": key, "share": min(share, 1.0)} for key, share in found.items()]


def _large(parts: Sequence[Contributor]) -> list[Contributor]:
    return [part for part in parts if part.share >= _LEAST_SHARE]


def _key(whole: Series, dimensions: Mapping[str, str | None]) -> str:
    of = {name: dimensions.get(name, getattr(whole, name)) for name in _NAMES}
    return Series(whole.currency, **of).key
