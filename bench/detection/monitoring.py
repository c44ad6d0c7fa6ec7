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
from bench.detection.monitoring_detectors import available
from detection.detector import THRESHOLD
from detection.one_alert import HABIT, HABIT_SECONDS

Floats = NDArray[np.float64]

RATE = 1.0
"""False alerts a series and week."""
SHIPPED = "spendstream"
_GAP, _LONGEST = 3_600.0, 86_400.0
_THRESHOLDS, _FINER = 80, 40


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
        Rows at or above it alert; None where there is no one threshold.
    """

    recall: float
    false_alerts: float
    threshold: float | None


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


@dataclass(frozen=True, slots=True)
class Counts:
    """What each threshold finds in each series.

    Attributes
    ----------
    thresholds
        In rising order.
    found, false
        Incidents found and false alerts: thresholds × series.
    incidents, weeks
        Of each series.
    """

    thresholds: Floats
    found: Floats
    false: Floats
    incidents: Floats
    weeks: Floats

    def at(self, place: int, chosen: NDArray[np.bool_]) -> Found:
        """Return what one threshold finds in the chosen series together."""
        return Found(
            float(self.found[place, chosen].sum() / max(self.incidents[chosen].sum(), 1.0)),
            float(self.false[place, chosen].sum() / self.weeks[chosen].sum()),
            float(self.thresholds[place]),
        )

    def best(self, chosen: NDArray[np.bool_]) -> int | None:
        """Return the place of the threshold that finds most in the chosen series, at no more than `RATE` false."""
        allowed = self.false[:, chosen].sum(axis=1) <= RATE * self.weeks[chosen].sum()
        found = np.where(allowed, self.found[:, chosen].sum(axis=1), -1.0)
        # of equally good thresholds the lowest, which leaves no incident for later
        return int(found.argmax()) if allowed.any() else None


def count(corpus: Mapping[str, Series], scores: Mapping[str, Floats], thresholds: Floats, habit: float) -> Counts:
    """Return what the thresholds find in each series."""
    found, false = np.zeros((2, len(thresholds), len(corpus)))
    for column, (name, series) in enumerate(corpus.items()):
        incidents = series.incidents
        for row, threshold in enumerate(thresholds.tolist()):
            rows, false[row, column] = alerting(scores[name], series, threshold, habit)
            found[row, column] = sum(
                np.searchsorted(rows, last, side="right") > np.searchsorted(rows, first) for first, last in incidents
            )
    incidents_of = np.array([len(series.incidents) for series in corpus.values()], dtype=np.float64)
    return Counts(thresholds, found, false, incidents_of, np.array([series.weeks for series in corpus.values()]))


def candidates(corpus: Mapping[str, Series], scores: Mapping[str, Floats]) -> Floats:
    """Return thresholds to try: evenly by rank, for scores that crowd below 1, and evenly by ratio, for others."""
    counted = np.concatenate([scores[name][series.probation :] for name, series in corpus.items()])
    by_rank = np.quantile(counted, 1.0 - np.geomspace(0.0003, 0.15, _THRESHOLDS))
    lowest, highest = float(by_rank[-1]), float(counted.max())
    by_ratio = np.geomspace(max(lowest, 1e-3 * highest), highest, _THRESHOLDS) if highest > 0.0 else by_rank
    tried = np.unique(np.concatenate([by_rank, by_ratio]))
    return tried[tried > 0.0]


def searched(corpus: Mapping[str, Series], scores: Mapping[str, Floats], habit: float) -> Counts:
    """Return what the candidates find, and more thresholds between the best of them and its neighbours."""
    coarse = count(corpus, scores, candidates(corpus, scores), habit)
    place = coarse.best(np.ones(len(corpus), dtype=np.bool_)) if len(coarse.thresholds) else None
    if place is None:
        return coarse
    near = coarse.thresholds[max(place - 1, 0) : place + 2]
    fine = count(corpus, scores, np.linspace(near[0], near[-1], _FINER), habit)
    tried = np.concatenate([coarse.thresholds, fine.thresholds])
    order = np.argsort(tried, kind="stable")
    return Counts(
        tried[order],
        np.concatenate([coarse.found, fine.found])[order],
        np.concatenate([coarse.false, fine.false])[order],
        coarse.incidents,
        coarse.weeks,
    )


def fitted(counts: Counts) -> Found:
    """Return what the threshold finds that is best for all series; silence when none keeps to `RATE`."""
    everyone = np.ones(len(counts.weeks), dtype=np.bool_)
    place = counts.best(everyone) if len(counts.thresholds) else None
    return Found(0.0, 0.0, None) if place is None else counts.at(place, everyone)


def held_out(counts: Counts, seed: int, repeats: int = 20) -> Found:
    """Return the mean of what one half of the series shows with the threshold that is best for the other half."""
    if len(counts.weeks) <= 1:
        return Found(0.0, 0.0, None)
    random = np.random.default_rng(seed)
    shown = []
    for _ in range(repeats):
        half = random.permutation(len(counts.weeks)) % 2 == 0
        for mine, others in ((half, ~half), (~half, half)):
            place = counts.best(others) if len(counts.thresholds) else None
            shown.append(
                (0.0, 0.0) if place is None else (counts.at(place, mine).recall, counts.at(place, mine).false_alerts)
            )
    recall, false_alerts = np.mean(shown, axis=0).tolist()
    return Found(recall, false_alerts, None)


def run(corpus: Mapping[str, Series], seed: int) -> dict[str, dict[str, Found]]:
    """Return what each detector finds, alone and with habit; ours also at the threshold that stands in the code."""
    results = {}
    for name, detect in available().items():
        scores = {one: detect(series) for one, series in corpus.items()}
        alone, lifted = searched(corpus, scores, 0.0), searched(corpus, scores, HABIT)
        results[name] = {
            "alone": fitted(alone),
            "alone, held out": held_out(alone, seed),
            "with habit": fitted(lifted),
            "with habit, held out": held_out(lifted, seed),
        }
        if name == SHIPPED:
            everyone = np.ones(len(corpus), dtype=np.bool_)
            results[name]["as shipped"] = count(corpus, scores, np.array([THRESHOLD]), HABIT).at(0, everyone)
    return results


def main(folder: Path, seed: int, *, as_json: bool) -> int:
    """Run the benchmark and print it; 2 when the folder cannot be read."""
    try:
        corpus = monitoring_corpus.read(folder)
    except monitoring_corpus.CorpusError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    results = run(corpus, seed)
    if as_json:
        plain = {name: {how: asdict(found) for how, found in each.items()} for name, each in results.items()}
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
        return 0
    table = Table("detector", "how", "incidents found", "false alerts a series-week", "threshold")
    for name, each in results.items():
        for how, found in each.items():
            threshold = "" if found.threshold is None else f"{found.threshold:.3f}"
            table.add_row(name, how, f"{found.recall:.1%}", f"{found.false_alerts:.2f}", threshold)
    Console().print(table)
    return 0
