"""Views by tag: sources of their own, whose values add up to the bill and are never added to it."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.series import parse
from producers.budget import Budget, Purpose
from producers.cost_explorer_totals import window
from producers.cost_explorer_views import UNTAGGED, no_value
from producers.polling_cost import Size, estimate
from producers.publisher import Publisher
from producers.runner import read_once
from producers.sender import Sender
from schemas.events import CostStatement, PaidRequest, ReadingClosed
from spendstream.money import to_units
from spendstream.settings import ConfigurationError, load
from spendstream.topics import PAID_REQUESTS, STATEMENTS
from tests.processors.histories import Announced, partition_of
from tests.processors.workers import messages
from tests.producers.test_cost_explorer import CODEC, NOW, PAYER, Deployment, deploying

VIEW = "tag:team"
BILL = f"cost_explorer.{PAYER}"
NAME = f"{BILL}.{VIEW}"


@pytest.fixture
def deployed(embedded_kafka, monkeypatch):
    yield from deploying(embedded_kafka, monkeypatch)


def of_view(deployment: Deployment, view: str = VIEW) -> dict[tuple[date, str], CostStatement]:
    """The newest statement of each day and service of the view."""
    newest: dict[tuple[date, str], CostStatement] = {}
    for event in deployment.events():
        if isinstance(event, CostStatement) and event.view == view:
            key = (event.day, event.service)
            if key not in newest or newest[key].version < event.version:
                newest[key] = event
    return newest


def by_value(statements: dict[tuple[date, str], CostStatement], view: str = VIEW) -> Counter[tuple[date, str]]:
    """Billed units by day and value."""
    found: Counter[tuple[date, str]] = Counter()
    for (day, _), event in statements.items():
        for index, billed in zip(event.tags, event.billed, strict=True):
            found[day, event.tag_sets[index][view]] += billed
    return found


def without_zeros(sums: Counter[tuple[date, str]]) -> dict[tuple[date, str], int]:
    return {key: units for key, units in sums.items() if units}


def values_of(deployment: Deployment, view: str, first: date, last: date) -> dict[tuple[date, str], int]:
    """The same from the organisation itself, as it is known now."""
    kind, _, name = view.partition(":")
    found: Counter[tuple[date, str]] = Counter()
    for number in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number)
        costs = deployment.model.day(day, deployment.simulated.now()).cost.sum(axis=1)
        for series, cost in zip(deployment.model.series, costs, strict=True):
            value = series.tag(name) if kind == "tag" else series.cost_category(name)
            found[day, value or no_value(view)] += int(cost) * 10**8
    return without_zeros(found)


@pytest.mark.parametrize("view", ["tag:team", "category:Unit"])
def test_every_value_is_what_the_organisation_knows_of_it(deployed, view):
    key, _, name = view.partition(":")
    deployment = deployed(cost_explorer={"view_tags" if key == "tag" else "view_categories": [name]})
    (report,) = read_once(deployment.settings, deployment.clock, only=f"{BILL}.{view}")
    assert report.statements == len(of_view(deployment, view))
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    assert without_zeros(by_value(of_view(deployment, view), view)) == values_of(deployment, view, first, last)


def test_what_has_no_value_is_a_value_of_its_own(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"], "window_days": 14})
    read_once(deployment.settings, deployment.clock, only=NAME)
    values = {value for _, value in by_value(of_view(deployment))}
    # Tax of the first of March carries no tag.
    assert UNTAGGED in values
    assert len(values) > 1


def test_a_view_feeds_its_own_series_and_nothing_else(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"]}, ledger={"tags": ["team"]})
    read_once(deployment.settings, deployment.clock)
    announced = Announced()
    driver = BatchDriver(steps(deployment.settings), announced)
    for event in deployment.events():
        if isinstance(event, (CostStatement, ReadingClosed)):
            partition = event.partition if isinstance(event, ReadingClosed) else partition_of(event)
            driver.feed(STATEMENTS, partition, event)
    sums: Counter[str | None] = Counter()
    for (key, _, _), units in announced.days.items():
        series = parse(key)
        if series.tag is not None or key == "USD":
            sums[series.tag] += units
    bill = sum(
        sum(event.effective) for event in deployment.events() if isinstance(event, CostStatement) and not event.view
    )
    assert sums == {None: bill, VIEW: bill}


def test_a_view_that_did_not_change_is_not_published_again_and_costs_three_requests(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"]})
    read_once(deployment.settings, deployment.clock, only=NAME)
    before = deployment.dollars()
    deployment.clock.advance(timedelta(minutes=1))
    (report,) = read_once(deployment.settings, deployment.clock, only=NAME)
    assert report.statements == 0
    assert deployment.dollars() - before == Decimal("0.03")
    paid = [CODEC.decode(value) for value in messages(deployment.settings, PAID_REQUESTS)]
    assert {event.purpose for event in paid if isinstance(event, PaidRequest)} == {"view"}


def test_a_restated_day_of_a_view_replaces_the_one_before(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"]})
    read_once(deployment.settings, deployment.clock, only=NAME)
    deployment.later(24)
    read_once(deployment.settings, deployment.clock, only=NAME)
    first, last = window(deployment.clock, deployment.settings.cost_explorer)
    shown = sum(units for (day, _), units in by_value(of_view(deployment)).items() if first <= day <= last)
    assert shown == sum(deployment.truth(first, last).values())


def test_without_money_for_all_of_it_nothing_of_a_view_is_announced(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"]}, budget={"usd_per_day": "0.02"})
    with pytest.raises(ConfigurationError, match=r"tag:team cannot be read: .* polling budget"):
        read_once(deployment.settings, deployment.clock, only=NAME)
    assert deployment.events() == []


def test_detail_cannot_starve_a_view_nor_a_view_the_totals(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"]}, budget={"usd_per_day": "1"})
    purpose = Purpose("ce:GetCostAndUsage", PAYER, "detail")
    Budget(deployment.settings.budget, Sender(deployment.settings, deployment.clock)).pay(purpose, "", to_units("0.8"))
    read_once(deployment.settings, deployment.clock, only=NAME)
    Budget(deployment.settings.budget, Sender(deployment.settings, deployment.clock)).pay(purpose, "", to_units("0.07"))
    with pytest.raises(ConfigurationError, match="polling budget"):
        read_once(deployment.settings, deployment.clock, only=NAME)
    (report,) = read_once(deployment.settings, deployment.clock, only=BILL)
    assert report.left_out == report.statements > 0


def test_a_tag_that_nothing_carries_says_what_to_do(deployed, caplog):
    deployment = deployed(cost_explorer={"view_tags": ["Team"]})
    read_once(deployment.settings, deployment.clock, only=f"{BILL}.tag:Team")
    assert "activate the tag or the category" in caplog.text


def test_the_bill_and_its_views_do_not_overlap(deployed):
    deployment = deployed(cost_explorer={"view_tags": ["team"]})
    reports = read_once(deployment.settings, deployment.clock)
    assert [report.source for report in reports] == [BILL, NAME]
    heads = Publisher(deployment.settings, deployment.clock).heads.values()
    assert {(head.source, head.view) for head in heads} == {("cost_explorer", None), (f"cost_explorer.{VIEW}", VIEW)}


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"cost_explorer": {"view_tags": ["team", "team"]}}, "view_tags has an empty entry, or one twice"),
        ({"cost_explorer": {"view_categories": [" "]}}, "view_categories has an empty entry"),
        (
            {"cost_explorer": {"view_tags": ["team"]}, "ledger": {"tags": ["tag:team"]}},
            "leave it out of ledger.tags",
        ),
    ],
)
def test_settings_that_would_count_a_dollar_twice_are_refused(sections, says):
    with pytest.raises(ConfigurationError, match=says):
        load(**sections)


def test_what_views_cost_is_known_before():
    options = {"enabled": True, "view_tags": ["team"], "view_categories": ["Product"], "view_schedule": "0 6 * * *"}
    found = estimate(load(cost_explorer=options), Size(accounts=2, services=10, regions=3, payers=2), NOW)
    views = [item for item in found.items if "view by" in item.what]
    assert [item.what for item in views] == [
        "Cost Explorer, view by tag:team",
        "Cost Explorer, view by category:Product",
    ]
    assert [item.cost for item in views] == [to_units("0.03") * 30 * 2] * 2
