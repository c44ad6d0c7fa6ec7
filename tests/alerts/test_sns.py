"""SNS, as moto's server plays it, and what its errors mean."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.server import ThreadedMotoServer

from alerts.channels.channel import Outcome
from alerts.channels.making import make
from alerts.channels.sns import Sns, payload
from alerts.receivers import receiver as receiver_of
from spendstream.settings import ConfigurationError, load
from tests.alerts.test_channels import HOSTILE, incident, message

REGION = "us-east-1"


@pytest.fixture
def aws(monkeypatch) -> Iterator[str]:
    """A server that plays AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    server = ThreadedMotoServer(port=0)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


async def test_a_message_reaches_who_subscribed_with_attributes_to_filter_by(aws):
    sns = boto3.client("sns", region_name=REGION, endpoint_url=aws)
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=aws)
    topic = sns.create_topic(Name="costs")["TopicArn"]
    queue = sqs.create_queue(QueueName="costs")["QueueUrl"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:123456789012:costs",
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"severity": ["warning"]}'},
    )
    receiver = receiver_of({"name": "ops", "channel": "sns", "topic": topic})
    async with aiohttp.ClientSession() as session:
        channel = make(receiver, session, load(aws={"endpoint_url": aws}))
        assert (await channel.send(message())).accepted
        assert (await channel.send(message(incident(severity="critical")))).accepted
    [got] = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert got["Body"].startswith("Warning: AmazonS3 of account 1234 rose by 5.00 USD a day\n")


class Failing:
    """A client of SNS that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def publish(self, **_: Any) -> None:
        raise self._error


def refused(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "s3cret"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Publish")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (refused("Throttled", 429), Outcome(accepted=False, retry=True, error="SNS says Throttled")),
        (refused("InternalError", 500), Outcome(accepted=False, retry=True, error="SNS says InternalError")),
        (refused("ExpiredToken", 403), Outcome(accepted=False, retry=True, error="SNS says ExpiredToken")),
        (refused("NotFound", 404), Outcome(accepted=False, error="SNS says NotFound")),
        (refused("AuthorizationError", 403), Outcome(accepted=False, error="SNS says AuthorizationError")),
        (
            EndpointConnectionError(endpoint_url="http://s3cret"),
            Outcome(accepted=False, retry=True, error="SNS cannot be asked: EndpointConnectionError"),
        ),
    ],
)
async def test_what_an_error_means(error, outcome):
    assert await Sns(Failing(error), "arn").send(message()) == outcome


async def test_a_profile_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    receiver = receiver_of({"name": "ops", "channel": "sns", "topic": "arn:aws:sns:us-east-1:123456789012:costs"})
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match=r"profile \(nobody\) could not be found: check AWS_PROFILE"):
            make(receiver, session, load())


def test_subject_and_size_stay_within_the_limits():
    long = payload(message(*(incident(id=f"i{n}", says="ü" * 600, owner="x" * 10_000) for n in range(400))))
    hostile = payload(message(incident(scope=f"USD/provider=AWS/account={HOSTILE.replace('/', '')}")))
    assert len(long["Message"].encode()) <= 256 * 1024
    for made in (long, hostile):
        assert len(made["Subject"]) < 100
        assert made["Subject"].isascii()
        assert made["Subject"].isprintable()


@pytest.mark.parametrize(
    "fields",
    [
        {"channel": "sns"},
        {"channel": "sns", "topic": "costs"},
        {"channel": "slack", "topic": "arn:aws:sns:us-east-1:123456789012:costs"},
    ],
)
def test_a_receiver_without_what_its_channel_needs_is_refused(fields):
    with pytest.raises(ValueError, match=r"topic|url"):
        receiver_of({"name": "a", **fields})
