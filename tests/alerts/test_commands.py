"""`spendstream rules` and `incidents`, on an embedded Kafka."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from schemas.codec import Codec
from schemas.events import AlertRequest, Event, Incident
from schemas.repository import RepositorySchemas
from spendstream.cli import app
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import ALERTS, ANOMALIES, INCIDENTS, RULES, Topic
from tests.alerts.facts import T, anomaly
from tests.kafka_backends import Backend
from tests.schemas.examples import EXAMPLES

CODEC = Codec(RepositorySchemas())
RULES_FILE = """
rules:
- {id: rises, kind: anomaly, severities: {warning: {amount: 50}}}
- {id: fees, kind: fee}
"""


@pytest.fixture
def deployment(embedded_kafka: Backend, monkeypatch, tmp_path) -> Settings:
    """Settings that commands find in their environment, and a file of rules in the working folder."""
    settings = embedded_kafka.settings()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)
    Path("rules.yaml").write_text(RULES_FILE)
    return settings


def said(*command: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == status, done.output
    return done.output


def put(settings: Settings, topic: Topic, event: Event) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    producer.produce(settings.kafka.topics.name(topic), CODEC.encode(event), b"k", 0)
    assert producer.flush(10) == 0


def test_rules_are_applied_to_every_partition_and_only_what_differs(deployment):
    assert said("rules", "diff", "rules.yaml").split("\n")[:2] == ["new: rises", "new: fees"]
    said("rules", "apply", "rules.yaml")
    assert len(list(read_back(deployment, RULES))) == 2 * deployment.kafka.shards
    assert said("rules", "apply", "rules.yaml") == "nothing differs\n"
    assert [rule["id"] for rule in json.loads(said("rules", "list", "--json"))] == ["fees", "rises"]


@pytest.mark.usefixtures("deployment")
def test_other_rules_stay_unless_they_are_to_go():
    said("rules", "apply", "rules.yaml")
    Path("rules.yaml").write_text("rules: [{id: fees, kind: fee, amount: 5}]")
    assert said("rules", "diff", "rules.yaml") == "changed: fees\n  amount: the default → 5\n"
    assert said("rules", "apply", "rules.yaml") == "changed: fees\n  amount: the default → 5\n"
    assert said("rules", "apply", "rules.yaml", "--remove-others") == "removed: rises\n"
    assert json.loads(said("rules", "list", "--json")) == [{"id": "fees", "kind": "fee", "amount": "5"}]


def test_a_file_with_a_mistake_is_told_by_line_and_nothing_is_applied(deployment):
    Path("rules.yaml").write_text(RULES_FILE.replace("kind: fee", "kind: feee"))
    assert "rules.yaml:4: rule fees" in said("rules", "apply", "rules.yaml", status=2)
    assert list(read_back(deployment, RULES)) == []


def test_a_dry_run_shows_what_history_would_have_said(deployment):
    put(deployment, ANOMALIES, anomaly())
    [alert] = json.loads(said("rules", "test", "rules.yaml", "--json"))
    assert (alert["rule"], alert["change"], alert["actual"]) == ("rises", "crossed", "120")
    assert said("rules", "test", "rules.yaml", "--check") == "2 rules, all of them can be used\n"


def test_a_dry_run_shows_the_last_days_and_how_often_each_rule_fired(deployment):
    early = anomaly(id="a0", scored_at=T - timedelta(days=100), since=T - timedelta(days=100))
    put(deployment, ANOMALIES, early)
    put(deployment, ANOMALIES, anomaly())
    assert "rises would have fired 1 times, in 1 incidents" in said("rules", "test", "rules.yaml")
    assert "rises would have fired 2 times, in 2 incidents" in said("rules", "test", "rules.yaml", "--days", "120")


@pytest.mark.slow
def test_rules_are_tried_on_a_simulated_organisation_without_a_kafka(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text("rules: [{id: day, kind: threshold, where: {}, window: day, limits: {info: 1}}]")
    done = CliRunner().invoke(app, ["rules", "test", "rules.yaml", "--simulated", "--days", "2", "--json"])
    told = json.loads(done.stdout)
    assert [(alert["rule"], alert["change"]) for alert in told] == [("day", "crossed")]


def test_incidents_are_listed_and_acknowledged_by_the_beginning_of_their_id(deployment):
    example: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
    put(deployment, INCIDENTS, replace(example, id="abc1", state="firing"))
    put(deployment, INCIDENTS, replace(example, id="abd2", state="resolved", firing_count=0))
    assert [one["id"] for one in json.loads(said("incidents", "list", "--json"))] == ["abc1"]
    assert "asked: acknowledge abc1" in said("incidents", "acknowledge", "abc", "--why", "on it")
    [wish] = [CODEC.decode(raw) for raw in read_back(deployment, ALERTS)]
    assert isinstance(wish, AlertRequest)
    assert (wish.incident, wish.action, wish.why) == ("abc1", "acknowledge", "on it")
    assert "2 incidents have an id that begins with 'ab'" in said("incidents", "resolve", "ab", status=2)
    assert "nothing to open again" in said("incidents", "reopen", "abd2", status=2)
