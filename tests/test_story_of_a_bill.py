"""One bill through every part, from the export to the API's answers, restated in all the ways that bills are.

On the embedded broker the steps are run by the batch driver, on the real Apache Kafka by a Faust worker. Every figure
is added up by hand: 8 March costs 10.00, and what becomes of the others is said step by step.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from api.app import make_app
from producers import statement
from sinks.runner import Sink
from spendstream.settings import ClickHouse
from tests.company import Answers, BatchSteps, Company, Days, Gate, LiveSteps, Steps, running
from tests.kafka_backends import Backend
from tests.processors.workers import Worker

pytestmark = pytest.mark.timeout(400)

CORRECTION = {"BillingPeriodStart": "2026-04-01", "ChargeClass": "Correction"}
WINDOWS = ("d7", "d30", "mtd", "qtd", "ytd")


@dataclass
class Stage:
    """The company, and whom it asks."""

    company: Company
    api: Answers


@pytest.fixture
def company(kafka: Backend, tables: ClickHouse, tmp_path: Path) -> Iterator[Company]:
    with ExitStack() as stack:
        settings = kafka.settings(
            clickhouse=tables,
            sink={"batch_seconds": 0.2},
            api={"cache_seconds": 0},
            processing={"state_folder": tmp_path / "state", "session_seconds": 6},
        )
        stack.enter_context(running(Sink(settings)))
        live = kafka.kind == "apache"
        steps: Steps = LiveSteps(stack.enter_context(Worker(settings))) if live else BatchSteps(settings)
        yield Company(settings, tmp_path, steps)


@pytest.fixture
async def stage(company: Company) -> AsyncIterator[Stage]:
    async with TestClient(TestServer(make_app(company.settings, company.clock))) as client:
        yield Stage(company, Answers(client, company.clock))


def days(**costs: str) -> Days:
    """Days as `mar8="10"`."""
    months = {"mar": "2026-03", "apr": "2026-04"}
    return {f"{months[name[:3]]}-{int(name[3:]):02d}": Decimal(cost) for name, cost in costs.items()}


def windows(*costs: str) -> dict[str, Decimal]:
    """7 and 30 days, month, quarter and year to date; one figure stands for all of them."""
    return dict(zip(WINDOWS, map(Decimal, costs * 5 if len(costs) == 1 else costs), strict=True))


async def restated_days(company: Company, api: Answers) -> None:
    """9 March is restated three times: it grows, a line vanishes and a scope costs nothing, a scope vanishes."""
    first_export = company.bill(
        ("2026-03-08", "Compute", "us", "10.00"),
        ("2026-03-09", "Compute", "us", "20.00"),
        ("2026-03-09", "Compute", "eu", "5.50"),
        ("2026-03-09", "Storage", "us", "3.25"),
    )
    company.read()
    assert await api.everywhere() == [days(mar8="10", mar9="28.75")] * 3
    assert await api.windows() == windows("38.75")

    company.bill(
        ("2026-03-08", "Compute", "us", "10.00"),
        ("2026-03-09", "Compute", "us", "20.00"),
        ("2026-03-09", "Compute", "eu", "6.25"),
        ("2026-03-09", "Storage", "us", "3.50"),
    )
    company.read()
    assert await api.everywhere() == [days(mar8="10", mar9="29.75")] * 3
    assert await api.windows() == windows("39.75")

    company.bill(
        ("2026-03-08", "Compute", "us", "10.00"),
        ("2026-03-09", "Compute", "us", "20.00"),
        ("2026-03-09", "Storage", "us", "0.00"),
    )
    company.read()
    assert await api.everywhere() == [days(mar8="10", mar9="20")] * 3
    assert await api.windows() == windows("30")

    company.bill(
        ("2026-03-08", "Compute", "us", "10.00"),
        ("2026-03-09", "Compute", "us", "21.000000000000000001"),
    )
    company.read()
    assert await api.everywhere() == [days(mar8="10", mar9="21.000000000000000001")] * 3
    assert await api.windows() == windows("31.000000000000000001")

    # An export made after the first and before the second, as one finds an old file: it changes nothing.
    old = first_export + timedelta(minutes=30)
    company.bill(("2026-03-08", "Compute", "us", "11"), ("2026-03-09", "Storage", "us", "3.25"), made=old)
    company.read()
    assert await api.everywhere() == [days(mar8="10", mar9="21.000000000000000001")] * 3
    assert await api.windows() == windows("31.000000000000000001")
    assert await api.differences() == []


@pytest.mark.parametrize(
    "kafka", ["embedded", pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.slow])], indirect=True
)
async def test_a_bill_is_right_at_each_step(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    company, api = stage.company, stage.api
    await restated_days(company, api)
    at_the_end_of_march = company.clock.now()

    # April's bill begins, and corrects 9 March by -1.50: March's own bill is not read again.
    company.clock.set(company.clock.now().replace(month=4, day=2))
    correction = ("2026-03-09", "Compute", "us", "-1.50", CORRECTION)
    company.bill(("2026-04-01", "Compute", "us", "7.00"), correction)
    company.read()
    march = {"mar8": "10", "mar9": "19.500000000000000001"}
    assert await api.everywhere() == [days(**march, apr1="7")] * 3
    assert await api.windows() == windows("7", "36.500000000000000001", "7", "7", "36.500000000000000001")
    assert await api.differences() == []

    # 1 April is restated in three parts (8 + 16 + 32), and the third is late: another payer's reading closes meanwhile.
    monkeypatch.setattr(statement, "MAX_PART_BYTES", 1)
    company.bill(*(("2026-04-01", "Compute", *line) for line in (("us", "8"), ("eu", "16"), ("ap", "32"))), correction)
    gate = Gate()
    reading = asyncio.create_task(asyncio.to_thread(company.read, gate=gate))
    assert await asyncio.to_thread(gate.reached.wait, 60)
    company.bill(("2026-04-01", "Compute", "us", "100"), payer="other")
    company.read("other")
    assert await api.everywhere() == [days(**march, apr1="107")] * 3
    assert await api.windows() == windows("107", "136.500000000000000001", "107", "107", "136.500000000000000001")
    assert await api.open_readings() == {"payer": 1}
    gate.opened.set()
    await reading
    assert await api.everywhere() == [days(**march, apr1="156")] * 3
    assert await api.windows() == windows("156", "185.500000000000000001", "156", "156", "185.500000000000000001")
    assert await api.differences() == []
    whole = company.clock.now()

    # A reading brings 70 and never closes, while the other payer's does: nobody sees the 70.
    company.bill(("2026-04-01", "Compute", "us", "70"), correction)
    company.read(dies=True)
    company.bill(("2026-04-01", "Compute", "us", "101"), payer="other")
    company.read("other")
    assert await api.everywhere() == [days(**march, apr1="157")] * 3
    assert await api.windows() == windows("157", "186.500000000000000001", "157", "157", "186.500000000000000001")
    assert await api.open_readings() == {"payer": 1}
    never_closed = company.clock.now()

    # The next reading finds what it brought, and closes.
    company.read()
    assert await api.everywhere() == [days(**march, apr1="171")] * 3
    assert await api.windows() == windows("171", "200.500000000000000001", "171", "171", "200.500000000000000001")
    assert await api.open_readings() == {}
    assert await api.differences() == []

    # What was known at each time stays known.
    known = [await api.days(f"&as_of={at:%Y-%m-%dT%H:%M:%SZ}") for at in (at_the_end_of_march, whole, never_closed)]
    assert known == [
        days(mar8="10", mar9="21.000000000000000001"),
        days(**march, apr1="156"),
        days(**march, apr1="157"),
    ]
