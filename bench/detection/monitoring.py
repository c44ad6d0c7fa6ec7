"""Labelled telemetry: how many incidents are found at one false alert a series and week.

An alert goes on while rows at or above the threshold follow each other within an hour, for a day at most. It is false
when its first row belongs to no incident; an incident is found by any alerting row in it. One threshold serves all
series, and is the one that finds most at no more than the allowed false alerts: fitted to the corpus for everyone.

Each detector is run as it is, and once more with the habit that ours has: each alert lifts the threshold for a while.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.detection import monitoring_corpus
from bench.detection.monitoring_corpus import Series
from bench.detection.monitoring_detectors import DETECTORS
from detection.deviation import HABIT, THRESHOLD
from detection.one_alert import HABIT_SECONDS

Floats = NDArray[np.float64]

RATE = 1.0
"""False alerts a series and week."""
_GAP, _LONGEST = 3_600.0, 86_400.0
_THRESHOLDS = 60


@dataclass(frozen=True, slots=True)
class Found:
    """What a threshold finds.

    Attributes
    ----------
    recall
        Share of the incidents with an alerting row.
    false_alerts
        A series and week.
    threshold
        Rows at or above it alert.
    """

    recall: float
    false_alerts: float
    threshold: float


def alerting(scores: Floats, series: Series, threshold: float, habit: float) -> tuple[list[int], int]:
    """Return the alerting rows, and how many false alerts they are."""
    rows: list[int] = []
    lifted, raised = 0.0, series.times[0]
    last = began = -np.inf
    false = 0
    for row in np.flatnonzero(scores >= threshold).tolist():
        time = series.times[row]
        if time - last > _GAP or time - began > _LONGEST:
            faded = lifted * exp(-max(0.0, time - raised) / HABIT_SECONDS)
            if scores[row] < threshold * (1.0 + habit * faded):
                continue
            lifted, raised, began = faded + 1.0, time, time
            false += row >= series.probation and not series.labelled[row]
        last = time
        rows.append(row)
    return rows, false


def at_threshold(
    corpus: Mapping[str, Series], scores: Mapping[str, Floats], threshold: float, habit: float = 0.0
) -> Found:
    """Return what a threshold finds in a corpus."""
    false = found = incidents = 0
    for name, series in corpus.items():
        rows, more = alerting(scores[name], series, threshold, habit)
        false += more
        for first, last in series.incidents:
            incidents += 1
            found += int(np.searchsorted(rows, last, side="right") > np.searchsorted(rows, first))
    weeks = sum(series.weeks for series in corpus.values())
    return Found(found / max(incidents, 1), false / weeks, threshold)


def best(corpus: Mapping[str, Series], scores: Mapping[str, Floats], habit: float = 0.0) -> Found:
    """Return what the best threshold finds at no more than `RATE` false alerts; that of silence when none does."""
    counted = np.concatenate([scores[name][series.probation :] for name, series in corpus.items()])
    places = np.unique(np.quantile(counted, 1.0 - np.geomspace(0.0003, 0.15, _THRESHOLDS)))[::-1]
    chosen = Found(0.0, 0.0, float(np.inf))
    for threshold in places.tolist():
        found = at_threshold(corpus, scores, threshold, habit)
        if found.false_alerts > 2.0 * RATE:
            break
        if found.false_alerts <= RATE and found.recall >= chosen.recall:
            chosen = found
    return chosen


def run(corpus: Mapping[str, Series]) -> dict[str, dict[str, Found]]:
    """Return what each detector finds, alone and with habit; ours also at the threshold that stands in the code."""
    results = {}
    for name, detect in DETECTORS.items():
        scores = {one: detect(series) for one, series in corpus.items()}
        results[name] = {"alone": best(corpus, scores), "with habit": best(corpus, scores, HABIT)}
        if name == "spendstream, deviation":
            results[name]["as shipped"] = at_threshold(corpus, scores, THRESHOLD, HABIT)
    return results


def main(folder: Path, *, as_json: bool) -> int:
    """Run the benchmark and print it; 2 when the folder cannot be read."""
    try:
        corpus = monitoring_corpus.read(folder)
    except monitoring_corpus.CorpusError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    results = run(corpus)
    if as_json:
        plain = {name: {how: asdict(found) for how, found in each.items()} for name, each in results.items()}
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
        return 0
    table = Table("detector", "how", "incidents found", "false alerts a series-week", "threshold")
    for name, each in results.items():
        for how, found in each.items():
            table.add_row(name, how, f"{found.recall:.1%}", f"{found.false_alerts:.2f}", f"{found.threshold:.3f}")
    Console().print(table)
    return 0
