"""A month with an incident, read from the simulated AWS: the bill as CSV and the record of truth agree with it."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from producers.runner import read_once
from producers.statement import unfold
from schemas.codec import Codec
from schemas.events import CostStatement
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock
from spendstream.local.simulator import Incident, Organisation, Scope, SimulatedAWS, SimulatedClock
from spendstream.local.simulator.bill import write_bill
from spendstream.local.simulator.truth import truth
from spendstream.read_back import read_back
from spendstream.settings import load
from spendstream.topics import STATEMENTS

CODEC = Codec(RepositorySchemas())
NOW = datetime(2026, 4, 7, 12, tzinfo=UTC)
MARCH = date(2026, 3, 1), date(2026, 3, 31)
START, END = datetime(2026, 3, 10, 7, tzinfo=UTC), datetime(2026, 3, 14, tzinfo=UTC)
KEYS = Incident("keys", "leaked_keys", START, Scope("100000000001", region="sa-east-1"), 2500.0, END)
MODEL = Organisation(seed=5, accounts=1, services=2, regions=1, incidents=[KEYS])


@pytest.fixture
def statements(embedded_kafka, monkeypatch) -> list[CostStatement]:
    """Everything that is read of March, when it is final."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    with SimulatedAWS(MODEL, SimulatedClock(NOW)) as aws:
        settings = load(
            kafka=embedded_kafka.settings().kafka.model_dump(),
            aws={"endpoint_url": aws.url, "payers": [{"account": MODEL.payer}]},
            cost_explorer={"enabled": True, "controls": False, "month_final_day": 8},
            budget={"usd_per_day": "5", "usd_per_month": "50"},
        )
        read_once(settings, ManualClock(NOW))
    events = [event for event in map(CODEC.decode, read_back(settings, STATEMENTS)) if isinstance(event, CostStatement)]
    return [event for event in events if event.day <= MARCH[1]]


def lines_of_the_bill() -> Iterator[dict[str, str]]:
    text = io.StringIO()
    write_bill(MODEL, NOW, *MARCH, text)
    text.seek(0)
    yield from csv.DictReader(text)


def test_a_final_month_is_the_bill_and_the_truth_is_in_it(statements):
    read, bill = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for statement in statements:
        key = str(statement.day), statement.account, statement.service
        read[*key] += sum(statement.effective)
        assert not statement.estimated
    for line in lines_of_the_bill():
        bill[line["day"], line["account"], line["service"]] += int(Decimal(line["amortized"]).scaleb(18))
    assert read == bill

    told = truth(MODEL, KEYS, NOW)
    where = {(part.region, part.usage_type) for part in told.parts}
    found = Counter[str]()
    for statement in statements:
        found[str(statement.day)] += sum(
            line.effective for line in unfold(statement) if (line.region, line.usage_type) in where
        )
    assert {day: Decimal(units).scaleb(-18) for day, units in found.items() if units} == {
        day.day: Decimal(day.actual) for day in told.days
    }
