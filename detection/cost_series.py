"""Scores of cost series: how surprising a period is, and whether it is an incident.

A series is looked at through windows of its standardised residuals: one period for spikes, some for steps, four weeks
for a creep, upwards and downwards. Each window's p-value is weighed, the smallest counts, and `detection.calibration`
says what it is really worth. An incident alerts once; it stays open while its series is outside, and closes when the
series returns or when its new level is confirmed.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from detection.arrays import Bools, Floats, Ints, Singles
from detection.calibration import TailCalibration, needed_log_p
from detection.explain import began, beginning_spread
from detection.given import check_version
from detection.levels import LevelBank
from detection.seasons import Calendar
from detection.skew import Skew
from detection.student import log_tail
from detection.young_tail import UNTIL, YoungTail

STATE_VERSION = 6
"""Version of the saved state: raised whenever a number in it changes its meaning, as a season's coefficient may."""
DAILY_WINDOWS = (1, 2, 7, 28)
HOURLY_WINDOWS = (1, 2, 24, 72)
"""Periods of the windows."""
UP = (0.66, 0.12, 0.07, 0.05)
DOWN = (0.04, 0.01, 0.02, 0.005)
"""Each window's share of the false alerts."""
BAND = 3.0
"""Standard deviations of the band that is told."""
_LEARNT_DAYS, _LEARNT_DAYS_OF_HOURS = 56, 7
"""Days of a series from where its tails are learnt: before, they tell of seasons that are not known yet.

The hours of a week have shown what they know of seasons, and are enough to tell a light tail from a heavy one.
"""
_STILL_OUTSIDE = 2.0
_QUIET = 2
_REOPENS = 7
LONG = 7
"""Periods from where a window is so long that the level has followed what it finds, and that no single period decides.

Such windows have a calibration of their own: what lasts is found also where single days are wild.
"""
_SUDDEN = 0.83
"""The share of the false alerts of the short windows."""
_LASTING = 0.03
"""That of the long ones: they overlap, so that chance stays beyond for weeks, and have power to spare."""
_BOUND = 4.0
"""Standard deviations that one period counts at most in a longer window."""
_SCALE_PRIOR = 200.0
_BOUNDED_SQUARE = 6.25
_MEAN_OF_BOUNDED = 0.9594
_TINY = 1e-12
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Scores:
    """What one period of each series is worth.

    Attributes
    ----------
    expected, lower, upper
        In currency units; the band is `BAND` standard deviations wide on each side.
    sums
        Standardised sums of residuals over each window: windows × series.
    steady
        The same, bounded, from what was expected by models that a creep has not won over: longer windows add it up.
    log_p
        −ln of the calibrated p-value, of the most surprising window.
    window
        Its length in periods; negative: downwards.
    nominal
        −ln p before calibration, of the short windows and of the long ones: 2 × series.
    passes
        Whether it is beyond what the false-alert setting allows.
    unsure
        Standard deviation of what all periods share in their `expected`, in currency units.
    """

    expected: Floats
    lower: Floats
    upper: Floats
    sums: Floats
    steady: Floats
    log_p: Floats
    window: Ints
    nominal: Floats
    passes: Bools
    unsure: Floats

    @property
    def z(self) -> Floats:
        """Standardised residual of the period."""
        alone: Floats = self.sums[0]
        return alone

    @property
    def score(self) -> Floats:
        """−log10 p."""
        ranked: Floats = self.log_p / np.log(10)
        return ranked


class CostSeries:
    """Many cost series of one organisation, scored and learnt a period at a time.

    Parameters
    ----------
    calendar
        Days or hours, and holidays.
    false_alerts_a_week
        How many the whole organisation bears.
    tested
        How many series are tested in all, where this object holds only some of them.

    Attributes
    ----------
    bar
        By how much −ln p has to be larger to pass, for each series, because people have called its alerts false.
    held
        Series whose level is not to be taken, because people have called what goes on there a true anomaly. Neither is
        part of the state: who knows what was said sets them.

    Notes
    -----
    `score_many` changes nothing: to score a period again gives the same. `learn_many` moves on.
    """

    def __init__(self, calendar: Calendar, false_alerts_a_week: float = 1.0, tested: int | None = None) -> None:
        self.calendar = calendar
        self.false_alerts_a_week = false_alerts_a_week
        self.tested = tested
        self.levels = LevelBank(calendar)
        self._learnt_from = (_LEARNT_DAYS_OF_HOURS if calendar.hourly else _LEARNT_DAYS) * calendar.a_day
        memory = 400.0 * (10 if calendar.hourly else 1)
        self.tails = TailCalibration(memory, calendar.a_day)
        # hours have shown as much of their tails before they are first told of
        self.young = YoungTail(self._learnt_from, 0 if calendar.hourly else UNTIL)
        self.lasting = TailCalibration(memory, calendar.a_day, bounded=True)
        self.skew = Skew(memory)
        self.windows = HOURLY_WINDOWS if calendar.hourly else DAILY_WINDOWS
        self._short = sum(length < LONG for length in self.windows)
        whole = np.array([_SUDDEN if length < LONG else 1 - _SUDDEN for length in self.windows])
        self._up: Floats = np.log(UP / whole)[:, None]
        self._down: Floats = np.log(DOWN / whole)[:, None]
        self.recent: Singles = np.zeros((self.windows[-1], 0), dtype=np.float32)
        self.bases: Singles = np.zeros((self.windows[-1], 0), dtype=np.float32)
        self.squares: Floats = np.zeros((len(self.windows), 2, 0))
        self.open: Ints = np.zeros(0, dtype=np.int64)
        self.quiet: Ints = np.zeros(0, dtype=np.int64)
        self.bar: Floats = np.zeros(0)
        self.held: Bools = np.zeros(0, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.levels)

    def add(self, rows: int) -> None:
        """Append series of which nothing is known."""
        self.levels.add(rows)
        self.tails.add(rows)
        self.young.add(rows)
        self.lasting.add(rows)
        self.skew.add(rows)
        self.recent = np.hstack([self.recent, np.zeros((len(self.recent), rows), dtype=np.float32)])
        self.bases = np.hstack([self.bases, np.zeros((len(self.bases), rows), dtype=np.float32)])
        self.squares = np.concatenate([self.squares, np.zeros((len(self.windows), 2, rows))], axis=2)
        self.open = np.append(self.open, np.zeros(rows, dtype=np.int64))
        self.quiet = np.append(self.quiet, np.zeros(rows, dtype=np.int64))
        self.bar = np.append(self.bar, np.zeros(rows))
        self.held = np.append(self.held, np.zeros(rows, dtype=np.bool_))

    @property
    def needed(self) -> float:
        """−ln p from where an alert passes."""
        return needed_log_p(self.false_alerts_a_week, self.tested or len(self), self.calendar.a_day)

    def advance(self, period: int) -> None:
        """Go to a later period."""
        self.levels.advance(period)

    def score_many(
        self, values: Floats, share: Floats | float = 1.0, spread: Floats | float = 0.0, ahead: int = 0
    ) -> Scores:
        """Score the costs of the present period, or of one `ahead` of it.

        Parameters
        ----------
        values
            Currency units, one for each series; NaN where there is none.
        share, spread
            What share of the final cost should be visible by now, and the standard deviation of that share.
        """
        expected = self.levels.expect(ahead)
        mean, sd = expected.mean * share, np.sqrt(expected.sd**2 + (spread / np.maximum(share, _TINY)) ** 2)
        known = np.isfinite(values) & (expected.df > 0)
        seen = np.where(known, values, 0.0)
        z = self._residual(seen, mean, sd, known, _LARGEST)
        steady = self._residual(seen, expected.steady * share, sd, known, _BOUND)
        sums = self._sums(z, steady)
        nominal, windows = self._surprise(sums, expected.df)
        sudden = self.young.log_p(nominal[0], self.levels.count, self.tails.log_p(nominal[0])) + np.log(_SUDDEN)
        lasting = self.lasting.log_p(nominal[1]) + np.log(_LASTING)
        window = np.where(sudden >= lasting, windows[0], windows[1])
        log_p = np.where(known, np.maximum(np.maximum(sudden, lasting), 0.0), 0.0)
        band = BAND * sd * mean
        return Scores(
            mean,
            np.maximum(mean - band, 0.0),
            mean + band,
            sums,
            steady,
            log_p,
            window,
            nominal,
            known & (log_p >= self.needed + self.bar),
            expected.unsure * mean,
        )

    def learn_many(self, values: Floats, scores: Scores | None = None) -> Bools:
        """Learn the final costs of the present period, and say in which series an incident begins.

        Parameters
        ----------
        values
            Currency units, one for each series; NaN where there is none.
        scores
            What `score_many` says of them, when it is at hand.
        """
        scores = scores or self.score_many(values)
        known = np.isfinite(values)
        begins = self._follow(scores, known)
        self.bases[:-1] = self.bases[1:]
        self.bases[-1] = self.levels.base()
        self._take_back(begins, scores)
        ordinary = known & ((self.open == 0) | begins) & (scores.z != 0)
        self.young.learn(scores.nominal[0], self.levels.count, ordinary)
        ordinary &= self.levels.count >= self._learnt_from
        self.tails.learn(scores.nominal[0], ordinary)
        self.lasting.learn(scores.nominal[1], ordinary)
        self._learn_windows(scores.sums, ordinary)
        self._learn_skew(values, ordinary)
        self.recent[:-1] = self.recent[1:]
        self.recent[-1] = scores.steady
        calm = (self.open == 0) & (self.quiet > 0)
        self.recent[:, calm] = 0.0
        self.levels.new.keep(self.held)
        taken = self.levels.learn_many(values, self.open)
        self.quiet[taken] = _REOPENS
        self.open[taken] = 0
        self.recent[:, taken] = 0.0
        return begins & ~taken

    def take(self, row: int, value: float | None = None) -> None:
        """Take a cost as the ordinary one at once; by default that of the incident which is open, if one is."""
        levels = self.levels
        if value is not None:
            levels.take(row, float(np.log(value / levels.expect().mean[row])))
        elif self.open[row] and (by := levels.new.level(row)) is not None:
            levels.take(row, by)
        self.quiet[row] = _REOPENS
        self.rest(row)

    def give_back(self, row: int, side: int) -> bool:
        """Go on with an incident (1: a rise, −1: a fall) whose level was taken; say whether it can be given back."""
        if not self.levels.give_back(row, side):
            return False
        self.rest(row)
        self.open[row], self.quiet[row] = side, 0
        return True

    def rest(self, row: int) -> None:
        """End an incident, and forget what longer windows saw of it."""
        self.open[row] = 0
        self.recent[:, row] = 0.0
        self.levels.new.keep(np.arange(len(self)) == row)

    def since(self, row: int, scores: Scores) -> int:
        """Return how many periods before the present one the change most likely began that `scores` found in a series.

        To be asked before the period is learnt.
        """
        return periods_since(np.append(self.recent[1:, row], scores.steady[row]), int(scores.window[row]))

    def held_back(self, row: int, periods: int) -> Floats:
        """Return by what to multiply what was expected in the last `periods` to have what was so before them.

        To be asked after the last of them is learnt: a rise that creeps has by then been learnt in part. The growth
        that was usual goes on.
        """
        bases = self.bases[-periods:, row]
        factors: Floats = np.exp(bases[0] + self.levels.growth()[row] * np.arange(len(bases)) - bases)
        return factors

    def _take_back(self, begins: Bools, scores: Scores) -> None:
        """Where a change is found that began before, set the level back to what it would be without that."""
        rows = begins.nonzero()[0].tolist()
        if not rows:
            return
        back = np.zeros(len(self))
        for row in rows:
            back[row] = np.log(self.held_back(row, self.since(row, scores) + 1)[-1])
        self.levels.move(back)

    def _residual(self, values: Floats, mean: Floats, sd: Floats, known: Bools, most: float) -> Floats:
        """Return how many standard deviations values lie from a mean, up to `most`; 0 where it is not known."""
        relative = self.skew.relative(values / np.maximum(mean, _TINY), sd)
        found: Floats = np.minimum(np.maximum(np.where(known, relative / sd, 0.0), -most), most)
        return found

    def _sums(self, z: Floats, steady: Floats) -> Floats:
        sums = np.empty((len(self.windows), len(z)))
        sums[0] = z
        for k, length in enumerate(self.windows[1:], 1):
            before = np.add.reduce(self.recent[len(self.recent) - length + 1 :], axis=0)
            sums[k] = (before + steady) / sqrt(length)
        return sums

    def _surprise(self, sums: Floats, df: Floats) -> tuple[Floats, Ints]:
        count, squares = self.squares[:, 0], self.squares[:, 1]
        pooled = (squares.sum(axis=1) + _SCALE_PRIOR) / (count.sum(axis=1) + _SCALE_PRIOR)
        scale = np.sqrt((squares + _SCALE_PRIOR * pooled[:, None]) / (count + _SCALE_PRIOR))
        found = log_tail(np.abs(sums) / np.maximum(scale, 0.5), df)
        up, lengths = sums > 0, np.array(self.windows)[:, None]
        found += np.where(up, self._up, self._down)
        signed, rows = np.where(up, lengths, -lengths), np.arange(len(df))
        short = found[: self._short].argmax(axis=0)
        place = np.array([short, self._short + found[self._short :].argmax(axis=0)])
        return found[place, rows], signed[place, rows]

    def _learn_windows(self, sums: Floats, known: Bools) -> None:
        self.squares[:, 0] += known
        self.squares[:, 1] += np.minimum(sums**2, _BOUNDED_SQUARE) / _MEAN_OF_BOUNDED * known
        self.squares *= np.minimum(1.0, self.tails.memory / np.maximum(self.squares[:, :1], 1.0))

    def _learn_skew(self, values: Floats, known: Bools) -> None:
        expected = self.levels.expect()
        residual = np.where(known, values, 0.0) / np.maximum(expected.mean, _TINY) - 1
        self.skew.learn(residual, expected.sd, (self.levels.shares() * self.levels.noise()).sum(axis=0), known)

    def _follow(self, scores: Scores, known: Bools) -> Bools:
        """Move incidents on; `quiet` counts down after one has closed, so that its echo is no new one."""
        side = np.sign(scores.window)
        is_open = self.open != 0
        outside = scores.passes | (self.open * scores.z > _STILL_OUTSIDE)
        self.quiet[is_open & outside & known] = 0
        self.quiet[is_open & ~outside & known] += 1
        closes = is_open & (self.quiet >= _QUIET)
        self.open[closes] = 0
        self.quiet[closes] = _REOPENS
        resting = ~is_open & (self.quiet > 0)
        self.quiet[resting & known] -= 1
        begins = scores.passes & ~is_open
        self.open[begins] = side[begins]
        echo = begins & resting
        self.quiet[begins] = 0
        alerts: Bools = begins & ~echo
        return alerts

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data."""
        own = {name: getattr(self, name).tolist() for name in ("recent", "bases", "squares", "open", "quiet")}
        models = {"levels": self.levels.plain(), "tails": self.tails.plain(), "lasting": self.lasting.plain()}
        models |= {"young": self.young.plain(), "skew": self.skew.plain()}
        return {"version": STATE_VERSION, **models, **own}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned.

        Raises
        ------
        ValueError
            The state is of another version.
        """
        check_version(state, STATE_VERSION)
        self.levels.restore(state["levels"])
        self.tails.restore(state["tails"])
        self.lasting.restore(state["lasting"])
        self.young.restore(state["young"])
        self.skew.restore(state["skew"])
        rows = len(self.levels)
        self.recent = np.array(state["recent"], dtype=np.float32).reshape(-1, rows)
        self.bases = np.array(state["bases"], dtype=np.float32).reshape(-1, rows)
        self.squares = np.array(state["squares"]).reshape(len(self.windows), 2, rows)
        self.open = np.array(state["open"], dtype=np.int64)
        self.quiet = np.array(state["quiet"], dtype=np.int64)
        self.bar, self.held = np.zeros(rows), np.zeros(rows, dtype=np.bool_)


def periods_since(residuals: Floats, window: int) -> int:
    """Return how many periods before the last of `residuals` the change most likely began that `window` has found.

    A long window has found what is slow, and that may have begun before it.
    """
    return len(residuals) - 1 - began(residuals, _within(residuals, window))


def start_spread(residuals: Floats, window: int) -> float:
    """Return by how many standard deviations of a period the sum from the change point on errs, as that may."""
    start = began(residuals, _within(residuals, window))
    return beginning_spread(residuals, max(_within(residuals, window), LONG), start)


def _within(residuals: Floats, window: int) -> int:
    length = abs(window) or 1
    return length if length < LONG else len(residuals)
