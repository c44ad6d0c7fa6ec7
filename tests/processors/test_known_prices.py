"""Whether a change is usage or rate: from the quantities of statements, by the ledger and totals, to the anomaly."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from processors.anomalies import AnomaliesOptions, anomalies
from processors.batch import BatchDriver
from processors.ledger import LedgerOptions, ledger
from processors.series import ChargeKind
from processors.step import Output
from processors.totals import TotalsOptions, totals
from producers.statement import Line, Said, Scope, fold
from schemas.events import CostAggregate, CostAnomaly, CostStatement, ReadingClosed
from spendstream.topics import STATEMENTS

FIRST = date(2026, 1, 1)
UNIT = 10**18
#: Usage type → quantity and price.
Usage = Mapping[str, tuple[float, float]]


def at_noon(day: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=day), time(12), UTC)


def said_of(day: int, usage: Usage, version: int = 1, parts: int = 1) -> list[CostStatement]:
    """Return what is said of a day's usage; in so many parts."""
    on = FIRST + timedelta(days=day)
    scope = Scope("focus.main", "AWS", "payer", on.replace(day=1), "111", "EC2", "USD", on)
    lines = [
        Line(ChargeKind.USAGE, amount, amount, usage_type=name, quantity=round(quantity * UNIT))
        for name, (quantity, price) in usage.items()
        for amount in [round(quantity * price * 10**6) * 10**12]
    ]
    each = [lines[part::parts] for part in range(parts)]
    said = Said(version=version, reading=f"r{day}", read_at=at_noon(day + 1), estimated=False)
    return [replace(fold(scope, some, said)[0], part=part, parts=parts) for part, some in enumerate(each)]


class Flow:
    """Ledger, totals and anomalies over the days of one service, each read and closed at noon of the next."""

    def __init__(self) -> None:
        self.announced: list[CostAggregate] = []
        self.told: list[CostAnomaly] = []
        options = AnomaliesOptions(shards=1, false_alerts_a_week=0.02, settle_hours=24)
        steps = [ledger(LedgerOptions(1)), totals(TotalsOptions(1)), anomalies(options)]
        self._driver = BatchDriver(steps, self._take)

    def _take(self, output: Output) -> None:
        if isinstance(output.event, CostAggregate):
            self.announced.append(output.event)
        elif isinstance(output.event, CostAnomaly):
            self.told.append(output.event)

    def read(self, day: int, *statements: CostStatement) -> None:
        for statement in statements:
            self._driver.feed(STATEMENTS, 0, statement)
        on = FIRST + timedelta(days=day)
        close = ReadingClosed(
            source="focus.main", provider="AWS", billing_account="payer", reading=f"r{day}.{len(self.announced)}",
            opened_at=at_noon(day + 1), first_day=FIRST, last_day=on, closed_at=at_noon(day + 1), partition=0, scopes=1,
            published=1, closed_through=on, final_through=on,
        )  # fmt: skip
        self._driver.feed(STATEMENTS, 0, close)

    def index(self) -> float:
        """Return by what factor prices have moved, as it was announced last."""
        event = self.announced[-1]
        return event.price_cost[-1] / event.price_before[-1]


def hours(day: int) -> float:
    return 1000 + 7 * (day * 37 % 11)


def history(days: int) -> Flow:
    flow = Flow()
    for day in range(days):
        flow.read(day, *said_of(day, {"BoxUsage": (hours(day), 0.2), "Disk": (5000, 0.01)}))
    assert flow.told == []
    return flow


@pytest.mark.parametrize(("more", "dearer", "cause"), [(1.5, 1.0, "usage"), (1.0, 1.5, "rate"), (0.6, 1.0, "usage")])
def test_an_anomaly_says_whether_more_was_used_or_the_price_is_another(more, dearer, cause):
    flow = history(45)

    flow.read(45, *said_of(45, {"BoxUsage": (more * hours(45), 0.2 * dearer), "Disk": (5000, 0.01)}))

    found = next(one for one in flow.told if one.series.endswith("service=EC2") and "account" in one.series)
    assert (found.state, found.cause) == ("open", cause)


def test_nobody_can_tell_where_statements_have_no_quantities():
    flow = Flow()
    for day in range(46):
        usage = {"BoxUsage": (hours(day), 0.2 if day < 45 else 0.4)}
        bare = said_of(day, usage)[0]
        flow.read(day, replace(bare, used_type=[], used_quantity=[], used_cost=[]))

    assert {one.cause for one in flow.told} == {"unknown"}
    assert all(not event.price_series for event in flow.announced)


def test_a_statement_says_how_much_of_each_usage_type_was_used():
    [statement] = said_of(0, {"BoxUsage": (10, 0.2), "Disk": (500, 0.01)})

    used = zip(statement.used_type, statement.used_quantity, statement.used_cost, strict=True)
    assert [(statement.strings[place], quantity, cost) for place, quantity, cost in used] == [
        ("BoxUsage", 10 * UNIT, 2 * UNIT),
        ("Disk", 500 * UNIT, 5 * UNIT),
    ]


def test_the_index_moves_with_prices_and_not_with_usage():
    flow = Flow()
    days = [{"BoxUsage": (100, 0.2), "Disk": (100, 0.1)}, {"BoxUsage": (900, 0.2)}, {"BoxUsage": (500, 0.3)}]
    found = []
    for day, usage in enumerate(days):
        flow.read(day, *said_of(day, usage))
        found.append(flow.index())

    assert found == pytest.approx([1, 1, 1.5])


def test_the_index_goes_on_when_prices_are_taken_anew():
    flow = Flow()
    found = []
    for day, price in ((0, 0.2), (1, 0.3), (28, 0.3), (29, 0.3), (30, 0.6)):
        flow.read(day, *said_of(day, {"BoxUsage": (100 + day, price)}))
        found.append(flow.index())

    assert found == pytest.approx([1, 1.5, 1.5, 1.5, 3])


def test_a_restatement_and_parts_replace_the_index_of_their_day():
    flow = Flow()
    flow.read(0, *said_of(0, {"BoxUsage": (100, 0.2), "Disk": (100, 0.1)}))
    flow.read(1, *said_of(1, {"BoxUsage": (100, 0.2), "Disk": (100, 0.1)}))

    flow.read(1, *said_of(1, {"BoxUsage": (100, 0.4), "Disk": (100, 0.2)}, version=2, parts=2))

    assert flow.index() == pytest.approx(2)
    assert flow.announced[-1].price_cost == [60 * UNIT]
