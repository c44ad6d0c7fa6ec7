"""Forecasts of the rest of a month, ours beside AutoETS of statsforecast: errors and time on the same bills."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.detection import bills, bills_model
from bench.detection.bills_model import Floats
from bench.detection.bills_rivals import PYTHON
from detection.forecast import end_of, to_come
from detection.levels import LevelBank
from detection.seasons import Calendar

_FROM = 15
"""The day of the month of which the rest is forecast."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Weighted absolute errors of forecasts of the rest of a month, and milliseconds of processor time for each.

    Attributes
    ----------
    ours_ms
        All that we do: learning every day of the bills, and forecasting.
    """

    forecasts: int
    ours: float
    auto_ets: float
    ours_ms: float
    auto_ets_ms: float


def beside(seed: int, python: Path = PYTHON, series: int = 40, days: int = 500) -> Beside:
    """Forecast the rest of each month from its middle, ours and AutoETS, both from the same past.

    Raises
    ------
    FileNotFoundError
        There is no such Python.
    """
    made = bills_model.ordinary(np.random.default_rng(seed), series, days)
    begin = time.process_time()
    means, asked, truths = _ours(made)
    spent = time.process_time() - begin
    with tempfile.TemporaryDirectory(prefix="spendstream-bench-") as folder:
        path = Path(folder) / "asked.json"
        path.write_text(json.dumps(asked), encoding="utf-8")
        program = [str(python), str(Path(__file__).with_name("auto_ets.py")), str(path)]
        said = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    ours, theirs = (float(np.abs(np.array(one) - truths).sum() / truths.sum()) for one in (means, said["sums"]))
    return Beside(len(truths), ours, theirs, 1e3 * spent / len(truths), 1e3 * said["seconds"] / len(truths))


def _ours(made: bills_model.Bills) -> tuple[list[float], list[dict[str, Any]], Floats]:
    calendar, values = Calendar(holidays=bills.HOLIDAYS), made.values
    levels = LevelBank(calendar)
    levels.add(values.shape[1])
    means, asked, truths = list[float](), list[dict[str, Any]](), list[float]()
    for t, moment in enumerate(made.times):
        levels.advance(calendar.index(moment.replace(tzinfo=UTC)))
        levels.learn_many(values[t])
        left = (end_of(moment.date(), "month") - moment.date()) // timedelta(days=1)
        warm = t >= bills_model.parameters()["placing"]["warm_up_days"]
        if moment.day == _FROM and warm and t + left < len(values):
            means += to_come(levels, left)[0].tolist()
            asked += [{"values": past.tolist(), "days": left} for past in values[: t + 1].T]
            truths += values[t + 1 : t + 1 + left].sum(axis=0).tolist()
    return means, asked, np.array(truths)


def main(seed: int) -> int:
    """Measure and print as JSON; 2 when AutoETS is not installed."""
    if not PYTHON.exists():
        sys.stderr.write("statsforecast is not installed: `make .venv-rivals/.installed` installs it\n")
        return 2
    sys.stdout.write(json.dumps(asdict(beside(seed)), indent=2) + "\n")
    return 0
