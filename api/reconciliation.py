"""`/v1/reconciliation`: what sources say, against what is held of them, and against each other.

All sides are read as they were announced, so that a reading under way makes no difference appear.
"""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

from api.announced import ANNOUNCED, SUMS, bound, of_record
from api.answers import ReconciliationAnswer
from api.formats import dicts, plain
from api.parameters import Parameters
from api.route import Answer, Question, Route

_EXACT = Context(prec=80)
_BOOK = ("source", "provider", "billing_account")
_AMOUNTS = ("said_billed", "said_effective", "held_billed", "held_effective")
_READING_COLUMNS = (*_BOOK, "reading", "currency", *_AMOUNTS)
_CONTROL_COLUMNS = (
    *_BOOK, "control", "first_day", "last_day", "currency", "lower", "upper", "estimated", "complete", *_AMOUNTS,
)  # fmt: skip
_SOURCE_COLUMNS = ("provider", "billing_account", "source", "of_record", "month", "currency", *_AMOUNTS)

# What the last announced reading of each book said of its coverage, against what is held of it; a currency that only
# one of them has stands beside 0.
_READINGS = f"""
WITH last AS (
    SELECT source, provider, billing_account, argMax(reading, opened_at) AS reading,
           argMax(first_day, opened_at) AS since, argMax(last_day, opened_at) AS until,
           argMax(billing_periods, opened_at) AS periods,
           argMax(arrayZip(currencies, billed, effective), opened_at) AS said
    FROM (SELECT * FROM readings FINAL WHERE isNotNull(closed_at) AND view = '' AND run = 'live') AS r
    INNER JOIN {ANNOUNCED} AS a USING (source, provider, billing_account, reading)
    GROUP BY source, provider, billing_account
)
SELECT source, provider, billing_account, any(reading), currency,
       sum(said_billed), sum(said_effective), sum(held_billed), sum(held_effective)
FROM (
    SELECT source, provider, billing_account, reading, one.1 AS currency, one.2 AS said_billed,
           one.3 AS said_effective, toDecimal128(0, 18) AS held_billed, toDecimal128(0, 18) AS held_effective
    FROM last ARRAY JOIN said AS one
    UNION ALL
    SELECT source, provider, billing_account, last.reading AS reading, currency, toDecimal128(0, 18),
           toDecimal128(0, 18), held.billed, held.effective
    FROM {SUMS} AS held INNER JOIN last USING (source, provider, billing_account)
    WHERE day >= since AND day <= until AND (empty(periods) OR has(periods, billing_period))
)
GROUP BY source, provider, billing_account, currency
HAVING sum(said_billed) != 0 OR sum(held_billed) != 0 OR sum(said_effective) != 0 OR sum(held_effective) != 0
ORDER BY source, provider, billing_account, currency
"""  # noqa: S608 - names are ours, values are bound

# A source's own answer over a longer time, against what is held of the same days.
_CONTROLS = f"""
WITH books AS (
    SELECT source, provider, billing_account, max(closed_through) AS through
    FROM (SELECT * FROM readings FINAL WHERE view = '' AND run = 'live') AS r
    INNER JOIN {ANNOUNCED} AS a USING (source, provider, billing_account, reading)
    GROUP BY source, provider, billing_account
)
SELECT c.source, c.provider, c.billing_account, c.control, c.first_day, c.last_day, c.currency, any(c.lower),
       any(c.upper), any(c.estimated), any(ifNull(b.through, toDate32('1970-01-01')) >= c.last_day),
       any(c.billed), any(c.effective),
       sumIf(s.billed, s.day >= c.first_day AND s.day <= c.last_day),
       sumIf(s.effective, s.day >= c.first_day AND s.day <= c.last_day)
FROM (SELECT * FROM controls FINAL WHERE run = 'live') AS c
LEFT JOIN books AS b USING (source, provider, billing_account)
LEFT JOIN {SUMS} AS s USING (source, provider, billing_account, currency)
GROUP BY c.source, c.provider, c.billing_account, c.control, c.first_day, c.last_day, c.currency
ORDER BY 1, 2, 3, 4, 5, 7
"""  # noqa: S608 - names are ours, values are bound


def _sources(record: Sequence[str]) -> str:
    """Return, for each source that is not of record, what it says by month, and the one of record of the same days."""
    days = f"""(
        SELECT source, provider, billing_account, currency, day, sum(billed) AS billed, sum(effective) AS effective,
               {" AND ".join(record)} AS chosen
        FROM {SUMS} GROUP BY source, provider, billing_account, currency, day
    )"""  # noqa: S608 - names are ours, values are bound
    return f"""
        SELECT o.provider, o.billing_account, o.source, arrayStringConcat(arraySort(groupUniqArrayIf(r.source, r.source != '')), ', '),
               toStartOfMonth(o.day) AS month, o.currency, sum(o.billed), sum(o.effective), sum(r.billed),
               sum(r.effective)
        FROM (SELECT * FROM {days} WHERE NOT chosen) AS o
        LEFT JOIN (SELECT * FROM {days} WHERE chosen) AS r USING (provider, billing_account, currency, day)
        GROUP BY o.provider, o.billing_account, o.source, month, o.currency ORDER BY 1, 2, 3, 5, 6
    """  # noqa: S608


async def reconciliation(question: Question[Parameters]) -> Answer:
    """Answer with three comparisons: readings, the sources' controls, and sources that are not of record."""
    values = bound(question.settings)
    readings = await question.lines.rows(_READINGS, values)
    controls = dicts(_CONTROL_COLUMNS, await question.lines.rows(_CONTROLS, values))
    record = of_record(question.settings, values)
    others = await question.lines.rows(_sources(record), values) if record else []
    return {
        "readings": [_differing(row) for row in dicts(_READING_COLUMNS, readings)],
        # A forecast of days that are not over differs from what is held of them by what is still to come.
        "controls": [
            row if row["control"] == "forecast" and not row["complete"] else _differing(row) for row in controls
        ],
        "sources": [_differing(row) for row in dicts(_SOURCE_COLUMNS, others)],
    }


def _differing(row: dict[str, Any]) -> dict[str, Any]:
    for measure in ("billed", "effective"):
        if row[f"said_{measure}"] is not None:
            held, said = Decimal(row[f"held_{measure}"]), Decimal(row[f"said_{measure}"])
            row[f"difference_{measure}"] = plain(_EXACT.subtract(held, said))
    return row


ROUTE = Route(
    "/v1/reconciliation",
    "What the sources say against what is held of them, and against each other.",
    Parameters,
    ReconciliationAnswer,
    reconciliation,
)
