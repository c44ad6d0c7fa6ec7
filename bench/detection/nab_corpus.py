"""The folder of NAB's series, windows, profiles and published scores."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.detection.nab_scoring import Floats, Labels, Profile, Verdict, labels


class CorpusError(Exception):
    """The folder does not hold what is needed; the message says what."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: times as the files write them, values, and labels."""

    times: list[str]
    values: Floats
    labels: Labels


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        needed = "data/, windows.json and profiles.json"
        raise CorpusError(f"{path} is missing: --data must name a folder with {needed}") from None
    except json.JSONDecodeError as error:
        raise CorpusError(f"{path} is no JSON: {error}") from None
    return found


def read(folder: Path) -> dict[str, Series]:
    """Return the series that windows.json names, by their names in it."""
    found = {}
    for name, spans in _json(folder / "windows.json").items():
        path = folder / "data" / name
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            times = [row["timestamp"] for row in rows]
            values = np.array([float(row["value"]) for row in rows])
            # windows are written with microseconds, rows without
            windows = [(start.removesuffix(".000000"), end.removesuffix(".000000")) for start, end in spans]
            found[name] = Series(times, values, labels(times, windows))
        except FileNotFoundError:
            raise CorpusError(f"{path} is missing, though windows.json names it") from None
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"{path} cannot be read as timestamp,value with its windows: {error}") from None
    return found


def profiles(folder: Path) -> dict[str, Profile]:
    """Return the profiles by name."""
    path = folder / "profiles.json"
    found = {}
    try:
        for name, profile in _json(path).items():
            costs = profile["CostMatrix"]
            found[name] = Profile(tp=costs["tpWeight"], fn=costs["fnWeight"], fp=costs["fpWeight"])
    except (KeyError, TypeError) as error:
        raise CorpusError(f"{path} has a profile without its weights: {error}") from None
    return found


def published(folder: Path, series: dict[str, Series]) -> dict[str, dict[str, Floats]]:
    """Return the scores that other detectors publish: by detector, by series."""
    found = {}
    for path in sorted((folder / "published").glob("*.npz")):
        with np.load(path, allow_pickle=False) as scores:
            missing = sorted(set(series) - set(scores.files))
            if missing:
                raise CorpusError(f"{path} has no scores of {', '.join(missing)}")
            found[path.stem] = {name: np.asarray(scores[name], dtype=np.float64) for name in series}
    return found


def differences(folder: Path, detector: str, profile: str, verdict: Verdict) -> list[str]:
    """Return in words where a verdict differs from what NAB's own code gave; empty: nowhere, or it gave nothing."""
    path = folder / "expected_scores.json"
    if not path.exists():
        return []
    expected = _json(path).get(detector, {}).get(profile)
    if expected is None:
        return []
    ours = {"score": round(verdict.score, 2), "threshold": verdict.threshold, "tp": verdict.tp, "fp": verdict.fp}
    return [
        f"{detector}, {profile}: {name} is {ours[name]}, NAB's own code gives {value}"
        for name, value in expected.items()
        if abs(ours[name] - value) > (0.011 if name == "score" else 1e-9)
    ]
