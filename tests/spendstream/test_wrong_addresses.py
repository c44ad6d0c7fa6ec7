"""Commands whose Kafka or ClickHouse is not where the settings say: a message that says what to do, and status 2."""

import logging
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from spendstream import admin
from spendstream.cli import app

NOWHERE = "127.0.0.1:9"


@pytest.fixture
def nowhere(monkeypatch, tmp_path) -> Iterator[pytest.MonkeyPatch]:
    """Settings that lead to nothing; and less patience with Kafka than a person has."""
    handlers, level = logging.root.handlers[:], logging.root.level
    answer = admin._answer
    monkeypatch.setattr(admin, "_answer", lambda client, settings, _: answer(client, settings, 0.5))
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", NOWHERE)
    monkeypatch.setenv("SPENDSTREAM_CLICKHOUSE__URL", f"http://{NOWHERE}")
    monkeypatch.setenv("SPENDSTREAM_FOCUS", '[{"name": "main", "path": "bills.csv"}]')
    monkeypatch.setenv("SPENDSTREAM_PROCESSING__STATE_FOLDER", str(tmp_path))
    for name in ("PRODUCE", "PROCESS", "SINK"):
        monkeypatch.setenv(f"SPENDSTREAM_HEALTH__{name}", "0")
    yield monkeypatch
    logging.root.handlers[:], logging.root.level = handlers, level


def said(*command: str) -> str:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.output


@pytest.mark.parametrize(
    "command",
    ["topics", "produce --once", "process", "verify", "replay list", "replay run again"],
)
@pytest.mark.usefixtures("nowhere")
def test_without_kafka_a_command_says_so(command):
    output = said(*command.split())
    assert f"no Kafka answers on {NOWHERE}" in output
    assert "set SPENDSTREAM_KAFKA__BOOTSTRAP" in output


@pytest.mark.parametrize("command", ["migrate", "sink", "status", "dead-letters list"])
@pytest.mark.usefixtures("nowhere")
def test_without_clickhouse_a_command_says_so(command):
    output = said(*command.split())
    assert f"ClickHouse at http://{NOWHERE} cannot be used" in output
    assert "check SPENDSTREAM_CLICKHOUSE__URL" in output


def test_a_setting_that_is_none_is_named(nowhere):
    nowhere.setenv("SPENDSTREAM_KAFKA__SHARDS", "many")
    assert "kafka.shards: Input should be a valid integer" in said("topics")
