"""Exponential variables of which only those below a bound are seen: what their mean says of the whole tail."""

from functools import cache
from math import expm1

import numpy as np

from detection.arrays import Floats

_HEAVIEST = 6.0
"""The largest mean that is told."""
_SOLVING = 8
_STEP = 0.001


class CutTail:
    """Exponential variables below `width`, which in means from 0.1 to 6 say what their whole tail's mean is.

    Parameters
    ----------
    width
        The bound.

    Examples
    --------
    >>> tail = CutTail(4.5)
    >>> round(tail.seen(1.0), 3)  # of a tail of mean 1 the part below 4.5 has this mean
    0.949
    >>> round(tail.whole(0.9494), 2)
    1.0
    """

    def __init__(self, width: float) -> None:
        self.width = width
        self._seen: Floats = np.arange(0.0, width + _STEP, _STEP)
        self._whole: Floats = self._solved(self._seen)
        # Plain numbers are looked up some forty times a period, one by one.
        self._one_by_one: list[float] = self._whole.tolist()

    @property
    def variance(self) -> float:
        """Variance of what is seen of a tail of mean 1."""
        odds = expm1(self.width)
        return 1 - self.width**2 * (odds + 1) / odds**2

    def integral(self, mean: float) -> float:
        """Return the integral of exp(−x ÷ mean) from 0 to the bound."""
        return -mean * expm1(-self.width / mean)

    def seen(self, mean: float) -> float:
        """Return the mean of what is seen of a tail of mean `mean`."""
        return mean - self.width / expm1(self.width / mean)

    def whole(self, seen: float) -> float:
        """Return the mean of a tail, when what is seen of it has mean `seen`."""
        table, place = self._one_by_one, seen / _STEP
        if place <= 0.0:
            return table[0]
        below = int(place)
        if below > len(table) - 2:
            return table[-1]
        low = table[below]
        return low + (place - below) * (table[below + 1] - low)

    def wholes(self, seen: Floats) -> Floats:
        """Return `whole` of many."""
        found: Floats = np.interp(seen, self._seen, self._whole)
        return found

    def _solved(self, seen: Floats) -> Floats:
        found = seen
        for _ in range(_SOLVING):
            found = np.clip(seen + self.width / np.expm1(self.width / np.maximum(found, 0.1)), 0.1, _HEAVIEST)
        return found


@cache
def cut_tail(width: float) -> CutTail:
    """Return the one of a width: its tables are made once."""
    return CutTail(width)
