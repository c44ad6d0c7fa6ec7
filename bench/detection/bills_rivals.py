"""The rules that others use, run unchanged on the simulated bills, and the oracle that no one can beat.

Each takes a table of periods × series and returns scores of the same shape; only what lies before a row may be used
for it. A rival's threshold is fitted to the false-alert rate on the very bills that it is scored on: its best case.
"""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from river import anomaly, compose, preprocessing

from bench.detection.bills_model import Bills, Floats

PYTHON = Path(__file__).parents[2] / ".venv-rivals" / "bin" / "python"
"""Of the environment of the rivals that bring many packages along; `make .venv-rivals/.installed` makes it."""
WEEK = 7
_FOUR_WEEKS = 28


def _moments(values: Floats, length: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the `length` rows before each row from there on, by running sums."""
    middle = values[0]
    sums = np.cumsum(np.vstack([np.zeros_like(middle), values - middle]), axis=0)
    squares = np.cumsum(np.vstack([np.zeros_like(middle), (values - middle) ** 2]), axis=0)
    mean = (sums[length:-1] - sums[: -length - 1]) / length
    square = (squares[length:-1] - squares[: -length - 1]) / length
    return middle + mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def mean_and_share(values: Floats, days: int = WEEK, a_day: int = 1) -> Floats:
    """OptScale's rule: today ÷ the mean of the last days − 1; its threshold is a share."""
    length = days * a_day
    scores = np.zeros_like(values)
    scores[length:] = values[length:] / np.maximum(_moments(values, length)[0], 1e-9) - 1
    return scores


def moving_band(values: Floats, days: int = _FOUR_WEEKS, a_day: int = 1) -> Floats:
    """A moving average with a band of its standard deviation."""
    length = days * a_day
    mean, deviation = _moments(values, length)
    scores = np.zeros_like(values)
    scores[length:] = (values[length:] - mean) / np.maximum(deviation, 1e-6 * np.maximum(mean, 1e-3))
    return scores


def ewm_band(values: Floats, half_life: float = 14.0, a_day: int = 1) -> Floats:
    """An exponentially weighted mean and variance."""
    keep = 0.5 ** (1 / (half_life * a_day))
    mean, variance = values[0].copy(), (0.1 * values[0]) ** 2
    scores = np.zeros_like(values)
    for t in range(1, len(values)):
        error = values[t] - mean
        scores[t] = error / np.sqrt(np.maximum(variance, 1e-18))
        mean += (1 - keep) * error
        variance = keep * (variance + (1 - keep) * error**2)
    return scores


def same_weekday(values: Floats, weeks: int = 8, a_day: int = 1) -> Floats:
    """The same weekday (and hour) of the last weeks, with a band: a weekly seasonal model."""
    step = WEEK * a_day
    scores = np.zeros_like(values)
    for t in range(step * weeks, len(values)):
        before = values[t - step * weeks : t : step]
        scores[t] = (values[t] - before.mean(axis=0)) / np.maximum(before.std(axis=0), 1e-9)
    return scores


def half_space_trees(values: Floats, seed: int = 1) -> Floats:
    """River's HalfSpaceTrees as its documentation puts them together: scaled to 0…1 by the running range."""
    scores = np.zeros_like(values)
    for column in range(values.shape[1]):
        model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=seed))
        for t, value in enumerate(values[:, column]):
            point = {"cost": float(value)}
            scores[t, column] = model.score_one(point)
            model.learn_one(point)
    return scores


def random_cut_forest(values: Floats, shingle: int = WEEK, python: Path = PYTHON) -> Floats:
    """A Random Cut Forest over shingles of a week, in another Python."""
    with tempfile.TemporaryDirectory(prefix="spendstream-bench-") as folder:
        given, told = Path(folder) / "values.npy", Path(folder) / "scores.npy"
        np.save(given, values)
        program = Path(__file__).with_name("forest.py")
        subprocess.run([str(python), str(program), str(given), str(told), str(shingle)], check=True)
        scores: Floats = np.load(told)
    return scores


RULES: dict[str, Callable[..., Floats]] = {
    "mean(7) × (1 + t %)": mean_and_share,
    "moving average ± k·sd (28)": moving_band,
    "EWM z-score (14)": ewm_band,
    "same weekday of 8 weeks": same_weekday,
}


def oracle(bills: Bills, shape: Floats) -> tuple[Floats, Floats]:
    """Return the likelihood-ratio test that is told true mean, noise and the incident's course in σ.

    For Gaussian noise that is the matched filter, standardised, at the last period of the course. The first table is
    of the bills, the second of their noise alone: an oracle is not misled by incidents that it was told.
    """
    weights = shape / np.sqrt((shape**2).sum())

    def filtered(residual: Floats) -> Floats:
        scores = np.full_like(residual, -np.inf)
        scores[len(shape) - 1 :] = np.lib.stride_tricks.sliding_window_view(residual, len(shape), axis=0) @ weights
        return scores

    return filtered(bills.noise + bills.added / bills.sigma), filtered(bills.noise)
