"""Ordinary boto3 clients against the simulated CloudWatch, compared with the bill of the same hours."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spendstream.local.simulator import Incident, Organisation, Scope, SimulatedAWS, SimulatedClock
from spendstream.local.simulator.catalogue import QUANTITY_SCALE
from tests.spendstream.local.simulator.conftest import NOW

ACCOUNT = "100000000001"
DAY = datetime(2026, 3, 10, tzinfo=UTC)
GIB = 2**30


@pytest.fixture
def cloudwatch(connect, assumed):
    return connect("cloudwatch", **assumed(ACCOUNT))


def metrics(client: Any, **wanted: Any) -> list[dict[str, Any]]:
    return [metric for page in client.get_paginator("list_metrics").paginate(**wanted) for metric in page["Metrics"]]


def points(client: Any, metric: dict[str, Any], start: datetime, end: datetime, **more: Any) -> dict[datetime, float]:
    """Return the points of one metric, of all pages, in order of time."""
    stat = {"Metric": metric, "Period": 300, "Stat": "Sum"} | {k: more.pop(k) for k in ("Period", "Stat") if k in more}
    query = [{"Id": "m0", "MetricStat": stat, **({"AccountId": more.pop("AccountId")} if "AccountId" in more else {})}]
    found: dict[datetime, float] = {}
    request = {"MetricDataQueries": query, "StartTime": start, "EndTime": end, **more}
    for page in client.get_paginator("get_metric_data").paginate(**request):
        for result in page["MetricDataResults"]:
            found |= dict(zip(result["Timestamps"], result["Values"], strict=True))
    return {at.astimezone(UTC): found[at] for at in sorted(found)}


def used(aws: SimulatedAWS, usage_type: str, hour: int | None = None) -> float:
    """Return the usage of a usage type of the account on the day, whoever pays for it."""
    rows = aws.model.used(DAY.date())
    mine = [
        n for n, s in enumerate(aws.model.series[: len(rows)]) if (s.account, s.usage_type) == (ACCOUNT, usage_type)
    ]
    return float((rows[mine] if hour is None else rows[mine, hour]).sum()) / QUANTITY_SCALE


@pytest.mark.parametrize(
    ("namespace", "name", "usage_type", "stat", "factor"),
    [
        ("AWS/Lambda", "Invocations", "Request", "Sum", 1),
        ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "WriteRequestUnits", "Sum", 1),
        ("AWS/NATGateway", "ActiveConnectionCount", "NatGateway-Hours", "SampleCount", 1 / 60),
        ("AWS/ApplicationELB", "ConsumedLCUs", "LCUUsage", "Average", 1 / 12),
    ],
)
def test_usage_metered_is_the_usage_billed(aws, cloudwatch, namespace, name, usage_type, stat, factor):
    found = metrics(cloudwatch, Namespace=namespace, MetricName=name)
    told = [points(cloudwatch, metric, DAY, DAY + timedelta(days=1), Stat=stat) for metric in found]
    assert sum(sum(some.values()) for some in told) * factor == pytest.approx(used(aws, usage_type), rel=1e-9)
    assert len(told[0]) == 288


def test_bytes_of_both_directions_are_the_gigabytes_of_the_bill(aws, cloudwatch):
    found = [
        metric
        for name in ("BytesInFromSource", "BytesInFromDestination")
        for metric in metrics(cloudwatch, Namespace="AWS/NATGateway", MetricName=name)
    ]
    told = sum(sum(points(cloudwatch, metric, DAY, DAY + timedelta(days=1)).values()) for metric in found)
    assert told / GIB == pytest.approx(used(aws, "NatGateway-Bytes"), rel=1e-9)


def test_samples_of_an_instance_type_are_its_hours_on_the_bill(aws, cloudwatch):
    metric = {
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "InstanceType", "Value": "m7g.large"}],
    }
    told = points(cloudwatch, metric, DAY, DAY + timedelta(hours=1), Stat="SampleCount")
    assert sum(told.values()) / 60 == pytest.approx(used(aws, "BoxUsage:m7g.large", 0), rel=1e-9)
    level = points(cloudwatch, metric, DAY, DAY + timedelta(hours=1), Stat="Average")
    assert all(0 < value < 100 for value in level.values())


def test_storage_is_told_once_a_day(aws, cloudwatch):
    found = metrics(cloudwatch, Namespace="AWS/S3", MetricName="BucketSizeBytes")
    told = [points(cloudwatch, m, DAY, DAY + timedelta(days=2), Period=86400, Stat="Average") for m in found]
    assert {tuple(some) for some in told} == {(DAY, DAY + timedelta(days=1))}
    stored = sum(some[DAY] for some in told)
    assert stored * 16 / 522912268288 == pytest.approx(used(aws, "TimedStorage-ByteHrs"), rel=1e-9)


def test_the_last_minutes_come_late_and_are_filled_up(aws, cloudwatch):
    (metric, *_) = metrics(cloudwatch, Namespace="AWS/Lambda", MetricName="Invocations")
    young = points(cloudwatch, metric, NOW - timedelta(minutes=20), NOW)
    aws.clock.advance(timedelta(minutes=30))
    old = points(cloudwatch, metric, NOW - timedelta(minutes=20), NOW)
    assert [at for at in old if at not in young] == [NOW - timedelta(minutes=5)]
    changed = [at for at in young if young[at] < old[at]]
    assert changed == [NOW - timedelta(minutes=15), NOW - timedelta(minutes=10)]


def test_another_region_and_account_have_metrics_of_their_own(connect, assumed, aws, cloudwatch):
    elsewhere = connect("cloudwatch", **assumed(ACCOUNT), region_name="sa-east-1")
    assert metrics(elsewhere) == []
    payer = connect("cloudwatch")
    assert {metric["Namespace"] for metric in metrics(payer)} == {"AWS/Billing"}
    page = payer.list_metrics(Namespace="AWS/Lambda", IncludeLinkedAccounts=True)
    assert set(page["OwningAccounts"]) == set(aws.model.accounts)
    metric = page["Metrics"][page["OwningAccounts"].index(ACCOUNT)]
    shared = points(payer, metric, DAY, DAY + timedelta(hours=1), AccountId=ACCOUNT)
    assert shared == points(cloudwatch, metric, DAY, DAY + timedelta(hours=1))
    assert points(payer, metric, DAY, DAY + timedelta(hours=1)) == {}


def test_what_is_not_used_now_is_not_recently_active(connect, assumed):
    gone = Incident(
        "gone", "vanished_usage", NOW - timedelta(days=1), Scope(ACCOUNT, "AWS Lambda"), 0.0, NOW + timedelta(days=1)
    )
    with SimulatedAWS(Organisation(seed=7, accounts=2, incidents=[gone]), SimulatedClock(NOW)) as aws:
        client = connect("cloudwatch", **assumed(ACCOUNT, aws), endpoint_url=aws.url)
        assert metrics(client, Namespace="AWS/Lambda", RecentlyActive="PT3H") == []
        assert metrics(client, Namespace="AWS/Lambda")


def test_estimated_charges_count_up_and_are_the_bill_so_far(connect, aws):
    client = connect("cloudwatch")
    metric = {
        "Namespace": "AWS/Billing",
        "MetricName": "EstimatedCharges",
        "Dimensions": [{"Name": "Currency", "Value": "USD"}],
    }
    told = points(client, metric, NOW - timedelta(days=2), NOW, Period=3600, Stat="Maximum")
    assert sorted(told.values()) == list(told.values())
    assert len(told) == 6
    last = max(told)
    days = [date(2026, 3, 1) + timedelta(days=n) for n in range(15)]
    bill = sum(int(aws.model.daily(day, last)[0].sum()) for day in days)
    assert told[last] == pytest.approx(float(Decimal(bill).scaleb(-10)))
    assert {len(m["Dimensions"]) for m in metrics(client, Namespace="AWS/Billing")} == {1, 2, 3}


def test_points_come_in_pages_that_fit_together(cloudwatch):
    (metric, *_) = metrics(cloudwatch, Namespace="AWS/Lambda", MetricName="Invocations")
    whole = points(cloudwatch, metric, DAY, DAY + timedelta(days=1), ScanBy="TimestampAscending")
    assert points(cloudwatch, metric, DAY, DAY + timedelta(days=1), MaxDatapoints=100) == whole
    hourly = points(cloudwatch, metric, DAY, DAY + timedelta(days=1), Period=3600)
    assert sum(hourly.values()) == pytest.approx(sum(whole.values()))
    minutes = points(cloudwatch, metric, DAY, DAY + timedelta(hours=1), Period=60)
    assert sum(minutes.values()) == pytest.approx(hourly[DAY])


def test_points_are_kept_for_as_long_as_aws_keeps_them(cloudwatch):
    (metric, *_) = metrics(cloudwatch, Namespace="AWS/Lambda", MetricName="Invocations")
    month_ago = NOW - timedelta(days=30)
    assert points(cloudwatch, metric, month_ago, month_ago + timedelta(hours=1), Period=60) == {}
    assert points(cloudwatch, metric, month_ago, month_ago + timedelta(hours=1), Period=300)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"MetricDataQueries": [], "StartTime": 1, "EndTime": 0}, "ValidationError"),
        ({"MetricDataQueries": [{"Id": "e", "Expression": "m1"}], "StartTime": 0, "EndTime": 1}, "ValidationError"),
        (
            {
                "MetricDataQueries": [
                    {
                        "Id": f"m{n}",
                        "MetricStat": {
                            "Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"},
                            "Period": 300,
                            "Stat": "Sum",
                        },
                    }
                    for n in range(501)
                ],
                "StartTime": 0,
                "EndTime": 1,
            },
            "ValidationError",
        ),
    ],
)
def test_a_wrong_question_has_the_code_of_aws(cloudwatch, request_, code):
    with pytest.raises(ClientError) as error:
        cloudwatch.get_metric_data(**request_)
    assert error.value.response["Error"]["Code"] == code


def test_a_token_of_nobody_is_refused(cloudwatch):
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        cloudwatch.list_metrics(Namespace="AWS/Billing", NextToken="none")
