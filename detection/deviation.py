"""The detector of deviations: how far a value lies from the body of its past, however often it did so before."""

from collections.abc import Mapping
from datetime import datetime
from math import log10
from typing import Any

from river import base

from detection.given import check_version, given
from detection.step import Step
from detection.tail import Tail

JUMP = 0.3
"""Share of each new value in the mean that a jump is measured from: about the last three rows."""
SHARE = 0.3
THRESHOLD = 3.4
"""The score from where a value is an alert, by default: about one false alert a series and week."""
HABIT = 0.3
"""What each alert lifts the threshold by (see `detection.one_alert`): more than elsewhere, as what recurs is rare."""
_EXTREME = 0.2
_USUAL = 1.5
_HOUR = 3_600.0
_VIEWS = ("value", "jump")

_Look = tuple[float, float, float, float]
"""What a detector sees in a value before it has learnt it: value, jump, and how surprising each is."""


class DeviationDetector(base.AnomalyDetector):
    """Score each value by its distance from the body of its past, in two views.

    The views are the value and its jump from the last rows. Unlike `detection.detector.SeriesDetector` it does not
    take for normal what recurs: the tail of each view is continued from its outermost fifth, and a value is learnt with
    the less weight the more surprising it is (never less than a tenth, so that a new level is normal after a while).
    That is what incidents need that come again, such as error rates and latencies; on series whose spikes are ordinary
    it alerts too often.

    The score is −log10 of p times the rows an hour: of how many such values are expected in an hour. One threshold so
    means the same rate of false alerts for a row a minute and a row a day.

    Parameters
    ----------
    bins
        Size of each of the two sketches.
    memory
        How many values are remembered, as the time constant of forgetting.

    Examples
    --------
    >>> from detection.deviation import DeviationDetector
    >>> detector = DeviationDetector()
    >>> for row in range(200):
    ...     detector.learn_one(10.0 + row % 7, 3600.0 * row)
    >>> detector.score_one(14.0, 3600.0 * 200) < 1.0
    True
    >>> detector.score_one(60.0, 3600.0 * 200) > 5.0
    True
    """

    def __init__(self, bins: int = 128, memory: int = 8000) -> None:
        self.bins = bins
        self.memory = memory
        self._value, self._jump = self._tails = (
            Tail(bins, memory, extreme=_EXTREME, counted=False, wary=_USUAL),
            Tail(bins, memory, extreme=_EXTREME, counted=False, wary=_USUAL),
        )
        self._step = Step()
        self._rows = 0
        self._level = 0.0
        self._looked: _Look | None = None

    def score_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> float:
        """Return −log10 of how many values as surprising are expected an hour, 0 or more; nothing is learnt.

        Parameters
        ----------
        x
            The value; of a mapping of features (river's form), the sum of its numbers.
        t
            Its time: aware, or in seconds of Unix. Without times a row counts as an hour.
        """
        value, _ = given(x, t)
        if value != value:  # noqa: PLR0124 (NaN: no number)
            return 0.0
        _, _, level, jump = self._look(value)
        strongest = max(level, jump)
        joined = strongest + SHARE * (level + jump - strongest) + log10((self._step.seconds or _HOUR) / _HOUR)
        return max(0.0, joined)

    def learn_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> None:
        """Take a value, as in `score_one`, into the past; what is no finite number is left out."""
        value, time = given(x, t)
        if value != value:  # noqa: PLR0124 (NaN: no number)
            return
        _, jump, of_value, of_jump = self._look(value)
        self._looked = None
        self._value.learn(value, of_value)
        self._jump.learn(jump, of_jump)
        self._step.learn(time)
        self._level += JUMP * (value - self._level) if self._rows else value
        self._rows += 1

    def views_one(self, x: float | Mapping[Any, Any], t: float | datetime | None = None) -> dict[str, float]:
        """Return −log10 p of each view of a value: what its score is made of."""
        value, _ = given(x, t)
        found = (0.0, 0.0) if value != value else self._look(value)[2:]  # noqa: PLR0124 (NaN: no number)
        return dict(zip(_VIEWS, found, strict=True))

    def _look(self, value: float) -> _Look:
        looked = self._looked
        if looked is None or looked[0] != value:
            jump = value - self._level if self._rows else 0.0
            self._looked = looked = (value, jump, self._value.surprise(value), self._jump.surprise(jump))
        return looked

    def state(self) -> dict[str, Any]:
        """Return all that is learnt as plain data: numbers, texts, lists and dicts, fit for JSON."""
        return {
            "version": 1,
            "rows": self._rows,
            "level": self._level,
            "tails": [tail.state() for tail in self._tails],
            "step": self._step.state(),
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
        self._level = state["level"]
        for tail, saved in zip(self._tails, state["tails"], strict=True):
            tail.restore(saved)
        self._step.restore(state["step"])
        self._looked = None
