"""Level, trend and seasons of many cost series, filtered together.

Each series has a few dynamic linear models that differ only in how fast they adapt; their forecasts are averaged by
how well they have foretold this series (a class of models as Harrison and Stevens have it). The models work on the
logarithm of the cost, where seasons and growth are sums, while the surprise is the relative residual, actual ÷ expected
− 1, so that a rise counts as the share of money that it is. All series of a bank stand in arrays: one step updates
thousands of them at the price of a few numpy calls. Covariances, which are nearly all of the state, are kept in single
precision; that changes no forecast by more than some millionths of its band.

An anomaly is not learnt at once: a residual pulls with at most `CLIP` standard deviations, with nothing when it is far
out, and with nothing while an incident is open. Nor is it refused for ever: see `detection.new_levels`.

References
----------
West, M. and Harrison, J., 1997. Bayesian Forecasting and Dynamic Models. Springer. (Chapters 4, 11, 12.)
Masreliez, C. and Martin, R., 1977. Robust Bayesian estimation for the linear model and robustifying the Kalman filter.
IEEE Transactions on Automatic Control 22(3).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from detection.arrays import Bools, Floats, Ints, Singles
from detection.hour_profile import HourProfile
from detection.new_levels import OUTSIDE, NewLevels
from detection.seasons import HOLIDAY, HOLIDAY_SPREAD, Calendar
from detection.sparse_seasons import common, sharpened

CLIP = 2.5
"""Standard deviations with which a residual pulls at most."""
FAR = 6.0
"""Standard deviations from where a residual does not pull at all."""
_CLIPPED_VARIANCE = 0.9633
"""The mean of min(z², CLIP²) of a standard normal variable that is not outside: what the squares are divided by."""
_LEVEL_DRIFT = (1e-5, 1e-3, 3e-2)
_SLOPE_DRIFT = (1e-9, 1e-8, 1e-7)
_SEASON_DRIFT = (1e-7, 1e-6, 1e-5)
"""Variance that a day adds to level, slope and each season, as a share of the noise's; one value for each model."""
_FORGET = 0.99
"""How much of a model's record is left after a day."""
_BELIEF_DAYS = 90.0
"""Over how many days a model is believed before it counts in `steady`."""
_SLOPE_SPREAD = 0.002
_LEVEL_SPREAD = 3.0
_NOISE = 0.08
_NOISE_WEIGHT = 4.0
_LONGEST_GAP = 400
_AT_ONCE = 20_000
"""Numbers that are multiplied at once: as many as stay in a core's cache."""
_SMALL = 0.3
"""Relative residuals up to here are taken as they are, larger ones as logarithms."""
_SLIGHTEST = 0.01
"""An actual below this share of the expected counts as this share in the logarithm."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a bank expects of a period: arrays over its series.

    Attributes
    ----------
    mean
        In currency units.
    sd
        Standard deviation of the forecast as a share of `mean`.
    df
        Degrees of freedom behind `sd`; 0 where nothing was ever seen.
    steady
        As `mean`, by the models that were believed over the last months: what creeps does not win it over.
    unsure
        The part of `sd` that all periods share: what is not known of level and trend. The rest is of each its own.
    """

    mean: Floats
    sd: Floats
    df: Floats
    steady: Floats
    unsure: Floats


class LevelBank:
    """Models of the ordinary course of many series, each a column of its arrays.

    Parameters
    ----------
    calendar
        Days or hours, and their seasons.
    confirm
        Periods in a row outside on one side that make a new level; else 7 days, or 72 hours.
    floor
        Smallest standard deviation, as a share of the expected cost.
    smallest
        Smallest standard deviation of a day's cost in currency units; of an hour's, a 24th of it.
    """

    def __init__(
        self, calendar: Calendar, confirm: int | None = None, floor: float = 0.003, smallest: float = 0.01
    ) -> None:
        self.calendar = calendar
        self.new = NewLevels(calendar, confirm)
        self.floor = floor
        self.smallest = smallest / calendar.a_day
        self.period: int | None = None
        self._size = 2 + calendar.size
        a_day = calendar.a_day
        self._memory = 400.0 * (1 if a_day == 1 else 5)
        self._forget = _FORGET ** (1 / a_day)
        self._believes = 1 / (_BELIEF_DAYS * a_day)
        season = [np.array(_SEASON_DRIFT)] * calendar.size
        drift = np.array([_LEVEL_DRIFT, np.array(_SLOPE_DRIFT) / a_day**2, *season]) / a_day
        self._drift: Floats = drift[:, :, None]
        self._now: tuple[Floats, Floats, Singles, Floats] | None = None
        self._noise: Floats | None = None
        self._shares: Floats | None = None
        self._expected: Expectation | None = None
        self._prior = np.concatenate([[_LEVEL_SPREAD], [_SLOPE_SPREAD / a_day], calendar.spreads]) ** 2
        self.profile = HourProfile(hourly=calendar.hourly)
        self._empty(0)

    def _empty(self, rows: int) -> None:
        size, models = self._drift.shape[:2]
        self.coefficients: Floats = np.zeros((size, models, rows))
        self.covariance: Singles = np.zeros((size, size, models, rows), dtype=np.float32)
        self.squares: Floats = np.zeros((models, rows))
        self.seen: Floats = np.zeros((models, rows))
        self.record: Floats = np.zeros((models, rows))
        self.belief: Floats = np.full((models, rows), 1 / models)
        self.count: Ints = np.zeros(rows, dtype=np.int64)
        self._now = self._noise = self._shares = None

    def __len__(self) -> int:
        return len(self.count)

    @property
    def level_drift(self) -> Floats:
        """What a period adds to the variance of the level, as a share of the noise's: models × 1."""
        drift: Floats = self._drift[0]
        return drift

    def add(self, rows: int) -> None:
        """Append `rows` series of which nothing is known."""
        old = self.plain()
        before = len(self)
        self._empty(before + rows)
        self._fill(old, before)
        self.profile.add(rows)
        self.new.add(rows)
        self.covariance[..., before:] = np.diag(self._prior)[:, :, None, None]

    def expect(self, ahead: int = 0) -> Expectation:
        """Return what is expected of the period that `advance` went to, or of one `ahead` of it."""
        if ahead == 0 and self._now is not None and self._expected is not None:
            return self._expected
        logs, variances = self._sharpened(ahead)
        share = self.shares()
        log = (share * logs).sum(axis=0)
        differ = (logs - log) ** 2
        variance = (share * (variances + differ)).sum(axis=0)
        effect, unsettled = self.profile.of((self.period or 0) + ahead)
        mean = np.exp(log + effect)
        with np.errstate(divide="ignore", over="ignore"):
            sd = np.sqrt(variance + unsettled + self.floor**2 + (self.smallest / mean) ** 2)
        seen = (share * self.seen).sum(axis=0)
        steady = np.exp((self.belief * logs).sum(axis=0) + effect)
        unsure = np.sqrt((share * (self._unsure(ahead) + differ)).sum(axis=0))
        found = Expectation(mean, sd, np.where(self.count > 0, seen + _NOISE_WEIGHT, 0.0), steady, unsure)
        if ahead == 0:
            self._expected = found
        return found

    def base(self) -> Floats:
        """Return the logarithm of the level without its seasons, as believed at the present period."""
        logs, _, _, row = self._forecast(0)
        seasons = np.einsum("i,imn->mn", row[2:], self.coefficients[2:])
        found: Floats = (self.shares() * (logs - seasons)).sum(axis=0)
        return found

    def growth(self) -> Floats:
        """Return what a period adds to the level's logarithm, by the models believed over the last months."""
        found: Floats = (self.belief * self.coefficients[1]).sum(axis=0)
        return found

    def move(self, by: Floats) -> None:
        """Move the levels by logarithms, as when what was learnt is taken back."""
        self.coefficients[0] += by
        self._now = None

    def take(self, row: int, by: float) -> None:
        """Take another level at once, by its logarithm: somebody says that it is the ordinary one."""
        one: Bools = np.arange(len(self)) == row
        self._take(one, np.full(len(self), by))
        self.new.note(one, np.full(len(self), by))
        self._now = None

    def give_back(self, row: int, side: int) -> bool:
        """Set back the last level that was taken, if it was a rise (1) or a fall (−1) as said; say whether it was.

        What was taken longer ago than returns are remembered stays.
        """
        by = self.new.give_back(row, side)
        if by is None:
            return False
        self.coefficients[0][:, row] += by
        self._now = None
        return True

    def advance(self, period: int) -> None:
        """Go to a later period; those between were not seen. Earlier ones are refused.

        Raises
        ------
        ValueError
            When `period` lies before the one that the bank is at.
        """
        if self.period is not None and period < self.period:
            raise ValueError(f"period {period} lies before {self.period}; a bank goes forward only")
        steps = 0 if self.period is None else min(period - self.period, _LONGEST_GAP * self.calendar.a_day)
        widens = self._drift * self.noise()
        diagonal = np.einsum("iimn->imn", self.covariance)  # a view, which can be written to
        for _ in range(steps):
            self.coefficients[0] += self.coefficients[1]
            self.covariance[0] += self.covariance[1]
            self.covariance[:, 0] += self.covariance[:, 1]
            diagonal += widens
        self.period = period
        self._now = None

    def learn_many(self, values: Floats, held: Ints | None = None) -> Bools:
        """Learn the costs of the period that the bank is at, and say where a new level was taken.

        Parameters
        ----------
        values
            Currency units, one for each series; NaN where there is none. Infinities count as missing.
        held
            1 or −1 for series with an open incident, upwards or downwards: nothing is learnt but that it goes on.
        """
        held = np.zeros(len(self), dtype=np.int64) if held is None else held
        known = np.isfinite(values)
        first = known & (self.count == 0) & (values > 0)
        if first.any():
            self.coefficients[0][:, first] = np.log(values[first])
            self._now = None
        known &= first | (self.count > 0)
        expected = self.expect()
        residual = np.divide(values, expected.mean, out=np.ones(len(self)), where=known) - 1
        jump = np.log(np.maximum(1 + residual, _SLIGHTEST))
        z = residual / expected.sd
        taken = self._take_new(jump, z, known, known & ~first, held)
        logs, variances, crow, _ = self._forecast(0)
        # the residual itself while it is small, not its logarithm: that keeps the mean unbiased where noise is wide
        step = np.where(np.abs(residual) < _SMALL, residual, jump)
        effect, unsure = self.profile.of(self.period or 0)
        error = np.log(expected.mean) - effect + step - logs
        learns = known & ~taken & (held == 0)
        bounded = np.minimum(np.maximum(step, -CLIP * expected.sd), CLIP * expected.sd)
        self.profile.learn(self.period or 0, bounded, expected.sd**2, learns & (np.abs(z) < FAR))
        self._update(np.where(learns, error, 0.0), variances + unsure, crow, learns)
        self.count += known
        self._now = None
        return taken

    def _forecast(self, ahead: int) -> tuple[Floats, Floats, Singles, Floats]:
        """Return logarithms, their variances, covariance × regressors, and regressors; kept for the present period."""
        if self.period is None:
            raise ValueError("the bank is at no period yet; advance it to one first")
        if ahead == 0 and self._now is not None:
            return self._now
        row = np.concatenate([[1.0, float(ahead)], self.calendar.row(self.period + ahead)])
        # einsum adds in one order for any number of series: a series' figures do not depend on its neighbours
        logs = np.einsum("i,imn->mn", row, self.coefficients)
        single = row.astype(np.float32)
        crow = np.einsum("i,ijmn->jmn", single, self.covariance)
        noise = self.noise()
        variances = np.einsum("j,jmn->mn", single, crow) + noise
        if ahead:
            variances += ahead * np.einsum("i,imn->mn", row**2, self._drift) * noise
        variances += self.calendar.unsure(self.period + ahead)
        found = logs, variances, crow, row
        if ahead == 0:
            self._now, self._expected = found, None
        return found

    def _unsure(self, ahead: int) -> Floats:
        """Return the variance of level and trend alone, of the logarithm `ahead` periods on: models × series."""
        found: Floats = self.covariance[0, 0].astype(np.float64)
        if ahead:
            both, slope = self.covariance[0, 1], self.covariance[1, 1]
            found += ahead * (2 * both + ahead * slope + self.level_drift * self.noise())
        return found

    def _sharpened(self, ahead: int) -> tuple[Floats, Floats]:
        """Return logarithms and variances as `_forecast`, without the seasons that a series hardly has."""
        logs, variances, crow, row = self._forecast(ahead)
        shares, weights = self.shares(), row.astype(np.float32)
        for season, slight in self.calendar.sparse:
            at = slice(2 + season.start, 2 + season.stop)
            if weights[at].any():
                known, sure = self.coefficients[at], self.covariance[at, at]
                found = sharpened(slight, weights[at], self._prior[at], known, sure, crow[at], shares)
                logs, variances = logs - found.log, variances - found.variance
                if season == HOLIDAY:
                    variances -= (1 - found.free) * HOLIDAY_SPREAD**2
        return logs, np.maximum(variances, self.noise())

    def noise(self) -> Floats:
        """Return the variance of a period's noise, as a share squared: models × series."""
        if self._noise is None:
            weight = _NOISE_WEIGHT / (1 + self.seen / 4) ** 2
            self._noise = (self.squares + weight * _NOISE**2) / (self.seen + weight)
        return self._noise

    def shares(self) -> Floats:
        """Return how much each model is believed: models × series, adding up to 1.

        The series' own record counts, and how common it is among all series that a model is the best.
        """
        if self._shares is None:
            record = np.exp(self.record)
            before = np.full(len(record), 1 / len(record))
            share = common(record / np.einsum("mn->n", record), before)[:, None] * record
            self._shares = share / np.einsum("mn->n", share)
        return self._shares

    def _update(self, error: Floats, variance: Floats, crow: Singles, known: Bools) -> None:
        spread = np.sqrt(variance)
        z = error / spread
        noise = self.noise()
        # far out, nothing is learnt, and the uncertainty stays as well
        size = np.abs(z)
        weight = np.minimum(np.maximum((FAR + 2 - size) / 2, 0.0), known)
        # the root on both sides: rounding must leave the covariance symmetric, for half of it is saved
        root = np.sqrt(weight / variance)
        half = crow * root.astype(np.float32)
        self.coefficients += half * (root * spread * np.minimum(np.maximum(z, -CLIP), CLIP))
        few = max(1, _AT_ONCE // half.size) if half.size else 1
        for place in range(0, len(half), few):
            self.covariance[place : place + few] -= half[place : place + few, None] * half
        square = np.minimum(z * z, CLIP**2) * known
        self.record *= 1 - (1 - self._forget) * known
        self.record -= 0.5 * (square + np.log(variance) * known)
        self.record -= self.record.max(axis=0)
        self._shares = None
        self.belief += self._believes * known * (self.shares() - self.belief)
        # what lies outside says nothing about the noise, unless it goes on and on
        ordinary = (size < OUTSIDE) | (self.new.unsettled > self.new.confirm)
        informed = noise / variance * (known & ordinary)
        self.squares += informed * square / _CLIPPED_VARIANCE * noise
        self.seen += informed
        kept = np.minimum(1.0, self._memory / np.maximum(self.seen, 1.0))
        self.squares *= kept
        self.seen *= kept
        self._noise = None

    def _take_new(self, jump: Floats, z: Floats, known: Bools, counts: Bools, held: Ints) -> Bools:
        """Take the levels that are back or confirmed, and say where."""
        back, home = self.new.returned(jump, z, known)
        self.coefficients[0][:, back] += home[back]
        confirmed, there = self.new.confirmed(jump, z, counts, held)
        self._take(confirmed, there)
        taken: Bools = back | confirmed
        if taken.any():
            self._now = None
        return taken

    def _take(self, rows: Bools, by: Floats) -> None:
        """Take new levels, of which no more is known than of a period."""
        if rows.any():
            self.coefficients[0][:, rows] += by[rows]
            self.covariance[0, 0][:, rows] += self.noise()[:, rows]

    def plain(self) -> dict[str, Any]:
        """Return the state as plain data: lists and numbers."""
        upper = np.triu_indices(self._size)
        return {
            "period": self.period,
            "coefficients": self.coefficients.tolist(),
            "covariance": self.covariance[upper].tolist(),
            "squares": self.squares.tolist(),
            "seen": self.seen.tolist(),
            "record": self.record.tolist(),
            "belief": self.belief.tolist(),
            "count": self.count.tolist(),
            "new": self.new.plain(),
            "profile": self.profile.plain(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `plain` returned."""
        rows = len(state["count"])
        self._empty(rows)
        self.period = state["period"]
        self.profile.restore(state["profile"], rows)
        self.new.restore(state["new"])
        self._fill(state, rows)

    def _fill(self, state: dict[str, Any], rows: int) -> None:
        if rows == 0:
            return
        above, across = np.triu_indices(self._size)
        self.coefficients[..., :rows] = state["coefficients"]
        triangle = np.array(state["covariance"])
        self.covariance[above, across, :, :rows] = triangle
        self.covariance[across, above, :, :rows] = triangle
        for name in ("squares", "seen", "record", "belief"):
            getattr(self, name)[:, :rows] = state[name]
        self.count[:rows] = state["count"]
