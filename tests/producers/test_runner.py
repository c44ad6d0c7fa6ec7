"""The producers' process: lanes, its health page, and a source that is asked for by hand."""

import csv
import json
import socket
import threading
import time
from contextlib import AbstractContextManager, contextmanager
from urllib.request import Request, urlopen

import pytest
from pydantic import SecretStr

from producers.cloudwatch import CloudWatch
from producers.focus_export import FocusExport
from producers.on_demand import pages
from producers.runner import run_now
from producers.sender import DeliveryError
from producers.service import Service
from producers.source import ReadingReport
from spendstream.health import health_page
from spendstream.settings import ConfigurationError, Settings
from tests.producers.test_focus_columns import ROW


class Undisputed(AbstractContextManager["Undisputed"]):
    """The right to publish where nobody else wants it."""

    def __init__(self, _: Settings) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, _: threading.Event) -> bool:
        return True

    def check(self) -> None:
        pass


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW))
        writer.writeheader()
        writer.writerow(ROW)
    return str(path)


@pytest.fixture
def deployment(embedded_kafka, export):
    def made(**health: object):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # The schedule is far away: after the start only a request makes it run.
        focus = [{"name": "main", "path": export, "schedule": "0 0 1 1 *"}]
        return embedded_kafka.settings(focus=focus, health={"produce": port, **health})

    return made


@contextmanager
def running(settings):
    service = Service(settings, Undisputed)
    thread = threading.Thread(target=service.run_until_stopped)
    with health_page(service, settings.health, settings.health.produce, pages(settings.health, service.ask)):
        thread.start()
        try:
            yield service
        finally:
            service.stop()
            thread.join(30)


def shown(settings) -> dict[str, str]:
    token = settings.health.token.get_secret_value() if settings.health.token else ""
    request = Request(
        f"http://127.0.0.1:{settings.health.produce}/healthz", headers={"Authorization": f"Bearer {token}"}
    )
    with urlopen(request, timeout=5) as answer:
        state: dict[str, str] = json.load(answer)["sources"].get("focus.main", {})
    return state


def until_read(settings, after: str = "never") -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = shown(settings)
        if state.get("state") == "waiting" and state["last"] not in {"never", after}:
            return state["last"]
        time.sleep(0.05)
    pytest.fail("the source was not read")


def test_a_source_is_read_at_the_start_and_again_when_it_is_asked_for(deployment):
    settings = deployment(token="secret")
    with running(settings):
        first = until_read(settings)
        said = run_now(settings, "focus.main")
        second = until_read(settings, first)
    assert said == "focus.main is read now"
    assert "1 published" in first
    assert "0 published" in second


def test_a_wrong_token_cannot_ask_for_a_run(deployment):
    settings = deployment(token="secret")
    wrong = settings.model_copy(update={"health": settings.health.model_copy(update={"token": SecretStr("other")})})
    with running(settings), pytest.raises(ConfigurationError, match="token is missing or wrong"):
        run_now(wrong, "focus.main")


def test_the_health_page_shows_what_each_source_did_and_when_it_is_due(deployment):
    settings = deployment()
    with running(settings):
        first = until_read(settings)
        assert "1 published" in first
        assert shown(settings)["due"].startswith("2027-01-01")


def test_without_a_token_nobody_can_ask_for_a_run(deployment):
    settings = deployment()
    with running(settings), pytest.raises(ConfigurationError, match=r"set health\.token"):
        run_now(settings, "focus.main")


def test_where_no_producer_runs_the_source_is_read_here(deployment):
    assert "1 published" in run_now(deployment(), "focus.main")


def test_a_source_that_is_not_there_is_named_with_those_that_are(deployment):
    with pytest.raises(ConfigurationError, match=r"no source other; there are focus\.main"):
        run_now(deployment(), "other")


def test_when_kafka_refuses_the_lanes_begin_anew(deployment, monkeypatch):
    settings, read = deployment(), FocusExport.run_once
    refusals = [DeliveryError("Kafka is away")]

    def run_once(source: FocusExport) -> ReadingReport:
        if refusals:
            raise refusals.pop()
        return read(source)

    monkeypatch.setattr(FocusExport, "run_once", run_once)
    monkeypatch.setattr("producers.service._FIRST_PAUSE_SECONDS", 0.05)
    with running(settings):
        assert "1 published" in until_read(settings)


def test_an_error_that_no_pause_heals_ends_the_process(deployment):
    settings = deployment()
    settings = settings.model_copy(update={"focus": (settings.focus[0].model_copy(update={"schedule": "hourly"}),)})
    with pytest.raises(ConfigurationError, match="'hourly' is no cron expression"):
        Service(settings, Undisputed).run_until_stopped()


def test_a_bill_that_takes_long_does_not_hold_up_metrics(deployment, monkeypatch):
    ended, measured = threading.Event(), threading.Event()

    def long_bill(source: FocusExport) -> ReadingReport:
        ended.wait(30)
        return ReadingReport(source.name, 1, 0, 0, 0, 0.0)

    def quick_metrics(source: CloudWatch) -> ReadingReport:
        measured.set()
        return ReadingReport(source.name, 1, 0, 0, 0, 0.0)

    monkeypatch.setattr(FocusExport, "run_once", long_bill)
    monkeypatch.setattr(CloudWatch, "run_once", quick_metrics)
    settings = deployment()
    settings = settings.model_copy(update={"cloudwatch": settings.cloudwatch.model_copy(update={"enabled": True})})
    with running(settings):
        came = measured.wait(30)
        state = shown(settings)["state"]
        ended.set()
    assert (came, state) == (True, "running")
