"""Over days: every service gets its detail in the end, and a month is read until AWS calls it final."""

from datetime import UTC, date, datetime

import pytest

from producers.budget import Budget
from producers.sender import Sender
from schemas.events import ReadingClosed
from spendstream.money import to_units
from tests.producers.test_cost_explorer import deploying


@pytest.fixture
def deployed(embedded_kafka, monkeypatch):
    yield from deploying(embedded_kafka, monkeypatch)


def test_a_service_that_the_budget_passed_over_gets_its_turn(deployed):
    # Eleven requests a day: nine to find out what there is, two for one service in two regions.
    deployment = deployed(budget={"usd_per_day": "0.14"})
    detailed: set[str] = set()
    passed_over = 0
    for _ in range(8):
        passed_over += deployment.read().left_out
        detailed |= {service for (_, _, service), event in deployment.statements().items() if event.reconciled}
        deployment.later(24)
    assert passed_over > 0
    assert detailed == {service for _, _, service in deployment.statements()}


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
