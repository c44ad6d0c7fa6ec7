"""How budgets stand, for reports: the rules and the totals that ClickHouse has, judged as the rules judge them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from alerts.ahead import HORIZONS, Band, is_foretold
from alerts.budget_rules import BudgetRule
from alerts.budget_standing import standing_of
from alerts.figures import Figures
from alerts.reports.figures import Budget
from alerts.rule_files import unpacked
from api.route import Rows
from processors.series import ChargeKind, Level, Series, parse
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
_FORECASTS = """
SELECT series, horizon, ends, mean, lower, upper, coverage FROM forecasts FINAL
WHERE run = {run:String} AND series IN {series:Array(String)} AND kind = 'usage'
ORDER BY series, horizon, day DESC LIMIT 1 BY series, horizon
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


async def budgets(
    database: Rows, run: str, foretold: frozenset[Level], concerns: Callable[[Series], bool], today: date
) -> tuple[Budget, ...]:
    """Return how the budgets stand whose series a report is about, those that are used up most first.

    Parameters
    ----------
    foretold
        Levels of series that detection foretells.

    Raises
    ------
    Problem
        When ClickHouse does not answer.
    """
    applied = [unpacked(text) for (text,) in await database.rows(_RULES)]
    rules = [rule for rule in applied if isinstance(rule, BudgetRule) and rule.enabled]
    if not rules:
        return ()
    values: dict[str, Any] = {"run": run, "levels": sorted({level for rule in rules for level in rule.where.levels})}
    keys = [key for (key,) in await database.rows(_SERIES, values) if concerns(parse(key))]
    pairs = [(rule, key) for rule in rules for key in sorted(keys) if rule.where.takes(parse(key))][:_MOST]
    known = await _figures(database, values, pairs, today)
    bands = await _bands(
        database, values, [key for rule, key in pairs if is_foretold(rule, parse(key).level, foretold)]
    )
    found = []
    for rule, key in pairs:
        standing = standing_of(rule, key, known[key])
        if standing is not None and standing.spent is not None:
            foreseen = is_foretold(rule, parse(key).level, foretold)
            horizon = HORIZONS.get(rule.window or "") if foreseen else None
            found.append(Budget(standing, bands.get((key, horizon or "", standing.last))))
    return tuple(sorted(found, key=lambda one: (-one.used, one.standing.rule.id, one.standing.key)))


async def _bands(database: Rows, values: dict[str, Any], keys: Sequence[str]) -> dict[tuple[str, str, date], Band]:
    """Return the newest forecasts of series' usage, by series, horizon and last day."""
    if not keys:
        return {}
    rows = await database.rows(_FORECASTS, {**values, "series": sorted(set(keys))})
    return {(key, horizon, ends): Band(*amounts) for key, horizon, ends, *amounts in rows}


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
