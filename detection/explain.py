"""Why a cost changed: which parts carry it and how much each, where it sits, and since when.

References
----------
Bhagwan, R. et al., 2014. Adtributor: revenue debugging in advertising systems. NSDI '14. (Explanatory power, surprise.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from detection.calibration import Floats

CARRIED = 0.8
"""A part that carries this share of a change is where the change is."""
_TOLD = 5
_NARROWER = 0.02


@dataclass(frozen=True, slots=True)
class Leaf:
    """The smallest part of a cost that is known.

    Attributes
    ----------
    dimensions
        As account, service, region, usage type.
    actual, expected, sd
        In currency units.
    """

    dimensions: Mapping[str, str]
    actual: float
    expected: float
    sd: float = 0.0

    @property
    def change(self) -> float:
        """Actual − expected."""
        return self.actual - self.expected


@dataclass(frozen=True, slots=True)
class Contributor:
    """One part's share of a change: 1 is all of it; negative: it went the other way."""

    dimensions: Mapping[str, str]
    change: float
    share: float


@dataclass(frozen=True, slots=True)
class Cause:
    """Where a change is.

    Attributes
    ----------
    scope
        The dimensions that hold it; empty: it is everywhere.
    carried
        The share of the whole change that lies in the scope.
    contributors
        The largest parts inside the scope, by dimensions that the scope leaves open.
    """

    scope: Mapping[str, str]
    carried: float
    contributors: Sequence[Contributor]


def root_cause(leaves: Sequence[Leaf], carried: float = CARRIED) -> Cause:
    """Return the narrowest scope that holds a change.

    From everything, one dimension after the other is fixed to the value that carries at least `carried` of the change
    and surprises most: it carries more of the change than it had of the expected cost. Where no value does, or a value
    is all that there is, the scope stays open in that dimension.
    """
    total = sum(_meant(leaf) for leaf in leaves)
    inside, scope = list(leaves), dict[str, str]()
    while abs(total) > 0:
        step = _narrowest(inside, scope, total, carried)
        if step is None:
            break
        scope[step[0]] = step[1]
        inside = [leaf for leaf in inside if leaf.dimensions.get(step[0]) == step[1]]
    # what all that is left has in common is part of the scope
    for name in sorted({name for leaf in inside for name in leaf.dimensions}) if scope else ():
        values = {leaf.dimensions.get(name) for leaf in inside}
        if len(values) == 1 and name not in scope:
            scope[name] = inside[0].dimensions[name]
    held = sum(_meant(leaf) for leaf in inside)
    ranked = sorted(inside, key=lambda leaf: -abs(leaf.change))[:_TOLD]
    parts = [Contributor(leaf.dimensions, leaf.change, leaf.change / total if total else 0.0) for leaf in ranked]
    return Cause(scope, held / total if total else 0.0, parts)


def _meant(leaf: Leaf) -> float:
    """Return a leaf's change less what its noise makes of it: nothing within one standard deviation."""
    return float(np.sign(leaf.change)) * max(abs(leaf.change) - leaf.sd, 0.0)


def _narrowest(
    leaves: Sequence[Leaf], scope: Mapping[str, str], total: float, carried: float
) -> tuple[str, str] | None:
    whole = sum(abs(leaf.expected) for leaf in leaves) or 1.0
    best, found = _NARROWER, None
    for name in sorted({name for leaf in leaves for name in leaf.dimensions} - set(scope)):
        change, had = dict[str, float](), dict[str, float]()
        for leaf in leaves:
            value = leaf.dimensions.get(name, "")
            change[value] = change.get(value, 0.0) + _meant(leaf)
            had[value] = had.get(value, 0.0) + abs(leaf.expected)
        value = max(change, key=lambda one: change[one] / total)
        power = change[value] / total
        if len(change) > 1 and power >= carried and power - had[value] / whole > best:
            best, found = power - had[value] / whole, (name, value)
    return found


def change_point(z: Floats) -> tuple[int, float]:
    """Return where in a row of standardised residuals a lasting change most likely began, and its size in σ.

    The start that maximises the likelihood of a shifted mean from there to the end: (Σ z)² ÷ length.
    """
    if len(z) == 0:
        return 0, 0.0
    sums = np.cumsum(z[::-1])[::-1]
    lengths = np.arange(len(z), 0, -1)
    start = int(np.argmax(sums**2 / lengths))
    return start, float(sums[start] / lengths[start])


@dataclass(frozen=True, slots=True)
class Impact:
    """What an incident costs, in currency units: so far, a day, and by the month's end if it goes on."""

    so_far: float
    a_day: float
    to_month_end: float


def impact(actual: Sequence[float], expected: Sequence[float], periods_left: int, a_day: int = 1) -> Impact:
    """Return the impact of an incident from its start.

    Parameters
    ----------
    actual, expected
        Costs of its periods so far.
    periods_left
        Periods to the month's end.
    a_day
        Periods in a day.
    """
    excess = [have - want for have, want in zip(actual, expected, strict=True)]
    so_far = sum(excess)
    recent = excess[-a_day:]
    each = sum(recent) / len(recent) if recent else 0.0
    return Impact(so_far, each * a_day, so_far + each * periods_left)


def likeness(one: Floats, other: Floats) -> float:
    """Return how alike two incidents are, −1 to 1: the cosine of their residuals by sub-series or period."""
    size = sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / size if size > 0 else 0.0
