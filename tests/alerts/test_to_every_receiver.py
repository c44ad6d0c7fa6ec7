"""End to end: a rise in the simulated organisation's bill, and its end, at SNS, SES, an SMTP server and Slack."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
import requests

from alerts.delivery import Delivery
from alerts.incident_step import IncidentOptions, incident_step
from alerts.routes import Routing
from alerts.rule_step import RuleOptions, rule_step
from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.step import Output
from schemas.events import Incident
from spendstream.health import Progress
from spendstream.local.simulator import Incident as Truth
from spendstream.local.simulator import Organisation, Scope, SimulatedClock
from spendstream.settings import Settings, load
from spendstream.topics import INCIDENTS, RULES
from tests.alerts.channels.aws import REGION, played_aws
from tests.alerts.channels.certificates import certificate
from tests.alerts.channels.stands import Stand, stand_of
from tests.alerts.facts import rule
from tests.alerts.test_delivery import Alone, put, wait_until
from tests.alerts.test_steps import applying
from tests.kafka_backends import Backend
from tests.processors.simulated_bills import Bills, feed_bill

pytestmark = pytest.mark.slow

ACCOUNT, SERVICE = "100000000001", "AWS Lambda"
BEGIN = datetime(2026, 5, 12, tzinfo=UTC)
RISE = Truth("loop", "step", BEGIN, Scope(ACCOUNT, service=SERVICE), 4, BEGIN + timedelta(days=3))
MODEL = Organisation(seed=3, accounts=1, services=6, regions=2, incidents=[RISE])
DEAR = """
id: dear
kind: change
where: {account: '*', service: '*'}
window: day
severities: {critical: {amount: 5, share: 1}}
"""
FIRST_READ, LAST_READ = date(2026, 5, 11), date(2026, 5, 19)


def story() -> list[Incident]:
    """Return what the steps say of the bill, read every noon."""
    settings = load()
    said: list[Incident] = []

    def hear(output: Output) -> None:
        if isinstance(output.event, Incident):
            said.append(output.event)

    chain = [*steps(settings), rule_step(RuleOptions(settings.kafka.shards)), incident_step(IncidentOptions())]
    driver = BatchDriver(chain, hear)
    for partition in range(settings.kafka.shards):
        driver.feed(RULES, partition, applying(rule(DEAR), BEGIN - timedelta(days=100)))
    bills = Bills(MODEL, FIRST_READ - timedelta(days=20))
    for number in range((LAST_READ - FIRST_READ).days + 1):
        day = FIRST_READ + timedelta(days=number)
        feed_bill(driver, bills.read(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)))
    return said


@contextmanager
def delivering(settings: Settings, routing: Routing, at: datetime) -> Iterator[None]:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        delivery = Delivery(settings, routing, SimulatedClock(at, speed=1), Alone(), Progress("deliver"))
        done = pool.submit(asyncio.run, delivery.work(stop))
        try:
            yield
        finally:
            stop.set()
            done.result(30)


def queue_of(aws: str, topic: str) -> tuple[Any, str]:
    """Return a queue that hears of a topic, and who asks it."""
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=aws)
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    boto3.client("sns", region_name=REGION, endpoint_url=aws).subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:123456789012:heard",
        Attributes={"RawMessageDelivery": "true"},
    )
    return sqs, url


def test_a_rise_and_its_end_are_one_message_each_at_every_receiver(embedded_kafka: Backend, monkeypatch, tmp_path):
    said = story()
    assert {one.id for one in said} == {said[0].id}
    assert (said[0].state, said[-1].state) == ("firing", "resolved")
    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.path))
    heard: list[str] = []
    with played_aws(monkeypatch) as aws, stand_of("slack") as (slack, web), stand_of("smtp", tls=tls) as (smtp, mail):
        settings = embedded_kafka.settings(aws={"endpoint_url": aws}, alerts={"max_age_hours": 10_000})
        topic = boto3.client("sns", region_name=REGION, endpoint_url=aws).create_topic(Name="costs")["TopicArn"]
        ses = boto3.client("sesv2", region_name=REGION, endpoint_url=aws)
        ses.create_email_identity(EmailIdentity="costs@example.com")
        sqs, queue = queue_of(aws, topic)
        routing = routing_to(slack, web, smtp, mail, topic)

        def came() -> list[int]:
            found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            for one in found:
                heard.append(one["Body"].splitlines()[0])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
            sent = requests.get(f"{aws}/moto-api/data.json", timeout=10).json()["ses"]["RawMessage"]
            return [slack.count, smtp.count, len(heard), len(sent)]

        put(settings, INCIDENTS, said[0])
        with delivering(settings, routing, said[0].changed_at):
            wait_until(lambda: came() == [1, 1, 1, 1])
            put(settings, INCIDENTS, *said[1:-1])
            put(settings, INCIDENTS, said[-1])
            wait_until(lambda: came() == [2, 2, 2, 2])
    what = f"{SERVICE} of account {ACCOUNT}"
    assert [line.split(f": {what}")[0] for line in heard] == ["Critical", "Resolved"]
    texts = [document["text"] for document in slack.documents]
    assert [text.split(f": {what}")[0] for text in texts] == ["Critical", "Resolved"]


def routing_to(slack: Stand, web: str, smtp: Stand, mail: str, topic: str) -> Routing:
    """Return a routing that tells all four of everything, at once."""
    receivers = [
        {"name": "chat", "channel": "slack", **slack.receiver(web)},
        {"name": "mail", "channel": "smtp", **smtp.receiver(mail)},
        {"name": "topic", "channel": "sns", "topic": topic},
        {
            "name": "letters",
            "channel": "ses",
            "region": REGION,
            "sender": "costs@example.com",
            "to": ["ann@example.com"],
        },
    ]
    routes = [{"receiver": one["name"], "continue": True} for one in receivers]
    route = {"receiver": "chat", "group_by": ["scope"], "group_wait": "0s", "group_interval": "0s", "routes": routes}
    return Routing.model_validate({"receivers": receivers, "route": route})
