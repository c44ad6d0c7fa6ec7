"""The worker's start: a port in use is told in words, and a stop during the start is obeyed."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from processors.live import LiveStep
from processors.service import WORK
from processors.worker import FATAL, run
from spendstream.health import STALLED
from spendstream.settings import ConfigurationError, Settings
from tests.kafka_backends import Backend
from tests.processors.histories import statement
from tests.processors.workers import publish


def test_a_health_port_in_use_is_told_before_anything_starts(embedded_kafka: Backend, tmp_path, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(LiveStep, "start", lambda step: started.append(step.step.name))
    monkeypatch.setattr("processors.worker.ensure_topics", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health={"process": port})
        with pytest.raises(ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*health\.process"):
            run(settings, WORK)
    assert started == []


STARTING = """
import asyncio, sys
from processors import worker
from processors.service import WORK
from spendstream.settings import Settings

async def start(step):
    print("starting", step.step.name, flush=True)
    {then}

worker.ensure_topics = lambda *_: None
worker.LiveStep.start = start
worker.run(Settings.model_validate_json(sys.argv[1]), WORK)
"""


def starting(settings: Settings, then: str = "await asyncio.Event().wait()") -> "subprocess.Popen[str]":
    """Run a worker whose first step says that it is starting, and then hangs, or does what `then` says."""
    plain = settings.model_dump_json(include={"kafka", "processing", "health"})
    command = [sys.executable, "-c", STARTING.replace("{then}", then), plain]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=Path(__file__).parents[2])


def test_a_stop_is_obeyed_while_a_step_is_starting(embedded_kafka: Backend, tmp_path):
    settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health={"process": 0})
    with starting(settings) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting ledger\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_start_that_hangs_ends_and_tells_what_each_thread_does(embedded_kafka: Backend, tmp_path):
    health = {"process": 0, "stalled_seconds": 0.5}
    settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health=health)
    with starting(settings) as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == STALLED
    assert "no progress while there is work" in told
    assert "in run_forever" in told


def test_input_that_waits_while_no_offset_moves_ends_the_process(embedded_kafka: Backend, tmp_path):
    health = {"process": 0, "stalled_seconds": 0.5}
    settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health=health)
    publish(settings, [statement("EC2", 1, [("us-east-1", "BoxUsage", 5)])])
    with starting(settings, "pass  # as a consumer that has fallen silent") as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == STALLED
    assert "no progress while there is work" in told


#: A stop that waits for a Kafka that is gone.
STOPS_FOR_EVER = (
    "worker.LONGEST_STOP, worker._watch = 0.2, lambda *_: asyncio.sleep(0, True); "
    "worker.LiveStep.stop = lambda _: asyncio.Event().wait()"
)


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("raise RuntimeError('no such disk')", "cannot go on, ending to be restarted: RuntimeError: no such disk"),
        (
            "await step.app.crash(ValueError('offsets of nothing'))",
            "RuntimeError: Faust gave up ledger: ValueError: offsets of nothing",
        ),
        (STOPS_FOR_EVER, "TimeoutError: the steps have not stopped within 0.2 s"),
    ],
    ids=["a start that fails", "an app that Faust gave up", "a stop that never ends"],
)
def test_a_worker_that_cannot_go_on_ends_and_says_why(embedded_kafka: Backend, tmp_path, then, why):
    settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health={"process": 0})
    with starting(settings, then) as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == FATAL
    assert why in told
