"""Answers as JSON, CSV or Parquet: by the parameter `format`, else by the header Accept."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from aiohttp import web
from pydantic_core import to_json

from api.problems import Problem
from spendstream.money import PRECISION, SCALE

#: Format → media type, in the order in which they are preferred.
MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}

Kind = Literal["text", "day", "time", "money", "number"]
_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "day": pa.date32(),
    "time": pa.timestamp("s", "UTC"),
    "money": pa.decimal128(PRECISION, SCALE),
    "number": pa.float64(),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of an answer.

    Attributes
    ----------
    columns
        Name and kind of each; money is a `Decimal` in the row, `day` a date, `time` a datetime in UTC.
    rows
        As many values each as there are columns.
    more
        The cursor of the rows that follow; None: these are all.
    head
        What else a JSON answer says, before its rows.
    """

    columns: dict[str, Kind]
    rows: Sequence[Sequence[Any]]
    more: str | None = None
    head: dict[str, object] = field(default_factory=dict)


def chosen(wanted: str | None, accept: str | None, offered: Sequence[str]) -> str:
    """Return the format of an answer.

    Parameters
    ----------
    wanted
        The parameter `format`; it wins.
    accept
        The header Accept (RFC 9110, 12.5.1); None: everything is accepted.
    offered
        Formats that this answer has, the preferred one first.

    Raises
    ------
    Problem
        406, when none of them is accepted.
    """
    if wanted is not None:
        return wanted
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",")]
    best = max(offered, key=lambda name: (_quality(MEDIA_TYPES[name], ranges), -offered.index(name)))
    if _quality(MEDIA_TYPES[best], ranges)[0] <= 0:
        there = ", ".join(MEDIA_TYPES[name] for name in offered)
        raise Problem(406, "not acceptable", f"this answer can be had as {there}: change the header Accept")
    return best


def _range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return media, 0.0
    return media, 1.0


def _quality(media: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """Return how welcome a media type is: the quality of the range that names it most closely, and how closely."""
    names = {media: 2, f"{media.partition('/')[0]}/*": 1, "*/*": 0}
    found = [(names[name], quality) for name, quality in ranges if name in names]
    if not found:
        return 0.0, 0
    closeness, quality = max(found)
    return quality, closeness


def plain(value: object) -> object:
    """Return a value as JSON holds it: money as text, never as a binary fraction; times in ISO 8601, UTC."""
    if isinstance(value, Decimal):
        # Not by `normalize`, which rounds to the context's 28 digits.
        text = f"{value:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text if value else "0"
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


def dicts(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return rows as JSON holds them."""
    return [
        dict(zip(columns, row, strict=True)) for row in zip(*map(_plain_column, zip(*rows, strict=True)), strict=True)
    ]


def _plain_column(values: Sequence[object]) -> Sequence[object]:
    """Return `plain` of each value of a column; most are texts already, and days recur."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return values
    if kinds == {date}:
        known = {value: plain(value) for value in set(values)}
        return [known[value] for value in values]
    return [plain(value) for value in values]


def json_response(body: object) -> web.Response:
    """Return a JSON answer."""
    return web.Response(body=to_json(body), content_type=MEDIA_TYPES["json"])


def table_response(table: Table, wanted: str) -> web.Response:
    """Return a table in a format.

    Raises
    ------
    Problem
        400, when more rows follow in a format that has no place for a cursor.
    """
    if wanted == "json":
        return json_response({**table.head, "rows": dicts(list(table.columns), table.rows), "next_cursor": table.more})
    if table.more is not None:
        # A file has no place for a cursor, and one that ends early must not pass for the whole.
        raise Problem(400, "too many rows", f"more than {len(table.rows)} rows: raise limit, or ask for less in a file")
    body = _csv(table) if wanted == "csv" else _parquet(table)
    return web.Response(body=body, content_type=MEDIA_TYPES[wanted])


def _csv(table: Table) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows([plain(value) for value in row] for row in table.rows)
    return out.getvalue().encode()


def _parquet(table: Table) -> bytes:
    arrays = [
        pa.array([row[index] for row in table.rows], _ARROW[kind]) for index, kind in enumerate(table.columns.values())
    ]
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(table.columns)), out)
    return out.getvalue()
