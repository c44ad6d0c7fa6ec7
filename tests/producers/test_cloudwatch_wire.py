"""CloudWatch and S3 over boto3's real clients: what is asked has the shape that AWS wants."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from producers.recording import store
from producers.runner import read_once
from schemas.codec import Codec
from schemas.events import UsageMetrics
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock
from spendstream.read_back import read_back
from spendstream.settings import load
from spendstream.topics import USAGE

CODEC = Codec(RepositorySchemas())


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_the_own_catalogue_is_read_through_boto3_and_kept_in_s3(embedded_kafka):
    # The double of AWS forgets metrics that are two weeks old by the machine's clock.
    now = datetime.now(UTC)
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="tapes")
    boto3.client("cloudwatch", region_name="eu-west-2").put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Invocations",
                "Dimensions": [{"Name": "FunctionName", "Value": "resize"}],
                "Timestamp": now - timedelta(minutes=12),
                "Value": count,
            }
            for count in (40.0, 2.0)
        ],
    )
    settings = load(
        kafka=embedded_kafka.settings().kafka.model_dump(),
        cloudwatch={"enabled": True, "regions": ["eu-west-2"]},
        recording={"target": "s3://tapes/eu"},
    )
    report = read_once(settings, ManualClock(now))[0]
    events = [event for event in map(CODEC.decode, read_back(settings, USAGE)) if isinstance(event, UsageMetrics)]
    assert report.statements == 1
    assert [(event.usage_type, sum(event.values)) for event in events] == [("EUW2-Request", 42.0)]
    kept = store("s3://tapes/eu").names()
    assert [name for name in kept if "GetMetricData" in name]
    assert store("s3://tapes/eu").get(kept[0])
