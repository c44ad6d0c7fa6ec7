"""The bills benchmark: which incidents are found, at a false-alert rate that is the same for all.

Alerts of a series within `MERGED` periods are one. A false alert is one outside every incident and the days of grace
after it. An incident is found by an alert between its first period and the period after its last.
"""

from dataclasses import dataclass
from datetime import UTC, date

import numpy as np

from bench.detection import bills_model, bills_rivals
from bench.detection.bills_model import Bills, Floats, Incident
from detection.arrays import Bools
from detection.cost_series import CostSeries
from detection.seasons import Calendar

MERGED = 7
_HALVINGS = 40
_YEARS = range(2024, 2031)
HOLIDAYS = frozenset(date(year, month, day) for year in _YEARS for month, day in bills_model.HOLIDAYS)


@dataclass(frozen=True, slots=True)
class Power:
    """What one detector found of the incidents of one kind and size.

    Attributes
    ----------
    found
        The share of them.
    oracle
        The share that the oracle found.
    delay
        Median of the periods from the first of an incident to its alert.
    """

    detector: str
    kind: str
    size: float
    incidents: int
    found: float
    oracle: float
    delay: float


def ours(bills: Bills, *, hourly: bool = False, false_alerts_a_week: float = 1.0) -> tuple[Floats, float]:
    """Return our alerts, as scores (−ln p) where an incident begins and 0 elsewhere, and the shipped threshold."""
    calendar = Calendar(hourly=hourly, holidays=HOLIDAYS)
    values = bills.values
    detector = CostSeries(calendar, false_alerts_a_week)
    detector.add(values.shape[1])
    found = np.zeros_like(values)
    for t, moment in enumerate(bills.times):
        detector.advance(calendar.index(moment.replace(tzinfo=UTC)))
        scores = detector.score_many(values[t])
        found[t] = np.where(detector.learn_many(values[t], scores), scores.log_p, 0.0)
    return found, detector.needed


def clean(bills: Bills, *, hourly: bool = False) -> Bools:
    """Return where an alert is a false one."""
    placing = bills_model.parameters()["placing"]
    a_day = 24 if hourly else 1
    allowed = np.ones(bills.mean.shape, dtype=np.bool_)
    allowed[: placing["warm_up_days"] * a_day] = False
    for one in bills.incidents:
        allowed[one.start : one.end + placing["grace_days"] * a_day, one.series] = False
    return allowed


def false_alerts(scores: Floats, allowed: Bools, threshold: float) -> int:
    """Count the alerts that are false, those close together as one."""
    period, series = np.nonzero(((scores >= threshold) & allowed).T)[::-1]
    apart = (np.diff(period) > MERGED) | (np.diff(series) != 0)
    return int(apart.sum()) + (1 if len(period) else 0)


def fitted(scores: Floats, allowed: Bools, bearable: float) -> float:
    """Return the least threshold with at most `bearable` false alerts."""
    low, high = 0.0, float(scores.max()) + 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if false_alerts(scores, allowed, middle) > bearable:
            low = middle
        else:
            high = middle
    return high


def delays(scores: Floats, threshold: float, incidents: list[Incident]) -> list[int | None]:
    """Return for each incident after how many periods it was found; None: it was not."""
    found: list[int | None] = []
    for one in incidents:
        above = np.flatnonzero(scores[one.start : one.end + 1, one.series] >= threshold)
        found.append(int(above[0]) if len(above) else None)
    return found


def bearable(allowed: Bools, *, hourly: bool = False, a_week_for_1000: float = 1.0) -> float:
    """Return how many false alerts the rate allows in the clean periods."""
    weeks = float(allowed.sum()) / (7 * 24 if hourly else 7)
    return a_week_for_1000 * weeks / 1000


def powers(bills: Bills, detectors: dict[str, tuple[Floats, float]], *, hourly: bool = False) -> list[Power]:
    """Return what each detector, given as scores and threshold, found of each kind and size, beside the oracle."""
    allowed = clean(bills, hourly=hourly)
    cells = sorted({(one.kind, one.size) for one in bills.incidents})
    shapes = {kind["kind"]: kind for kind in bills_model.parameters()["kinds"]}
    told: dict[str, tuple[Floats, float]] = {}
    for kind in {kind for kind, _ in cells}:
        course = bills_model.shaped(shapes[kind]["shape"], shapes[kind]["periods"])
        scores, noise = bills_rivals.oracle(bills, course)
        told[kind] = scores, fitted(noise, allowed, bearable(allowed, hourly=hourly))
    found = []
    for kind, size in cells:
        incidents = [one for one in bills.incidents if (one.kind, one.size) == (kind, size)]
        scores, threshold = told[kind]
        best = [scores[one.end - 1, one.series] >= threshold for one in incidents]
        for name, (own, own_threshold) in detectors.items():
            after = [delay for delay in delays(own, own_threshold, incidents) if delay is not None]
            delay = float(np.median(after)) if after else float("nan")
            share = len(after) / len(incidents)
            found.append(Power(name, kind, size, len(incidents), share, float(np.mean(best)), delay))
    return found
