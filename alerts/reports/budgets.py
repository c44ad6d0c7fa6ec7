"""How budgets stand, for reports: the rules and the totals that ClickHouse has, judged as the rules judge them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from alerts.budget_rules import BudgetRule
from alerts.budget_standing import BudgetStanding, standing_of
from alerts.figures import Figures
from alerts.rule_files import unpacked
from api.route import Rows
from processors.series import ChargeKind, Series, parse
from spendstream.clock import day_number
from spendstream.money import to_units

#: So many budgets are worked out at most.
_MOST = 500
_RULES = "SELECT definition FROM rules FINAL WHERE isNotNull(definition) ORDER BY id"
_SERIES = "SELECT DISTINCT series FROM rolling_totals WHERE run = {run:String} AND level IN {levels:Array(String)}"
_WINDOWS = """
SELECT series, window, kind, window_end, billed, effective FROM rolling_totals FINAL
WHERE run = {run:String} AND level IN {levels:Array(String)} AND series IN {series:Array(String)}
"""
_FIRST_DAYS = """
SELECT series, min(day) FROM totals
WHERE run = {run:String} AND level IN {levels:Array(String)} AND series IN {series:Array(String)} GROUP BY series
"""
_DAYS = """
SELECT series, day, kind, billed, effective FROM totals FINAL
WHERE run = {run:String} AND level IN {levels:Array(String)} AND series IN {series:Array(String)}
  AND day >= {first:Date}
"""


async def standings(
    database: Rows, run: str, concerns: Callable[[Series], bool], today: date
) -> tuple[BudgetStanding, ...]:
    """Return how the budgets stand whose series a report is about, those that are used up most first.

    Raises
    ------
    Problem
        When ClickHouse does not answer.
    """
    rules = [unpacked(text) for (text,) in await database.rows(_RULES)]
    budgets = [rule for rule in rules if isinstance(rule, BudgetRule) and rule.enabled]
    if not budgets:
        return ()
    values: dict[str, Any] = {"run": run, "levels": sorted({level for rule in budgets for level in rule.where.levels})}
    keys = [key for (key,) in await database.rows(_SERIES, values) if concerns(parse(key))]
    pairs = [(rule, key) for rule in budgets for key in sorted(keys) if rule.where.takes(parse(key))][:_MOST]
    known = await _figures(database, values, pairs, today)
    found = [standing_of(rule, key, known[key]) for rule, key in pairs]
    told = [one for one in found if one is not None and one.spent is not None]
    return tuple(sorted(told, key=lambda one: (-one.share(one.spent or one.budget * 0), one.rule.id, one.key)))


async def _figures(
    database: Rows, values: dict[str, Any], pairs: Sequence[tuple[BudgetRule, str]], today: date
) -> dict[str, Figures]:
    """Return what is known of each series: its windows, and the days of those whose budgets look at days."""
    known: dict[str, Figures] = defaultdict(Figures)
    values = {**values, "series": sorted({key for _, key in pairs})}
    windows = await database.rows(_WINDOWS, values)
    for key, _, _, end, _, _ in windows:
        figures = known[key]
        figures.end = max(figures.end or 0, day_number(end))
    for key, window, kind, end, billed, effective in windows:
        if day_number(end) == known[key].end:
            known[key].windows.setdefault(window, {})[_number(kind)] = (to_units(billed), to_units(effective))
    looking = [(rule.days_looked_at, key) for rule, key in pairs if rule.days_looked_at]
    if looking:
        values |= {"series": sorted({key for _, key in looking})}
        values |= {"first": today - timedelta(days=max(days for days, _ in looking) + 7)}
        _take_days(known, await database.rows(_FIRST_DAYS, values), await database.rows(_DAYS, values))
    return known


def _take_days(known: dict[str, Figures], firsts: Iterable[Sequence[Any]], days: Iterable[Sequence[Any]]) -> None:
    for key, first in firsts:
        known[key].first = day_number(first)
    for key, day, kind, billed, effective in days:
        amounts = known[key].days.setdefault(day_number(day), {})
        amounts[_number(kind)] = (to_units(billed), to_units(effective))


def _number(kind: str) -> int:
    return ChargeKind[kind.upper()]
