"""A mail that comes back, from SES over SNS and SQS as moto's server plays them, to the fallback and the suspension."""

import json
from collections.abc import Iterator
from email import message_from_string
from typing import Any

import boto3
import pytest
import requests
from typer.testing import CliRunner

from alerts.health_watch import facts
from alerts.suspensions import known_suspensions
from schemas.events import DeadLetter, DeliveryState
from spendstream.cli import app
from spendstream.health import Progress
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, DELIVERIES, INCIDENTS
from tests.alerts.channels.aws import REGION, played_aws
from tests.alerts.test_delivery import delivering, of_now, put, read, wait_until
from tests.alerts.test_returned_mail import bounce
from tests.alerts.web_double import WebDouble
from tests.kafka_backends import Backend

ROUTING = f"""
receivers:
- name: letters
  channel: ses
  region: {REGION}
  sender: costs@example.com
  to: [ann@example.com]
  fallback: hook
- {{{{name: hook, channel: webhook, url: "{{url}}/hook"}}}}
route: {{{{receiver: letters, group_by: [scope], group_wait: 0s, group_interval: 0s}}}}
"""


@pytest.fixture
def aws(monkeypatch) -> Iterator[str]:
    with played_aws(monkeypatch) as address:
        yield address


class Ses:
    """SES that tells of mails by a topic, which a queue hears."""

    def __init__(self, aws: str) -> None:
        self._aws = aws
        boto3.client("sesv2", region_name=REGION, endpoint_url=aws).create_email_identity(
            EmailIdentity="costs@example.com"
        )
        self._sqs = boto3.client("sqs", region_name=REGION, endpoint_url=aws)
        self._sns = boto3.client("sns", region_name=REGION, endpoint_url=aws)
        self.queue = self._sqs.create_queue(QueueName="mail")["QueueUrl"]
        self._topic = self._sns.create_topic(Name="mail")["TopicArn"]
        self._sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:mail")

    def mails(self) -> list[Any]:
        sent = requests.get(f"{self._aws}/moto-api/data.json", timeout=10).json()["ses"]["RawMessage"]
        return [message_from_string(one["raw_data"]) for one in sent]

    def says(self, document: Any) -> None:
        self._sns.publish(TopicArn=self._topic, Message=document if isinstance(document, str) else json.dumps(document))

    def left(self) -> int:
        """How many messages the queue holds, those that are being read too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def states(settings: Settings) -> list[tuple[str, str, str]]:
    found = [one for one in read(settings, DELIVERIES) if isinstance(one, DeliveryState)]
    return [(one.receiver, one.incident, one.outcome) for one in found]


def test_a_mail_that_comes_back_suspends_its_address_until_somebody_lifts_it(
    embedded_kafka: Backend, aws, tmp_path, monkeypatch
):
    ses = Ses(aws)
    settings = embedded_kafka.settings(
        aws={"endpoint_url": aws}, alerts={"mail_events": ses.queue, "timeout_seconds": 2}
    )
    put(settings, INCIDENTS, of_now("a"))
    progress = Progress("deliver")
    with WebDouble() as double, delivering(settings, tmp_path, double.url, progress, ROUTING):
        wait_until(lambda: ("letters", "a", "accepted") in states(settings))
        [mail] = ses.mails()
        ses.says("no event")
        ses.says(bounce(headers=mail))
        ses.says(bounce(headers=mail))
        double.wait_for(lambda got: len(got) == 2)
        wait_until(lambda: ses.left() == 0)
        monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
        monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)
        assert "ann@example.com" in CliRunner().invoke(app, ["mail", "list"]).output
        lifted = CliRunner().invoke(app, ["mail", "lift", "Ann@example.com"])
        assert lifted.output == "letters tells ann@example.com again\n"
        wait_until(lambda: "suspended_addresses" not in progress.details())
        put(settings, INCIDENTS, of_now("b"))
        wait_until(lambda: len(ses.mails()) == 2)
    told = [(one["scope"], one["reason"]) for got in double.got for one in json.loads(got.body)["incidents"]]
    assert ("USD/provider=AWS/account=a", "letters could not be told: new") in told
    assert ("letters", "a", "bounced") in states(settings)
    assert ("letters", "a", "fell_back") in states(settings)
    assert known_suspensions(settings).all() == []
    [letter] = [one for one in read(settings, DEAD_LETTERS) if isinstance(one, DeadLetter)]
    assert (letter.stage, letter.reason) == (
        "deliver",
        "no event of SES: Invalid JSON: expected ident at line 1 column 2",
    )
    returned = [
        one for one in read(settings, DELIVERIES) if isinstance(one, DeliveryState) and one.outcome == "bounced"
    ]
    assert {(fact.check, fact.subject, fact.id) for one in returned for fact in facts(one)} == {
        ("bounces", "letters", f"{returned[0].message}/bounced")
    }


def test_addresses_that_are_not_suspended_cannot_be_lifted(embedded_kafka: Backend, monkeypatch):
    settings = embedded_kafka.settings()
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)
    answer = CliRunner().invoke(app, ["mail", "lift", "bob@example.com"])
    assert answer.exit_code == 2
    assert "bob@example.com is not suspended; see `spendstream mail list`" in answer.output
    assert "no address is suspended" in CliRunner().invoke(app, ["mail", "list"]).output
