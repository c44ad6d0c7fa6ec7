"""Ordinary boto3 clients against the simulated Cost Explorer."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.spendstream.local.simulator.conftest import post
from tests.spendstream.local.simulator.questions import COSTS, FORTNIGHT, ask, by_key, only, total

FEBRUARY: dict[str, Any] = {"TimePeriod": {"Start": "2026-02-01", "End": "2026-03-01"}, "Granularity": "MONTHLY"}
RESOURCES = "get_cost_and_usage_with_resources"
FOURTEENTH: dict[str, Any] = {"TimePeriod": {"Start": "2026-03-14", "End": "2026-03-15"}}


def test_detail_adds_up_to_the_total_over_all_pages(explorer):
    def totals(*groups: str, **more: Any) -> dict[str, Decimal]:
        results = ask(explorer, *groups, **more)
        return {metric: total(results, metric) for metric in (*COSTS, "UsageQuantity", "NormalizedUsageAmount")}

    whole = totals()
    assert all(amount > 0 for amount in whole.values())
    assert totals("LINKED_ACCOUNT", "SERVICE") == whole
    assert totals("USAGE_TYPE", "REGION") == whole
    assert totals("tag:team", "category:Unit") == whole
    assert totals(Granularity="MONTHLY") == whole


def test_hours_add_up_to_their_days(explorer):
    span = {"Start": "2026-03-12", "End": "2026-03-14"}
    hours = {"Start": "2026-03-12T00:00:00Z", "End": "2026-03-14T00:00:00Z"}
    by_hour = ask(explorer, "SERVICE", TimePeriod=hours, Granularity="HOURLY")
    assert by_key(by_hour) == by_key(ask(explorer, "SERVICE", TimePeriod=span))
    assert len({result["TimePeriod"]["Start"] for result in by_hour}) == 48


def test_resources_add_up_to_what_they_are_part_of(explorer):
    question: dict[str, Any] = {"operation": RESOURCES, "Filter": only("RECORD_TYPE", "Usage"), **FOURTEENTH}
    by_resource = ask(explorer, "RESOURCE_ID", "SERVICE", **question)
    by_service: dict[str, Decimal] = {}
    for (_, service), cost in by_key(by_resource).items():
        by_service[service] = by_service.get(service, Decimal(0)) + cost
    assert by_service == {
        service: cost
        for (service,), cost in by_key(ask(explorer, "SERVICE", Filter=question["Filter"], **FOURTEENTH)).items()
    }
    assert any(resource.startswith("i-0") for resource, _ in by_key(by_resource))


@pytest.mark.parametrize(
    ("groups", "period"),
    [
        ((), FORTNIGHT),
        (("RESOURCE_ID",), {"Start": "2026-02-01", "End": "2026-02-03"}),
    ],
)
def test_resources_are_told_for_a_fortnight_and_by_resource_only(explorer, groups, period):
    with pytest.raises(ClientError, match="ValidationException"):
        ask(explorer, *groups, operation=RESOURCES, Filter=only("RECORD_TYPE", "Usage"), TimePeriod=period)


def test_a_filter_and_its_opposite_share_the_bill(explorer):
    parts: tuple[Any, ...] = (only("RECORD_TYPE", "Tax"), {"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}})
    for part in parts:
        some, rest = total(ask(explorer, Filter=part)), total(ask(explorer, Filter={"Not": part}))
        assert some > 0
        assert some + rest == total(ask(explorer))


def test_a_bill_holds_every_kind_of_charge(explorer):
    year: dict[str, Any] = {"TimePeriod": {"Start": "2025-03-01", "End": "2026-03-01"}, "Granularity": "MONTHLY"}
    costs = {key: cost for (key,), cost in by_key(ask(explorer, "RECORD_TYPE", **year)).items()}
    assert set(costs) == {
        "Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee",
        "SavingsPlanUpfrontFee", "RIFee", "Fee", "Credit", "Refund", "Support fee", "Tax",
    }  # fmt: skip
    assert {kind for kind, cost in costs.items() if cost < 0} == {"SavingsPlanNegation", "Credit", "Refund"}
    assert set(by_key(ask(explorer, "BILLING_ENTITY"))) == {("AWS",), ("AWS Marketplace",)}


def test_a_savings_plan_is_paid_by_fees_and_amortised_over_what_it_covers(explorer):
    billed, effective, used = (
        {key: amount for (key,), amount in by_key(ask(explorer, "RECORD_TYPE", **FEBRUARY), metric).items()}
        for metric in ("UnblendedCost", "AmortizedCost", "UsageQuantity")
    )
    assert billed["SavingsPlanCoveredUsage"] == -billed["SavingsPlanNegation"]
    assert effective["SavingsPlanNegation"] == 0
    # Half of the plan is paid by the hour, the other half was paid in advance.
    by_hour = billed["SavingsPlanRecurringFee"]
    amortized = effective["SavingsPlanCoveredUsage"] + effective["SavingsPlanRecurringFee"]
    assert amortized == pytest.approx(2 * by_hour, rel=Decimal("1e-9"))
    assert used["SavingsPlanCoveredUsage"] > 0


def test_a_reservation_is_paid_on_the_first_and_amortised_over_the_month(explorer):
    reserved = only("RECORD_TYPE", "DiscountedUsage", "RIFee")
    paid, earned = (
        total(ask(explorer, Filter=reserved, **FEBRUARY), metric) for metric in ("UnblendedCost", "AmortizedCost")
    )
    assert paid == earned > 0
    days = by_key(ask(explorer, Filter=only("RECORD_TYPE", "RIFee"), TimePeriod={**FORTNIGHT, "Start": "2026-03-02"}))
    assert sum(days.values()) == 0


def test_net_costs_are_below_by_the_discount_and_fees_are_not_discounted(explorer):
    gross, net = (total(ask(explorer, Filter=only("RECORD_TYPE", "Usage")), m) for m in COSTS[:2])
    assert Decimal("0.93") < net / gross < Decimal("0.95")
    for kind in ("Tax", "Fee", "Credit"):
        fees = ask(explorer, Filter=only("RECORD_TYPE", kind))
        assert total(fees, "NetUnblendedCost") == total(fees, "UnblendedCost")


def test_a_day_fills_up_is_restated_and_then_stays(explorer, aws):
    def told() -> dict[tuple[str, ...], Decimal]:
        return by_key(ask(explorer, "SERVICE", **FOURTEENTH), "UsageQuantity")

    young = told()
    aws.clock.set(datetime(2026, 3, 17, 1, tzinfo=UTC))
    over = told()
    aws.clock.set(datetime(2026, 3, 27, tzinfo=UTC))
    settled = told()
    shares = {service: young.get(service, Decimal(0)) / used for service, used in settled.items() if used}
    assert sum(young.values()) < sum(settled.values())
    assert len({round(share, 2) for share in shares.values()}) > 3, "services are not late alike"
    assert over != settled
    assert ask(explorer, **FOURTEENTH)[0]["Estimated"] is True
    aws.clock.set(datetime(2026, 4, 5, 4, tzinfo=UTC))
    assert told() == settled
    assert ask(explorer, **FOURTEENTH)[0]["Estimated"] is False


def test_between_two_refreshes_nothing_changes(explorer, aws):
    noon = ask(explorer, "SERVICE")
    aws.clock.set(datetime(2026, 3, 15, 18, 59, tzinfo=UTC))
    assert ask(explorer, "SERVICE") == noon
    aws.clock.set(datetime(2026, 3, 15, 19, tzinfo=UTC))
    assert ask(explorer, "SERVICE") != noon


def test_some_lines_vanish_when_their_day_is_restated(explorer, aws):
    provisional: dict[str, Any] = {"Filter": only("USAGE_TYPE", "DataTransfer-Regional-Bytes")}
    assert total(ask(explorer, **provisional)) > 0
    aws.clock.set(datetime(2026, 3, 25, tzinfo=UTC))
    assert total(ask(explorer, **provisional)) == 0


def test_tax_and_support_stand_on_the_first_and_grow_with_the_month(explorer, aws):
    fees: dict[str, Any] = {"Filter": only("RECORD_TYPE", "Tax", "Support fee")}
    so_far = total(ask(explorer, **fees))
    assert {r["TimePeriod"]["Start"] for r in ask(explorer, "SERVICE", **fees) if r["Groups"]} == {"2026-03-01"}
    aws.clock.set(datetime(2026, 4, 5, 4, tzinfo=UTC))
    assert total(ask(explorer, **fees)) > so_far * 2


def test_dimension_values_are_those_with_a_line(explorer, aws):
    def values(**more: object) -> list[str]:
        answer = explorer.get_dimension_values(TimePeriod=FORTNIGHT, Dimension="LINKED_ACCOUNT", **more)
        assert answer["ReturnSize"] == len(answer["DimensionValues"])
        return [value["Value"] for value in answer["DimensionValues"]]

    assert values() == sorted([aws.model.payer, *aws.model.accounts])
    assert values(SearchString=aws.model.accounts[1]) == [aws.model.accounts[1]]
    assert values(MaxResults=1) == [aws.model.payer]


def test_accounts_are_told_with_their_names(explorer, aws):
    request = {"TimePeriod": FORTNIGHT, "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"]}
    answer = explorer.get_cost_and_usage(**request, GroupBy=[{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}])
    named = {entry["Value"]: entry["Attributes"]["description"] for entry in answer["DimensionValueAttributes"]}
    assert named == {
        aws.model.payer: "account-000000", "100000000001": "account-000001", "100000111112": "account-111112"
    }  # fmt: skip


def test_tags_and_cost_categories_tell_keys_and_values(explorer):
    assert explorer.get_tags(TimePeriod=FORTNIGHT)["Tags"] == ["env", "team"]
    assert set(explorer.get_tags(TimePeriod=FORTNIGHT, TagKey="env")["Tags"]) == {"", "dev", "prod"}
    assert explorer.get_cost_categories(TimePeriod=FORTNIGHT)["CostCategoryNames"] == ["Unit"]
    values = explorer.get_cost_categories(TimePeriod=FORTNIGHT, CostCategoryName="Unit")["CostCategoryValues"]
    assert set(values) == {"Product", "Data", "Shared"}
    keys = {key for (key,) in by_key(ask(explorer, "tag:team"))}
    assert keys == {"team$", "team$checkout", "team$data", "team$platform", "team$search"}


def test_a_forecast_is_near_what_comes(explorer, aws):
    rest = {"Start": "2026-03-15", "End": "2026-03-29"}
    usage = only("RECORD_TYPE", "Usage")
    answer = explorer.get_cost_forecast(
        TimePeriod=rest, Metric="UNBLENDED_COST", Granularity="DAILY", Filter=usage, PredictionIntervalLevel=95
    )
    aws.clock.set(datetime(2026, 4, 5, 4, tzinfo=UTC))
    actual = total(ask(explorer, TimePeriod=rest, Filter=usage))
    assert Decimal(answer["Total"]["Amount"]) == pytest.approx(actual, rel=Decimal("0.05"))
    assert sum(Decimal(day["MeanValue"]) for day in answer["ForecastResultsByTime"]) == Decimal(
        answer["Total"]["Amount"]
    )
    day = answer["ForecastResultsByTime"][0]
    assert Decimal(day["PredictionIntervalLowerBound"]) < Decimal(day["MeanValue"])


def test_all_pages_tell_what_was_known_at_the_first(explorer, aws):
    request = {"TimePeriod": FORTNIGHT, "Granularity": "DAILY", "Metrics": ["UnblendedCost"]}
    grouped = {**request, "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}]}
    whole = total(ask(explorer, Metrics=["UnblendedCost"]))
    page = explorer.get_cost_and_usage(**grouped)
    results = page["ResultsByTime"]
    aws.clock.set(datetime(2026, 3, 17, tzinfo=UTC))
    while "NextPageToken" in page:
        page = explorer.get_cost_and_usage(**grouped, NextPageToken=page["NextPageToken"])
        results += page["ResultsByTime"]
    assert total(results) == whole


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TimePeriod": {"Start": "2026-03-02", "End": "2026-03-01"}}, "ValidationException"),
        ({"TimePeriod": {"Start": "2024-03-02", "End": "2024-03-03"}}, "ValidationException"),
        ({"TimePeriod": {"Start": "2026-03-02T00", "End": "2026-03-03"}}, "ValidationException"),
        ({"Granularity": "HOURLY"}, "ValidationException"),
        ({"Metrics": ["Guess"]}, "ValidationException"),
        ({"Filter": only("PRODUCT_ATTRIBUTE", "x")}, "ValidationException"),
        ({"Filter": {"And": [only("SERVICE", "x")]}}, "ValidationException"),
        ({"GroupBy": [{"Type": "COST_CATEGORY", "Key": "None"}]}, "ValidationException"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "RESOURCE_ID"}]}, "ValidationException"),
        ({"NextPageToken": "bm9uc2Vuc2U="}, "InvalidNextTokenException"),
    ],
)
def test_a_wrong_request_has_the_code_of_aws(explorer, change, code):
    with pytest.raises(ClientError) as error:
        ask(explorer, "SERVICE", **change)
    assert error.value.response["Error"]["Code"] == code


def test_injected_faults_are_counted_and_free(explorer, aws):
    post(aws, "faults", {"code": "ThrottlingException", "count": 1})
    with pytest.raises(ClientError, match="ThrottlingException"):
        ask(explorer)
    ask(explorer)
    assert aws.control("/_simulator/requests", None) == {
        "requests": {"GetCostAndUsage": 2},
        "charged": {"GetCostAndUsage": 1},
        "dollars": "0.01",
    }


def test_the_clock_moves_over_http(aws):
    assert post(aws, "clock", {"advance_seconds": 3600}) == {"now": "2026-03-15T13:00:00+00:00"}
