"""Our detector on NAB's series: its scores, its alerts, what they earn with thresholds shipped, fitted, held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import numpy as np

from bench.detection.nab_corpus import Series
from bench.detection.nab_scoring import Floats, Labels, Profile, Verdict, at_threshold
from detection.detector import SHARE, THRESHOLD, SeriesDetector
from detection.one_alert import HABIT, HOLD, OneAlert

THRESHOLDS = tuple(float(one) for one in np.geomspace(1.5, 12.0, 60))
SHARES, HOLDS, HABITS = (0.15, 0.25, 0.35), (5 * 3600.0, 8 * 3600.0, 12 * 3600.0), (0.0, 0.05, 0.1)
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Setting:
    """What nested cross-validation may choose, besides the threshold."""

    share: float = SHARE
    hold: float = HOLD
    habit: float = HABIT


@dataclass(frozen=True, slots=True)
class Seen:
    """One series as our detector saw it.

    Attributes
    ----------
    times
        Of the rows, in seconds of Unix.
    views
        What each view says of each row: views × rows.
    pace
        What the step from row to row adds to each row's score.
    """

    times: list[float]
    views: Floats
    pace: Floats


def seconds(times: Sequence[str]) -> list[float]:
    """Return times as the files write them in seconds of Unix."""
    return [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in times]


def see(series: Mapping[str, Series]) -> dict[str, Seen]:
    """Show the detector each row of each series once, in order."""
    found = {}
    for name, one in series.items():
        detector = SeriesDetector()
        rows, pace = [], []
        times = seconds(one.times)
        for time, value in zip(times, one.values.tolist(), strict=True):
            rows.append(list(detector.views_one(value, time).values()))
            pace.append(detector.pace)
            detector.learn_one(value, time)
        found[name] = Seen(times, np.array(rows).T, np.array(pace))
    return found


def joined(one: Seen, share: float) -> Floats:
    """Return the detector's score from its views, as `detection.detector.joined` joins them."""
    own, jump = one.views[:-1], one.views[-1]
    strongest = own.max(axis=0)
    scores: Floats = np.maximum(np.maximum(0.0, strongest + share * (own.sum(axis=0) - strongest) + one.pace), jump)
    return scores


def alerts(scores: Floats, times: Sequence[float], threshold: float, setting: Setting) -> Floats:
    """Return 1 for each row that raises an alert, else 0."""
    one = OneAlert(threshold, setting.hold, setting.habit)
    raised = np.zeros(len(scores))
    for row in np.flatnonzero(scores >= threshold).tolist():
        raised[row] = one.passes(float(scores[row]), times[row])
    return raised


def _earned(corpus: Mapping[str, Labels], seen: Mapping[str, Seen], profile: Profile, threshold: float) -> Verdict:
    raised = {name: alerts(joined(seen[name], SHARE), seen[name].times, threshold, Setting()) for name in corpus}
    verdict = at_threshold(corpus, raised, profile, 0.5)
    return Verdict(verdict.score, threshold, verdict.tp, verdict.fp, verdict.missed)


def shipped(corpus: Mapping[str, Labels], seen: Mapping[str, Seen], profile: Profile) -> Verdict:
    """Return what the default earns, nothing fitted."""
    return _earned(corpus, seen, profile, THRESHOLD)


def fitted(corpus: Mapping[str, Labels], seen: Mapping[str, Seen], profile: Profile) -> Verdict:
    """Return what the default earns with the threshold that earns most on this very corpus, as NAB fits it."""
    return max((_earned(corpus, seen, profile, one) for one in THRESHOLDS), key=lambda verdict: verdict.score)


def _points(corpus: Mapping[str, Labels], seen: Mapping[str, Seen], profile: Profile) -> tuple[Floats, Floats]:
    """Return what each series (last axis) earns at each setting and threshold, and what it could earn at most."""
    windows = np.array([known.windows for known in corpus.values()], dtype=np.float64)
    earned = []
    for share in SHARES:
        scores = {name: joined(seen[name], share) for name in corpus}
        for hold, habit, threshold in product(HOLDS, HABITS, THRESHOLDS[::2]):
            setting = Setting(share, hold, habit)
            earned.append(
                [
                    _alone(known, alerts(scores[name], seen[name].times, threshold, setting), profile)
                    for name, known in corpus.items()
                ]
            )
    return np.array(earned), windows * (profile.tp + profile.fn)


def _alone(known: Labels, raised: Floats, profile: Profile) -> float:
    """Return the points of one series, not scaled: they add up over series."""
    rows = np.flatnonzero(raised)
    rows = rows[rows >= known.probation]
    inside = known.window[rows] >= 0
    points = profile.fp * float(known.credit[rows[~inside]].sum())
    for window in np.unique(known.window[rows[inside]]):
        points += profile.tp * float(known.credit[rows[known.window[rows] == window]].max()) + profile.fn
    return points


def nested(
    corpus: Mapping[str, Labels], seen: Mapping[str, Seen], profile: Profile, seed: int, repeats: int = 10
) -> tuple[float, float]:
    """Return mean and standard deviation, over repeats, of the score when each series' setting comes from others.

    The series are cut into five folds at random; each fold is scored with the share, hold, habit and threshold that
    earn most on the other four.
    """
    earned, perfect = _points(corpus, seen, profile)
    random = np.random.default_rng(seed)
    series = np.arange(len(perfect))
    scores = []
    for _ in range(repeats):
        points = 0.0
        for fold in np.array_split(random.permutation(series), FOLDS):
            others = np.setdiff1d(series, fold)
            points += earned[earned[:, others].sum(axis=1).argmax(), fold].sum()
        scores.append(100.0 * points / perfect.sum())
    return float(np.mean(scores)), float(np.std(scores))
