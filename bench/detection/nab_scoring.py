"""The scoring of the Numenta Anomaly Benchmark, written anew from its published rules.

A corpus is scored by one threshold. In each labelled window the earliest row at or above the threshold earns up to
`tp`, the more the earlier; a window without one costs `fn`; a row outside all windows costs up to `fp`, the less the
closer it follows a window. The first 15 % of a series, of at most 5,000 rows, are for learning and count for nothing.
The sum is scaled so that silence is 0 and an alert at each window's first row, and no other, is 100.

References
----------
Lavin, A. and Ahmad, S., 2015. Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark.
14th International Conference on Machine Learning and Applications.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PROBATION_SHARE = 0.15
PROBATION_ROWS = 5000
FAR = 3.0
"""Window lengths behind a window, from where a false alert costs its full weight."""
SILENT = 1.1
"""The threshold that no score of a published detector, all in 0…1, reaches."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a window found, a window missed and a false alert are worth."""

    tp: float
    fn: float
    fp: float


@dataclass(frozen=True, slots=True)
class Labels:
    """The windows of one series, made ready for scoring.

    Attributes
    ----------
    credit
        Of each row, before weights: 0…1 inside a window (1 at its first row), −1…0 outside.
    window
        Of each row: the number of its window, −1 outside all.
    probation
        How many rows at the start count for nothing.
    windows
        How many windows there are.
    """

    credit: Floats
    window: NDArray[np.int64]
    probation: int
    windows: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one threshold earns on a corpus.

    Attributes
    ----------
    score
        0 is silence, 100 is perfect; it can be negative.
    threshold
        Rows at or above it are alerts.
    tp, fp
        Rows at or above it inside and outside of windows.
    missed
        Windows without an alert.
    """

    score: float
    threshold: float
    tp: int
    fp: int
    missed: int


def scaled_sigmoid(position: Floats) -> Floats:
    """Return the worth of rows that lie `position` window lengths behind a window's end (negative: before it)."""
    return np.where(position > FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, FAR))) - 1.0)


def probation(rows: int) -> int:
    """Return how many of a series' first rows are for learning only."""
    return int(PROBATION_SHARE * min(rows, PROBATION_ROWS))


def labels(times: Sequence[str], windows: Sequence[tuple[str, str]]) -> Labels:
    """Return the labels of a series with these times of rows and these windows (first and last row's time).

    Raises
    ------
    ValueError
        A window begins or ends at a time that no row has, or overlaps the one before.
    """
    rows = len(times)
    credit = np.full(rows, -1.0)
    number = np.full(rows, -1, dtype=np.int64)
    first_row: dict[str, int] = {}
    for row, time in enumerate(times):
        first_row.setdefault(time, row)
    after = 0
    for index, (start, end) in enumerate(windows):
        if start not in first_row or end not in first_row:
            raise ValueError(f"window {start} … {end}: no row has this time")
        left, right = first_row[start], first_row[end]
        if not after <= left <= right:
            raise ValueError(f"window {start} … {end} ends before it begins, or overlaps the one before")
        width = right - left + 1
        inside = np.arange(left, right + 1)
        credit[inside] = scaled_sigmoid(-(right - inside + 1) / width) / scaled_sigmoid(np.array(-1.0))
        number[inside] = index
        behind = np.arange(right + 1, rows)
        # a window of one row has no length to be close to: what follows it is far
        credit[behind] = scaled_sigmoid((behind - right) / (width - 1)) if width > 1 else -1.0
        after = right + 1
    return Labels(credit, number, probation(rows), len(windows))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a corpus that count, the highest score first."""

    score: Floats
    window: NDArray[np.int64]
    false_credit: Floats
    gain: Floats
    found: NDArray[np.int64]
    windows: int


def _rows(corpus: Mapping[str, Labels], scores: Mapping[str, Floats]) -> _Rows:
    """Put all series in one row, windows numbered through, and say what each next row adds."""
    parts, windows = [], 0
    for name, known in corpus.items():
        if len(scores[name]) != len(known.credit):
            raise ValueError(f"{name}: {len(scores[name])} scores for {len(known.credit)} rows")
        counted = slice(known.probation, None)
        window = known.window[counted]
        parts.append((scores[name][counted], np.where(window < 0, -1, window + windows), known.credit[counted]))
        windows += known.windows
    score, window, credit = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not np.isfinite(score).all():
        raise ValueError("a score is not a finite number")
    order = np.argsort(-score, kind="stable")
    score, window, credit = score[order], window[order], credit[order]
    gain = np.zeros(len(score))
    found = np.zeros(len(score), dtype=np.int64)
    for index in range(windows):
        rows = np.flatnonzero(window == index)
        if len(rows):
            gain[rows] = np.diff(np.maximum.accumulate(credit[rows]), prepend=0.0)
            found[rows[0]] = 1
    return _Rows(score, window, np.where(window < 0, credit, 0.0), gain, found, windows)


def _verdicts(rows: _Rows, profile: Profile) -> tuple[Floats, NDArray[np.int64]]:
    """Return the score after each row, and the rows at which a threshold can stand: the last of equal scores."""
    if not rows.windows:
        raise ValueError("no series of the corpus has a window: there is nothing to find")
    earned = np.cumsum(profile.tp * rows.gain + profile.fn * rows.found + profile.fp * rows.false_credit)
    scaled = 100.0 * earned / (rows.windows * (profile.tp + profile.fn))
    return scaled, np.flatnonzero(np.append(np.diff(rows.score) != 0.0, [True]))


def _verdict(rows: _Rows, alerts: int, threshold: float, scaled: Floats) -> Verdict:
    inside = int(np.count_nonzero(rows.window[:alerts] >= 0))
    return Verdict(
        score=float(scaled[alerts - 1]) if alerts else 0.0,
        threshold=threshold,
        tp=inside,
        fp=alerts - inside,
        missed=rows.windows - int(rows.found[:alerts].sum()),
    )


def at_threshold(
    corpus: Mapping[str, Labels], scores: Mapping[str, Floats], profile: Profile, threshold: float
) -> Verdict:
    """Return what a threshold that stood fixed before earns."""
    rows = _rows(corpus, scores)
    scaled, _ = _verdicts(rows, profile)
    return _verdict(rows, int(np.count_nonzero(rows.score >= threshold)), threshold, scaled)


def fitted(corpus: Mapping[str, Labels], scores: Mapping[str, Floats], profile: Profile) -> Verdict:
    """Return what the best threshold of all earns: looked up on the very corpus, as the benchmark does itself.

    Of equally good thresholds it is the highest; silence counts as one.
    """
    rows = _rows(corpus, scores)
    scaled, places = _verdicts(rows, profile)
    best = places[np.argmax(scaled[places])]
    if scaled[best] <= 0.0:
        return _verdict(rows, 0, SILENT if rows.score[0] < SILENT else float(np.inf), scaled)
    return _verdict(rows, int(best) + 1, float(rows.score[best]), scaled)
