"""The detectors that are compared on labelled telemetry: ours, river's as its documentation puts them, and a forest.

LocalOutlierFactor is left out: it takes milliseconds a row. Scores of StandardAbsoluteDeviation have a sign; their
size is taken, which is to its advantage. A missing value is shown to all but ours as 0, as they know no missing values.
A Random Cut Forest is run where the rivals' environment is.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import anomaly, linear_model, optim, preprocessing, time_series

from bench.detection import bills_rivals
from bench.detection.monitoring_corpus import Series
from bench.detection.nab_forest import SHINGLE
from detection.detector import SeriesDetector
from detection.deviation import DeviationDetector

Scores = NDArray[np.float64]


def _ours(make: Callable[[], SeriesDetector | DeviationDetector]) -> Callable[[Series], Scores]:
    def detect(series: Series) -> Scores:
        detector, scores = make(), []
        for value, time in zip(series.values, series.times, strict=True):
            scores.append(detector.score_one(value, time))
            detector.learn_one(value, time)
        return np.array(scores)

    return detect


def _filled(series: Series) -> Iterator[float]:
    return (0.0 if math.isnan(value) else value for value in series.values)


def _of_features(make: Callable[[], Any]) -> Callable[[Series], Scores]:
    def detect(series: Series) -> Scores:
        detector, scores = make(), []
        for value in _filled(series):
            scores.append(float(detector.score_one({"value": value})))
            detector.learn_one({"value": value})
        return np.array(scores)

    return detect


def _of_target(make: Callable[[], Any]) -> Callable[[Series], Scores]:
    def detect(series: Series) -> Scores:
        detector, scores = make(), []
        for value in _filled(series):
            scores.append(abs(float(detector.score_one(None, value))))
            detector.learn_one(None, value)
        return np.nan_to_num(np.array(scores, dtype=np.float64))

    return detect


def _forest(series: Series) -> Scores:
    return bills_rivals.random_cut_forest(np.array(list(_filled(series)))[:, np.newaxis], SHINGLE)[:, 0]


def _predictive() -> anomaly.PredictiveAnomalyDetection:
    model = time_series.SNARIMAX(
        p=12,
        d=1,
        q=12,
        m=12,
        sd=1,
        regressor=preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=optim.SGD(0.005)),
    )
    return anomaly.PredictiveAnomalyDetection(model, horizon=1, n_std=3.5, warmup_period=15)


DETECTORS: dict[str, Callable[[Series], Scores]] = {
    "spendstream": _ours(SeriesDetector),
    "spendstream, deviations alone": _ours(DeviationDetector),
    "river HalfSpaceTrees": _of_features(lambda: preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)),
    "river LODA": _of_features(lambda: preprocessing.StandardScaler() | anomaly.LODA(seed=1)),
    "river OneClassSVM": _of_features(
        lambda: preprocessing.StandardScaler() | anomaly.QuantileFilter(anomaly.OneClassSVM(nu=0.2), q=0.98)
    ),
    "river GaussianScorer": _of_target(anomaly.GaussianScorer),
    "river StandardAbsoluteDeviation": _of_target(anomaly.StandardAbsoluteDeviation),
    "river PredictiveAnomalyDetection": _of_target(_predictive),
}


def available() -> dict[str, Callable[[Series], Scores]]:
    """Return the detectors that can be run here, by name."""
    return DETECTORS | ({"Random Cut Forest": _forest} if bills_rivals.PYTHON.exists() else {})
