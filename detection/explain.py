"""Why a cost changed: which parts carry it and how much each, where it sits, and since when.

A scope is weighed as a hypothesis: all in it changed alike, by one share of the expected or by as many standard
deviations, and nothing else did. What that explains of the leaves' squared residuals speaks for it, how many other
scopes like it there are speaks against. So a small series is not drowned in the noise of large ones.

References
----------
Bhagwan, R. et al., 2014. Adtributor: revenue debugging in advertising systems. NSDI '14.
Neill, D., 2012. Fast subset scan for spatial pattern detection. Journal of the Royal Statistical Society B 74(2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from detection.arrays import Floats

CARRIED = 0.8
"""A scope holds at least this share of what clearly changed."""
_TOLD = 5
_CLEAR = 4.0
"""Standard deviations from where a leaf has clearly changed."""
_ALREADY = 1.5
"""Standard deviations from where a period before a change belongs to it."""
_ENOUGH = 4.0
"""What a scope must explain, in logarithms of the likelihood, to be told at all."""
_LEAST_SD = 0.01
_TO_DEVIATION = 1.4826


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

    @classmethod
    def beside(cls, dimensions: Mapping[str, str], actual: float, history: Sequence[float], periods: int = 1) -> "Leaf":
        """Return a part whose usual cost is the median of earlier periods, as many of which `actual` covers."""
        usual = median(history)
        spread = _TO_DEVIATION * median(abs(cost - usual) for cost in history)
        return cls(dimensions, actual, usual * periods, spread * periods**0.5)

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
    """Return the scope that explains a change best; empty dimensions: it is everywhere, or too vague to say.

    Parameters
    ----------
    leaves
        All parts of what changed, with the same names of dimensions.
    carried
        The share of what clearly changed that must lie inside.
    """
    sds = np.array([max(leaf.sd, _LEAST_SD * abs(leaf.expected), 1e-9) for leaf in leaves])
    changes = np.array([leaf.change for leaf in leaves])
    z = changes / sds
    expected = np.array([abs(leaf.expected) for leaf in leaves]) / sds
    clear = np.where(np.abs(z) > _CLEAR, np.abs(changes), 0.0)
    candidates = _candidates(leaves)
    of_a_kind: dict[tuple[str, ...], int] = {}
    for names, _ in candidates:
        of_a_kind[names] = of_a_kind.get(names, 0) + 1
    best, scope, inside = _ENOUGH, (tuple[str, ...](), tuple[str, ...]()), list(range(len(leaves)))
    for (names, values), places in candidates.items():
        if clear[places].sum() < carried * clear.sum():
            continue
        gain = _explained(z[places], expected[places]) - np.log(of_a_kind[names])
        if gain > best:
            best, scope, inside = gain, (names, values), places
    total = float(changes.sum())
    ranked = sorted((leaves[place] for place in inside), key=lambda leaf: -abs(leaf.change))[:_TOLD]
    parts = [Contributor(leaf.dimensions, leaf.change, leaf.change / total if total else 0.0) for leaf in ranked]
    return Cause(dict(zip(*scope, strict=True)), float(changes[inside].sum()) / total if total else 0.0, parts)


def _explained(z: Floats, expected: Floats) -> float:
    """Return what one common change explains: of so many standard deviations, or of such a share of the expected."""
    alike = float(z.sum()) ** 2 / len(z)
    weight = float(expected @ expected)
    in_proportion = float(z @ expected) ** 2 / weight if weight > 0 else 0.0
    return max(alike, in_proportion) / 2


def _candidates(leaves: Sequence[Leaf]) -> dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]]:
    """Return each scope, as names and values of dimensions, with the places of its leaves."""
    names = sorted({name for leaf in leaves for name in leaf.dimensions})
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for size in range(len(names) + 1):
        for chosen in combinations(names, size):
            for place, leaf in enumerate(leaves):
                values = tuple(leaf.dimensions.get(name, "") for name in chosen)
                found.setdefault((chosen, values), []).append(place)
    return found


def began(z: Floats, within: int) -> int:
    """Return where in a row of standardised residuals a change to its end most likely began: a step, or a slow rise.

    Of all steps and straight rises to the end that begin in the last `within` periods, the one that explains most of
    the squares; and from there back over periods that lie clearly on the same side: some causes double each period.
    """
    sums, explained = _beginnings(z[-within:])
    place = int(np.argmax(explained))
    side, start = np.sign(sums[place]), len(z) - len(sums) + place
    while start > 0 and z[start - 1] * side > _ALREADY:
        start -= 1
    return start


def beginning_spread(z: Floats, within: int, start: int) -> float:
    """Return by how much the sum of standardised residuals from `start` to the end may err, for `start` may.

    It is the root mean square, over all beginnings in the last `within` periods, each as likely as what it explains
    makes it.
    """
    sums, explained = _beginnings(z[-within:])
    likely = np.exp((explained - explained.max()) / 2)
    return float(np.sqrt(likely @ (sums - z[start:].sum()) ** 2 / likely.sum()))


def _beginnings(z: Floats) -> tuple[Floats, Floats]:
    """Return, for a change that begins at each period, the sum from there on and the squares that it explains."""
    lengths = np.arange(len(z), 0, -1)
    sums: Floats = np.cumsum(z[::-1])[::-1]
    # of a rise that begins at s: Σ (t − s + 1) z = Σ over u ≥ s of the sums from u
    rises = np.cumsum(sums[::-1])[::-1]
    steps, ramps = sums**2 / lengths, rises**2 / (lengths * (lengths + 1) * (2 * lengths + 1) / 6)
    explained: Floats = np.maximum(steps, ramps)
    return sums, explained
