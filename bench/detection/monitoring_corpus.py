"""The folder of labelled telemetry: `<kind>/<series>.csv`, rows of TimeStamp, Value, Label."""

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PROBATION_SHARE, PROBATION_ROWS = 0.15, 5000
"""As NAB's: the first rows are for learning, and neither alerts nor incidents in them count."""
WEEK = 604_800.0


class CorpusError(Exception):
    """The folder does not hold what is needed; the message says what."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series.

    Attributes
    ----------
    times
        Of the rows, in seconds of Unix.
    values
        NaN where the file has none.
    labelled
        Whether the row belongs to an incident.
    """

    times: list[float]
    values: list[float]
    labelled: NDArray[np.bool_]

    @property
    def probation(self) -> int:
        """How many rows at the start count for nothing."""
        return int(PROBATION_SHARE * min(len(self.values), PROBATION_ROWS))

    @property
    def weeks(self) -> float:
        """How long the rows that count last."""
        return (self.times[-1] - self.times[self.probation]) / WEEK

    @property
    def incidents(self) -> list[tuple[int, int]]:
        """First and last row of each run of labelled rows that ends after probation."""
        edges = np.flatnonzero(np.diff(self.labelled.astype(np.int8), prepend=0, append=0))
        spans = zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
        return [(max(first, self.probation), last) for first, last in spans if last >= self.probation]


def _time(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read(folder: Path) -> dict[str, Series]:
    """Return the series by kind and file name.

    Raises
    ------
    CorpusError
        There is no series, or a file that cannot be read as one.
    """
    found = {}
    for path in sorted(folder.glob("*/*.csv")):
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            found[f"{path.parent.name}/{path.name}"] = Series(
                [_time(row["TimeStamp"]) for row in rows],
                [float(row["Value"]) if row["Value"] else math.nan for row in rows],
                np.array([float(row["Label"] or 0) > 0.0 for row in rows], dtype=np.bool_),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"{path} cannot be read as TimeStamp,Value,Label: {error}") from None
    if not found:
        raise CorpusError(f"{folder} holds no <kind>/<series>.csv: --data must name the folder of labelled telemetry")
    return found
