"""What `rules test` says of a history is what the stream says of it, event for event."""

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from alerts.backtest import TOPIC_OF, history, incidents_of, would_say
from alerts.pipeline import rule_options
from alerts.rule_files import packed, parse
from alerts.rule_step import RuleOptions, rule_step
from processors.backlog import Backlog
from schemas.codec import Codec
from schemas.events import Alert, AlertRule
from schemas.repository import RepositorySchemas
from spendstream.local.simulated_history import simulated_history
from spendstream.local.stack import touch_topics
from spendstream.settings import load
from spendstream.supervise import start_service
from spendstream.topics import ALERTS, RULES
from tests.alerts.facts import DAY, S3, T, announced, anomaly, rule
from tests.kafka_backends import Backend
from tests.processors.workers import recorded

RULES_FILE = """
rules:
- {id: rises, kind: anomaly, falls: true, severities: {warning: {amount: 5}, critical: {amount: 100, share: 0.5}}}
- {id: fees, kind: fee}
- {id: dear-day, kind: threshold, where: {account: "*"}, window: day, limits: {info: 200, warning: 400, critical: 500}}
- {id: dear-month, kind: threshold, where: {}, window: mtd, of: forecast, limits: {warning: 20000}}
- {id: large, kind: threshold, where: {account: "*"}, window: d7, of: share, share_of: provider, limits: {info: 0.5}}
- id: crowded
  kind: threshold
  where: {account: "*", service: "*", region: "*"}
  window: day
  of: share
  share_of: account
  limits: {info: 0.1, warning: 0.2}
- {id: jump, kind: change, where: {account: "*", service: "*"}, window: d7, severities: {warning: {share: 0.1}}}
- id: month
  kind: budget
  where: {account: "*"}
  amount: 12000
  rollover: true
  burn: {fast: 1.3, slow: 1.1}
  variance: {above: {0.01: warning}, course: last}
- {id: weeks, kind: budget, where: {service: "*"}, amount: 1500, period: {start: 2026-01-05, days: 14}}
"""
CODEC = Codec(RepositorySchemas())


def by_alert(said: Iterable[Alert]) -> dict[str, list[Alert]]:
    """Return what was said of each alert, in its order: what partitions say of different ones has no order."""
    found: dict[str, list[Alert]] = defaultdict(list)
    for alert in said:
        found[alert.id].append(alert)
    return found


@pytest.mark.slow
def test_ninety_days_of_a_simulated_history_fire_live_exactly_what_the_test_of_rules_said(
    embedded_kafka: Backend, tmp_path
):
    settings = embedded_kafka.settings()
    touch_topics(settings)
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    rules = parse(RULES_FILE, "rules.yaml")
    for a_rule in rules:
        applied = AlertRule(id=a_rule.id, applied_at=T - timedelta(days=999), by="ann", definition=packed(a_rule))
        for partition in range(settings.kafka.shards):
            producer.produce(settings.kafka.topics.name(RULES), CODEC.encode(applied), b"k", partition)
    producer.flush(10)
    made = simulated_history(load(), date(2026, 9, 30), 90)

    environment = {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "SPENDSTREAM_KAFKA__PREFIX": settings.kafka.prefix,
        "SPENDSTREAM_PROCESSING__STATE_FOLDER": str(tmp_path),
        "SPENDSTREAM_HEALTH__ALERT": "0",
    }
    process = start_service(["alert"], environment)
    try:
        wait_until_read(settings)
        for partition, event in made.events:
            producer.produce(settings.kafka.topics.name(TOPIC_OF[type(event)]), CODEC.encode(event), b"k", partition)
        producer.flush(20)
        wait_until_read(settings)
    finally:
        process.terminate()
        print(process.communicate(timeout=60)[1])  # noqa: T201 - pytest shows it when the test fails

    live = [event for _, event in recorded(settings, ALERTS) if isinstance(event, Alert)]
    said = would_say(rules, history(settings), rule_options(settings, "live"))
    assert len(live) == len(said)
    assert by_alert(live) == by_alert(said)
    assert {alert.rule for alert in said if alert.change == "crossed"} == {one.id for one in rules}


def wait_until_read(settings: Any) -> None:
    """Wait until the step that applies rules has read all that its topics hold."""
    deadline = time.monotonic() + 90
    with Backlog(settings, rule_step(rule_options(settings, "live"))) as backlog:
        backlog.look(())
        while backlog.events:
            assert time.monotonic() < deadline, "the alert service does not read"
            time.sleep(0.3)
            backlog.look(())


def test_what_one_partition_holds_stays_in_its_order_though_its_times_do_not():
    limit = rule("id: t\nkind: threshold\nwhere: {}\nwindow: day\nlimits: {warning: 100}")
    first = announced("USD", {DAY: "150"}, {"d7": "1"}, at=T)
    late = announced("USD", {DAY: "50"}, {"d7": "1"}, version=2, at=T - timedelta(hours=1))
    said = would_say([limit], [(0, first), (0, late)], RuleOptions(4))
    assert [alert.change for alert in said] == ["crossed", "restated"]


def test_alerts_of_a_history_fold_into_its_incidents():
    rises = rule("id: rises\nkind: anomaly\nseverities: {warning: {amount: 50}}")
    events = [(0, anomaly(S3)), (1, anomaly("USD", id="a2")), (0, anomaly(S3, state="closed", version=2))]
    [incident] = incidents_of(would_say([rises], events, RuleOptions(4)))
    assert (incident.alert_count, incident.firing_count) == (2, 1)
    assert incidents_of([]) == []
