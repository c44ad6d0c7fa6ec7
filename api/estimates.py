"""`/v1/estimates`: what metered usage costs, before the bill says so. Never part of totals."""

from api.answers import EstimatesAnswer
from api.formats import MEDIA_TYPES, Kind
from api.listing import Selection, page
from api.parameters import EstimatesQuery
from api.route import Answer, Question, Route
from api.runs import known_run

_COLUMNS: dict[str, Kind] = {
    "day": "day",
    **dict.fromkeys(("provider", "billing_account", "account", "service", "currency"), "text"),
    "as_of": "time",
    **dict.fromkeys(("so_far", "at_day_end", "lower", "upper"), "money"),
    "coverage": "number",
    "billed": "money",
}
_NAMED = ("provider", "account", "service", "currency")
_KEY = ("account", "service", "currency")


async def estimates(question: Question[EstimatesQuery]) -> Answer:
    """Answer with estimates, the newest day first."""
    query = question.parameters
    chosen = Selection({"run": await known_run(question, None), "limit": query.limit + 1})
    chosen.add("run = {run:String}")
    chosen.named(query, _NAMED)
    chosen.days(query)
    chosen.after_day(query.cursor, _KEY)
    rows = await question.database.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM estimates FINAL WHERE {chosen.where} "  # noqa: S608 - names are ours
        f"ORDER BY day DESC, {', '.join(_KEY)} LIMIT {{limit:UInt32}}",
        chosen.values,
    )
    at = [list(_COLUMNS).index(name) for name in ("day", *_KEY)]
    return page(_COLUMNS, rows, query.limit, lambda row: [row[place] for place in at])


ROUTE = Route(
    "/v1/estimates",
    "What metered usage costs, minutes after it and a day or two before the bill; never part of totals.",
    EstimatesQuery,
    EstimatesAnswer,
    estimates,
    formats=tuple(MEDIA_TYPES),
)
