"""What ClickHouse is asked for a report. Totals are asked for as the read API asks, so that both tell the same."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from alerts.pipeline import rule_options
from alerts.reports.budgets import budgets
from alerts.reports.due import Book, Standing, standing
from alerts.reports.figures import Budget, CostRow, Figures, OpenIncident, money_of
from alerts.reports.report import CATEGORY, Period, Report, Span
from api import costs
from api.announced import BOOK, over_then
from api.database import Database
from api.dimensions import TAG
from api.lines import Lines
from api.parameters import CostQuery, Filters
from api.route import Rows
from processors.series import Series, parse
from spendstream.clock import from_millis
from spendstream.settings import ConfigurationError, Settings

T = TypeVar("T")

#: By value that a report is made for; by an empty text where it is made for the whole.
_Divided = dict[str, T]

_MOST = 100_000
_INCIDENTS = 5
# A book is a source's word about a billing account; a view by tag or cost category tells of the same dollars again.
_BOOKS = f"""
SELECT source, billing_account, max(closed_through), max(final_through),
    toUnixTimestamp64Milli(max(assumeNotNull(closed_at)))
FROM (SELECT * FROM readings FINAL WHERE run = 'live' AND view = {{view:String}} AND isNotNull(closed_at)) AS r
INNER JOIN (
    SELECT {BOOK}, view, reading FROM announcements WHERE run = {{run:String}}
    GROUP BY {BOOK}, view, reading, epoch HAVING uniqExact(partition) = max(partitions)
) AS a USING ({BOOK}, view, reading)
GROUP BY {BOOK}, view ORDER BY 1, 2
"""  # noqa: S608 - names are ours
_VIEW = """
SELECT currency, tag_value, kind, sum({measure}) FROM totals FINAL
WHERE run = {{run:String}} AND level = 'tag' AND tag = {{tag:String}}
  AND day >= {{first:Date32}} AND day <= {{last:Date32}}
  AND (empty({{values:Array(String)}}) OR tag_value IN {{values:Array(String)}})
GROUP BY currency, tag_value, kind
"""
_OPEN = """
SELECT severity, says, toString(toDate(since)), scope, currency FROM incidents FINAL
WHERE run = {run:String} AND state IN ('firing', 'acknowledged', 'snoozed')
ORDER BY severity = 'critical' DESC, severity = 'warning' DESC, abs(impact_per_day) DESC, id LIMIT 1000
"""


def view_of(report: Report, settings: Settings) -> str | None:
    """Return the view of Cost Explorer that a report reads; None: it reads totals and lines.

    Raises
    ------
    ConfigurationError
        When it needs of a view what no view tells.
    """
    views = settings.cost_explorer.views
    used = {report.by, *report.where, *filter(None, [report.for_each])}
    named = [name for name in used if name in views]
    if not named:
        unknown = [name for name in used if name.startswith(CATEGORY)]
        if unknown:
            raise ConfigurationError(
                f"report {report.id}: {unknown[0]} is told by a view of Cost Explorer only: name it in "
                "cost_explorer.view_categories"
            )
        return None
    if used != {named[0]}:
        raise ConfigurationError(
            f"report {report.id}: {named[0]} is told by Cost Explorer as totals of its values only: set "
            f"`by: {named[0]}`, and no other dimension"
        )
    return named[0]


class Questions:
    """Asks ClickHouse for the figures of reports.

    Parameters
    ----------
    settings
        The deployment, with its live run.
    database
        Where statements go; by default the deployment's ClickHouse.
    """

    def __init__(self, settings: Settings, database: Rows | None = None) -> None:
        self._settings = settings
        self._database: Rows = database or Database(settings)
        self._lines = Lines(self._database)

    async def standing(self, report: Report, span: Span, now: datetime) -> Standing:
        """Return how final a span is.

        Raises
        ------
        Problem
            When ClickHouse does not answer.
        """
        values = {"run": self._settings.processing.run, "view": view_of(report, self._settings) or ""}
        rows = await self._database.rows(_BOOKS, values)
        books = [Book(source, payer, closed, final, from_millis(at)) for source, payer, closed, final, at in rows]
        return standing([book for book in books if self._of_record(book, span.last)], span, now)

    async def figures(self, report: Report, period: Period, now: datetime) -> Figures:
        """Return all that a report says of a period; of one that is made for each of something, its overview.

        Raises
        ------
        Problem
            When ClickHouse does not answer, or cannot within its time.
        ConfigurationError
            When the report asks for what cannot be told.
        """
        return (await self._asked(report.whole, period, now)).figures(report.whole, "")

    async def each(self, report: Report, period: Period, now: datetime) -> dict[str, Figures]:
        """Return what a report says to each value that it is made for, and that cost something. Raises as `figures`."""
        asked = await self._asked(report, period, now)
        return {value: asked.figures(report.of(value), value) for value in asked.values}

    async def _asked(self, report: Report, period: Period, now: datetime) -> "_Asked":
        run = self._settings.processing.run
        spans = [period.span, *(span for _, span in period.before)]
        foretold = rule_options(self._settings, run).foretold
        return _Asked(
            period=period,
            standing=await self.standing(report, period.span, now),
            spans=[await self._span(report, span, now) for span in spans],
            trends=await self._trends(report, period, now),
            incidents=await self._database.rows(_OPEN, {"run": run}),
            budgets=await budgets(self._database, run, foretold, lambda series: _concerns(report, series), now.date()),
        )

    async def _span(self, report: Report, span: Span, now: datetime) -> "_Divided[list[CostRow]]":
        """Return what a span cost by what the report lists and by charge class, for each value it is made for."""
        view = view_of(report, self._settings)
        found: _Divided[list[CostRow]] = defaultdict(list)
        if view is not None:
            values: dict[str, Any] = {"run": self._settings.processing.run, "tag": view}
            values |= {"first": span.first, "last": span.last, "values": list(report.where.get(view, ()))}
            for currency, name, kind, cost in await self._database.rows(_VIEW.format(measure=report.measure), values):
                found[name if report.for_each else ""].append((currency, name, kind, cost))
            return found
        divided = [] if report.for_each in {None, report.by} else [str(report.for_each)]
        rows, _ = await self._costs(report, span, "total", [*divided, report.by, "kind"], now)
        for _, currency, *whose, name, kind, cost in rows:
            found[whose[0] if whose else name if report.for_each else ""].append((currency, name, kind, cost))
        return found

    async def _trends(
        self, report: Report, period: Period, now: datetime
    ) -> "_Divided[Mapping[str, Sequence[Decimal]]]":
        """Return totals of the periods up to this one by currency; none where lines would have to be read for them."""
        if view_of(report, self._settings) is not None:
            return {}
        spans = period.trend
        divided = [report.for_each] if report.for_each else []
        days, answered = await self._costs(
            report, Span(spans[0].first, period.span.last), "day", divided, now, lines=False
        )
        if not answered:
            return {}
        by_currency: _Divided[dict[str, dict[date, Decimal]]] = defaultdict(lambda: defaultdict(dict))
        for day, currency, *whose, cost in days:
            by_currency[whose[0] if whose else ""][currency][day] = cost
        return {
            value: {
                currency: [
                    sum((cost for day, cost in costs.items() if span.first <= day <= span.last), Decimal(0))
                    for span in spans
                ]
                for currency, costs in currencies.items()
            }
            for value, currencies in by_currency.items()
        }

    async def _costs(
        self, report: Report, span: Span, granularity: str, group_by: list[str], now: datetime, *, lines: bool = True
    ) -> tuple[list[list[Any]], bool]:
        """Return rows of costs; with False when only lines have the answer, and they are not to be read."""
        query = CostQuery.model_validate(
            {"from": span.first, "to": span.last, "granularity": granularity, "group_by": group_by}
            | {"measure": report.measure, "limit": _MOST}
        )
        filters: Filters = {name: (list(values), False) for name, values in report.where.items()}
        asked = costs.sql(query, filters, self._settings.processing.run, now, self._settings)
        if not asked.of_lines:
            rows = await self._database.rows(over_then(asked.text), asked.values)
        elif lines:
            rows = await self._lines.rows(asked.text, asked.values)
        else:
            return [], False
        if len(rows) > _MOST:
            raise ConfigurationError(f"report {report.id}: {report.by} has over {_MOST:,} values: list it by another")
        return rows, True

    def _of_record(self, book: Book, day: date) -> bool:
        """Tell whether a book's source gives totals; one that is only compared is not waited for."""
        rules = [rule for rule in self._settings.ledger.of_record if rule.billing_account == book.billing_account]
        rules = [rule for rule in rules if rule.first_day is None or rule.first_day <= day]
        if not rules:
            return True
        return max(rules, key=lambda rule: rule.first_day or date.min).source == book.source


@dataclass(frozen=True, slots=True)
class _Asked:
    """What ClickHouse answered: of the period and each span that it is compared with, and of now."""

    period: Period
    standing: Standing
    spans: list[_Divided[list[CostRow]]]
    trends: _Divided[Mapping[str, Sequence[Decimal]]]
    incidents: list[list[Any]]
    budgets: tuple[Budget, ...]

    @property
    def values(self) -> list[str]:
        """All values that cost something."""
        return sorted({value for span in self.spans for value in span})

    def figures(self, report: Report, value: str) -> Figures:
        """Return what a report says to a value."""
        rows = [span.get(value, []) for span in self.spans]
        return Figures(
            report=report,
            period=self.period,
            standing=self.standing,
            money=money_of(rows, self.trends.get(value, {})),
            incidents=_open_incidents(report, self.incidents),
            budgets=tuple(one for one in self.budgets if _concerns(report, parse(one.standing.key))),
        )


def _open_incidents(report: Report, rows: Iterable[Sequence[Any]]) -> tuple[OpenIncident, ...]:
    found = (
        OpenIncident(severity, says, since)
        for severity, says, since, scope, currency in rows
        if _concerns(report, parse(scope) if currency else None)
    )
    return tuple(islice(found, _INCIDENTS))


def _concerns(report: Report, series: Series | None) -> bool:
    """Tell whether an incident's scope lies in what a report is about; what is no series concerns all only."""
    if series is None:
        return not report.where
    return all(
        series.value in values and series.tag in {name, name.removeprefix(TAG)}
        if ":" in name
        else getattr(series, name) in values
        for name, values in report.where.items()
    )
