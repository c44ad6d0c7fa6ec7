"""The days of an incident's scope as bars: drawn on the server, so that the page needs no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from alerts.wording import money
from api.incident_view import Shown
from api.route import Rows
from processors.series import parse

_DAYS = 35
_FEWEST = 14
"""Days for which there is room at least: the bars of fewer would be as wide as a finger."""
WIDTH, HEIGHT = 700, 150
_GAP = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A day; place and size in the drawing, and what it says when pointed at.

    Attributes
    ----------
    band
        Top and height of what was expected of it; None: it is not known.
    """

    x: int
    y: int
    width: int
    height: int
    since: bool
    says: str
    band: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of days, the oldest first, and the height of what is expected."""

    bars: tuple[Bar, ...]
    expected: int | None
    first: date
    last: date
    says: str


async def days_of(database: Rows, run: str, one: dict[str, Any], today: date) -> list[tuple[date, Decimal]]:
    """Return what each of the last days of an incident's scope cost, of the charge classes it is about."""
    charges = sorted({charge for alert in one["alerts"] for charge in alert["charges"]}) or ["usage"]
    if one["currency"] is None:
        return []
    rows = await database.rows(
        "SELECT day, sum(effective) FROM totals FINAL WHERE run = {run:String} AND currency = {currency:String} "
        "AND level = {level:String} AND series = {series:String} AND kind IN {charges:Array(String)} "
        "AND day >= {first:Date} GROUP BY day ORDER BY day DESC LIMIT {days:UInt32}",
        {
            "run": run,
            "currency": one["currency"],
            "level": parse(one["scope"]).level,
            "series": one["scope"],
            "charges": charges,
            "first": today - timedelta(days=2 * _DAYS),
            "days": _DAYS,
        },
    )
    return [(row[0], row[1]) for row in reversed(rows)]


def bars(days: Sequence[tuple[date, Decimal]], view: Shown, course: Sequence[Mapping[str, Any]] = ()) -> Chart | None:
    """Return the drawing of days; None where there are too few to see anything.

    Parameters
    ----------
    days
        What each cost.
    course
        What was expected of some of them, as `/v1/incidents/{id}` tells it.

    Credits and refunds, which are below nothing, are drawn as nothing.
    """
    highest = max((amount for _, amount in days), default=Decimal(0))
    if len(days) < 3 or highest <= 0:  # noqa: PLR2004 - two bars tell no story
        return None
    bands = {one["day"]: (Decimal(one["lower"]), Decimal(one["upper"])) for one in course if one["lower"] is not None}
    # The dashed line stands for the newest day alone; bands say the same, and of each day.
    expected = None if view.expected_day is None or bands else max(view.expected_day, Decimal(0))
    shown = [bands[str(day)][1] for day, _ in days if str(day) in bands]
    top = max([highest, expected or Decimal(0), *shown])
    step = WIDTH // max(len(days), _FEWEST)
    drawn = []
    for place, (day, amount) in enumerate(days):
        height = round(HEIGHT * max(amount, Decimal(0)) / top)
        says, band = f"{day}: {money(amount, view.currency)}", bands.get(str(day))
        if band is not None:
            says += f", expected {money(band[0], None)} to {money(band[1], None)}"
        drawn.append(
            Bar(place * step, HEIGHT - height, step - _GAP, height, day >= view.since, says, _placed(band, top))
        )
    level = None if expected is None else HEIGHT - round(HEIGHT * expected / top)
    last = days[-1]
    summary = (
        f"Cost by day from {days[0][0]} to {last[0]}: at most {money(highest, view.currency)}, "
        f"on the last day {money(last[1], view.currency)}."
    )
    return Chart(tuple(drawn), level, days[0][0], last[0], summary)


def _placed(band: tuple[Decimal, Decimal] | None, top: Decimal) -> tuple[int, int] | None:
    """Return top and height of a band in the drawing."""
    if band is None:
        return None
    lower, upper = (round(HEIGHT * max(amount, Decimal(0)) / top) for amount in band)
    return HEIGHT - upper, max(upper - lower, 2)
