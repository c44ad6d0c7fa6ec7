"""Figures that tests of reports are about."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from alerts.ahead import Band
from alerts.budget_rules import BudgetRule
from alerts.budget_standing import standing_of
from alerts.figures import Figures as Figured
from alerts.reports.due import Standing
from alerts.reports.figures import Budget, CostRow, Figures, OpenIncident, money_of
from alerts.reports.report import Edition, Report
from spendstream.clock import day_number
from spendstream.money import to_units

DAY = date(2026, 3, 9)


def report(**changes: Any) -> Report:
    """Return a daily report, or what the changes make of it."""
    return Report.model_validate({"id": "daily", "every": "day", "receivers": ["hook"], **changes})


def rows(*texts: str) -> list[CostRow]:
    """Return rows, each written as `USD AmazonEC2 usage 12.50`."""
    parts = [text.split() for text in texts]
    return [(currency, name, kind, Decimal(cost)) for currency, name, kind, cost in parts]


NOW = rows(
    "USD AmazonEC2 usage 1820.4471", "USD AmazonS3 usage 412.10", "USD AmazonRDS usage 388.02",
    "USD AWSLambda usage 96.5", "USD AmazonBedrock usage 240.75", "USD AmazonCloudWatch usage 41.2",
    "USD AmazonEC2 recurring_fee 310", "USD AWSSupport tax 88.4", "USD AmazonEC2 credit -50",
    "EUR Virtual-Machines usage 212.33", "EUR Storage usage 18.04",
)  # fmt: skip
WEEK_BEFORE = rows(
    "USD AmazonEC2 usage 1702.1", "USD AmazonS3 usage 415.32", "USD AmazonRDS usage 502.9",
    "USD AWSLambda usage 31.25", "USD AmazonCloudWatch usage 41.2", "USD AmazonRedshift usage 77",
    "USD AmazonEC2 recurring_fee 310", "USD AWSSupport tax 80.1", "EUR Virtual-Machines usage 230.05",
    "EUR Storage usage 17.9",
)  # fmt: skip
DAY_BEFORE = rows("USD AmazonEC2 usage 1650", "USD AmazonS3 usage 410", "EUR Virtual-Machines usage 198.4")
TREND = {
    "USD": [Decimal(2400 + 70 * ((7 * number) % 11) - (700 if number % 7 in {4, 5} else 0)) for number in range(13)],
    "EUR": [Decimal(200 + 3 * number) for number in range(13)],
}


def budget(key: str, amount: int, spent: int, week: int, band: Band | None = None) -> Budget:
    """Return how a budget of March stands on the ninth; `week` is what the last seven days cost."""
    rule = BudgetRule.model_validate({"id": "b", "kind": "budget", "where": {}, "amount": amount})
    windows = {"mtd": {0: (to_units(spent), to_units(spent))}, "d7": {0: (to_units(week), to_units(week))}}
    found = standing_of(rule, key, Figured(end=day_number(DAY), windows=windows))
    assert found is not None
    return Budget(found, band)


BUDGETS = (
    budget("USD/provider=AWS/service=AmazonBedrock", 2000, 2150, 1500),
    budget("USD/tag=team/value=search", 15000, 12500, 6000),
    budget("USD", 95000, 26800, 20100, Band(Decimal(91200), Decimal(88000), Decimal(94400), 0.9)),
)


def figures(
    spans: Sequence[Sequence[CostRow]] = (NOW, WEEK_BEFORE, DAY_BEFORE),
    stage: Any = "complete",
    told: dict[str, Decimal] | None = None,
    **changes: Any,
) -> Figures:
    """Return the figures of a daily report."""
    one = report(**changes)
    late = ("cost_explorer of 1234 tells of days to 2026-03-08",) if stage == "provisional" else ()
    trends = {"USD": [*TREND["USD"], Decimal("3347.4171")], "EUR": [*TREND["EUR"], Decimal("230.37")]}
    money = money_of(spans, trends if any(spans) else {})
    incidents = (
        (
            OpenIncident(
                "critical", "AmazonBedrock of account 1234 cost 240.75 USD on 2026-03-09, 0.00 expected", "2026-03-09"
            ),
        )
        if any(spans)
        else ()
    )
    complete = {"provisional": None, "complete": DAY, "final": DAY}[stage]
    standing = Standing(stage, late, complete, DAY if stage == "final" else None)
    budgets = BUDGETS if any(spans) else ()
    return Figures(one, one.period_of(DAY), standing, money, incidents, budgets, told)


def edition(made: Figures, value: str | None = None) -> Edition:
    """Return figures as an edition of their report."""
    return Edition(made.report, made.period, value, made.report.receivers)
