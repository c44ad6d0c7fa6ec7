"""What an incident is said to have cost, held against the truth, kind by kind.

From the alert on, the expected cost is what the levels foretold on the day of the alert; before it, back to the change
point, what was expected each day, without what has been learnt since. Two truths: the dollars that the incident added,
and by how much its days cost more than the generator meant. They differ by the noise of the incident's own days, which
no one can tell from the incident: so beside ours stands what one would say who knows the true mean.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC

import numpy as np

from bench.detection import bills, bills_causal, bills_model
from bench.detection.bills_model import Bills, Floats, Incident
from detection.cost_series import CostSeries
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
    """

    kind: str
    incidents: int
    of_added: float
    knowing_the_mean: float
    causal: float
    two_sided: float
    of_excess: float


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
            said = told, excess, bills_causal.impact(made, one, 0), bills_causal.impact(made, one, _AFTER)
            error = (*(abs(each / one.dollars - 1) for each in said), abs(told / excess - 1))
            errors[one.kind].append(error)
            noise = float(np.sqrt((made.sigma[rows, one.series] ** 2).sum()))
            knowable += [error] if one.dollars >= _KNOWABLE * noise else []
    errors["all"] = [one for each in errors.values() for one in each]
    if knowable:
        errors["large enough to be told"] = knowable
    within = {kind: (np.array(each).reshape(-1, 5) <= _TENTH).mean(axis=0) for kind, each in errors.items()}
    return [Impacts(kind, len(errors[kind]), *(float(share) for share in within[kind])) for kind in errors]


def _found(made: Bills) -> list[tuple[Incident, float]]:
    """Return the incidents that alert, each with its impact as told: actual − expected from its change point on."""
    running = {(one.series, day): one for one in made.incidents for day in range(one.start, one.end)}
    calendar = Calendar(holidays=bills.HOLIDAYS)
    detector = CostSeries(calendar, made.mean.shape[1] / 1000)
    detector.add(made.mean.shape[1])
    expected, found, seen = np.zeros_like(made.mean), list[tuple[Incident, float]](), set[int]()
    for t, moment in enumerate(made.times):
        detector.advance(calendar.index(moment.replace(tzinfo=UTC)))
        scores = detector.score_many(made.values[t])
        expected[t] = scores.expected
        may_begin = np.flatnonzero(scores.passes & (detector.open == 0))
        since = {column: detector.since(column, scores) for column in map(int, may_begin)}
        begins = np.flatnonzero(detector.learn_many(made.values[t], scores))
        ahead = [detector.levels.expect(n).mean for n in range(_LONGEST)] if len(begins) else []
        for column in map(int, begins):
            one = running.get((column, t))
            if one is not None and one.group not in seen:
                seen.add(one.group)
                days = 1 + since[column]
                before: Floats = expected[t + 1 - days : t + 1, column] * detector.held_back(column, days)
                # what lies before its true start counts as well: the change point may be told too early or too late
                told = float((made.values[t + 1 - days : t + 1, column] - before).sum())
                told += sum(float(made.values[t + n, column] - ahead[n][column]) for n in range(1, one.end - t))
                found.append((one, told))
    return found
