"""Which parts of an account's service carry a change: its regions, and its usage types.

What each part usually costs is the median of its last two settled weeks before the change.
"""

from statistics import median

from detection.explain import Leaf, root_cause
from processors.anomaly_days import DayCosts
from processors.series import parse

_DAYS = 14
_LEAST_SHARE = 0.05
_NAMES = ("region", "usage_type")
_UNITS = 10**18
_TO_DEVIATION = 1.4826


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
            expected = median(history)
            spread = _TO_DEVIATION * median(abs(amount - expected) for amount in history)
            leaves.append(Leaf({"part": part}, now.get(part, 0.0), expected, spread))
        if leaves:
            found += [
                (family + one.dimensions["part"], min(one.share, 1.0))
                for one in root_cause(leaves).contributors
                if one.share >= _LEAST_SHARE
            ]
    return found


def is_divided(series: str) -> bool:
    """Say whether a series has parts in its own partition."""
    return parse(series).level == "account_service"


def _amounts(parts: dict[str, dict[str, int]], kind: int) -> dict[str, float]:
    return {part: kinds[str(kind)] / _UNITS for part, kinds in parts.items() if part and str(kind) in kinds}
