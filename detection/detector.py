"""The detector of any series: four views of each new value, each as −log10 of its tail probability."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from river import base

from detection.given import check_version, given
from detection.profile import Profile
from detection.tail import Tail
from detection.windows import Windows

FAST, SLOW, SEASONAL = 24.0, 288.0, 12.0
"""Rows that the drift, its background, and the drift from the profile are averaged over."""
SHARE = 0.3
"""What each view beside the strongest adds to the score."""
CAP = 15.0
"""Beyond it a view's surprise counts no more: no series is so well known."""
THRESHOLD = 3.4
"""The score from where a value is an alert, by default: fixed here before anything is scored."""
_VIEWS = ("value", "drift", "season", "shape")


class _Look:
    """What a detector sees in one value, before it has learnt it."""

    __slots__ = ("novelty", "numbers", "slot")

    def __init__(self, slot: int, numbers: tuple[float, float, float], novelty: float | None) -> None:
        self.slot = slot
        self.numbers = numbers
        self.novelty = novelty


class SeriesDetector(base.AnomalyDetector):
    """Score one value after the other of a series by how little it agrees with the series' own past.

    Four views are scored, each among its own past by a `Tail`: the value; its drift (a short mean less a long one); the
    drift from the profile of the day; the shape of the last three blocks. The score is the strongest view's −log10 p
    and a share of the others'. It is causal: nothing is known of a series but what it has shown before, and its length
    and range are not known at all. The state is of constant size.

    What is no finite number is scored 0 and not learnt. A number beyond ±1e100 counts as that. Times may stand still,
    run backwards or leave gaps: only the time of day is taken from them.

    Parameters
    ----------
    bins
        Size of each of the four sketches.
    memory
        How many values are remembered, as the time constant of forgetting.
    block
        Rows a block of the shape's windows.
    blocks
        How many blocks of the past a window is compared with.
    slots
        How many slots the profile of a day has at most.

    Examples
    --------
    >>> from detection.detector import SeriesDetector
    >>> detector = SeriesDetector()
    >>> for row in range(500):
    ...     detector.learn_one(10.0 + row % 4, 300.0 * row)
    >>> detector.score_one(10.0, 300.0 * 500) < 2.0
    True
    >>> detector.score_one(60.0, 300.0 * 500) > 5.0
    True
    """

    def __init__(
        self, bins: int = 128, memory: int = 8000, block: int = 6, blocks: int = 500, slots: int = 288
    ) -> None:
        self.bins = bins
        self.memory = memory
        self.block = block
        self.blocks = blocks
        self.slots = slots
        self._value = Tail(bins, memory)
        self._drift = Tail(bins, memory)
        self._season = Tail(bins, memory)
        self._shape = Tail(bins, max(1, memory // block), two_sided=False, early=24)
        self._windows = Windows(block, blocks)
        self._profile = Profile(slots)
        self._rows = 0
        self._fast = self._slow = self._day = self._seasonal = 0.0
        self._looked: tuple[float, float | None, _Look] | None = None

    @classmethod
    def for_cost(cls) -> Self:
        """Return a detector for a cost series: its saved state is at most 8 kB."""
        return cls(bins=96, memory=1000, block=2, blocks=120, slots=24)

    def score_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> float:
        """Return −log10 p of a value, 0 or more; nothing is learnt from it.

        Parameters
        ----------
        x
            The value; of a mapping of features (river's form), the sum of its numbers.
        t
            Its time: aware, or in seconds of Unix. Without times no profile of the day is learnt.
        """
        surprises = self._surprises(*given(x, t))
        strongest = max(surprises)
        return strongest + SHARE * (sum(surprises) - strongest)

    def learn_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> None:
        """Take a value, as in `score_one`, into the past."""
        value, time = given(x, t)
        if value == value:  # noqa: PLR0124 (NaN: no number)
            self._learn(value, time)

    def views_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> dict[str, float]:
        """Return −log10 p of each view of a value: what its score is made of, each up to `CAP`."""
        value, time = given(x, t)
        return dict(zip(_VIEWS, self._surprises(value, time), strict=True))

    def _surprises(self, value: float, time: float | None) -> tuple[float, float, float, float]:
        if value != value:  # noqa: PLR0124 (NaN: no number)
            return 0.0, 0.0, 0.0, 0.0
        look = self._look(value, time)
        level, drift, seasonal = look.numbers
        return (
            min(self._value.surprise(level), CAP),
            min(self._drift.surprise(drift), CAP),
            min(self._season.surprise(seasonal), CAP),
            0.0 if look.novelty is None else min(self._shape.surprise(look.novelty), CAP),
        )

    def _look(self, value: float, time: float | None) -> _Look:
        if self._looked is not None and self._looked[0] == value and self._looked[1] == time:
            return self._looked[2]
        slot = self._profile.slot(time)
        expected = self._profile.mean(slot)
        if not self._rows:
            fast = slow = value
            from_profile = 0.0
        else:
            fast = self._fast + (value - self._fast) / FAST
            slow = self._slow + (value - self._slow) / SLOW
            from_profile = value - (expected if expected == expected else self._day)  # noqa: PLR0124 (NaN: unknown)
        seasonal = self._seasonal + (from_profile - self._seasonal) / SEASONAL
        look = _Look(slot, (value, fast - slow, seasonal), self._windows.novelty(value))
        self._looked = (value, time, look)
        return look

    def _learn(self, value: float, time: float | None) -> None:
        look = self._look(value, time)
        self._looked = None
        level, drift, seasonal = look.numbers
        self._value.learn(level)
        self._drift.learn(drift)
        self._season.learn(seasonal)
        if look.novelty is not None:
            self._shape.learn(look.novelty)
        self._windows.learn(value)
        self._profile.learn(look.slot, value, time)
        if self._rows:
            self._fast += (value - self._fast) / FAST
            self._slow += (value - self._slow) / SLOW
            self._day += (value - self._day) / self._profile.rows
        else:
            self._fast = self._slow = self._day = value
        self._seasonal = seasonal
        self._rows += 1

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data: numbers, texts, lists and dicts, fit for JSON."""
        return {
            "version": 1,
            "rows": self._rows,
            "means": [self._fast, self._slow, self._day, self._seasonal],
            "tails": [tail.state() for tail in self._tails()],
            "windows": self._windows.state(),
            "profile": self._profile.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` of a detector with the same parameters gave.

        Raises
        ------
        ValueError
            The state is of another version, or of a detector with other parameters.
        """
        check_version(state, 1)
        self._rows = state["rows"]
        self._fast, self._slow, self._day, self._seasonal = state["means"]
        for tail, saved in zip(self._tails(), state["tails"], strict=True):
            tail.restore(saved)
        self._windows.restore(state["windows"])
        self._profile.restore(state["profile"])
        self._looked = None

    def _tails(self) -> tuple[Tail, Tail, Tail, Tail]:
        return self._value, self._drift, self._season, self._shape
