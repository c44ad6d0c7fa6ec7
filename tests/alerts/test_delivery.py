"""From an anomaly in Kafka to a message at a receiver, by the real services; and after `kill -9`, once."""

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from alerts import routes
from alerts.delivery import Delivery, run
from alerts.rule_files import packed
from schemas.codec import Codec
from schemas.events import AlertRule, DeadLetter, DeliveryState, Event, Incident, Notification
from schemas.repository import RepositorySchemas
from spendstream.clock import SystemClock
from spendstream.health import Progress
from spendstream.local.stack import touch_topics
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, Settings
from spendstream.supervise import start_service
from spendstream.topics import ANOMALIES, DEAD_LETTERS, DELIVERIES, INCIDENTS, NOTIFICATIONS, RULES, Topic
from tests.alerts.facts import anomaly, rule
from tests.alerts.web_double import Got, WebDouble
from tests.kafka_backends import Backend
from tests.schemas.examples import EXAMPLES

CODEC = Codec(RepositorySchemas())
_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
ROUTING = """
receivers:
- {{name: hook, channel: webhook, url: "{url}/hook", secret: key}}
- {{name: chat, channel: slack, url: "{url}/chat"}}
route:
  receiver: hook
  group_by: [scope]
  group_wait: 0s
  group_interval: 0s
  routes:
  - {{match: [severity=~.*], receiver: hook, continue: true}}
  - {{match: [severity=critical], receiver: chat}}
"""


def put(settings: Settings, topic: Topic, *events: Event) -> None:
    """Send events, to every partition when they are rules."""
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    partitions = range(settings.kafka.shards) if topic is RULES else [0]
    for event in events:
        for partition in partitions:
            producer.produce(settings.kafka.topics.name(topic), CODEC.encode(event), b"k", partition)
    assert producer.flush(10) == 0


def read(settings: Settings, topic: Topic) -> list[Any]:
    return [CODEC.decode(raw) for raw in read_back(settings, topic)]


def logged(settings: Settings) -> list[Notification]:
    """Return what the log has as told, without what was only tried."""
    return [one for one in read(settings, NOTIFICATIONS) if isinstance(one, Notification)]


def environment(settings: Settings, folder: Path, url: str) -> dict[str, str]:
    (folder / "routing.yaml").write_text(ROUTING.format(url=url))
    return {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "SPENDSTREAM_KAFKA__PREFIX": settings.kafka.prefix,
        "SPENDSTREAM_PROCESSING__STATE_FOLDER": str(folder),
        "SPENDSTREAM_PROCESSING__SESSION_SECONDS": "6",
        "SPENDSTREAM_ALERTS__ROUTING": str(folder / "routing.yaml"),
        "SPENDSTREAM_HEALTH__ALERT": "0",
        "SPENDSTREAM_HEALTH__DELIVER": "0",
    }


@contextmanager
def service(name: str, settings: dict[str, str]) -> Iterator[Any]:
    process = start_service([name], settings)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        threading.Thread(target=kill_later, args=(process,), daemon=True).start()
        print(process.communicate()[1])  # noqa: T201 - pytest shows it when a test fails


def kill_later(process: Any) -> None:
    time.sleep(30)
    process.kill()


def told(double: WebDouble, path: str = "/hook") -> list[tuple[str, str, str]]:
    """Return (incident, state, reason) of all that came to a path."""
    bodies = [json.loads(got.body) for got in double.got if got.path == path]
    return [(one["id"], one["state"], one["reason"]) for body in bodies for one in body["incidents"]]


def of_now(name: str, state: Any = "firing", **changes: Any) -> Any:
    now = datetime.now(UTC).replace(microsecond=0)
    scope = f"USD/provider=AWS/account={name}"
    fields = {"id": name, "scope": scope, "state": state, "opened_at": now, "changed_at": now, **changes}
    return replace(_EXAMPLE, **fields)


@pytest.mark.slow
def test_an_anomaly_reaches_its_receivers_once_and_so_does_its_end(kafka: Backend, tmp_path):
    settings = kafka.settings()
    if kafka.kind == "embedded":
        touch_topics(settings)
    now = datetime.now(UTC).replace(microsecond=0)
    rises = rule("id: rises\nkind: anomaly\nseverities: {critical: {amount: 50}}")
    put(settings, RULES, AlertRule(id="rises", applied_at=now, by="ann", definition=packed(rises)))
    with WebDouble() as double:
        places = environment(settings, tmp_path, double.url)
        with service("deliver", places), service("alert", places):
            put(settings, ANOMALIES, anomaly(scored_at=now, since=now))
            double.wait_for(lambda got: len(got) >= 2, 60)
            over = anomaly(scored_at=now + timedelta(seconds=1), since=now, version=2, state="withdrawn")
            put(settings, ANOMALIES, over)
            double.wait_for(lambda got: len(got) >= 4)
        paths = Counter(got.path for got in double.got)
    assert paths == {"/hook": 2, "/chat": 2}
    assert [(state, reason) for _, state, reason in told(double)] == [("firing", "new"), ("resolved", "resolved")]
    chat = [json.loads(got.body) for got in double.got if got.path == "/chat"]
    assert chat[0]["text"] == "Critical: AmazonS3 of account 1234 rose by 100.00 USD a day"
    log = logged(settings)
    assert sorted((one.receiver, one.state) for one in log) == [
        ("chat", "firing"),
        ("chat", "resolved"),
        ("hook", "firing"),
        ("hook", "resolved"),
    ]


@pytest.mark.slow
def test_a_killed_delivery_repeats_at_most_what_was_in_flight(kafka: Backend, tmp_path):
    settings = kafka.settings()
    put(settings, INCIDENTS, of_now("a"))
    with WebDouble() as double:
        places = environment(settings, tmp_path, double.url)
        with service("deliver", places) as process:
            double.wait_for(lambda got: len(got) == 1, 60)
            wait_until(lambda: len(logged(settings)) == 1)
            # The next message kills whoever sends it, before it hears that it was accepted.
            double.answer = killing(process.pid)
            put(settings, INCIDENTS, of_now("b"))
            process.wait(30)
        double.answer = lambda _: (200, {})
        with service("deliver", places):
            double.wait_for(lambda got: len(got) >= 3, 60)
            wait_until(lambda: len(logged(settings)) == 2)
            put(settings, INCIDENTS, of_now("c"))
            double.wait_for(lambda got: len(got) >= 4)
    assert [name for name, _, _ in told(double)] == ["a", "b", "b", "c"]
    ids = [got.headers["X-Spendstream-Id"] for got in double.got]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3


def test_other_runs_and_history_are_never_told_and_a_refusal_is_a_dead_letter(embedded_kafka: Backend, tmp_path):
    settings = embedded_kafka.settings()
    long_ago = datetime.now(UTC) - timedelta(days=3)
    put(settings, INCIDENTS, of_now("replayed", run="again"), of_now("old", opened_at=long_ago, changed_at=long_ago))
    put(settings, INCIDENTS, of_now("refused"))
    with WebDouble(lambda _: (400, {})) as double, delivering(settings, tmp_path, double.url):
        double.wait_for(lambda got: len(got) == 1)
        wait_until(lambda: len(read(settings, DEAD_LETTERS)) == 1)
        double.answer = lambda _: (200, {})
        put(settings, INCIDENTS, of_now("good"))
        double.wait_for(lambda got: len(got) == 2)
    assert [name for name, _, _ in told(double)] == ["refused", "good"]
    [letter] = [one for one in read(settings, DEAD_LETTERS) if isinstance(one, DeadLetter)]
    assert (letter.stage, letter.reason) == ("deliver", "receiver hook was not told: status 400")


def test_a_receiver_that_is_down_is_told_when_it_is_back_and_a_restart_tells_nothing(embedded_kafka, tmp_path):
    settings = embedded_kafka.settings()
    put(settings, INCIDENTS, of_now("a"))
    answers = iter([(503, {}), (429, {"Retry-After": "1"}), (200, {})])
    with WebDouble(lambda _: next(answers)) as double:
        with delivering(settings, tmp_path, double.url):
            wait_until(lambda: len(logged(settings)) == 1)
        with delivering(settings, tmp_path, double.url):
            double.answer = lambda _: (200, {})
            put(settings, INCIDENTS, of_now("b"))
            double.wait_for(lambda got: len(got) == 4)
    assert [name for name, _, _ in told(double)] == ["a", "a", "a", "b"]
    assert len({got.headers["X-Spendstream-Id"] for got in double.got}) == 2
    [first] = [one for one in logged(settings) if one.incident == "a"]
    assert (first.attempts, first.reason, first.channel) == (3, "new", "webhook")


def test_without_a_routing_file_the_service_says_what_to_do(embedded_kafka: Backend):
    with pytest.raises(ConfigurationError, match=r"alerts\.routing names no file"):
        run(embedded_kafka.settings())


def test_another_routing_file_holds_without_a_restart_and_a_bad_one_does_not(embedded_kafka: Backend, tmp_path):
    path = tmp_path / "routing.yaml"
    settings = embedded_kafka.settings(alerts={"routing": str(path)})
    progress = Progress("deliver")
    with WebDouble() as double, delivering(settings, tmp_path, double.url, progress):
        put(settings, INCIDENTS, of_now("a"))
        double.wait_for(lambda got: len(got) == 1)
        path.write_text("receivers: []")
        wait_until(lambda: "routing_that_cannot_be_used" in progress.details())
        path.write_text(ROUTING.format(url=double.url).replace("/hook", "/elsewhere"))
        wait_until(lambda: "routing_that_cannot_be_used" not in progress.details())
        put(settings, INCIDENTS, of_now("b"))
        double.wait_for(lambda got: len(got) == 2)
    assert [got.path for got in double.got] == ["/hook", "/elsewhere"]


def test_what_became_of_each_message_is_an_event_with_its_times(embedded_kafka: Backend, tmp_path):
    settings = embedded_kafka.settings()
    answers: Iterator[Any] = iter([(503, {}), (200, {})])
    put(settings, INCIDENTS, of_now("a"))
    with WebDouble(lambda _: next(answers)) as double, delivering(settings, tmp_path, double.url):
        wait_until(lambda: len(read(settings, DELIVERIES)) == 2)
    states = [one for one in read(settings, DELIVERIES) if isinstance(one, DeliveryState)]
    assert [(one.outcome, one.error, one.attempt) for one in states] == [
        ("retrying", "status 503", 1),
        ("accepted", None, 2),
    ]
    assert len({one.message for one in states}) == 1
    assert all(one.observed_at <= one.at for one in states)


def test_whoever_took_a_message_and_did_not_say_so_is_told_of_the_end(embedded_kafka: Backend, tmp_path):
    settings = embedded_kafka.settings()
    begun = of_now("a")
    over = of_now("a", version=begun.version + 1, state="resolved")
    answers: Iterator[Any] = iter([(504, {}), (200, {})])

    def answer(_: Got) -> Any:
        put(settings, INCIDENTS, over)
        return next(answers)

    put(settings, INCIDENTS, begun)
    with WebDouble(answer) as double, delivering(settings, tmp_path, double.url):
        wait_until(lambda: len(logged(settings)) == 1)
    assert [state for _, state, _ in told(double)] == ["firing", "resolved"]


class Alone:
    """The right to deliver where nobody else is."""

    def wait(self, _: threading.Event) -> bool:
        return True

    def check(self) -> None:
        """Keep it."""


@contextmanager
def delivering(
    settings: Settings, folder: Path, url: str, progress: Progress | None = None, routing: str = ROUTING
) -> Iterator[None]:
    """Deliver in a thread of this process."""
    (folder / "routing.yaml").write_text(routing.format(url=url))
    read_routing = routes.read(folder / "routing.yaml")
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        delivery = Delivery(settings, read_routing, SystemClock(), Alone(), progress or Progress("deliver"))
        done = pool.submit(asyncio.run, delivery.work(stop))
        try:
            yield
        finally:
            stop.set()
            done.result(30)


def killing(process: int) -> Any:
    def answer(_: Got) -> tuple[int, dict[str, str]]:
        os.kill(process, signal.SIGKILL)
        return 200, {}

    return answer


def wait_until(holds: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
