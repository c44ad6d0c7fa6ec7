"""`/v1/dimensions`: by what costs can be grouped and filtered, and with which values."""

from api.announced import LINES, bound, of_record
from api.answers import DimensionsAnswer, ValuesAnswer
from api.costs import column
from api.dimensions import NAMED, check_dimension
from api.parameters import Parameters, ValueQuery
from api.route import Answer, Question, Route


async def dimensions(_: Question[Parameters]) -> Answer:
    """Answer with the names of all dimensions."""
    return {"dimensions": list(NAMED)}


async def values(question: Question[ValueQuery]) -> Answer:
    """Answer with the values that a dimension has in a period, in the order of the alphabet."""
    query, name = question.parameters, question.path["name"]
    check_dimension(name)
    first_day, last_day = query.period(question.now.date())
    given = bound(question.settings, first_day, last_day) | {"prefix": query.prefix, "limit": query.limit}
    conditions = ["startsWith(v, {prefix:String})", "v != ''", *of_record(question.settings, given)]
    rows = await question.lines.rows(
        f"SELECT DISTINCT {column(name, 'v', given)} AS v FROM {LINES} WHERE {' AND '.join(conditions)} "  # noqa: S608 - names are ours
        "ORDER BY v LIMIT {limit:UInt32}",
        given,
    )
    return {
        "dimension": name,
        "from": first_day.isoformat(),
        "to": last_day.isoformat(),
        "values": [row[0] for row in rows],
    }


DIMENSIONS = Route("/v1/dimensions", "The dimensions to group and filter by.", Parameters, DimensionsAnswer, dimensions)
VALUES = Route(
    "/v1/dimensions/{name}/values",
    "The values of a dimension.",
    ValueQuery,
    ValuesAnswer,
    values,
    values={"name": "of the dimension, as service or tag:team"},
)
