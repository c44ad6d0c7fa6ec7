"""What an incident is said to have cost, held against the truth, kind by kind.

From the alert on, the expected cost is what the levels foretold on the day of the alert; before it, back to the change
point, what was expected each day, without what has been learnt since. Two truths: the dollars that the incident added,
and by how much its days cost more than the generator meant. They differ by the noise of the incident's own days, which
no one can tell from the incident: so beside ours stands what one would say who knows the true mean, and each impact
has a band that is to hold the dollars that were added.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np

from bench.detection import bills, bills_causal, bills_model
from bench.detection.bills_model import Bills, Floats, Incident
from detection.cost_series import BAND, CostSeries, Scores, periods_since, start_spread
from detection.impact import Impact
from detection.levels import Expectation
from detection.seasons import Calendar

KINDS = ["step", "forgotten_resource", "runaway_loop", "creep", "two_periods", "spike"]
_TENTH = 0.1
_KNOWABLE = 16.45
"""σ × root of periods from where nine of ten are within a tenth for one who knows the true mean: 1.645 ÷ a tenth."""
_AFTER = 14
"""Days after an incident that the best smoother is shown."""
_LONGEST = 28
"""Periods of the longest kind."""


@dataclass(frozen=True, slots=True)
class Impacts:
    """The share of found incidents of one kind whose impact was told within a tenth.

    Attributes
    ----------
    of_added
        Of the dollars that the incident added.
    knowing_the_mean
        The same, told by one who knows the true mean of every day.
    causal, two_sided
        The same, told by one who knows the generator's parameters and when the incident began and ended, of the days
        before it, and of two weeks after it as well: the best that can be said without knowing the mean.
    of_excess
        Of what its days cost beyond the true mean.
    held
        The share whose band holds the dollars that the incident added.
    width
        The median of half the band's width, as a share of these dollars.
    """

    kind: str
    incidents: int
    of_added: float
    knowing_the_mean: float
    causal: float
    two_sided: float
    of_excess: float
    held: float
    width: float


def impacts(seed: int, least_size: float = 4.0, series: int = 600, days: int = 700) -> list[Impacts]:
    """Return how well the impact of found incidents of `least_size` σ and more is told, by kind and in all.

    The last row: of those so large beside the noise of their own days that a tenth of their dollars can be told at all.
    """
    rng = np.random.default_rng(seed)
    made = bills_model.ordinary(rng, series, days)
    bills_model.add_incidents(rng, made, KINDS, sparse=True)
    errors: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    knowable = list[tuple[float, ...]]()
    for one, told in _found(made):
        if one.size >= least_size:
            rows = slice(one.start, one.end)
            cost, mean = float(made.values[rows, one.series].sum()), float(made.mean[rows, one.series].sum())
            excess = cost - mean
            said = told.amount, excess, bills_causal.impact(made, one, 0), bills_causal.impact(made, one, _AFTER)
            within = [abs(each / one.dollars - 1) <= _TENTH for each in said]
            lower, upper = told.band
            half = (upper - lower) / 2 / abs(one.dollars)
            error = (*within, abs(told.amount / excess - 1) <= _TENTH, lower <= one.dollars <= upper, half)
            errors[one.kind].append(error)
            noise = float(np.sqrt((made.sigma[rows, one.series] ** 2).sum()))
            knowable += [error] if one.dollars >= _KNOWABLE * noise else []
    errors["all"] = [one for each in errors.values() for one in each]
    if knowable:
        errors["large enough to be told"] = knowable
    return [_summed(kind, np.array(each, dtype=np.float64).reshape(-1, 7)) for kind, each in errors.items()]


def _summed(kind: str, each: Floats) -> Impacts:
    told = [*each[:, :-1].mean(axis=0), np.median(each[:, -1])] if len(each) else [0.0] * 7
    return Impacts(kind, len(each), *map(float, told))


def _found(made: Bills) -> list[tuple[Incident, Impact]]:
    """Return the incidents that alert, each with its impact as told: actual − expected from its change point on."""
    running = {(one.series, day): one for one in made.incidents for day in range(one.start, one.end)}
    calendar = Calendar(holidays=bills.HOLIDAYS)
    detector = CostSeries(calendar, made.mean.shape[1] / 1000)
    detector.add(made.mean.shape[1])
    scored, found, seen = list[Scores](), list[tuple[Incident, Impact]](), set[int]()
    for t, moment in enumerate(made.times):
        detector.advance(calendar.index(moment.replace(tzinfo=UTC)))
        scores = detector.score_many(made.values[t])
        scored = [*scored[1 - _LONGEST :], scores]
        recent = np.vstack([detector.recent[1:], scores.steady])
        begins = np.flatnonzero(detector.learn_many(made.values[t], scores))
        ahead = [detector.levels.expect(n) for n in range(_LONGEST)] if len(begins) else []
        for column in map(int, begins):
            one = running.get((column, t))
            if one is not None and one.group not in seen:
                seen.add(one.group)
                values, window = made.values[:, column], int(scores.window[column])
                days = 1 + periods_since(recent[:, column], window)
                # what lies before its true start counts as well: the change point may be told too early or too late
                told = _until(scored[-days:], values[t + 1 - days :], detector.held_back(column, days), column)
                for expected, value in zip(ahead[1:], values[t + 1 : one.end], strict=False):
                    told += _of_day(value, expected, column)
                spread = _spread(scores, column) * start_spread(recent[:, column], window)
                found.append((one, replace(told, start=spread)))
    return found


def _until(scored: Sequence[Scores], values: Floats, held_back: Floats, column: int) -> Impact:
    """Return the impact of the days to the one on which an incident is found."""
    told = Impact()
    for scores, value, factor in zip(scored, values, held_back, strict=False):
        expected = float(scores.expected[column] * factor)
        told += Impact.of(float(value), expected, _spread(scores, column), float(scores.unsure[column]))
    return told


def _of_day(value: float, expected: Expectation, column: int) -> Impact:
    """Return that of a day after it."""
    mean = float(expected.mean[column])
    return Impact.of(float(value), mean, mean * float(expected.sd[column]), mean * float(expected.unsure[column]))


def _spread(scores: Scores, column: int) -> float:
    return float(scores.upper[column] - scores.expected[column]) / BAND
