"""A route: its path, its parameters, what it answers, and the function that does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol

from pydantic import BaseModel

from api.formats import Table
from api.parameters import Filters, P
from spendstream.settings import Settings


class Rows(Protocol):
    """Asks ClickHouse."""

    async def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """Return the rows of a statement with bound values; `Problem` when there are none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Question(Generic[P]):
    """What a request asks.

    Attributes
    ----------
    parameters, filters
        As they were read and checked.
    path
        The values in the path.
    now
        The time of the request, UTC.
    settings, database
        The deployment.
    lines
        Asks about lines, see `api.lines`.
    """

    parameters: P
    filters: Filters
    path: Mapping[str, str]
    now: datetime
    settings: Settings
    database: Rows
    lines: Rows


#: An answer: a table, which can be had in every format, or the body of a JSON document.
Answer = Table | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route(Generic[P]):
    """One path of the API; to add one is to write its function and to name it in `api.routes`.

    Attributes
    ----------
    path
        With the values in braces.
    summary
        One line for a person.
    parameters
        The model of its parameters.
    answer
        The model of its JSON document, for the description.
    handle
        Answers a question; raises `Problem`.
    formats
        What the answer can be had as.
    values
        Name → description of the values in the path.
    kept
        Whether an answer may be given again for some seconds. Not of what people change: who has just acknowledged an
        incident would read that it fires.
    """

    path: str
    summary: str
    parameters: type[P]
    answer: type[BaseModel]
    handle: Callable[[Question[P]], Awaitable[Answer]]
    formats: tuple[str, ...] = ("json",)
    values: Mapping[str, str] = field(default_factory=dict)
    kept: bool = True
