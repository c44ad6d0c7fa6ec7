"""What lines are read from: of every scope the newest version that totals have announced.

A version counts when its reading was announced by every partition of totals, or a later one was that covers its day. So
lines tell what day totals tell: a reading that is half read shows in neither, and between its close and its totals
neither has moved.

Statements about lines name `LINES` or `SUMS` where a table stands, and are asked through `api.lines`; those values of
them that say what is read (`first`, `last`, `announced_by`) are bound by `bound`.
"""

import re
from datetime import date
from typing import Any

from processors.ledger import Record
from processors.of_record import record_of
from spendstream.settings import Settings

BOOK = "source, provider, billing_account"
_SCOPE = f"{BOOK}, billing_period, account, service, currency, day"
ARRAYS = (
    "kind", "region", "usage_type", "tags", "billed", "effective", "quantity", "resource", "operation",
    "charge_category", "charge_class", "charge_frequency", "pricing_category", "commitment", "description", "unit",
)  # fmt: skip
_COLUMNS = f"{_SCOPE}, account_name, hour, {', '.join(ARRAYS)}"
#: Input stands once for all runs. A view by tag or cost category tells of the same dollars again.
SPAN = "run = 'live' AND view = '' AND day >= {first:Date32} AND day <= {last:Date32}"
_EVERYTHING = {"first": date(1970, 1, 1), "last": date(2148, 12, 31)}

# A row that was written twice counts once: FINAL is not needed.
_ALL = f"""
    FROM announcements WHERE run = {{announced_by:String}} AND view = ''
    GROUP BY {BOOK}, reading, epoch HAVING uniqExact(partition) = max(partitions)
"""
#: Readings that every partition of totals has announced, and when they closed.
ANNOUNCED = f"(SELECT {BOOK}, reading, max(closed_at) AS closed {_ALL})"
#: Their books and names, for IN.
ANNOUNCED_NAMES = f"(SELECT {BOOK}, reading {_ALL})"


def _cuts(known: str) -> str:
    """Return, by book and day, when the newest announced reading of each choice of billing periods began."""
    since, until = "greatest(first_day, {first:Date32})", "least(last_day, {last:Date32})"
    return f"""(
        SELECT {BOOK}, day, groupArray((periods, cut)) AS cuts FROM (
            SELECT {BOOK}, toDate(number) AS day, periods, max(opened_at) AS cut
            FROM (SELECT {BOOK}, reading, opened_at, first_day, last_day, billing_periods AS periods FROM readings FINAL
                  WHERE run = 'live' AND view = '' AND last_day >= {{first:Date32}} AND first_day <= {{last:Date32}}) AS r
            INNER JOIN {ANNOUNCED} AS a USING ({BOOK}, reading)
            ARRAY JOIN range(toUInt32(toInt32({since})), toUInt32(toInt32({until}) + 1)) AS number
            WHERE {known} GROUP BY {BOOK}, day, periods
        ) GROUP BY {BOOK}, day
    )"""  # noqa: S608


#: Whether one of these readings covers the billing period too, and began with or after the statement's own.
_COVERED = "arrayExists(c -> (empty(c.1) OR has(c.1, billing_period)) AND read_at <= c.2, cuts)"


def _history(known: str, scopes: str = "") -> str:
    """Return the newest announced versions from the history; a version counts when all its parts are there."""
    return f"""
        SELECT {_COLUMNS} FROM statement_history FINAL
        WHERE {SPAN} AND ({_SCOPE}, version) IN (
            SELECT {_SCOPE}, max(version) FROM (
                SELECT {_SCOPE}, version FROM (
                    SELECT {_SCOPE}, version, part, parts, read_at FROM statement_history FINAL WHERE {SPAN} {scopes}
                ) AS s INNER JOIN {_cuts(known)} AS c USING ({BOOK}, day)
                WHERE {_COVERED} GROUP BY {_SCOPE}, version, parts HAVING uniqExact(part) = parts
            ) GROUP BY {_SCOPE}
        )"""  # noqa: S608


def _newest(columns: str, condition: str) -> str:
    return (
        f"SELECT {columns} FROM (SELECT {columns}, read_at FROM statements FINAL WHERE {SPAN}) AS s "  # noqa: S608
        f"INNER JOIN {_cuts('1')} AS c USING ({BOOK}, day) WHERE {condition}"
    )


_STATEMENTS = f"SELECT {_COLUMNS} FROM statements FINAL WHERE {SPAN}"  # noqa: S608
_BEFORE_NEWEST = f"AND ({_SCOPE}) IN ({_newest(_SCOPE, f'NOT {_COVERED}')})"
_STATEMENTS_ANNOUNCED = f"{_newest(_COLUMNS, _COVERED)} UNION ALL {_history('1', _BEFORE_NEWEST)}"


def _unfolded(statements: str, text: str) -> str:
    """Return a row a line, with those columns of lines that `text` names.

    Arrays are unfolded themselves: by index, each line would drag all arrays of its statement along. An optional column
    that a statement does not have is filled up.
    """
    names = [name for name in ("hour", *ARRAYS) if re.search(rf"\b{name}\b", text)] or ["billed"]
    columns = ", ".join(f"j_{name} AS {name}" for name in names)
    fill = {"hour": ", -1"}
    arrays = ", ".join(f"arrayResize(s.{name}, length(s.billed){fill.get(name, '')}) AS j_{name}" for name in names)
    return f"(SELECT {_SCOPE}, account_name, {columns} FROM ({statements}) AS s ARRAY JOIN {arrays})"  # noqa: S608


def _summed(statements: str) -> str:
    return (
        f"(SELECT {_SCOPE}, toDecimal128(arraySum(billed), 18) AS billed, toDecimal128(arraySum(effective), 18) AS effective "  # noqa: S608
        f"FROM ({statements}))"
    )


#: One row a line, as it is announced now.
LINES = "announced_lines"
#: One row a scope and day, with the sums of its lines, as it is announced now.
SUMS = "announced_sums"
#: One row a line, as it was announced at the time that is bound as `as_of`.
LINES_THEN = "announced_lines_then"
_STATEMENTS_THEN = _history("closed <= {as_of:DateTime64(3, 'UTC')}")


def over_newest(text: str) -> str:
    """Return a statement about lines over the newest versions, whether announced or not."""
    return _over(text, _STATEMENTS)


def over_announced(text: str) -> str:
    """Return a statement about lines over the newest announced versions, which takes longer."""
    return _over(text, _STATEMENTS_ANNOUNCED)


def over_then(text: str) -> str:
    """Return a statement about lines over what was announced at `as_of`."""
    return text.replace(f"FROM {LINES_THEN}", f"FROM {_unfolded(_STATEMENTS_THEN, text)}")


def _over(text: str, statements: str) -> str:
    sources = {LINES: _unfolded(statements, text), SUMS: _summed(statements)}
    for name, source in sources.items():
        text = text.replace(f"FROM {name}", f"FROM {source}").replace(f"JOIN {name}", f"JOIN {source}")
    return text


def bound(settings: Settings, first_day: date | None = None, last_day: date | None = None) -> dict[str, Any]:
    """Return the values that the texts need, without `as_of`; without days for all days there are."""
    days = {name: day for name, day in (("first", first_day), ("last", last_day)) if day is not None}
    return {**_EVERYTHING, **days, "announced_by": settings.processing.run}


def of_record(settings: Settings, values: dict[str, Any]) -> list[str]:
    """Return conditions that leave out sources that are not of record, as the ledger leaves them out.

    What they bind is added to `values`.
    """
    return _conditions(record_of(settings), values)


def _conditions(record: Record, values: dict[str, Any]) -> list[str]:
    rules: dict[str, list[tuple[date, str]]] = {}
    for account, source, first_day in record.rules:
        rules.setdefault(account, []).append((first_day or date.min, source))
    conditions = []
    for number, (account, found) in enumerate(sorted(rules.items())):
        values[f"ra{number}"] = account
        chosen = "source"
        # Sorted by their first day, a later rule wraps the earlier ones, and of two of one day the last one given wins.
        for rule, (since, source) in enumerate(sorted(found, key=lambda pair: pair[0])):
            values[f"rs{number}_{rule}"] = source
            values[f"rd{number}_{rule}"] = max(since, _EVERYTHING["first"])
            chosen = f"if(day >= {{rd{number}_{rule}:Date32}}, {{rs{number}_{rule}:String}}, {chosen})"
        conditions.append(f"(billing_account != {{ra{number}:String}} OR source = {chosen})")
    return conditions
