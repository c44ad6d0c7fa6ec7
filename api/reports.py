"""`/v1/reports`: what receivers were told of scheduled reports, the newest first; as the sink has it."""

from api.cursors import bad_cursor, key_of
from api.formats import MEDIA_TYPES, Kind
from api.incident_answers import ReportsAnswer
from api.listing import Selection, page
from api.parameters import ReportsQuery
from api.route import Answer, Question, Route

_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("report", "value", "receiver"), "text"),
    **dict.fromkeys(("first_day", "last_day"), "day"),
    "number": "number",
    **dict.fromkeys(("measure", "state", "stage", "channel", "totals"), "text"),
    "sent_at": "time",
    "attempts": "number",
}
#: As the mails say it, and exact: `1234.5 USD, 12 EUR`.
_TOTALS = "arrayStringConcat(arrayMap((a, c) -> concat(toString(a), ' ', c), amounts, currencies), ', ') AS totals"
_NAMED = ("report", "value", "receiver", "state")
_ORDER = "concat(report, '|', value, '|', toString(first_day), '|', receiver, '|', toString(number))"


async def reports(question: Question[ReportsQuery]) -> Answer:
    """Answer with what was told, the newest first."""
    query = question.parameters
    chosen = Selection({"limit": query.limit + 1})
    chosen.named(query, _NAMED)
    if query.cursor is not None:
        at, name = key_of(query.cursor, 2)
        if not at.isdigit() or len(at) > len(str(2**53)):
            raise bad_cursor()
        chosen.add(
            f"(toUnixTimestamp64Milli(sent_at) < {{c_at:Int64}} "
            f"OR (toUnixTimestamp64Milli(sent_at) = {{c_at:Int64}} AND {_ORDER} > {{c_name:String}}))",
            c_at=int(at), c_name=name,
        )  # fmt: skip
    selected = ", ".join(_TOTALS if name == "totals" else name for name in _COLUMNS)
    rows = await question.database.rows(
        f"SELECT {selected}, toUnixTimestamp64Milli(sent_at), {_ORDER} FROM reports FINAL WHERE {chosen.where} "  # noqa: S608 - names are ours
        f"ORDER BY sent_at DESC, {_ORDER} LIMIT {{limit:UInt32}}",
        chosen.values,
    )
    return page(_COLUMNS, rows, query.limit, lambda row: [row[-2], row[-1]])


ROUTE = Route(
    "/v1/reports",
    "What receivers were told of scheduled reports, with the totals; the newest first.",
    ReportsQuery,
    ReportsAnswer,
    reports,
    formats=tuple(MEDIA_TYPES),
)
