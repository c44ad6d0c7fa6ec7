"""Two producers of one deployment, on the real Kafka: one publishes, the other waits and takes over."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from producers.runner import run_now
from producers.sole import RivalError, SoleProducer, publishing
from schemas.events import CostStatement
from spendstream.local.kafka_apache import free_port
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.workers import recorded
from tests.producers.test_focus_columns import ROW

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def until(come_true: Callable[[], bool], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not come_true():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.1)


def write(path: Path, cost: str) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW))
        writer.writeheader()
        writer.writerow({**ROW, "BilledCost": cost, "EffectiveCost": cost})
    draft.rename(path)


@contextmanager
def producing(settings: Settings) -> Iterator[tuple[Settings, subprocess.Popen[bytes]]]:
    """Run `spendstream produce` in a process of its own, with a health port of its own."""
    own = settings.model_copy(update={"health": settings.health.model_copy(update={"produce": free_port()})})
    environment = {
        **os.environ,
        "SPENDSTREAM_KAFKA__BOOTSTRAP": own.kafka.bootstrap,
        "SPENDSTREAM_KAFKA__PREFIX": own.kafka.prefix,
        "SPENDSTREAM_PROCESSING__SESSION_SECONDS": "6",
        "SPENDSTREAM_SCHEDULING__JITTER_SECONDS": "0",
        "SPENDSTREAM_FOCUS": json.dumps([export.model_dump() for export in own.focus]),
        "SPENDSTREAM_HEALTH__PRODUCE": str(own.health.produce),
        "SPENDSTREAM_HEALTH__TOKEN": "secret",
    }
    process = subprocess.Popen([sys.executable, "-m", "spendstream.cli", "produce"], env=environment)
    try:
        yield own, process
    finally:
        process.kill()
        process.wait()


def health(settings: Settings) -> dict[str, object]:
    try:
        address = f"http://127.0.0.1:{settings.health.produce}/healthz"
        with urlopen(Request(address, headers={"Authorization": "Bearer secret"}), timeout=5) as answer:
            found: dict[str, object] = json.load(answer)
    except OSError:
        found = {}
    return found


def published(settings: Settings) -> list[CostStatement]:
    return [event for _, event in recorded(settings, STATEMENTS) if isinstance(event, CostStatement)]


@pytest.mark.slow
def test_the_second_of_two_processes_waits_and_takes_over_with_what_the_first_has_published(
    apache_kafka: Backend, tmp_path
):
    path = tmp_path / "export.csv"
    write(path, "1")
    focus = [{"name": "main", "path": str(path), "schedule": "0 0 1 1 *"}]
    settings = apache_kafka.settings(focus=focus, health={"token": "secret"})
    with producing(settings) as (first, process):
        until(lambda: len(published(settings)) == 1, "the first reading")
        with producing(settings) as (second, _):
            until(lambda: health(second).get("standby") is True, "that the second one waits")
            assert health(first)["standby"] is False

            process.send_signal(signal.SIGSTOP)
            until(lambda: health(second).get("standby") is False, "that the second one takes over")
            write(path, "2")
            assert run_now(second, "focus.main") == "focus.main is read now"
            until(lambda: len(published(settings)) == 2, "the second reading")

            process.send_signal(signal.SIGCONT)
            until(lambda: health(first).get("standby") is True, "that the first one waits")
    old, new = published(settings)
    assert new.version > old.version
    assert new.billed == [2 * 10**18]


def test_a_command_beside_a_producer_says_so_and_the_owner_keeps_its_right(apache_kafka: Backend):
    settings = apache_kafka.settings()
    with publishing(settings) as moved:
        with SoleProducer(settings) as other, pytest.raises(ConfigurationError, match="stop it first"):
            other.wait_briefly(2)
        moved()
    with SoleProducer(settings) as other:
        other.wait_briefly()
        other.check()


def test_who_was_silent_for_too_long_may_not_publish_and_who_is_stopped_stops_waiting(apache_kafka: Backend):
    settings = apache_kafka.settings()
    stop = threading.Event()
    with SoleProducer(settings) as sole:
        sole.wait_briefly()
        sole._seen -= settings.processing.session_seconds
        with pytest.raises(RivalError):
            sole.check()
        with SoleProducer(settings) as other:
            stop.set()
            assert other.wait(stop) is False
