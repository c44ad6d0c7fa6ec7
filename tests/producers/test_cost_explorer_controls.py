"""Controls: Cost Explorer's own months, years and forecast as events beside ours, for three cents a day."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from producers.budget import NoBudget
from producers.cost_explorer_controls import CostExplorerControls
from producers.cost_explorer_query import Asker
from producers.polling_cost import Size, estimate
from producers.runner import read_once
from producers.shared import Shared
from producers.source import SourceError
from schemas.events import SourceControl
from spendstream.clock import ManualClock
from spendstream.iam_policy import CREDENTIALS, policies
from spendstream.money import to_units
from spendstream.settings import CostExplorer as Options
from spendstream.settings import load
from spendstream.topics import CONTROLS
from tests.processors.workers import messages
from tests.producers.bill_client import BillClient, Entry
from tests.producers.test_cost_explorer import CODEC, PAYER, deploying

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def deployed(embedded_kafka, monkeypatch):
    yield from deploying(embedded_kafka, monkeypatch)


class Sent:
    """Keeps what is sent, at a time that stands."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.events: list[SourceControl] = []

    def send(self, _topic: object, _partition: int, _key: str, event: SourceControl) -> None:
        self.events.append(event)

    def flush(self) -> None:
        """Nothing waits."""


class Reach:
    """A payer account whose Cost Explorer is a bill in memory."""

    account = "payer"

    def __init__(self, client: BillClient, options: Options) -> None:
        self.options = options
        self._client = client

    def name(self, part: str) -> str:
        return f"cost_explorer.payer.{part}"

    def asker(self) -> Asker:
        return Asker(self._client, NoBudget(ManualClock(NOW)), net=self.options.net)


def controls(client: BillClient, **options: Any) -> list[SourceControl]:
    sent = Sent()
    CostExplorerControls(Reach(client, Options(**options)), sent).run_once()  # type: ignore[arg-type]
    return sent.events


def bill(*months: date) -> list[Entry]:
    return [Entry(month, billed=number * 10**10, effective=10**10) for number, month in enumerate(months, 1)]


LAST_YEAR = [date(2025, month, 15) for month in range(3, 13)]
THIS_YEAR = [date(2026, month, 5) for month in range(1, 4)]


def test_months_are_told_whole_and_the_current_one_as_estimated():
    found = controls(BillClient(bill(*THIS_YEAR), final_before=date(2026, 2, 1)), control_months=2, forecast_months=0)
    assert [(c.first_day, c.last_day, c.billed, c.estimated) for c in found if c.control == "month"] == [
        (date(2026, 1, 1), date(2026, 1, 31), Decimal(1), False),
        (date(2026, 2, 1), date(2026, 2, 28), Decimal(2), True),
        (date(2026, 3, 1), date(2026, 3, 31), Decimal(3), True),
    ]


def test_a_year_is_told_when_all_its_months_are_there():
    found = controls(BillClient(bill(*LAST_YEAR, *THIS_YEAR)), control_months=12, forecast_months=0)
    assert [(c.first_day, c.last_day, c.effective) for c in found if c.control == "year"] == [
        (date(2026, 1, 1), date(2026, 12, 31), Decimal(3))
    ]


def test_the_forecast_is_told_from_today_to_the_end_of_the_last_month():
    found = controls(BillClient(bill(*THIS_YEAR)), forecast_months=3)
    forecasts = [c for c in found if c.control == "forecast"]
    assert [(c.first_day, c.last_day) for c in forecasts] == [
        (date(2026, 3, 10), date(2026, 3, 31)),
        (date(2026, 4, 1), date(2026, 4, 30)),
        (date(2026, 5, 1), date(2026, 5, 31)),
    ]
    # More digits than our scale has, as AWS gives them, mean nothing in a forecast.
    assert forecasts[0].billed == Decimal("100.123456789012345679")
    assert (forecasts[0].lower, forecasts[0].upper) == (Decimal("90.5"), Decimal("110.5"))


def test_three_requests_are_asked_and_net_cost_where_bills_are_net():
    client = BillClient(bill(*THIS_YEAR))
    controls(client)
    assert [request.get("Metric") for request in client.asked] == [None, "UNBLENDED_COST", "AMORTIZED_COST"]
    client.asked.clear()
    with pytest.raises(SourceError, match="an amount cannot be read"):
        controls(client, net=True)
    assert client.asked[0]["Metrics"][:2] == ["NetUnblendedCost", "NetAmortizedCost"]


def test_a_young_account_without_a_forecast_still_has_its_months():
    client = BillClient(bill(*THIS_YEAR), refusals={"forecast": "DataUnavailableException"})
    assert {c.control for c in controls(client)} == {"month", "year"}


def test_a_refusal_says_what_to_do():
    client = BillClient(bill(*THIS_YEAR), refusals={"forecast": "AccessDeniedException"})
    with pytest.raises(SourceError, match="allow the action"):
        controls(client)


def test_the_policy_allows_the_forecast_only_where_it_is_asked():
    allowed = {
        name: policies(load(cost_explorer={"enabled": True} | options))[CREDENTIALS]["Statement"][0]["Action"]
        for name, options in (
            ("with", {"controls": True}),
            ("without", {"controls": True, "forecast_months": 0}),
            ("none", {"controls": False}),
        )
    }
    assert allowed == {
        "with": ["ce:GetCostAndUsage", "ce:GetCostForecast"],
        "without": ["ce:GetCostAndUsage"],
        "none": ["ce:GetCostAndUsage"],
    }


def test_what_controls_cost_is_known_before():
    options = {"enabled": True, "controls": True, "control_schedule": "0 6 * * *"}
    found = estimate(load(cost_explorer=options), Size(accounts=2, services=10, regions=3), NOW)
    (item,) = [item for item in found.items if "controls" in item.what]
    assert item.cost == to_units("0.03") * 30


def test_a_month_is_what_the_statements_of_its_days_add_up_to(deployed):
    deployment = deployed(cost_explorer={"controls": True}, budget={"usd_per_day": "50"})
    shared = Shared(deployment.settings, deployment.clock)
    bill, controls = shared.bills(lambda: None)
    bill.read(date(2026, 2, 1), date(2026, 2, 28))  # type: ignore[attr-defined]
    report = controls.run_once()
    told = [CODEC.decode(value) for value in messages(deployment.settings, CONTROLS)]
    (february,) = [
        event
        for event in told
        if isinstance(event, SourceControl) and event.control == "month" and event.first_day == date(2026, 2, 1)
    ]
    held = deployment.statements().values()
    assert to_units(february.billed or 0) == sum(sum(event.billed) for event in held)
    assert to_units(february.effective or 0) == sum(sum(event.effective) for event in held)
    assert not february.estimated
    assert report.statements == len(told)
    assert {event.control for event in told if isinstance(event, SourceControl)} == {"month", "year", "forecast"}


def test_without_money_for_the_forecast_the_months_are_told(deployed):
    deployment = deployed(cost_explorer={"controls": True}, budget={"usd_per_day": "0.02"})
    (report,) = read_once(deployment.settings, deployment.clock, only=f"cost_explorer.{PAYER}.controls")
    told = [CODEC.decode(value) for value in messages(deployment.settings, CONTROLS)]
    assert {event.control for event in told if isinstance(event, SourceControl)} == {"month", "year"}
    assert report.left_out == 1
