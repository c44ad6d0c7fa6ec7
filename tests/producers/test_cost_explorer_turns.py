"""Over days: every service gets its detail in the end, and a month is read until AWS calls it final."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from producers.budget import Budget
from producers.cost_explorer import waiting_since
from producers.sender import Sender
from schemas.events import CostHead, ReadingClosed
from spendstream.money import to_units
from tests.producers.test_cost_explorer import deploying


@pytest.fixture
def deployed(embedded_kafka, monkeypatch):
    yield from deploying(embedded_kafka, monkeypatch)


def head(service: str, *, version: int, fingerprint: str) -> CostHead:
    day = date(2026, 3, 9)
    return CostHead(
        source="cost_explorer", provider="AWS", billing_account="1", billing_period=day.replace(day=1), account="1",
        service=service, currency="USD", day=day, version=version, parts=1, lines=1, content="", estimated=True,
        fingerprint=fingerprint, reading="", billed=Decimal(1), effective=Decimal(1),
    )  # fmt: skip


def test_a_service_that_the_budget_passed_over_gets_its_turn(deployed):
    # Eleven requests a day: nine to find out what there is, two for one service in two regions.
    deployment = deployed(budget={"usd_per_day": "0.14"}, cost_explorer={"window_days": 2})
    detailed: set[str] = set()
    left_out = []
    for _ in range(6):
        left_out.append(deployment.read().left_out)
        detailed |= {service for (_, _, service), event in deployment.statements().items() if event.reconciled}
        deployment.later(24)
    assert all(left_out)
    assert detailed == {service for _, _, service in deployment.statements()}


def test_what_left_the_window_unserved_counts_until_its_service_has_had_a_turn():
    heads = [
        head("EC2", version=10, fingerprint="waits since 10"),
        head("EC2", version=30, fingerprint="waits since 20"),
        head("S3", version=10, fingerprint="waits since 10"),
        head("S3", version=15, fingerprint="as it is"),
        head("S3", version=40, fingerprint="waits since 25"),
        head("RDS", version=5, fingerprint="waits since 5"),
        head("RDS", version=40, fingerprint="as it is"),
    ]
    assert waiting_since(heads) == {("1", "EC2"): 10, ("1", "S3"): 25}


def test_a_month_is_read_until_it_is_final(deployed):
    deployment = deployed()
    deployment.clock.set(datetime(2026, 3, 31, 12, tzinfo=UTC))
    deployment.later(0)
    deployment.read()
    # On the eighth the window begins in April; the days of March that were estimated are still read.
    deployment.later(8 * 24)
    deployment.read()
    march = {day: event.estimated for (day, _, _), event in deployment.statements().items() if day.month == 3}
    assert set(march) == {date(2026, 3, day) for day in range(27, 32)}
    assert not any(march.values())
    closes = [event for event in deployment.events() if isinstance(event, ReadingClosed)]
    assert (closes[0].final_through, closes[-1].final_through) == (None, date(2026, 3, 31))
    # Once it is final, it is left alone.
    deployment.later(1)
    deployment.read()
    assert [event.first_day for event in deployment.events() if isinstance(event, ReadingClosed)][-1].month == 4


def test_what_is_left_of_the_budget_is_the_smaller_of_both_caps(deployed):
    deployment = deployed(budget={"usd_per_day": "1", "usd_per_month": "0.50"})
    deployment.read()
    budget = Budget(deployment.settings.budget, Sender(deployment.settings, deployment.clock))
    spent = to_units(deployment.dollars())
    assert budget.left() == to_units("0.50") - spent
    assert budget.left(0.1) == max(0, to_units("0.05") - spent)
