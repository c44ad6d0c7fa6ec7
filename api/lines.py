"""Asks about lines, and takes the short way where it tells the same.

`statements` holds the newest version of each scope, and nearly always that is one that was announced: then it is read
as it stands. Else the newest announced version of each scope is looked for in the history, which takes longer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.announced import ANNOUNCED_NAMES, BOOK, SPAN, over_announced, over_newest
from api.route import Rows

_ANNOUNCED = f"""
SELECT {BOOK}, reading, uniqExact(partition) AS done, done = max(partitions) AND any(view) = '' FROM announcements
WHERE run = {{announced_by:String}} GROUP BY {BOOK}, reading, epoch
"""  # noqa: S608 - nothing of a request stands in these texts; values are bound
# How much was announced at all.
_COUNT = f"SELECT uniqExact({BOOK}, reading, epoch, partition) FROM announcements WHERE run = {{announced_by:String}}"  # noqa: S608
# The readings that have given a row of `statements` in the span, be it one that was replaced since.
_READINGS = f"SELECT DISTINCT {BOOK}, reading FROM statements WHERE {SPAN}"  # noqa: S608
# Those of them that are not announced.
_OPEN = f"""
SELECT {BOOK}, reading, max(read_at), min(day), max(day), groupUniqArray(billing_period) FROM statements
WHERE {SPAN} AND ({BOOK}, reading) NOT IN {ANNOUNCED_NAMES} GROUP BY {BOOK}, reading
"""  # noqa: S608
_LATER = f"""
SELECT {BOOK}, opened_at, billing_periods, first_day, last_day FROM readings FINAL
WHERE run = 'live' AND view = '' AND last_day >= {{first:Date32}} AND first_day <= {{last:Date32}}
  AND ({BOOK}, reading) IN {ANNOUNCED_NAMES} AND opened_at >= {{oldest:DateTime64(3, 'UTC')}}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class _Announced:
    """What one run has announced: how much, and the readings that every partition has, each with its book."""

    by: str
    count: int
    readings: frozenset[tuple[Any, ...]]


class Lines:
    """Answers statements about lines.

    What stands is looked at after the statement. When no reading was announced since it was looked at before, and none
    that is open has a row in the span, then every row that the statement saw was one that had been announced. So one
    look suffices nearly always: two short questions at a time, while the names of what was announced are remembered.

    Parameters
    ----------
    database
        Where statements go.
    """

    def __init__(self, database: Rows) -> None:
        self._database = database
        self._announced: _Announced | None = None
        self._seen: _Announced | None = None

    async def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """Return the rows of a statement about `LINES` or `SUMS`, with what `bound` gives among its values."""
        given = values or {}
        span = {name: given[name] for name in ("first", "last", "announced_by")}
        if self._seen is None and not await self._stands(span):
            return await self._database.rows(over_announced(sql), given)
        for _ in range(2):
            seen = self._seen
            rows = await self._database.rows(over_newest(sql), given)
            if not await self._stands(span):
                break
            if self._seen == seen:
                return rows
        return await self._database.rows(over_announced(sql), given)

    async def _stands(self, span: Mapping[str, Any]) -> bool:
        """Tell whether `statements` holds announced versions only; remember what was announced, if so."""
        by = {"announced_by": span["announced_by"]}
        ((count,),), readings = await asyncio.gather(
            self._database.rows(_COUNT, by), self._database.rows(_READINGS, span)
        )
        announced = await self._known(span["announced_by"], count)
        stands = announced.readings.issuperset(map(tuple, readings)) or await self._overtaken(span)
        self._seen = announced if stands else None
        return stands

    async def _known(self, by: str, count: int) -> _Announced:
        """Return what was announced, which is asked for only when it has grown."""
        known = self._announced
        if known is None or (known.by, known.count) != (by, count):
            rows = await self._database.rows(_ANNOUNCED, {"announced_by": by})
            whole = frozenset(tuple(reading) for *reading, _, is_whole in rows if is_whole)
            known = self._announced = _Announced(by, sum(row[-2] for row in rows), whole)
        return known

    async def _overtaken(self, span: Mapping[str, Any]) -> bool:
        """Tell whether all days of readings that were not announced are covered by later ones that were."""
        readings = await self._database.rows(_OPEN, span)
        if not readings:
            return False  # announced meanwhile: whether before the statement or behind it, the next look tells
        oldest = min(row[4] for row in readings).replace(tzinfo=None)
        later = await self._database.rows(_LATER, {**span, "oldest": oldest})
        for *reading, read_at, since, until, periods in readings:
            spans = sorted(
                (first, last)
                for *book, opened_at, covered, first, last in later
                if book == reading[:3] and opened_at >= read_at and (not covered or set(periods) <= set(covered))
            )
            uncovered = since
            for first, last in spans:
                if first <= uncovered:
                    uncovered = max(uncovered, last + timedelta(days=1))
            if uncovered <= until:
                return False
        return True
