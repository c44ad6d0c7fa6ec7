"""The models of all scored series of a lane, and how they are kept: rows of arrays, in blocks of the state.

A day is settled once, and then learnt; until then it is looked at as often as it is read, which changes nothing. Days
that are not settled follow one another in a look as settled ones do, so that a change that lasts for two of them is
seen as such.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detection.arrays import Bools, Floats, Ints, Singles
from detection.cost_series import BAND, LONG, STATE_VERSION, CostSeries, Scores, periods_since, start_spread
from detection.forecast import start_of
from detection.given import check_version
from detection.new_levels import OUTSIDE
from detection.seasons import Calendar
from processors.anomaly_completeness import USUAL_OF_DAYS, USUAL_OF_HOURS, Completeness
from processors.anomaly_days import KEPT
from processors.step import State
from spendstream.clock import day_of

BLOCK = 16
"""Series in one entry of the state."""
_DORMANT_DAYS = 30
_BOUND = 4.0
"""Standard deviations that one day counts at most in a longer window, as `CostSeries` has it."""
_LOOKS = 4.0
"""A day is looked at so often, by and large, before it is settled: each look has its share of the false alerts."""
_LOOKS_AN_HOUR = 16.0
_UNSURE = 0.1
"""Standard deviation of what is visible of a day, as a share of it, where nothing was learnt of that yet."""
_EXPECTED, _SPREAD = range(2)


@dataclass(frozen=True, slots=True)
class Scored:
    """A day of every series, scored; currency units, arrays by row.

    Attributes
    ----------
    day
        Since 1970.
    spread, unsure
        Standard deviation of the expected, and the part of it that all days share.
    score
        −log10 p.
    window
        Length of the window that is most surprising; negative: downwards.
    begins
        Where an incident begins.
    before, after
        Side of the incident that was, and is, open in the models: 1, −1 or 0.
    share
        Share of the day that should be visible.
    recent
        Standardised residuals of the days before.
    """

    day: int
    actual: Floats
    expected: Floats
    spread: Floats
    unsure: Floats
    z: Floats
    score: Floats
    window: Ints
    begins: Bools
    before: Ints
    after: Ints
    share: Floats
    recent: Singles

    def since(self, row: int) -> int:
        """Return the day on which what the window saw most likely began."""
        return self.day - periods_since(self._residuals(row), int(self.window[row]))

    def start_spread(self, row: int) -> float:
        """Return by how much the excess since then may err, in currency units, because that day is not certain."""
        return float(self.spread[row]) * start_spread(self._residuals(row), int(self.window[row]))

    def _residuals(self, row: int) -> Floats:
        return np.append(self.recent[1:, row], self.z[row])


@dataclass(frozen=True, slots=True)
class Look:
    """A day that is not settled: costs by key, and how many hours after it began they were read."""

    day: int
    costs: Mapping[str, float]
    age_hours: float
    hidden: frozenset[str] = frozenset()
    """Series that are not looked at."""


class Bank:
    """The models of the series of a lane, by key.

    Parameters
    ----------
    lane, state
        Name of the lane in the partition's state.
    calendar
        Days or hours, and their seasons. What is called a day here is an hour then, counted from 1970 as well.
    false_alerts_a_week
        Borne by the partition for such periods.
    kept
        Settled periods whose costs are kept.
    """

    def __init__(
        self, lane: str, state: State, calendar: Calendar, false_alerts_a_week: float, kept: int = KEPT
    ) -> None:
        self.kept = kept
        self._false_alerts_a_week = false_alerts_a_week
        self._hourly = calendar.hourly
        self._dormant = _DORMANT_DAYS * calendar.a_day
        self._looks = float(np.log(_LOOKS_AN_HOUR if calendar.hourly else _LOOKS))
        self.visible = Completeness(lane, state, USUAL_OF_HOURS if calendar.hourly else USUAL_OF_DAYS)
        # Half of the false alerts is for days that are settled, half for looks at those that are not.
        self.series = CostSeries(calendar, false_alerts_a_week / 2)
        # What only longer windows see can wait until it is settled. Hours that are not are many, and what the models
        # err in one by they err in all by: over the window of a day that adds up, and days tell of a day.
        self._soon = LONG if calendar.hourly else self.series.windows[-1]
        self.rows: dict[str, int] = {}
        self.keys: list[str] = []
        self._last: Ints = np.zeros(0, dtype=np.int64)
        self._actual: Floats = np.zeros((kept, 0))
        self._judged: Singles = np.zeros((2, kept, 0), dtype=np.float32)
        self._gone: Floats = np.zeros(0)

    def __len__(self) -> int:
        return len(self.rows)

    def share_alerts(self, share: float) -> None:
        """Leave the rest of the false alerts that are borne to others."""
        self.series.false_alerts_a_week = self._false_alerts_a_week * share / 2

    def raise_bars(self, bars: Floats | None) -> None:
        """Let alerts need so much more than the usual −ln p, by row; None: nothing more."""
        self.series.bar = np.zeros(len(self)) if bars is None else bars

    def hold(self, held: frozenset[str]) -> None:
        """Say in which series no new level is to be taken."""
        self.series.held = np.zeros(len(self), dtype=np.bool_)
        self.series.held[[self.rows[key] for key in held if key in self.rows]] = True

    def take(self, day: int, costs: Mapping[str, float], meant: frozenset[str]) -> list[str]:
        """Take what series cost on a day as normal where that is meant to be, and return where it was outside."""
        rows = [self.rows[key] for key in sorted(meant) if key in self.rows and costs.get(key, 0.0) > 0]
        if not rows:
            return []
        self.series.advance(day)
        values = self._values(day, costs)
        z = self.series.score_many(values).z
        outside = [row for row in rows if abs(z[row]) > OUTSIDE]
        for row in outside:
            self.series.take(row, float(values[row]))
        return [self.keys[row] for row in outside]

    def settle(self, day: int, costs: Mapping[str, float], left_out: frozenset[str] = frozenset()) -> Scored:
        """Learn a day; without costs at all it counts as missing, as do the series that are to be left out."""
        self._add([key for key, cost in costs.items() if cost > 0 and key not in self.rows])
        self.series.advance(day)
        values = self._values(day, costs, left_out)
        recent, before = self.series.recent.copy(), self.series.open.copy()
        scores = self.series.score_many(values)
        begins = self.series.learn_many(values, scores)
        self.visible.settle(day, values)
        spread = (scores.upper - scores.expected) / BAND
        self._let_go(day - self.kept)
        # What is left out of the models has cost what it did all the same, and nobody is surprised by it.
        actual = self._values(day, costs) if left_out else values
        expected = np.where(np.isnan(values), actual, scores.expected)
        self._actual[day % self.kept] = actual
        self._judged[:, day % self.kept] = expected, spread
        for key, cost in costs.items():
            if cost and key in self.rows:
                self._last[self.rows[key]] = day
        scored = self._scored(day, values, scores, begins, before, np.ones(len(self)), recent)
        for row in np.flatnonzero(begins).tolist():
            self._hold_back(scored, row)
        return scored

    def _hold_back(self, scored: Scored, row: int) -> None:
        """Take back what the level had learnt of a change before it was found, in what was expected."""
        days = scored.day - scored.since(row) + 1
        for number, factor in enumerate(self.series.held_back(row, days).tolist()):
            self._judged[_EXPECTED, (scored.day - days + 1 + number) % self.kept, row] *= factor
        scored.expected[row] = self._judged[_EXPECTED, scored.day % self.kept, row]

    def look(self, days: Sequence[Look]) -> list[Scored]:
        """Score days that follow the settled ones, and learn nothing but what is visible of them.

        Where it is not known what should be visible of a day, it counts only if it has cost too much already.
        """
        kept, found = self.series.recent, []
        resting = (self.series.open == 0) & (self.series.quiet == 0)
        needed = (self.series.needed + self.series.bar + self._looks) / np.log(10)
        for one in days:
            values = self._values(one.day, one.costs, one.hidden)
            self.visible.see(one.day, one.age_hours, values)
            share, spread, sure = self.visible.shares(one.age_hours)
            share, spread = np.where(sure, share, 1.0), np.where(sure, spread, _UNSURE)
            recent = self.series.recent
            ahead = one.day - (self.series.levels.period or 0)
            scores = self.series.score_many(values, share, spread, ahead)
            short = np.abs(scores.window) < self._soon
            begins = (scores.score >= needed) & resting & short & (sure | (scores.window > 0))
            found.append(self._scored(one.day, values, scores, begins, self.series.open.copy(), share, recent))
            z = np.where(sure | (scores.z > 0), np.clip(scores.z, -_BOUND, _BOUND), 0.0)
            self.series.recent = np.vstack([recent[1:], z])
        self.series.recent = kept
        return found

    def _scored(
        self,
        day: int,
        values: Floats,
        scores: Scores,
        begins: Bools,
        before: Ints,
        share: Floats,
        recent: Singles,
    ) -> Scored:
        spread = (scores.upper - scores.expected) / BAND
        after = self.series.open.copy()
        return Scored(
            day, values, scores.expected, spread, scores.unsure, scores.z, scores.score, scores.window, begins, before,
            after, share, recent,
        )  # fmt: skip

    def _let_go(self, day: int) -> None:
        """Add the cost of a day that is kept no longer to that of its quarter."""
        if self._hourly:
            return
        at = day_of(day)
        if start_of(at, "quarter") == at:
            self._gone[:] = 0.0
        self._gone += np.nan_to_num(self._actual[day % self.kept])

    def cost_since(self, day: int) -> Floats:
        """Return what each series cost from a day to the last that is settled; a day of its quarter, or later."""
        settled = self.series.levels.period or 0
        kept = [one % self.kept for one in range(max(day, settled - self.kept + 1), settled + 1)]
        found: Floats = np.nan_to_num(self._actual[kept]).sum(axis=0)
        return found + self._gone if day <= settled - self.kept else found

    def visible_cost(self, look: Look) -> tuple[Floats, Floats, Floats]:
        """Return what is visible of a day by series, the share that should be, and the standard deviation of that."""
        share, spread, _ = self.visible.shares(look.age_hours)
        return np.nan_to_num(self._values(look.day, look.costs)), share, spread

    def past(self, row: int, day: int) -> tuple[float, float, float]:
        """Return actual, expected and spread of a settled day, at most `KEPT` days ago; NaN where it has none."""
        expected, spread = self._judged[:, day % self.kept, row].tolist()
        return float(self._actual[day % self.kept, row]), expected, spread

    def restate(self, row: int, day: int, actual: float) -> None:
        """Put a settled day's new cost in place of the old one; what was learnt of it stays."""
        self._actual[day % self.kept, row] = actual

    def end(self, row: int) -> None:
        """End an incident whose cause a restatement took away."""
        self.series.open[row] = 0

    def rest(self, key: str, *, is_level: bool) -> bool:
        """End what goes on in a series, for somebody said what it is; say whether its level was taken as normal."""
        row = self.rows.get(key)
        if row is None:
            return False
        was_open = bool(self.series.open[row])
        if is_level and was_open:
            self.series.take(row)
        else:
            self.series.rest(row)
        return is_level and was_open

    def give_back(self, key: str, side: int) -> bool:
        """Take back the level that an incident has become in a series, for somebody said that it is one."""
        row = self.rows.get(key)
        return row is not None and self.series.give_back(row, side)

    def days_known(self, row: int) -> int:
        """Return how many days a series was learnt."""
        return int(self.series.levels.count[row])

    def _values(self, day: int, costs: Mapping[str, float], left_out: frozenset[str] = frozenset()) -> Floats:
        """Return the costs by row: a series that is not mentioned costs nothing, unless it is long gone."""
        values = np.full(len(self), np.nan)
        if costs:
            values[day - self._last <= self._dormant] = 0.0
        for key, cost in costs.items():
            if key in self.rows:
                values[self.rows[key]] = cost
        for key in left_out & self.rows.keys():
            values[self.rows[key]] = np.nan
        return values

    def _add(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        for key in sorted(keys):
            self.rows[key] = len(self.keys)
            self.keys.append(key)
        self.series.add(len(keys))
        self.visible.add(len(keys))
        self._last = np.append(self._last, np.zeros(len(keys), dtype=np.int64))
        unknown = np.full((2, self.kept, len(keys)), np.nan, dtype=np.float32)
        self._actual = np.hstack([self._actual, unknown[0]])
        self._judged = np.concatenate([self._judged, unknown], axis=2)
        self._gone = np.append(self._gone, np.zeros(len(keys)))

    def blocks(self) -> Iterator[dict[str, Any]]:
        """Yield the state as plain data, `BLOCK` series each."""
        arrays: dict[str, Floats | Singles] = {
            name: np.array(value, dtype=np.float64) for name, value in _flat(self.series.plain()).items()
        }
        arrays |= {
            "last": self._last.astype(np.float64),
            "actual": self._actual,
            "judged": self._judged,
            "gone": self._gone,
            "visible": self.visible.curves,
        }
        for start in range(0, len(self.keys), BLOCK):
            rows = slice(start, start + BLOCK)
            cut = {name: array[..., rows] for name, array in arrays.items() if array.shape}
            yield {
                "names": self.keys[rows],
                "version": STATE_VERSION,
                "period": self.series.levels.period,
                "arrays": {name: _packed(array) for name, array in cut.items()},
            }

    def restore(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Take over what `blocks` gave, in its order.

        Raises
        ------
        ValueError
            They are of another version of the models: see `are_readable`.
        """
        if not blocks:
            return
        check_version(blocks[0], STATE_VERSION)
        arrays = {
            name: np.concatenate([_unpacked(block["arrays"][name]) for block in blocks], axis=-1)
            for name in blocks[0]["arrays"]
        }
        self.keys = [name for block in blocks for name in block["names"]]
        self.rows = {name: row for row, name in enumerate(self.keys)}
        self._last = arrays.pop("last").astype(np.int64)
        self._actual = arrays.pop("actual")
        self._judged = arrays.pop("judged").astype(np.float32)
        self._gone = arrays.pop("gone")
        self.visible.curves = arrays.pop("visible")
        told = {"version": blocks[0]["version"], "levels.period": blocks[0]["period"]}
        self.series.restore(_nested(arrays | told))


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return {name: value for name, value in flat.items() if name not in {"version", "levels.period"}}


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *above, name = path.split(".")
        into = nested
        for one in above:
            into = into.setdefault(one, {})
        into[name] = value
    return nested


def are_readable(blocks: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether what `Bank.blocks` gave is of this version of the models."""
    return all(block.get("version") == STATE_VERSION for block in blocks)


def _packed(array: Floats | Singles) -> list[Any]:
    """Return type, shape and numbers as plain data: in single precision where that loses nothing."""
    single = array.astype("<f4")
    kept = single if np.array_equal(single, array, equal_nan=True) else array.astype("<f8")
    return [kept.dtype.str, list(kept.shape), b64encode(kept.tobytes()).decode("ascii")]


def _unpacked(stored: Sequence[Any]) -> Floats:
    kind, shape, text = stored
    return np.frombuffer(b64decode(text), dtype=kind).reshape(shape).astype(np.float64)
