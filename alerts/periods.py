"""Periods of time that totals and budgets are about: months, quarters, years, and one's own."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from alerts.rule_parts import Part

#: Length of the periods of windows to date, in months.
MONTHS = {"mtd": 1, "qtd": 3, "ytd": 12}
_LONGEST_DAYS = 366
_LAST_START = 28


def period(window: str, day: date) -> tuple[date, date]:
    """Return first and last day of the month, quarter or year (`mtd`, `qtd`, `ytd`) that holds `day`.

    Examples
    --------
    >>> period("qtd", date(2026, 5, 9))
    (datetime.date(2026, 4, 1), datetime.date(2026, 6, 30))
    """
    months = MONTHS[window]
    first = (day.month - 1) // months * months + 1
    last = first + months - 1
    return date(day.year, first, 1), date(day.year, last, monthrange(day.year, last)[1])


class CustomPeriod(Part):
    """A period of one's own, which repeats: `{start: 2026-04-01, months: 12}` is a fiscal year from April."""

    start: date = Field(description="first day of one of the periods")
    months: Annotated[int, Field(ge=1, le=12)] | None = Field(None, description="its length, in months …")
    days: Annotated[int, Field(ge=1, le=_LONGEST_DAYS)] | None = Field(None, description="… or in days")

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.months is None) == (self.days is None):
            raise ValueError("give a period months or days, one of them")
        if self.months is not None and self.start.day > _LAST_START:
            raise ValueError("a period of months begins on the 1st to 28th, which every month has")
        return self

    def around(self, day: date) -> tuple[date, date]:
        """Return first and last day of the period that holds `day`.

        Examples
        --------
        >>> CustomPeriod(start=date(2026, 4, 1), months=12).around(date(2026, 3, 31))
        (datetime.date(2025, 4, 1), datetime.date(2026, 3, 31))
        >>> CustomPeriod(start=date(2026, 3, 2), days=14).around(date(2026, 3, 16))
        (datetime.date(2026, 3, 16), datetime.date(2026, 3, 29))
        """
        if self.days is not None:
            first = self.start + timedelta(days=(day - self.start).days // self.days * self.days)
            return first, first + timedelta(days=self.days - 1)
        months = self.months or 1
        passed = (day.year - self.start.year) * 12 + day.month - self.start.month - (day.day < self.start.day)
        begins = self.start.year * 12 + self.start.month - 1 + passed // months * months
        following = begins + months
        first = date(begins // 12, begins % 12 + 1, self.start.day)
        return first, date(following // 12, following % 12 + 1, self.start.day) - timedelta(days=1)
