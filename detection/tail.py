"""How unusual is a number among those that came before: −log10 of its tail probability, from a sketch."""

from bisect import bisect_left
from itertools import accumulate
from math import asinh, exp, inf, log10, nan, sinh
from typing import Any

from detection.packed import packed, unpacked

RESOLUTION = 6.0
"""Bins a unit of asinh: far from the centre a bin is 17 % wide, near it a sixth of the scale."""
_POINTS = 4.0
"""An exponential tail is drawn from no fewer points."""
_PRIOR_POINTS, _PRIOR_MEAN = 2.0, 0.3
"""A mean excess of few points leans on two imagined ones of 0.3 scales."""
CAP = 15.0
"""Beyond it a surprise counts no more: no series is so well known."""
_LEAST = 10.0**-CAP
_LEAST_WEIGHT = 0.1
_REFIT_BINS = 6
_LIGHTEST = 1e6
_FAR = 1e100
_RARE = 0.02
_REDRAWN_EVERY = 32
_REFIT_EVERY = 32 * _REDRAWN_EVERY

Exponential = tuple[float, float, float]
"""Where a tail begins, the weight beyond, and its mean excess."""


class Tail:
    """A sketch of the numbers seen, the older the lighter, that tells how far out in their tail a new one lies.

    The sketch is a histogram over asinh of the distance from a centre: of even width near it, of even relative width
    far from it, so that a fixed number of bins holds money and milliseconds alike. Older numbers lose weight by
    exponential forgetting. Beyond the outermost part of the sample the tail is continued by an exponential of the same
    mean excess, so that a score goes on growing where no number has been.

    Parameters
    ----------
    bins
        Size of the histogram; eight bytes each in the saved state.
    memory
        How many numbers the sketch remembers, as the time constant of its forgetting.
    two_sided
        Whether a small number is as unusual as a large one.
    early
        How many numbers are awaited before anything is scored; they set centre and scale.
    extreme
        The share of the sample, on either side, from where the tail is taken as exponential.
    counted
        Whether a number that was seen more than once before is as likely as that count says; else the exponential
        stands also where numbers have been, and what recurs stays rare.
    wary
        From this surprise on a number is learnt with the less weight the more surprising it is (never less than a
        tenth), so that an incident does not make the next one ordinary; None: all count alike.

    References
    ----------
    Pickands, J., 1975. Statistical inference using extreme order statistics. Annals of Statistics, 3(1).
    """

    __slots__ = (
        "_bins", "_counted", "_counts", "_drawn", "_early", "_end", "_extreme", "_first", "_growth", "_half", "_high",
        "_learnt", "_low", "_middle", "_most", "_needed", "_number", "_place", "_sides", "_total", "_wary", "_weight",
        "_width", "centre", "scale",
    )  # fmt: skip

    def __init__(
        self,
        bins: int = 128,
        memory: int = 8000,
        *,
        two_sided: bool = True,
        early: int = 32,
        extreme: float = 0.005,
        counted: bool = True,
        wary: float | None = None,
    ) -> None:
        self._bins, self._width, self._half = bins, float(bins), bins / 2
        self._growth = 1.0 + 1.0 / memory
        # from which place on, and up to which share, the tail above is the one that counts
        self._sides, self._middle, self._most = (2.0, self._half, 0.5) if two_sided else (1.0, -inf, inf)
        self._needed = early
        self._extreme = extreme
        self._counted = counted
        self._wary = inf if wary is None else wary
        self._early: list[float] | None = []
        self._counts = [0.0] * bins
        # Only between these bins there is anything: as integers to add up from and to, as floats to compare with.
        self._first = self._end = 0
        self._low = self._high = 0.0
        self._total = 0.0
        self._weight = 1.0
        self._learnt = 0
        self._drawn: tuple[Exponential, Exponential] | None = None
        self.centre = 0.0
        self.scale = 1.0
        # Where the number stands that was asked about last: it is the one that is learnt, as a rule.
        self._number, self._place = nan, 0.0

    def surprise(self, number: float) -> float:
        """Return −log10 of the chance that the next number lies as far out as this one, up to `CAP`.

        It is 0 while too few were seen.
        """
        if self._early is not None:
            return 0.0
        place = asinh((number - self.centre) / self.scale) * RESOLUTION + self._half
        self._number, self._place = number, place
        counts, total = self._counts, self._total
        bin_ = int(place) if 0.0 <= place < self._width else 0 if place < 0.0 else self._bins - 1
        upper = place >= self._middle
        tail = sum(counts[bin_ + 1 : self._end] if upper else counts[self._first : bin_]) + 0.5 * counts[bin_]
        if tail > self._most * total:
            tail, upper = total - tail, not upper
        if tail < self._extreme * total or tail < _POINTS * self._weight:
            tail = self._beyond(number, tail, upper=upper)
        chance = self._sides * tail / total
        return 0.0 if chance >= 1.0 else -log10(chance) if chance > _LEAST else CAP

    def learn(self, number: float, surprise: float = 0.0) -> None:
        """Take a number into the sketch, of which `surprise` was said; a number beyond ±1e100 counts as that."""
        if self._early is not None:
            self._await(number)
            return
        place = self._place if number == self._number else self._placed(number)
        if not self._low <= place < self._high:
            place = self._reach(number)
        weight = self._weight
        self._weight = weight * self._growth
        if surprise > self._wary:
            weight *= max(_LEAST_WEIGHT, 10.0 ** (self._wary - surprise))
        self._counts[int(place)] += weight
        self._total += weight
        self._learnt += 1
        if not self._learnt % _REDRAWN_EVERY:
            self._keep_up()

    def _placed(self, number: float) -> float:
        return asinh((number - self.centre) / self.scale) * RESOLUTION + self._half

    def _reach(self, number: float) -> float:
        """Have the sketch reach to a number, and return its place."""
        number = _within(number)
        place = self._placed(number)
        if not 1.0 <= place < self._width - 1.0:
            self._rescale(self.centre, abs(number - self.centre) / sinh(0.85 * self._half / RESOLUTION))
            place = self._placed(number)
        bin_ = int(place)
        self._bound(min(self._first, bin_) if self._end else bin_, max(self._end, bin_ + 1))
        return place

    def _bound(self, first: int, end: int) -> None:
        self._first, self._end = first, end
        self._low, self._high = float(first), float(end)

    def _bound_counted(self) -> None:
        counted = [bin_ for bin_, count in enumerate(self._counts) if count] or [0, -1]
        self._bound(counted[0], counted[-1] + 1)

    def _await(self, number: float) -> None:
        self._early = [*(self._early or []), _within(number)]
        if len(self._early) == self._needed:
            self._begin(sorted(self._early))

    def _keep_up(self) -> None:
        if self._learnt % _REFIT_EVERY == 0:
            self._refit()
        if self._extreme > _RARE:
            # where the exponential is asked for often, it is drawn now and then instead of each time
            self._drawn = self._exponential(upper=False), self._exponential(upper=True)

    def _begin(self, first: list[float]) -> None:
        self.centre = first[len(first) // 2]
        deviations = sorted(abs(number - self.centre) for number in first)
        self.scale = max(1.48 * deviations[len(first) // 2], 0.1 * deviations[-1], 1e-4 * abs(self.centre), 1e-9)
        early, self._early = self._early or [], None
        for number in early:
            self.learn(number)

    def _edge(self, place: float) -> float:
        return self.centre + self.scale * sinh((place - self._half) / RESOLUTION)

    def _rescale(self, centre: float, scale: float) -> None:
        """Move what is counted to the bins of another centre and scale; what falls outside goes to the last bin."""
        old = [(self._edge(bin_ + 0.5), count) for bin_, count in enumerate(self._counts) if count]
        self.centre, self.scale = centre, scale
        self._number = nan
        self._counts = [0.0] * self._bins
        for number, count in old:
            self._counts[int(min(max(self._placed(number), 1.0), self._width - 2.0))] += count
        self._bound_counted()

    def _refit(self) -> None:
        """Let the weights start from one again, and look closer where nearly all numbers share a few bins.

        That happens when the level has moved far from the first numbers, or after one that was beyond all measure.
        """
        if self._weight > _LIGHTEST:
            self._counts = [count / self._weight for count in self._counts]
            self._total /= self._weight
            self._weight = 1.0
            self._drawn = None
        sums = list(accumulate(self._counts))
        low, middle, high = (bisect_left(sums, share * sums[-1]) for share in (0.05, 0.5, 0.95))
        if high - low < _REFIT_BINS:
            centre = self._edge(middle + 0.5)
            width = self._edge(high + 1) - self._edge(low)
            self._rescale(centre, max(width / 8.0, 1e-4 * abs(centre), 1e-9))

    def _exponential(self, *, upper: bool) -> Exponential:
        """Draw the exponential of the outermost bins that hold `extreme` of the sample."""
        needed = max(self._extreme * self._total, _POINTS * self._weight)
        held, bins = 0.0, []
        for bin_ in range(self._end - 1, self._first - 1, -1) if upper else range(self._first, self._end):
            if self._counts[bin_]:
                bins.append(bin_)
                held += self._counts[bin_]
                if held >= needed:
                    break
        begin = self._edge(bins[-1] if upper else bins[-1] + 1)
        excesses = sum(self._counts[bin_] * abs(self._edge(bin_ + 0.5) - begin) for bin_ in bins)
        prior = _PRIOR_POINTS * self._weight
        return begin, held, (excesses + prior * _PRIOR_MEAN * self.scale) / (held + prior)

    def _beyond(self, number: float, tail: float, *, upper: bool) -> float:
        """Return the weight of a tail by the exponential that continues it, bounded by what is counted."""
        begin, held, mean = self._drawn[upper] if self._drawn else self._exponential(upper=upper)
        most = tail + 0.5 * self._weight
        excess = number - begin if upper else begin - number
        if excess <= 0.0:
            return most
        least = tail - self._weight if self._counted else 0.0
        return max(min(most, held * exp(-excess / mean)), least)

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data."""
        return {
            "counts": packed(self._counts),
            "early": None if self._early is None else packed(self._early),
            "total": self._total,
            "weight": self._weight,
            "learnt": self._learnt,
            "drawn": None if self._drawn is None else [list(side) for side in self._drawn],
            "centre": self.centre,
            "scale": self.scale,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave.

        Raises
        ------
        ValueError
            The state is of a sketch with another number of bins.
        """
        counts = unpacked(state["counts"])
        if len(counts) != self._bins:
            raise ValueError(f"the saved state has {len(counts)} bins, this detector {self._bins}: give it the same")
        self._counts = counts
        self._bound_counted()
        self._early = None if state["early"] is None else unpacked(state["early"])
        self._total, self._weight, self._learnt = state["total"], state["weight"], state["learnt"]
        drawn = state["drawn"]
        self._drawn = None if drawn is None else (_side(drawn[0]), _side(drawn[1]))
        self.centre, self.scale, self._number = state["centre"], state["scale"], nan


def _within(number: float) -> float:
    return min(max(number, -_FAR), _FAR)


def _side(saved: list[float]) -> Exponential:
    begin, held, mean = saved
    return begin, held, mean
