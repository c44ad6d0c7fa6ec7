"""A simulated organisation with a known incident, from its statements to the API's answer, held against the truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from api.app import make_app
from processors.batch import BatchDriver
from processors.pipeline import steps
from schemas.events import CostAnomaly
from sinks.migrate import migrate
from spendstream.clock import ManualClock
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.simulator import Incident, Organisation, Scope
from spendstream.local.simulator.truth import truth
from spendstream.settings import Settings, load
from tests.api.serving import land
from tests.processors.simulated_bills import Bills, feed_bill, noon

pytestmark = pytest.mark.slow

FIRST = date(2026, 1, 1)
HISTORY, DAYS = 120, 144
BEGIN = datetime(2026, 5, 10, tzinfo=UTC)
ACCOUNT, SERVICE = "100000000001", "AWS Lambda"
STEP = Incident("loop", "step", BEGIN, Scope(ACCOUNT, service=SERVICE), 1.8, BEGIN + timedelta(days=5))
MODEL = Organisation(seed=3, accounts=1, services=6, regions=2, incidents=[STEP])
NOW = noon(FIRST + timedelta(days=DAYS))


@dataclass
class Found:
    """What was told, and the tables that hold it."""

    told: list[CostAnomaly]
    settings: Settings


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    """A bill read once with all its history, and then every noon until the incident is over."""
    told: list[CostAnomaly] = []
    made = load(detection={"false_alerts_a_week": 0.05}, api={"cache_seconds": 0})
    driver = BatchDriver(
        steps(made), lambda output: told.append(output.event) if isinstance(output.event, CostAnomaly) else None
    )
    bills = Bills(MODEL, FIRST)
    for number in range(HISTORY, DAYS + 1):
        feed_bill(driver, bills.read(noon(FIRST + timedelta(days=number))))
    with LocalClickHouse() as server:
        settings = made.model_copy(
            update={"clickhouse": made.clickhouse.model_copy(update={"url": server.url, "database": "incident"})}
        )
        migrate(settings.clickhouse)
        land(settings, told)
        yield Found(told, settings)
        server.kill()


@pytest.fixture
async def rows(found: Found) -> list[dict[str, Any]]:
    """What the API lists of the incident's days."""
    async with TestClient(TestServer(make_app(found.settings, ManualClock(NOW)))) as client:
        answer = await client.get(f"/v1/anomalies?from={BEGIN.date()}")
        return list((await answer.json())["rows"])


async def test_the_incident_is_found_where_it_is_and_what_it_costs(rows):
    (row,) = [row for row in rows if row["level"] == "account_service"]

    true = float(truth(MODEL, STEP, NOW).impact_so_far)
    assert (row["account"], row["service"], row["shape"], row["state"]) == (ACCOUNT, SERVICE, "step", "closed")
    assert row["since"] == BEGIN.date().isoformat()
    assert float(row["impact_so_far"]) == pytest.approx(true, rel=0.1)


def test_it_is_told_on_its_first_day_while_that_day_is_partial(found: Found):
    first = next(one for one in found.told if one.day >= BEGIN.date())

    assert first.scored_at == noon(BEGIN.date() + timedelta(days=1)) or first.scored_at == noon(BEGIN.date())
    assert first.completeness < 1


async def test_the_levels_above_show_it_and_nothing_else_is_told(rows):
    lambdas = {"USD", f"USD/provider=AWS/account={ACCOUNT}", f"USD/provider=AWS/service={SERVICE}"}

    assert {row["series"] for row in rows if row["level"] != "account_service"} <= lambdas


def test_ordinary_days_before_it_are_quiet(found: Found):
    assert [one for one in found.told if one.day < BEGIN.date() and one.state != "withdrawn"] == []
