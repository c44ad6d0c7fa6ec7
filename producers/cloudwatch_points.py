"""Points of metrics: which span is asked for, in which batches, and what counts up turned into increases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from spendstream.clock import from_millis

#: GetMetricData takes 500 metrics and gives 100,800 points at most.
MAX_QUERIES = 500
MAX_POINTS = 100_800
#: How long AWS keeps points: of periods under a minute 3 hours, of 1 min 15 days, 5 min 63 days, 1 hour 455 days.
_RETENTION = {60: timedelta(days=15), 300: timedelta(days=63), 3600: timedelta(days=455), 86400: timedelta(days=455)}
#: What counts up comes every few hours; it is told again for so long.
_SLOW = timedelta(days=2)
#: So long into a month the old month's figure may still be told.
_RESET = timedelta(hours=24)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Span:
    """Points from `start` to `end` are asked for, those from `told` on told; what ended by `settled` is final."""

    start: datetime
    told: datetime
    end: datetime
    settled: datetime

    def points(self, period: int) -> int:
        """Return how many points one metric can have in it."""
        return max(1, int((self.end - self.start).total_seconds()) // period)


def span(now: datetime, since: datetime | None, period: int, reread: timedelta, *, differenced: bool = False) -> Span:
    """Return what is asked for now.

    Parameters
    ----------
    now, since
        The time, and when was asked last (None: never).
    period
        Seconds of a point; a point is asked for when it has ended.
    reread
        So long before `since` points are asked for again, and at least two periods: late ones come. A point that ended
        longer ago is settled.
    differenced
        It counts up: it comes a few times a day only, and a day before what is told is read to compare with.
    """
    length = timedelta(seconds=period)
    young = max(reread, 2 * length, _SLOW if differenced else timedelta())
    told = max((since or now) - young - 2 * length, now - _RETENTION[period])
    start = told - _RESET if differenced else told
    return Span(_floor(start, period), _floor(told, period), _floor(now, period), now - young)


def _floor(moment: datetime, period: int) -> datetime:
    seconds = int(moment.timestamp())
    return from_millis((seconds - seconds % period) * 1000)


def batches(queries: Sequence[_T], points: int) -> Iterator[Sequence[_T]]:
    """Yield as many of the queries at a time as one call takes, when each answers with `points` points."""
    size = max(1, min(MAX_QUERIES, MAX_POINTS // points))
    for first in range(0, len(queries), size):
        yield queries[first : first + size]


def increases(points: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    """Return by how much a figure rose that counts up from the beginning of each UTC month, in order of time.

    The first point has nothing to compare with, and gives none. A fall within a month is a negative increase: AWS
    corrected it. For up to a day the old month's figure may still be told; the new month begins with the first fall
    in that day, or after it, and its first figure is itself the increase.
    """
    result = []
    # The month that the figure counts; None in the first day of a month, when it may still be the old one.
    counted = None if not points or _into_month(points[0][0]) < _RESET else _month(points[0][0])
    for (before, old), (at, new) in pairwise(points):
        late = _into_month(at) >= _RESET
        begins = _month(at) != (counted or _month(before)) and late
        falls = _month(at) != counted and not late and new < old
        result.append((at, new if begins or falls else new - old))
        if begins or falls or late:
            counted = _month(at)
    return result


def _month(moment: datetime) -> tuple[int, int]:
    return moment.year, moment.month


def _into_month(moment: datetime) -> timedelta:
    return moment - datetime(moment.year, moment.month, 1, tzinfo=moment.tzinfo)
