"""A storm: 10,000 alerts of forty causes in a minute, at receivers that count by themselves."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer

from alerts.incident_step import IncidentOptions, incident_step
from processors.batch import BatchDriver
from processors.step import Output
from schemas.events import Alert, Incident
from spendstream.settings import Settings
from spendstream.topics import ALERTS, DEAD_LETTERS, INCIDENTS
from tests.alerts.channels.certificates import Certificate, certificate
from tests.alerts.channels.stands import SmtpStand, Told
from tests.alerts.test_delivery import CODEC, delivering, logged, read, wait_until
from tests.alerts.test_incidents import alert, over
from tests.alerts.web_double import Got, WebDouble
from tests.kafka_backends import Backend

pytestmark = pytest.mark.slow

#: Causes, the series that alert of each, and how often each of these says more within the minute.
CAUSES, SERIES, ROUNDS, SECONDS = 40, 10, 25, 60.0
#: Messages that each receiver bears in any ten seconds.
BEARS = {"chat": 4, "mail": 3, "hook": 6}
WINDOW = 10.0
ROUTING = """
receivers:
- {{name: chat, channel: slack, url: "{url}/chat", rate: 4/10s}}
- {{name: hook, channel: webhook, url: "{url}/hook", rate: 6/10s}}
- MAIL
route:
  receiver: chat
  group_by: [scope]
  group_wait: 0s
  group_interval: 0s
  repeat_interval: 1d
  routes:
  - {{receiver: chat, continue: true}}
  - {{receiver: hook, continue: true}}
  - {{receiver: mail}}
"""


def scope_of(cause: int) -> str:
    return f"USD/provider=AWS/account={cause:012d}/service=AmazonS3"


def storm(now: datetime) -> list[Alert]:
    """Return the alerts of all causes, in turn: of the service, its regions and usage types, growing all the time."""
    parts = ("", *(f"/region=r{n}" for n in range(5)), *(f"/usage_type=u{n}" for n in range(SERIES - 6)))
    found = []
    for version in range(1, ROUNDS + 1):
        told: dict[str, Any] = {"severity": "warning", "change": "crossed" if version == 1 else "updated"}
        if version > ROUNDS // 2:
            told["severity"] = "critical"
        for cause in range(CAUSES):
            for number, part in enumerate(parts):
                rise = (1_000 + cause if number == 0 else 100 + number) + version
                found.append(alert(scope_of(cause) + part, rise, version=version, since=now, observed_at=now, **told))
    return found


class Arrivals:
    """When messages came to each receiver, by the receivers' own count; over HTTP one of nine finds it busy."""

    def __init__(self) -> None:
        self.at: dict[str, list[float]] = {name: [] for name in BEARS}
        self._chance = random.Random("receivers")

    def answer(self, got: Got) -> tuple[int, dict[str, str]]:
        self.at[got.path.strip("/")].append(time.monotonic())
        return (503, {}) if self._chance.random() < 1 / 9 else (200, {})

    @contextmanager
    def mailed(self, tls: Certificate) -> Iterator[dict[str, Any]]:
        """Serve mail, and give the receiver."""
        at = self.at["mail"]

        class Counting(SmtpStand):
            size = 5_000_000

            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
                at.append(time.monotonic())
                return await super().handle_DATA(server, session, envelope)

        stand = Counting(Told(), tls)
        with stand.at_work() as address:
            yield {"name": "mail", "channel": "smtp", "rate": "3/10s", **stand.receiver(address)}

    def most(self, receiver: str) -> int:
        """Return how many came within any ten seconds, at most."""
        times = self.at[receiver]
        return max(sum(begin <= at < begin + WINDOW for at in times) for begin in times)


class Rising:
    """Hands alerts to the step that keeps incidents, and what it says to Kafka."""

    def __init__(self, settings: Settings) -> None:
        self.incidents: set[str] = set()
        self._topic = settings.kafka.topics.name(INCIDENTS)
        self._producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
        self._driver = BatchDriver([incident_step(IncidentOptions())], self._hear)

    def _hear(self, output: Output) -> None:
        if isinstance(output.event, Incident):
            self.incidents.add(output.event.id)
            self._producer.produce(self._topic, CODEC.encode(output.event), output.key, 0)

    def take(self, alerts: Sequence[Alert]) -> None:
        for one in alerts:
            self._driver.feed(ALERTS, 0, one)
        assert self._producer.flush(10) == 0

    def within(self, seconds: float, alerts: Sequence[Alert]) -> None:
        """Take alerts evenly, in so long."""
        began, given = time.monotonic(), 0
        while given < len(alerts):
            due = min(len(alerts), int((time.monotonic() - began) / seconds * len(alerts)) + 1)
            self.take(alerts[given:due])
            given = due
            time.sleep(0.1)


def newest(settings: Settings) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (state, severity) that each receiver accepted last of each incident, as the log has it."""
    return {(one.receiver, one.incident): (one.state, one.severity) for one in logged(settings)}


def test_ten_thousand_alerts_of_forty_causes_reach_everybody_and_burden_nobody(
    embedded_kafka: Backend, tmp_path, monkeypatch
):
    settings = embedded_kafka.settings()
    rising, arrivals = Rising(settings), Arrivals()
    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.path))
    with WebDouble(arrivals.answer) as double, arrivals.mailed(tls) as mail:
        routing = ROUTING.replace("MAIL", json.dumps(mail).replace("{", "{{").replace("}", "}}"))
        with delivering(settings, tmp_path, double.url, routing=routing):
            alerts = storm(datetime.now(UTC).replace(microsecond=0))
            rising.within(SECONDS, alerts)
            assert len(rising.incidents) == CAUSES
            everybody = {(receiver, name) for receiver in BEARS for name in rising.incidents}
            wait_until(lambda: newest(settings) == dict.fromkeys(everybody, ("firing", "critical")), 120)
            rising.take([over(one, version=10_000) for one in alerts[-len(alerts) // ROUNDS :]])
            wait_until(lambda: newest(settings) == dict.fromkeys(everybody, ("resolved", "critical")), 120)
    for receiver, bears in BEARS.items():
        assert 0 < arrivals.most(receiver) <= bears
    assert told_of(double.got) == rising.incidents
    assert read(settings, DEAD_LETTERS) == []


def told_of(got: Sequence[Got]) -> set[str]:
    """Return the incidents that the webhook's messages name, by its own count."""
    bodies = [json.loads(one.body) for one in got if one.path == "/hook"]
    return {one["id"] for body in bodies for one in body["incidents"]}
