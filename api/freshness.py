"""`/v1/freshness`: what was read when, and how final it is."""

from api.announced import bound
from api.answers import FreshnessAnswer
from api.formats import dicts
from api.parameters import Parameters
from api.route import Answer, Question, Route

_COLUMNS = (
    "source", "provider", "billing_account", "view", "last_opened", "last_closed", "last_announced",
    "closed_through", "final_through", "open_readings",
)  # fmt: skip
# A reading that never closed is superseded by the next that did, and counts as open no longer.
_BOOKS = """
SELECT source, provider, billing_account, view, max(opened_at), max(closed_at), any(announced), max(closed_through),
       max(final_through),
       arrayCount(o -> o > maxIf(opened_at, isNotNull(closed_at)), groupArrayIf(opened_at, isNull(closed_at)))
FROM (SELECT * FROM readings FINAL WHERE run = 'live') AS r
LEFT JOIN (
    SELECT source, provider, billing_account, view, toNullable(max(closed)) AS announced FROM (
        SELECT source, provider, billing_account, view, max(closed_at) AS closed FROM announcements FINAL
        WHERE run = {announced_by:String}
        GROUP BY source, provider, billing_account, view, reading, epoch HAVING uniqExact(partition) = max(partitions)
    ) GROUP BY source, provider, billing_account, view
) AS a USING (source, provider, billing_account, view)
GROUP BY source, provider, billing_account, view ORDER BY 1, 2, 3, 4
"""


async def freshness(question: Question[Parameters]) -> Answer:
    """Answer with the state of every book: a source's word about one billing account."""
    rows = await question.database.rows(_BOOKS, bound(question.settings))
    return {"asked_at": question.now.isoformat(), "rows": dicts(_COLUMNS, rows)}


ROUTE = Route("/v1/freshness", "What was read when, and how final it is.", Parameters, FreshnessAnswer, freshness)
