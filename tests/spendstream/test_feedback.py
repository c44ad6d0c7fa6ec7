"""`spendstream anomalies` on an embedded Kafka: what is listed, and what people say of it."""

import json
from dataclasses import replace
from datetime import date

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from schemas.codec import Codec
from schemas.events import CostAnomaly
from schemas.repository import RepositorySchemas
from spendstream.cli import app
from spendstream.feedback import all_feedback
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import ANOMALIES, FEEDBACK
from tests.kafka_backends import Backend
from tests.schemas.examples import EXAMPLES

CODEC = Codec(RepositorySchemas())
[ANOMALY] = [one for one in EXAMPLES if isinstance(one, CostAnomaly)]


@pytest.fixture
def deployment(embedded_kafka: Backend, monkeypatch) -> Settings:
    """Settings that commands find in their environment; the topic holds an open anomaly and one that is over."""
    settings = embedded_kafka.settings()
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    for event in (replace(ANOMALY, id="ab1", state="open"), replace(ANOMALY, id="ab2", state="closed")):
        producer.produce(settings.kafka.topics.name(ANOMALIES), CODEC.encode(event), b"k", 0)
    assert producer.flush(10) == 0
    return settings


def said(*command: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["anomalies", *command])
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.usefixtures("deployment")
def test_anomalies_that_go_on_are_listed_and_all_with_an_option():
    assert [one["id"] for one in json.loads(said("list", "--json"))] == ["ab1"]
    assert {one["id"] for one in json.loads(said("list", "--all", "--json"))} == {"ab1", "ab2"}


def test_a_word_about_an_anomaly_goes_to_every_partition(deployment):
    told = said("feedback", "ab1", "expected", "--until", "2026-04-01", "--why", "load test")

    [heard] = all_feedback(deployment)
    assert len(list(read_back(deployment, FEEDBACK))) == deployment.kafka.shards
    assert (heard.verdict, heard.last_day, heard.why) == ("expected", date(2026, 4, 1), "load test")
    assert [(one.anomaly, one.series, one.kind) for one in heard.judged] == [("ab1", ANOMALY.series, ANOMALY.kind)]
    assert told.startswith("expected: ")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("ab", "true"), "2 anomalies have an id that begins with 'ab'"),
        (("zz", "true"), "no anomaly has an id that begins with 'zz'"),
        (("ab1", "false", "--until", "2026-04-01"), "only what is expected has a period"),
        (("ab1", "expected", "--from", "2026-04-02", "--until", "2026-04-01"), "before it begins"),
    ],
)
@pytest.mark.usefixtures("deployment")
def test_what_cannot_be_said_is_explained(command, message):
    assert message in said("feedback", *command, status=2)
