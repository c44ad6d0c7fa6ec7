"""Asks about lines, and takes the short way where it tells the same.

`statements` holds the newest version of each scope, and nearly always that is one that was announced: then it is read
as it stands. Else the newest announced version of each scope is looked for in the history, which takes longer.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from api.announced import ANNOUNCED_NAMES, BOOK, SPAN, over_announced, over_newest
from api.route import Rows

# How much was announced at all, and the readings not announced that have given a row of `statements` in the span, be it
# one that was replaced since.
_STANDING = f"""
SELECT (
    SELECT uniqExact({BOOK}, reading, epoch, partition) FROM announcements WHERE run = {{announced_by:String}}
), groupArray(open) FROM (
    SELECT ({BOOK}, reading, max(read_at), min(day), max(day), groupUniqArray(billing_period)) AS open FROM statements
    WHERE {SPAN} AND ({BOOK}, reading) NOT IN {ANNOUNCED_NAMES}
    GROUP BY {BOOK}, reading
)
"""  # noqa: S608 - nothing of a request stands in these texts; values are bound
_LATER = f"""
SELECT {BOOK}, opened_at, billing_periods, first_day, last_day FROM readings FINAL
WHERE run = 'live' AND view = '' AND last_day >= {{first:Date32}} AND first_day <= {{last:Date32}}
  AND ({BOOK}, reading) IN {ANNOUNCED_NAMES} AND opened_at >= {{oldest:DateTime64(3, 'UTC')}}
"""  # noqa: S608


class Lines:
    """Answers statements about lines.

    What stands is looked at after the statement. When no reading was announced since it was looked at before, and none
    that is open has a row in the span, then every row that the statement saw was one that had been announced. So one
    look suffices nearly always.

    Parameters
    ----------
    database
        Where statements go.
    """

    def __init__(self, database: Rows) -> None:
        self._database = database
        self._seen: tuple[str, int] | None = None

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
        ((announced, readings),) = await self._database.rows(_STANDING, span)
        stands = not readings or await self._overtaken(readings, span)
        self._seen = (span["announced_by"], announced) if stands else None
        return stands

    async def _overtaken(self, readings: Sequence[Sequence[Any]], span: Mapping[str, Any]) -> bool:
        """Tell whether all days of these readings, which were not announced, are covered by later ones that were."""
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
