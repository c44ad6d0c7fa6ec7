"""What the lists of the API share: conditions that parameters name, and pages that a cursor continues."""

from collections.abc import Callable, Sequence
from typing import Any

from api.cursors import cursor_of, day_and_key_of, key_of
from api.formats import Kind, Table
from api.parameters import FIRST_DAY, LAST_DAY, AnomaliesQuery, EstimatesQuery, Parameters


class Selection:
    """The conditions of a list, and the values that they bind.

    Parameters
    ----------
    values
        What the statement binds beyond them.
    alias
        The table's alias, when a column could be taken for one that is selected under its name.
    """

    def __init__(self, values: dict[str, Any], alias: str = "") -> None:
        self.values = values
        self._of = f"{alias}." if alias else ""
        self._conditions: list[str] = []

    @property
    def where(self) -> str:
        """What stands behind WHERE."""
        return " AND ".join(self._conditions) or "1"

    def add(self, condition: str, **values: Any) -> None:  # noqa: ANN401 - what ClickHouse can bind
        """Add a condition, and bind what it names."""
        self._conditions.append(condition)
        self.values |= values

    def equal(self, column: str, wanted: str | None, name: str | None = None) -> None:
        """Keep what has a value in a column; all, when none is wanted."""
        name = name or column
        if wanted is not None:
            self.add(f"{self._of}{column} = {{{name}:String}}", **{name: wanted})

    def named(self, query: Parameters, names: Sequence[str]) -> None:
        """Keep what has the values of the parameters that are named as their columns."""
        for name in names:
            self.equal(name, getattr(query, name))

    def days(self, query: AnomaliesQuery | EstimatesQuery) -> None:
        """Keep the days of a question that may leave either end open."""
        self.add(f"{self._of}day >= {{first:Date32}}", first=query.first_day or FIRST_DAY)
        self.add(f"{self._of}day <= {{last:Date32}}", last=query.last_day or LAST_DAY)

    def after_day(self, cursor: str | None, keys: Sequence[str]) -> None:
        """Go on after a row, where the newest day comes first and keys that are text follow it."""
        if cursor is None:
            return
        day, key = day_and_key_of(cursor, 1 + len(keys))
        of_day = f"{self._of}day"
        further, values = _beyond([f"{self._of}{name}" for name in keys], key)
        self.add(f"({of_day} < {{c_day:Date32}} OR ({of_day} = {{c_day:Date32}} AND {further}))", c_day=day, **values)


def after_key(cursor: str | None, keys: Sequence[str], values: dict[str, Any]) -> str:
    """Return the condition that goes on after a row, where keys that are text order the rows; "1" without a cursor."""
    if cursor is None:
        return "1"
    condition, bound = _beyond(keys, key_of(cursor, len(keys)))
    values |= bound
    return condition


def _beyond(keys: Sequence[str], key: Sequence[str]) -> tuple[str, dict[str, Any]]:
    bound = {f"c{number}": value for number, value in enumerate(key)}
    return f"({', '.join(keys)}) > ({', '.join(f'{{{name}:String}}' for name in bound)})", bound


def page(
    columns: dict[str, Kind], rows: list[list[Any]], limit: int, key: Callable[[list[Any]], Sequence[object]]
) -> Table:
    """Return the first `limit` of the rows, and the cursor that continues after them when there are more.

    Parameters
    ----------
    columns
        The columns that are told; what a row holds beyond them is for its key.
    rows
        One more than `limit` when there are more.
    limit
        Rows of an answer.
    key
        Gives the cursor's key of a row.
    """
    following = cursor_of(key(rows[limit - 1])) if len(rows) > limit else None
    return Table(columns, [row[: len(columns)] for row in rows[:limit]], following)
