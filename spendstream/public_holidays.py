"""Days that differ from their weekday: given one by one, or as the public holidays of a country or a part of it."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from importlib import import_module
from typing import Any

#: Years whose holidays are known: always the same ones, so that a replay finds what was found live.
YEARS = range(2010, 2051)
_COUNTRY = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,4})?")


def named(given: object) -> tuple[date | str, ...]:
    """Return days and names of countries as they stand in a setting: one, a list, or text with commas between them.

    Raises
    ------
    ValueError
        When one of them is neither a day nor a country whose holidays are known.

    Examples
    --------
    >>> named("2026-12-24, DE-BY")
    (datetime.date(2026, 12, 24), 'DE-BY')
    """
    if isinstance(given, str):
        given = [one.strip(" \"'") for one in given.strip("[] ").split(",") if one.strip()]
    if not isinstance(given, Iterable):
        given = [given]
    found = tuple(one if isinstance(one, date) else _day_or_country(str(one)) for one in given)
    days_of(found)
    return found


def _day_or_country(text: str) -> date | str:
    if _COUNTRY.fullmatch(text):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no day, as 2026-12-24, and no country, as DE, or part of one, as DE-BY"
        ) from None


def days_of(given: Iterable[date | str]) -> tuple[date, ...]:
    """Return the days that are meant, in their order.

    Raises
    ------
    ValueError
        When the holidays of a country are not known.
    """
    days = {day for one in given for day in ([one] if isinstance(one, date) else _holidays(one))}
    return tuple(sorted(days))


@lru_cache
def _holidays(name: str) -> frozenset[date]:
    # Read only when it is asked for: it brings the calendars of all countries.
    package: Any = import_module("holidays")
    country, _, part = name.partition("-")
    try:
        return frozenset(package.country_holidays(country, subdiv=part or None, years=YEARS))
    except NotImplementedError:
        known = package.list_supported_countries().get(country)
        what = f"of {country} there are {', '.join(known)}" if known else "countries are two letters, as DE or US"
        raise ValueError(f"the holidays of {name} are not known; {what}") from None
