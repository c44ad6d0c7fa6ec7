"""The detector of any series: five views of each new value, each as −log10 of its tail probability."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import log10
from typing import Any, Self

from river import base

from detection.given import check_version, given
from detection.profile import Profile
from detection.recurrence import Recurrence, bounded
from detection.tail import Tail
from detection.windows import Windows

FAST, SLOW, SEASONAL, LATELY = 24.0, 288.0, 12.0, 1.0 / 0.3
"""Rows that the drift, its background, the drift from the profile, and the level before a jump are averaged over."""
SHARE = 0.25
"""What each view beside the strongest adds to the score."""
TRUSTED = 0.6
"""How far beyond the rows seen a tail is believed, as a power of ten."""
THRESHOLD = 3.8
"""The score from where a value is an alert, by default: fixed here before anything is scored."""
VIEWS = ("value", "drift", "season", "shape", "jump")
LATE = 0.7
"""What drift from the profile and shape count: they average over rows, so they are surprised for many at once."""
_FIVE_MINUTES, _HOUR = 300.0, 3600.0

Surprises = tuple[float, float, float, float, float]
_Look = tuple[float, float | None, int, tuple[float, float, float | None, float], Surprises]
"""What a detector sees in a value before it has learnt it: value, time, slot of the profile, the numbers of the views
beside the value itself (no shape within a block), and how surprising each is."""
_NONE = (0.0, 0.0, 0.0, 0.0, 0.0)


def joined(surprises: Sequence[float], pace: float, share: float = SHARE) -> float:
    """Return the score of what the views say, 0 or more; see `SeriesDetector.pace`."""
    level, drift, season, shape, jump = surprises
    strongest = max(level, drift, season, shape)
    return max(0.0, strongest + share * (level + drift + season + shape - strongest) + pace, jump)


class SeriesDetector(base.AnomalyDetector):
    """Score one value after the other of a series by how little it agrees with the series' own past.

    Five views are scored, each among its own past by a `Tail`: the value; its drift (a short mean less a long one); the
    drift from the profile of the day; the shape of the last three blocks; its jump from the last rows. The first four
    ask whether the series has behaved so before: what recurs becomes normal. The jump asks how far a value lies from
    the body of the others, and is bounded by how rarely the series jumps so far (`detection.recurrence`), in time or in
    rows, whichever is rarer.

    The score is the larger of two: the strongest of the four and a share of the rest, or the jump. It is causal:
    nothing is known of a series but what it has shown before, and its length and range are not known at all. The state
    is of constant size.

    What is no finite number is scored 0 and not learnt. A number beyond ±1e100 counts as that. Times may stand still,
    run backwards or leave gaps: the time of day is taken from them, the step from the first nine that advance, and the
    time since the last jumps.

    Parameters
    ----------
    bins
        Size of each of the five sketches.
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
    >>> detector.score_one(60.0, 300.0 * 500) > 3.8
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
        self._season = Tail(bins, memory, wary=2.5)
        self._shape = Tail(
            bins, max(1, memory // block), two_sided=False, early=24, extreme=0.1, counted=False, wary=2.5
        )
        self._jump = Tail(bins, memory, extreme=0.2, counted=False, wary=1.5)
        self._windows = Windows(block, blocks)
        self._profile = Profile(slots)
        self._recurrence = Recurrence()
        self._rows = 0
        self._fast = self._slow = self._day = self._seasonal = self._lately = 0.0
        self._pace = self._an_hour = 0.0
        self._step: float | None = None
        self._looked: _Look | None = None

    @classmethod
    def for_cost(cls) -> Self:
        """Return a detector for a cost series: its saved state is at most 8 kB."""
        return cls(bins=72, memory=1000, block=2, blocks=120, slots=24)

    def score_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> float:
        """Return −log10 p of a value, 0 or more; nothing is learnt from it.

        Parameters
        ----------
        x
            The value; of a mapping of features (river's form), the sum of its numbers.
        t
            Its time: aware, or in seconds of Unix. Without times no profile of the day is learnt, and a row counts as
            five minutes for the score and as an hour for what recurs.
        """
        value, time = given(x, t)
        return joined(self._bounded(value, time), self._pace)

    def learn_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> None:
        """Take a value, as in `score_one`, into the past."""
        looked = self._looked
        if looked is None or looked[0] is not x or looked[1] is not t:  # else they are a scored value's very own
            value, time = given(x, t)
            if value != value:  # noqa: PLR0124 (NaN: no number)
                return
            looked = self._look(value, time)
        self._learn(looked)

    def views_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> dict[str, float]:
        """Return what the score of a value is made of: each view's, as `joined` takes them."""
        return dict(zip(VIEWS, self._bounded(*given(x, t)), strict=True))

    @property
    def pace(self) -> float:
        """What rows that come quicker than every five minutes take from the score: they are more chances, by log10."""
        return self._pace

    def _bounded(self, value: float, time: float | None) -> Surprises:
        if value != value:  # noqa: PLR0124 (NaN: no number)
            return _NONE
        level, drift, season, shape, jump = self._look(value, time)[4]
        season, shape, jump = LATE * season, LATE * shape, jump + self._an_hour
        most = log10(self._rows + 1) + TRUSTED
        if level > most or drift > most or season > most or shape > most:
            level, drift, season, shape = (bounded(one, most) for one in (level, drift, season, shape))
        jump = self._recurrence.bound(jump, time, self._step) if jump > 0.0 else 0.0
        return level, drift, season, shape, jump

    def _know_step(self) -> None:
        self._step = step = self._profile.step
        if step is not None:
            self._pace = min(0.0, log10(step / _FIVE_MINUTES))
            self._an_hour = log10(step / _HOUR)

    def _look(self, value: float, time: float | None) -> _Look:
        looked = self._looked
        if looked is not None and looked[0] == value and looked[1] == time:
            return looked
        slot = self._profile.slot(time)
        if self._rows:
            drift = self._fast + (value - self._fast) / FAST - (self._slow + (value - self._slow) / SLOW)
            expected = self._profile.mean(slot)
            from_profile = value - (expected if expected == expected else self._day)  # noqa: PLR0124 (NaN: unknown)
            jump = value - self._lately
        else:
            drift = from_profile = jump = 0.0
        seasonal = self._seasonal + (from_profile - self._seasonal) / SEASONAL
        shape = self._windows.novelty(value)
        surprises = (
            self._value.surprise(value),
            self._drift.surprise(drift),
            self._season.surprise(seasonal),
            0.0 if shape is None else self._shape.surprise(shape),
            self._jump.surprise(jump),
        )
        self._looked = looked = (value, time, slot, (drift, seasonal, shape, jump), surprises)
        return looked

    def _learn(self, looked: _Look) -> None:
        value, time, slot, (drift, seasonal, shape, jump), surprises = looked
        self._looked = None
        self._value.learn(value, surprises[0])
        self._drift.learn(drift, surprises[1])
        self._season.learn(seasonal, surprises[2])
        if shape is not None:
            self._shape.learn(shape, surprises[3])
        self._jump.learn(jump, surprises[4])
        self._recurrence.learn(surprises[4] + self._an_hour, time, self._step)
        self._windows.learn(value)
        self._profile.learn(slot, value, time)
        if slot < 0:
            self._know_step()
        if self._rows:
            self._fast += (value - self._fast) / FAST
            self._slow += (value - self._slow) / SLOW
            self._day += (value - self._day) / self._profile.rows
            self._lately += (value - self._lately) / LATELY
        else:
            self._fast = self._slow = self._day = self._lately = value
        self._seasonal = seasonal
        self._rows += 1

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data: numbers, texts, lists and dicts, fit for JSON."""
        return {
            "version": 2,
            "rows": self._rows,
            "means": [self._fast, self._slow, self._day, self._seasonal, self._lately],
            "tails": [tail.state() for tail in self._tails()],
            "windows": self._windows.state(),
            "profile": self._profile.state(),
            "recurrence": self._recurrence.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` of a detector with the same parameters gave.

        Raises
        ------
        ValueError
            The state is of another version, or of a detector with other parameters.
        """
        check_version(state, 2)
        self._rows = state["rows"]
        self._fast, self._slow, self._day, self._seasonal, self._lately = state["means"]
        for tail, saved in zip(self._tails(), state["tails"], strict=True):
            tail.restore(saved)
        self._windows.restore(state["windows"])
        self._profile.restore(state["profile"])
        self._recurrence.restore(state["recurrence"])
        self._know_step()
        self._looked = None

    def _tails(self) -> tuple[Tail, Tail, Tail, Tail, Tail]:
        return self._value, self._drift, self._season, self._shape, self._jump
