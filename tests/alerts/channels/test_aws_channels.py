"""SNS, SMS and SES, as moto's server plays them, and what AWS's errors mean."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import boto3
import pytest
import requests
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from alerts.channels.channel import Outcome
from alerts.channels.making import make
from alerts.channels.sms import text_of
from alerts.channels.sns import Sns
from alerts.message import Message
from alerts.note import Note
from alerts.receivers import receiver as receiver_of
from spendstream.settings import ConfigurationError, load
from tests.alerts.channels.aws import REGION, played_aws
from tests.alerts.channels.messages import incident, message, note
from tests.alerts.facts import S3

COSTS = "arn:aws:sns:us-east-1:123456789012:costs"


@pytest.fixture
def aws(monkeypatch) -> Iterator[str]:
    with played_aws(monkeypatch) as address:
        yield address


async def told(aws: str, receiver: dict[str, Any], *what: Message | Note) -> list[Outcome]:
    async with aiohttp.ClientSession() as session:
        channel = make(receiver_of({"name": "ops", **receiver}), session, load(aws={"endpoint_url": aws}))
        return [await (channel.note(one) if isinstance(one, Note) else channel.send(one)) for one in what]


async def test_a_message_reaches_who_subscribed_with_attributes_to_filter_by(aws):
    sns = boto3.client("sns", region_name=REGION, endpoint_url=aws)
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=aws)
    topic = sns.create_topic(Name="costs")["TopicArn"]
    queues = {}
    for name, policy in (("warnings", '{"severity": ["warning"]}'), ("reports", '{"kind": ["report"]}')):
        queues[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:123456789012:{name}",
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": policy},
        )
    outcomes = await told(
        aws, {"channel": "sns", "topic": topic}, message(), message(incident(severity="critical")), note()
    )
    assert all(outcome.accepted and outcome.handle for outcome in outcomes)
    [warning] = sqs.receive_message(QueueUrl=queues["warnings"], MaxNumberOfMessages=10)["Messages"]
    [report] = sqs.receive_message(QueueUrl=queues["reports"], MaxNumberOfMessages=10)["Messages"]
    assert warning["Body"].startswith("Warning: AmazonS3 of account 1234 rose by 5.00 USD a day\n")
    assert report["Body"].startswith("AmazonS3   1,000.00\n")


async def test_ses_sends_the_mail_to_every_address(aws):
    boto3.client("sesv2", region_name=REGION, endpoint_url=aws).create_email_identity(EmailIdentity="costs@example.com")
    ses = {"channel": "ses", "region": REGION, "sender": "Costs <costs@example.com>"}
    [outcome] = await told(aws, {**ses, "to": ["ann@example.com", "bob@example.com"]}, message())
    assert outcome.accepted
    assert outcome.handle is not None
    assert outcome.handle.endswith("@email.amazonses.com>")
    [mail] = (await asyncio.to_thread(requests.get, f"{aws}/moto-api/data.json", timeout=10)).json()["ses"][
        "RawMessage"
    ]
    assert "Subject: Warning: AmazonS3 of account 1234 rose by 5.00 USD a day" in str(mail)


async def test_a_text_message_reaches_each_telephone(aws):
    numbers = ["+4915112345678", "+4915112345679"]
    [outcome] = await told(aws, {"channel": "sms", "region": REGION, "numbers": numbers}, message())
    assert outcome == Outcome(accepted=True)


def test_a_text_message_says_what_how_much_since_when_and_which():
    long = f"{S3}/usage_type=EU-{'TimedStorage' * 9}"
    assert text_of(message(incident(severity="critical"))) == (
        "Critical: AmazonS3 of account 1234 rose by 5.00 USD a day. Since 10 Mar 12:30 UTC. Incident i1"
    )
    assert text_of(message(incident(scope=long), incident(id="i2"))).startswith("Warning: AmazonS3 EU-TimedStorage")
    assert " rose by 5.00 USD a day. Since 10 Mar 12:30 UTC. +1 more. " in text_of(
        message(incident(scope=long), incident(id="i2"))
    )


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
        (
            refused("InternalError", 500),
            Outcome(accepted=False, retry=True, unknown=True, error="SNS says InternalError"),
        ),
        (refused("ExpiredToken", 403), Outcome(accepted=False, retry=True, error="SNS says ExpiredToken")),
        (refused("NotFound", 404), Outcome(accepted=False, error="SNS says NotFound")),
        (refused("AuthorizationError", 403), Outcome(accepted=False, error="SNS says AuthorizationError")),
        (
            EndpointConnectionError(endpoint_url="http://s3cret"),
            Outcome(accepted=False, retry=True, error="SNS cannot be asked: EndpointConnectionError"),
        ),
        (
            ReadTimeoutError(endpoint_url="http://s3cret"),
            Outcome(accepted=False, retry=True, unknown=True, error="SNS cannot be asked: ReadTimeoutError"),
        ),
    ],
)
async def test_what_an_error_means(error, outcome):
    assert await Sns(Failing(error), "arn").send(message()) == outcome


async def test_a_profile_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    receiver = receiver_of({"name": "ops", "channel": "sns", "topic": COSTS})
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match=r"profile \(nobody\) could not be found: check AWS_PROFILE"):
            make(receiver, session, load())
