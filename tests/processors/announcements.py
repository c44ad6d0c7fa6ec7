"""Announcements made by hand: one payer's daily costs of a few series, announced each noon, for tests of anomalies."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from processors.anomalies import AnomaliesOptions, anomalies
from processors.batch import BatchDriver, States
from processors.step import Output
from schemas.events import CostAggregate, CostAnomaly, CostForecast
from spendstream.clock import day_number
from spendstream.topics import AGGREGATES

FIRST = date(2026, 1, 1)
USAGE, FEE, CREDIT = 0, 1, 3
EC2 = "USD/provider=AWS/account=111/service=EC2"
S3 = "USD/provider=AWS/account=111/service=S3"
RDS = "USD/provider=AWS/account=111/service=RDS"
OPTIONS = AnomaliesOptions(shards=1, false_alerts_a_week=0.02)
_UNIT = 10**18
_USUAL = {EC2: 200.0, S3: 50.0, RDS: 90.0}
#: Series and charge class → dollars.
Costs = dict[tuple[str, int], float]
#: What makes a day's costs of its number since `FIRST`.
Bill = Callable[[int], Costs]


def day_of(number: int) -> date:
    """Return the day of a number since `FIRST`."""
    return FIRST + timedelta(days=number)


def ordinary(number: int) -> Costs:
    """Return an ordinary day: three services, each with its noise of 3 %; EC2 in two regions."""
    rng = np.random.default_rng(number)
    costs = {(series, USAGE): usual * (1 + 0.03 * float(rng.normal())) for series, usual in _USUAL.items()}
    costs[f"{EC2}/region=us-east-1", USAGE] = 0.75 * costs[EC2, USAGE]
    costs[f"{EC2}/region=eu-west-1", USAGE] = 0.25 * costs[EC2, USAGE]
    return costs


def announcement(
    version: int, days: Mapping[int, Costs], at: int, *, parts: int = 1, part: int = 0, **more: object
) -> CostAggregate:
    """Return what is announced at noon of day `at`, when all days before yesterday are closed."""
    rows = [(series, day, kind, dollars) for day, costs in days.items() for (series, kind), dollars in costs.items()]
    names = sorted({series for series, _, _, _ in rows})
    amounts = [round(dollars * 10**6) * _UNIT // 10**6 for _, _, _, dollars in rows]
    fields: dict[str, object] = {
        "run": "live", "source": "cost_explorer", "provider": "AWS", "billing_account": "payer",
        "reading": f"r{version}", "epoch": 1, "partition": 0, "partitions": 1, "version": version, "part": part,
        "parts": parts, "closed_at": datetime.combine(day_of(at), time(12), UTC), "closed_through": day_of(at - 2),
        "series": names, "row_series": [names.index(series) for series, _, _, _ in rows],
        "row_day": [day_number(day_of(day)) for _, day, _, _ in rows], "row_kind": [kind for _, _, kind, _ in rows],
        "row_billed": amounts, "row_effective": amounts,
    }  # fmt: skip
    return CostAggregate(**{**fields, **more})  # type: ignore[arg-type]


class Watched:
    """The step over announcements, and what it tells."""

    def __init__(self, options: AnomaliesOptions = OPTIONS, states: States | None = None) -> None:
        self.told: list[CostAnomaly] = []
        self.forecasts: list[CostForecast] = []
        self.driver = BatchDriver([anomalies(options)], self._emit, states=states)
        self.version = 0

    def _emit(self, output: Output) -> None:
        if isinstance(output.event, CostForecast):
            self.forecasts += [output.event] if output.event.series else []
        else:
            assert isinstance(output.event, CostAnomaly)
            self.told.append(output.event)

    def feed(self, event: CostAggregate) -> list[CostAnomaly]:
        """Return what an announcement lets the step tell."""
        before = len(self.told)
        self.driver.feed(AGGREGATES, 0, event)
        return self.told[before:]

    def announce(self, days: Mapping[int, Costs], at: int, **more: object) -> list[CostAnomaly]:
        """Announce the costs of some days at noon of day `at`."""
        self.version += 1
        return self.feed(announcement(self.version, days, at, **more))  # type: ignore[arg-type]

    def read(self, first: int, last: int, bill: Bill = ordinary) -> list[CostAnomaly]:
        """Announce one day each noon, the day after, and return what is told of them."""
        return [one for day in range(first, last + 1) for one in self.announce({day: bill(day)}, day + 1)]


def with_history(days: int, bill: Bill = ordinary, options: AnomaliesOptions = OPTIONS) -> Watched:
    """Return a step that was told of so many days: all but the last two weeks at once, these day by day."""
    watched = Watched(options)
    watched.announce({day: bill(day) for day in range(days - 14)}, days - 14)
    watched.read(days - 14, days - 1, bill)
    return watched
