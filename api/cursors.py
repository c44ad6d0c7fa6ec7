"""Cursors: the key of the last row of an answer, as text that continues after it."""

import base64
import json
from collections.abc import Sequence
from datetime import date

from api.parameters import FIRST_DAY, LAST_DAY, storable
from api.problems import Problem


def bad_cursor() -> Problem:
    """Return the problem of a cursor that is none of this question."""
    return Problem(400, "bad cursor", "send next_cursor of the answer before, with the same parameters")


def cursor_of(key: Sequence[object]) -> str:
    """Return the cursor that continues after the row of a key; days and times as ISO 8601, amounts as text."""
    plain = [value.isoformat() if isinstance(value, date) else str(value) for value in key]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode()


def key_of(cursor: str, length: int) -> list[str]:
    """Return the key that a cursor stands for.

    Raises
    ------
    Problem
        400, when it is none of this question.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        fits = isinstance(key, list) and len(key) == length and all(isinstance(value, str) for value in key)
        return [storable(value) for value in key] if fits else _refuse()
    except (ValueError, RecursionError) as error:
        # Thousands of brackets within brackets are no cursor either.
        raise bad_cursor() from error


def day_and_key_of(cursor: str, length: int) -> tuple[date, list[str]]:
    """Return the day that a key of `length` begins with, and the rest of it.

    Raises
    ------
    Problem
        400, when it is none of this question, or its day is none that is kept.
    """
    first, *rest = key_of(cursor, length)
    try:
        day = date.fromisoformat(first)
    except ValueError as error:
        raise bad_cursor() from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise bad_cursor()
    return day, rest


def _refuse() -> list[str]:
    raise bad_cursor()
