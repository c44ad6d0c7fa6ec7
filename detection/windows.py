"""How new is the shape of the last few hours: the distance to the most alike stretch of the past."""

from math import log, sqrt
from typing import Any

import numpy as np

from detection.arrays import Floats
from detection.packed import packed, unpacked

_LENGTH = 3
_MEMORY = 2000
"""Rows after which each new one counts as much in mean and deviation as the one before."""
_SPREADS = 3.0
"""Mean deviations that make a unit of distance: about the span from the 5th to the 95th percentile."""
_FLOOR = 0.01


class Windows:
    """The past as blocks of rows, each held by its most extreme value, and windows of three blocks laid over it.

    A stretch is new when even the most alike of all earlier stretches is far from it: the left matrix profile, kept at
    block ends only, which makes the search cheap.

    Parameters
    ----------
    rows
        Rows a block.
    blocks
        How many blocks of the past are searched; eight bytes each in the saved state.

    References
    ----------
    Yeh, C.-C. M. et al., 2016. Matrix Profile I: All Pairs Similarity Joins for Time Series. IEEE ICDM.
    Hampton, A., 2021. ARTime: adaptive resonance over down-sampled windows (the idea of a block's extreme).
    """

    __slots__ = (
        "_asked", "_block", "_blocks", "_deviation", "_distances", "_mean", "_past", "_rows", "_seen", "_share",
        "_size", "_taken",
    )  # fmt: skip

    def __init__(self, rows: int = 6, blocks: int = 500) -> None:
        self._rows, self._blocks = rows, blocks
        self._past = np.zeros(2 * blocks)
        self._size = 0
        self._seen = self._taken = 0
        self._share = 1.0
        self._block: list[float] = []
        self._mean = self._deviation = 0.0
        # Two of a window's blocks are those of the window before: their distances are known, and only kept in mind.
        self._distances = np.zeros(0), np.zeros(0)
        self._asked: tuple[float, Floats] | None = None

    def _extreme(self, value: float) -> float:
        """Return the extreme of the block that `value` ends: what lies farthest from the mean."""
        block = [*self._block, value]
        high, low = max(block), min(block)
        return high if high - self._mean > self._mean - low else low

    def novelty(self, value: float) -> float | None:
        """Return log distance of the window that `value` ends to the most alike one; None inside of a block."""
        size = self._size
        if self._taken + 1 < self._rows or size < 2 * _LENGTH or self._deviation <= 0.0:
            return None
        earlier = min(size, self._blocks) - _LENGTH - 1
        first, second = self._distances
        squares = first[-earlier:] + second[-earlier:]
        squares += self._squares(self._extreme(value), size)[-earlier:]
        distance = sqrt(float(np.minimum.reduce(squares)) / _LENGTH) / (_SPREADS * self._deviation)
        return log(distance + _FLOOR)

    def _squares(self, extreme: float, size: int) -> Floats:
        """Return the squared distances of a block to those that end three blocks and more before it, of `size`."""
        if self._asked is None or self._asked[0] != extreme:
            squares = self._past[max(0, size - self._blocks) : max(0, size - _LENGTH + 1)] - extreme
            squares *= squares
            self._asked = extreme, squares
        return self._asked[1]

    def learn(self, value: float) -> None:
        """Take a row into its block."""
        self._taken += 1
        if self._taken == self._rows:
            self._end_block(self._extreme(value))
        else:
            self._block.append(value)
        if self._seen < _MEMORY:
            self._seen += 1
            self._share = 1.0 / self._seen
        share = self._share
        self._mean = mean = self._mean + (value - self._mean) * share
        self._deviation += (abs(value - mean) - self._deviation) * share

    def _end_block(self, extreme: float) -> None:
        self._distances = self._distances[1], self._squares(extreme, self._size)
        self._asked = None
        if self._size == len(self._past):
            self._past[: self._blocks] = self._past[self._blocks :]
            self._size = self._blocks
        self._past[self._size] = extreme
        self._size += 1
        self._taken = 0
        self._block = []

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data."""
        held = min(self._size, self._blocks)
        # the newest block is compared only with the past, so what lies before the searched blocks is not needed
        return {
            "past": packed(self._past[self._size - held : self._size].tolist()),
            "seen": self._seen,
            "taken": self._taken,
            "extremes": [max(self._block), min(self._block)] if self._taken else None,
            "mean": self._mean,
            "deviation": self._deviation,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave.

        Raises
        ------
        ValueError
            The state holds more blocks than this one searches.
        """
        past = unpacked(state["past"])
        if len(past) > self._blocks:
            raise ValueError(f"the saved state has {len(past)} blocks, this detector {self._blocks}: give it the same")
        self._size = len(past)
        self._past[: self._size] = past
        self._distances = np.zeros(0), np.zeros(0)
        for place in range(max(0, self._size - _LENGTH + 1), self._size):
            self._asked = None
            self._distances = self._distances[1], self._squares(past[place], place)
        self._asked = None
        self._seen, self._taken = min(state["seen"], _MEMORY), state["taken"]
        self._share = 1.0 / max(self._seen, 1)
        self._block = list(state["extremes"] or ())
        self._mean, self._deviation = state["mean"], state["deviation"]
