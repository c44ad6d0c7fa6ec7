"""What very many series of one process take: memory at its most, and processor time a point.

Their costs are drawn day by day, so that hardly anything but the detector is in memory.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np

from bench.detection.bills_model import Floats
from detection.cost_series import CostSeries
from detection.seasons import Calendar

SERIES, DAYS = 100_000, 70
"""Eight weeks, after which tails are learnt, and two more."""
_FIRST = datetime(2025, 1, 6, tzinfo=UTC)
_NOISE = (0.01, 0.15)
_WEEKEND = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took.

    Attributes
    ----------
    most_mb
        The most memory that the process ever held, of which `before_mb` were its own before there was a series.
    microseconds
        Of processor time to score and learn a point.
    alerts
        How many there were, with one false alert a week for 1,000 series as the setting.
    """

    series: int
    days: int
    before_mb: float
    most_mb: float
    microseconds: float
    alerts: int


def taken(series: int = SERIES, days: int = DAYS, seed: int = 1) -> Taken:
    """Score and learn so many days of so many series."""
    before, calendar = _most_mb(), Calendar()
    detector = CostSeries(calendar, series / 1000)
    detector.add(series)
    spent, alerts = 0.0, 0
    for day, costs in enumerate(_costs(series, days, seed)):
        begin = time.process_time()
        detector.advance(calendar.index(_FIRST) + day)
        alerts += int(detector.learn_many(costs).sum())
        spent += time.process_time() - begin
    return Taken(series, days, before, _most_mb(), 1e6 * spent / (series * days), alerts)


def _costs(series: int, days: int, seed: int) -> Iterator[Floats]:
    """Yield a day's costs: levels of cents to thousands of dollars, noise, weekends."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.uniform(np.log(0.5), np.log(5000), series))
    share, weekend = rng.uniform(*_NOISE, series), rng.uniform(0.5, 1.0, series)
    for day in range(days):
        season = weekend if day % 7 >= _WEEKEND else 1.0
        yield np.maximum(level * season * (1 + share * rng.normal(size=series)), 0.0)


def _most_mb() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1024 if sys.platform == "linux" else kilobytes / 1024**2


def main(seed: int) -> int:
    """Measure and print as JSON; always 0."""
    sys.stdout.write(json.dumps(asdict(taken(seed=seed)), indent=2) + "\n")
    return 0
