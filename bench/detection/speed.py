"""What a point costs: processor time of scoring and learning, and size of the saved state."""

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from detection.detector import SeriesDetector
from detection.deviation import DeviationDetector

_ROWS, _RUNS, _STEP = 6_000, 5, 300.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one detector takes.

    Attributes
    ----------
    microseconds
        Of processor time a point, scored and learnt: the least of five runs.
    state
        Bytes of the saved state as JSON.
    """

    microseconds: float
    state: int


def cost(make: Callable[[], SeriesDetector | DeviationDetector], rows: int) -> Cost:
    """Return what a detector takes on a noisy daily wave of a row each five minutes."""
    random = np.random.default_rng(1)
    values = [50.0 + 20.0 * math.sin(2.0 * math.pi * row / 288) + float(random.normal()) for row in range(rows)]
    times = [_STEP * row for row in range(rows)]
    least = math.inf
    for _ in range(_RUNS):
        detector = make()
        score, learn = detector.score_one, detector.learn_one
        began = time.process_time()
        for value, moment in zip(values, times, strict=True):
            score(value, moment)
            learn(value, moment)
        least = min(least, time.process_time() - began)
    return Cost(1e6 * least / rows, len(json.dumps(detector.state())))


def main(*, as_json: bool) -> int:
    """Measure and print; always 0."""
    costs = {
        "series": cost(SeriesDetector, _ROWS),
        "series, for cost": cost(SeriesDetector.for_cost, _ROWS),
        "deviation": cost(DeviationDetector, _ROWS),
    }
    if as_json:
        sys.stdout.write(json.dumps({name: asdict(one) for name, one in costs.items()}, indent=2) + "\n")
        return 0
    table = Table("detector", "µs a point", "state, bytes")
    for name, one in costs.items():
        table.add_row(name, f"{one.microseconds:.1f}", str(one.state))
    Console().print(table)
    return 0
