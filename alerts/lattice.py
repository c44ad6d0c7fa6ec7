"""The lattice of series: which is part of which, and which of them explains most of a change.

Organisation > provider > account, service > an account's service > its regions, its usage types; tags stand beside.
Amounts are changes a day in one currency, rises positive.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from processors.series import Level, Series, parse

_ALL = ("provider", "account", "service", "region", "usage_type", "tag", "value")

Relation = Literal["same", "above", "below", "across", "tag", "none"]

#: What explains at least this share of a change explains most of it.
MOST = Decimal("0.5")


@lru_cache(maxsize=100_000)
def _fixed(key: str) -> frozenset[tuple[str, str]]:
    series = parse(key)
    pairs = ((name, getattr(series, name)) for name in _ALL)
    return frozenset((name, value) for name, value in pairs if value is not None)


def depth(key: str) -> int:
    """Return how far below the organisation a series stands: how many dimensions are fixed."""
    return len(_fixed(key))


def is_tag(key: str) -> bool:
    """Tell whether a series is that of a tag, which cuts across all others."""
    return "/tag=" in key


@lru_cache(maxsize=200_000)
def relation(one: str, other: str) -> Relation:
    """Return where `one` stands from `other`.

    `above`: it holds it; `across`: they overlap, as an account and a service, or a region and a usage type of the same
    service; `tag`: one of them is a tag's, so that nobody can tell; `none`: nothing belongs to both.

    Examples
    --------
    >>> relation("USD", "USD/provider=AWS"), relation("USD/provider=AWS/account=1", "USD/provider=AWS/service=S3")
    ('above', 'across')
    """
    if one == other:
        return "same"
    if parse(one).currency != parse(other).currency:
        return "none"
    mine, theirs = _fixed(one), _fixed(other)
    if mine < theirs:
        return "above"
    if mine > theirs:
        return "below"
    if is_tag(one) != is_tag(other):
        return "tag"
    fixed = dict(mine)
    return "none" if any(fixed.get(name, value) != value for name, value in theirs) else "across"


#: The dimensions that the series of a level fix, besides the currency.
DIMENSIONS: Mapping[Level, tuple[str, ...]] = {
    "organisation": (),
    "provider": ("provider",),
    "account": ("provider", "account"),
    "service": ("provider", "service"),
    "account_service": ("provider", "account", "service"),
    "region": ("provider", "account", "service", "region"),
    "usage_type": ("provider", "account", "service", "usage_type"),
    "tag": ("tag", "value"),
}
#: Levels that hold others whole, and which.
HOLDERS: Mapping[Level, frozenset[Level]] = {
    "organisation": frozenset({"provider", "account", "service", "account_service", "region", "usage_type", "tag"}),
    "provider": frozenset({"account", "service", "account_service", "region", "usage_type"}),
    "account": frozenset({"account_service", "region", "usage_type"}),
    "service": frozenset({"account_service", "region", "usage_type"}),
    "account_service": frozenset({"region", "usage_type"}),
}


@lru_cache(maxsize=100_000)
def holder(key: str, level: Level) -> str:
    """Return the series of a level of `HOLDERS` that holds a series.

    Examples
    --------
    >>> holder("USD/provider=AWS/account=1234/service=AmazonS3/region=eu-west-1", "account")
    'USD/provider=AWS/account=1234'
    """
    series = parse(key)
    return Series(series.currency, **{name: getattr(series, name) for name in DIMENSIONS[level]}).key


@dataclass(frozen=True, slots=True)
class Change:
    """How much a series changed, a day."""

    series: str
    amount: Decimal


def cause(changes: Sequence[Change]) -> Change:
    """Return the smallest series that explains most of the largest change.

    A tag's series is chosen only where there is no other: it says who, not what.

    Raises
    ------
    ValueError
        When there is no change at all.
    """
    plain = [change for change in changes if not is_tag(change.series)] or list(changes)
    if not plain:
        raise ValueError("a cause needs at least one change")
    largest = max(abs(change.amount) for change in plain)
    enough = [change for change in plain if abs(change.amount) >= largest * MOST]
    return max(enough, key=lambda change: (depth(change.series), abs(change.amount), change.series))


def largest(changes: Iterable[Change]) -> list[Change]:
    """Return the largest change of each series: what several rules say of one is said once."""
    found: dict[str, Change] = {}
    for change in changes:
        known = found.get(change.series)
        if known is None or abs(change.amount) > abs(known.amount):
            found[change.series] = change
    return list(found.values())


def below(changes: Iterable[Change], scope: str) -> list[Change]:
    """Return the largest change of each series that is part of `scope`, the largest first."""
    found = [change for change in largest(changes) if relation(scope, change.series) == "above"]
    return sorted(found, key=lambda change: (-abs(change.amount), change.series))


def fits(change: Change, scope: Change) -> int:
    """Return how well a change fits a known cause: 0 not at all, a higher number better.

    A change inside the scope is part of it. A change of a wider series is explained by the scope when that makes up a
    quarter of it. Across, and between tags and the rest, only equal size tells: within a factor of two, or of 1.25.
    """
    if (change.amount < 0) != (scope.amount < 0):
        return 0
    small, large = sorted((abs(change.amount), abs(scope.amount)))
    match relation(change.series, scope.series):
        case "same":
            return 4
        case "below":
            return 3
        case "above":
            return 2 if abs(scope.amount) * 4 >= abs(change.amount) else 0
        case "across":
            return 1 if small * 2 >= large else 0
        case "tag":
            return 1 if small * 5 >= large * 4 else 0
        case _:
            return 0
