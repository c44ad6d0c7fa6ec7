"""Cost Explorer to statements, on the simulated AWS by an ordinary boto3 client: exact, cheap, restated, capped."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest

from processors.batch import BatchDriver
from processors.pipeline import steps
from producers.cost_explorer_totals import window
from producers.runner import read_once
from schemas.codec import Codec
from schemas.events import CostStatement, Event, PaidRequest, ReadingClosed
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock
from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.settings import ConfigurationError, CostExplorer
from spendstream.topics import PAID_REQUESTS, STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.histories import Announced, partition_of
from tests.processors.workers import messages

CODEC = Codec(RepositorySchemas())
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
PAYER = "100000000001"


class Deployment:
    """A Kafka, and an AWS whose time stands still until it is moved."""

    def __init__(self, backend: Backend, **sections: Any) -> None:
        self.simulated = SimulatedClock(NOW, speed=0)
        self.clock = ManualClock(NOW)
        self.model = Organisation(seed=3, accounts=3, services=4, regions=2)
        self.aws = SimulatedAWS(self.model, self.simulated, page_size=200)
        self.settings = backend.settings(
            aws={"endpoint_url": self.aws.url, "payers": [{"account": PAYER}]},
            cost_explorer={"enabled": True, "controls": False, "window_days": 5, **sections.pop("cost_explorer", {})},
            budget={"usd_per_day": "5", "usd_per_month": "50", **sections.pop("budget", {})},
            **sections,
        )

    def later(self, hours: float) -> None:
        self.clock.advance(timedelta(hours=hours))
        self.simulated.set(self.clock.now())

    def read(self) -> Any:
        return read_once(self.settings, self.clock)[0]

    def dollars(self) -> Decimal:
        """What AWS has charged."""
        return Decimal(json.load(urlopen(f"{self.aws.url}/_simulator/requests"))["dollars"])

    def fault(self, code: str, count: int) -> None:
        body = json.dumps({"code": code, "count": count}).encode()
        urlopen(Request(f"{self.aws.url}/_simulator/faults", body, method="POST")).close()

    def events(self) -> list[Event]:
        return [CODEC.decode(value) for value in messages(self.settings, STATEMENTS)]

    def statements(self) -> dict[tuple[date, str, str], CostStatement]:
        """The newest statement of each scope."""
        newest: dict[tuple[date, str, str], CostStatement] = {}
        for event in self.events():
            if isinstance(event, CostStatement):
                key = (event.day, event.account, event.service)
                if key not in newest or newest[key].version < event.version:
                    newest[key] = event
        return newest

    def published(self) -> dict[tuple[date, str, str], int]:
        """Billed units of each scope that is not empty."""
        return {key: sum(event.billed) for key, event in self.statements().items() if event.billed}

    def truth(self, first: date, last: date) -> dict[tuple[date, str, str], int]:
        """The same from the organisation itself, as it is known now."""
        sums: Counter[tuple[date, str, str]] = Counter()
        for number in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(number)
            costs = self.model.day(day, self.simulated.now()).cost.sum(axis=1)
            for series, cost in zip(self.model.series, costs, strict=True):
                sums[day, series.account, series.service] += int(cost) * 10**8
        return {key: units for key, units in sums.items() if units}


def deploying(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    running: list[SimulatedAWS] = []

    def make(**sections: Any) -> Deployment:
        deployment = Deployment(backend, **sections)
        running.append(deployment.aws)
        return deployment

    yield make
    for aws in running:
        aws.stop()


@pytest.fixture
def deployed(kafka: Backend, monkeypatch) -> Iterator[Any]:
    yield from deploying(kafka, monkeypatch)


@pytest.fixture
def refused(embedded_kafka: Backend, monkeypatch) -> Iterator[Any]:
    """For readings that end at AWS, before any Kafka takes part: one broker is enough."""
    yield from deploying(embedded_kafka, monkeypatch)


def test_statements_say_what_the_source_says_to_the_last_digit(deployed):
    deployment = deployed()
    report = deployment.read()
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    assert deployment.published() == deployment.truth(first, last)
    assert report.statements == len(deployment.published())
    assert all(event.reconciled for event in deployment.statements().values())


def test_lines_carry_region_usage_type_quantity_and_unit(deployed):
    deployment = deployed()
    deployment.read()
    statement = next(e for key, e in deployment.statements().items() if key[2] == "Amazon Simple Storage Service")
    assert set(statement.strings) - {""} >= {"us-east-1", "TimedStorage-ByteHrs"}
    assert {statement.details[unit] for unit in statement.unit} == {"GB-Mo", "Requests"}
    assert all(quantity > 0 for quantity in statement.quantity)


def test_what_did_not_change_costs_two_requests_and_is_not_published_again(deployed):
    deployment = deployed()
    deployment.read()
    before = deployment.dollars()
    deployment.clock.advance(timedelta(minutes=1))
    report = deployment.read()
    assert deployment.dollars() - before == Decimal("0.02")
    assert report.statements == 0


def test_a_restated_day_is_published_again_and_only_it(deployed):
    deployment = deployed()
    deployment.read()
    deployment.later(24)
    report = deployment.read()
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    published = {key: units for key, units in deployment.published().items() if first <= key[0] <= last}
    assert published == deployment.truth(first, last)
    assert 0 < report.statements <= len(published)
    closes = [event for event in deployment.events() if isinstance(event, ReadingClosed)]
    control = closes[-1].totals[0]
    assert control.billed == Decimal(sum(published.values())).scaleb(-18)


def test_hours_stand_in_the_lines_where_the_account_has_them(deployed):
    deployment = deployed(cost_explorer={"hourly": True})
    deployment.read()
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    assert deployment.published() == deployment.truth(first, last)
    hours = {hour for event in deployment.statements().values() for hour in event.hour}
    assert {0, 12, 23} <= hours


def test_totals_and_the_source_agree_after_the_steps(deployed):
    deployment = deployed()
    deployment.read()
    announced = Announced()
    driver = BatchDriver(steps(deployment.settings), announced)
    for event in deployment.events():
        if isinstance(event, (CostStatement, ReadingClosed)):
            partition = event.partition if isinstance(event, ReadingClosed) else partition_of(event)
            driver.feed(STATEMENTS, partition, event)
    total = sum(units for (key, _, _), units in announced.days.items() if key == "USD")
    assert total == sum(sum(statement.effective) for statement in deployment.statements().values())


def test_throttling_is_waited_out(deployed):
    deployment = deployed()
    deployment.fault("ThrottlingException", 2)
    assert deployment.read().statements > 0


def test_an_answer_that_changes_between_pages_is_asked_again(deployed):
    deployment = deployed()
    deployment.fault("RequestChangedException", 1)
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    deployment.read()
    assert deployment.published() == deployment.truth(first, last)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ExpiredTokenException", "have expired"),
        ("UnrecognizedClientException", "does not know these credentials"),
        ("AccessDeniedException", "allow the action"),
        ("DataUnavailableException", "no data for this account yet"),
    ],
)
def test_a_refusal_says_what_to_do_and_announces_nothing(refused, code, says):
    deployment = refused()
    deployment.fault(code, 1)
    with pytest.raises(ConfigurationError, match=says):
        deployment.read()
    assert deployment.events() == []


def test_without_credentials_it_says_so(refused, monkeypatch, tmp_path):
    deployment = refused()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="there are no AWS credentials"):
        deployment.read()


def test_a_wrong_address_says_so(refused):
    deployment = refused()
    deployment.aws.stop()
    aws = deployment.settings.aws.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    deployment.settings = deployment.settings.model_copy(update={"aws": aws})
    with pytest.raises(ConfigurationError, match="AWS cannot be reached"):
        deployment.read()
    deployment.aws = SimulatedAWS(deployment.model, deployment.simulated)


def test_near_the_cap_the_largest_changes_get_detail_and_the_rest_its_totals(deployed):
    deployment = deployed(budget={"usd_per_day": "0.14"})
    report = deployment.read()
    assert deployment.dollars() <= Decimal("0.14")
    assert report.left_out > 0
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    assert deployment.published() == deployment.truth(first, last)
    by_service: Counter[str] = Counter()
    for (_, _, service), units in deployment.published().items():
        by_service[service] += units
    detailed = {key[2] for key, event in deployment.statements().items() if event.reconciled}
    assert by_service.most_common(1)[0][0] in detailed
    # With money again, what waited is asked for, though its totals are as before.
    budget = deployment.settings.budget.model_copy(update={"usd_per_day": "1"})
    deployment.settings = deployment.settings.model_copy(update={"budget": budget})
    assert deployment.read().left_out == 0
    assert all(event.reconciled for event in deployment.statements().values())


def test_the_cap_holds_across_a_restart(deployed):
    deployment = deployed(budget={"usd_per_day": "0.02"})
    deployment.read()
    with pytest.raises(ConfigurationError, match="polling budget"):
        deployment.read()
    assert deployment.dollars() == Decimal("0.02")
    paid = [CODEC.decode(value) for value in messages(deployment.settings, PAID_REQUESTS)]
    assert [event.purpose for event in paid if isinstance(event, PaidRequest)] == ["totals", "totals"]


def test_the_last_month_is_read_whole_until_it_is_final():
    options = CostExplorer(window_days=14, month_final_day=6)
    assert window(ManualClock(datetime(2026, 3, 6, tzinfo=UTC)), options)[0] == date(2026, 2, 1)
    assert window(ManualClock(datetime(2026, 3, 7, tzinfo=UTC)), options)[0] == date(2026, 2, 22)
