"""A Random Cut Forest on NAB's series: its rows scored as NAB does, and with our one alert an incident."""

from collections.abc import Mapping

import numpy as np

from bench.detection.bills_rivals import random_cut_forest
from bench.detection.nab_corpus import Series
from bench.detection.nab_ours import Setting, alerts, seconds
from bench.detection.nab_scoring import Floats, Labels, Profile, Verdict, at_threshold, fitted

SHINGLE = 8
"""Rows that make a point of the forest."""
_THRESHOLDS = 60


def scores(series: Mapping[str, Series]) -> dict[str, Floats]:
    """Return the forest's score of each row, taken before it is learnt."""
    return {name: random_cut_forest(one.values[:, np.newaxis], SHINGLE)[:, 0] for name, one in series.items()}


def verdicts(
    corpus: Mapping[str, Labels], series: Mapping[str, Series], told: Mapping[str, Floats], profile: Profile
) -> dict[str, Verdict]:
    """Return what the forest earns, by how it alerts: each with the threshold that is best on this very corpus."""
    ranks = 1.0 - np.geomspace(0.0003, 0.1, _THRESHOLDS)
    times = {name: seconds(one.times) for name, one in series.items()}

    def earned(threshold: float) -> Verdict:
        raised = {name: alerts(told[name], times[name], threshold, Setting()) for name in corpus}
        verdict = at_threshold(corpus, raised, profile, 0.5)
        return Verdict(verdict.score, threshold, verdict.tp, verdict.fp, verdict.missed)

    tried = np.quantile(np.concatenate(list(told.values())), ranks).tolist()
    return {
        "Random Cut Forest": fitted(corpus, told, profile),
        "Random Cut Forest, one alert an incident": max(map(earned, tried), key=lambda verdict: verdict.score),
    }
