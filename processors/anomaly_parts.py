"""Which parts of an account's service carry a change, its regions and its usage types; and whether prices moved.

What each part usually costs is the median of its last two settled weeks before the change.
"""

from detection.explain import Leaf, root_cause
from detection.unit_price import UnitPrice
from processors.anomaly_days import DayCosts
from processors.series import ChargeKind, parse
from schemas.events import AnomalyCause

_DAYS = 14
_LEAST_SHARE = 0.05
_COVERED = 0.5
"""The share of a day's cost of which quantities must be known."""
_NAMES = ("region", "usage_type")
_UNITS = 10**18


def contributors(days: DayCosts, family: str, kind: int, day: int, since: int) -> list[tuple[str, float]]:
    """Return the series of the parts that carry a day's change in a charge class, with their shares from 0 to 1.

    Each of the two breakdowns, by region and by usage type, adds up for itself.
    """
    before = [days.parts(since - number, family) for number in range(1, _DAYS + 1)]
    usual: list[dict[str, float]] = [_amounts(parts, kind) for parts in before if parts]
    now = _amounts(days.parts(day, family), kind)
    found: list[tuple[str, float]] = []
    for name in _NAMES:
        leaves = []
        for part in sorted({part for amounts in (now, *usual) for part in amounts if part.startswith(f"/{name}=")}):
            history = [amounts.get(part, 0.0) for amounts in usual] or [0.0]
            leaves.append(Leaf.beside({"part": part}, now.get(part, 0.0), history))
        if leaves:
            found += [
                (family + one.dimensions["part"], min(one.share, 1.0))
                for one in root_cause(leaves).contributors
                if one.share >= _LEAST_SHARE
            ]
    return found


def cause_of(
    days: DayCosts, family: str, kind: int, day: int, since: int, *, actual: float, expected: float
) -> AnomalyCause:
    """Return whether a day's change is more usage or another price, by what the same usage cost before the change."""
    if kind != ChargeKind.USAGE:
        return "unknown"
    price = UnitPrice()
    for number in range(_DAYS, 0, -1):
        price.learn(*days.price(since - number, family))
    units, at_earlier = days.price(day, family)
    cost = units / _UNITS
    if not price.known or at_earlier <= 0 or cost < _COVERED * actual or cost <= 0:
        return "unknown"
    change = price.split(cost, at_earlier / _UNITS, expected * cost / actual)
    return "rate" if change.mostly == "rate" and price.changed(cost, at_earlier / _UNITS) else "usage"


def is_divided(series: str) -> bool:
    """Say whether a series has parts in its own partition."""
    return parse(series).level == "account_service"


def _amounts(parts: dict[str, dict[str, int]], kind: int) -> dict[str, float]:
    return {part: kinds[str(kind)] / _UNITS for part, kinds in parts.items() if part and str(kind) in kinds}
