"""The worker's start: a port in use is told in words, and a stop during the start is obeyed."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from processors.live import LiveStep
from processors.worker import run
from spendstream.settings import ConfigurationError
from tests.kafka_backends import Backend


def test_a_health_port_in_use_is_told_before_anything_starts(embedded_kafka: Backend, tmp_path, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(LiveStep, "start", lambda step: started.append(step.step.name))
    monkeypatch.setattr("processors.worker.ensure_topics", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health={"process": port})
        with pytest.raises(ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*health\.process"):
            run(settings)
    assert started == []


HANGING = """
import asyncio, sys
from processors import worker
from spendstream.settings import Settings

async def hang(step):
    print("starting", step.step.name, flush=True)
    await asyncio.Event().wait()

worker.ensure_topics = lambda *_: None
worker.LiveStep.start = hang
worker.run(Settings.model_validate_json(sys.argv[1]))
"""


def test_a_stop_is_obeyed_while_a_step_is_starting(embedded_kafka: Backend, tmp_path):
    settings = embedded_kafka.settings(processing={"state_folder": tmp_path}, health={"process": 0})
    plain = settings.model_dump_json(include={"kafka", "processing", "health"})
    command = [sys.executable, "-c", HANGING, plain]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting ledger\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
