"""Ordinary boto3 clients against the simulated Cost Explorer."""

import json
import urllib.request
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
FORTNIGHT = {"Start": "2026-03-01", "End": "2026-03-15"}


@pytest.fixture
def aws():
    with SimulatedAWS(Organisation(seed=7, accounts=2), SimulatedClock(NOW), page_size=50) as simulated:
        yield simulated


@pytest.fixture
def explorer(aws):
    return boto3.client(
        "ce",
        endpoint_url=aws.url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def ask(explorer: Any, *groups: str, **more: Any) -> list[Any]:
    request: dict[str, Any] = {
        "TimePeriod": FORTNIGHT,
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": g} for g in groups],
        **more,
    }
    results: list[Any] = []
    while True:
        answer = explorer.get_cost_and_usage(**request)
        results += answer["ResultsByTime"]
        if "NextPageToken" not in answer:
            return results
        request["NextPageToken"] = answer["NextPageToken"]


def cost(results: list[Any]) -> Decimal:
    rows = [r["Total"] for r in results if r["Total"]] + [g["Metrics"] for r in results for g in r["Groups"]]
    return sum((Decimal(row["UnblendedCost"]["Amount"]) for row in rows), Decimal(0))


def test_detail_adds_up_to_the_total_over_all_pages(explorer):
    total = cost(ask(explorer))

    assert total > 0
    assert cost(ask(explorer, "LINKED_ACCOUNT", "SERVICE")) == total
    assert cost(ask(explorer, "USAGE_TYPE", "REGION")) == total
    assert cost(ask(explorer, Granularity="MONTHLY")) == total


def test_a_filter_and_its_opposite_share_the_bill(explorer):
    tax = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax"]}}

    taxed, rest = cost(ask(explorer, Filter=tax)), cost(ask(explorer, Filter={"Not": tax}))

    assert taxed > 0
    assert taxed + rest == cost(ask(explorer))


def test_a_day_fills_up_is_restated_and_then_stays(explorer, aws):
    day = {"TimePeriod": {"Start": "2026-03-14", "End": "2026-03-15"}}
    partial = cost(ask(explorer, **day))
    aws.clock.set(datetime(2026, 3, 17, 1, tzinfo=UTC))
    over = cost(ask(explorer, **day))
    aws.clock.set(datetime(2026, 3, 19, tzinfo=UTC))
    settled = cost(ask(explorer, **day))
    aws.clock.set(datetime(2026, 4, 6, tzinfo=UTC))

    assert partial < settled < over
    assert cost(ask(explorer, **day)) == settled
    assert ask(explorer, **day)[0]["Estimated"] is False


def test_any_day_is_the_same_without_the_days_before():
    walked, direct = Organisation(seed=3, accounts=1), Organisation(seed=3, accounts=1)
    for offset in range(30):
        walked.day(date(2026, 2, 1) + timedelta(days=offset), NOW)

    a, b = (model.day(date(2026, 3, 5), NOW) for model in (walked, direct))

    assert (a.cost == b.cost).all()


def test_another_seed_is_another_bill():
    day = date(2026, 3, 5)

    assert Organisation(seed=3).day(day, NOW).cost.sum() != Organisation(seed=4).day(day, NOW).cost.sum()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TimePeriod": {"Start": "2026-03-02", "End": "2026-03-01"}}, "ValidationException"),
        ({"Metrics": ["Guess"]}, "ValidationException"),
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


def test_dimension_values_are_those_with_cost(explorer, aws):
    answer = explorer.get_dimension_values(TimePeriod=FORTNIGHT, Dimension="LINKED_ACCOUNT")

    assert [v["Value"] for v in answer["DimensionValues"]] == sorted(aws.model.accounts)


def post(aws: SimulatedAWS, name: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"{aws.url}/_simulator/{name}", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
