"""Reports by the real service: once, again after a failure, corrected; and by hand."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from alerts.reports import by_hand
from alerts.reports import reporting as sending
from alerts.reports.reporting import Reporting
from alerts.reports.service import routing_with_reports
from schemas.codec import Codec
from schemas.events import CostReport, DeadLetter, DeliveryState
from schemas.repository import RepositorySchemas
from sinks.migrate import migrate
from spendstream.cli import app
from spendstream.clock import ManualClock
from spendstream.health import Progress
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError, Settings
from spendstream.topics import DEAD_LETTERS, DELIVERIES, REPORTS, Topic
from tests.alerts.reports.bills import BILL, reading, write
from tests.alerts.test_delivery import Alone
from tests.alerts.test_delivery import wait_until as wait_for_long
from tests.alerts.web_double import WebDouble
from tests.processors.histories import DAY, NOW

CODEC = Codec(RepositorySchemas())
ROUTING = """
receivers:
- {{name: hook, channel: webhook, url: "{url}/hook"}}
- {{name: chat, channel: slack, url: "{url}/chat"}}
route: {{receiver: hook}}
reports:
- {{id: daily, every: day, receivers: [{receivers}]}}
"""


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(sending, "_LOOK_SECONDS", 0.02)


def wait_until(holds: Any) -> None:
    wait_for_long(holds, 20)


def configure(settings: Settings, url: str, receivers: str = "hook") -> None:
    assert settings.alerts.routing is not None
    settings.alerts.routing.write_text(ROUTING.format(url=url, receivers=receivers))


@contextmanager
def reporting(settings: Settings, clock: ManualClock) -> Iterator[Reporting]:
    """Send reports in a thread of this process."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        made = Reporting(settings, routing_with_reports(settings), clock, Alone(), Progress("report"))
        done = pool.submit(asyncio.run, made.work(stop))
        try:
            yield made
        finally:
            stop.set()
            done.result(30)


def read(settings: Settings, topic: Topic) -> list[Any]:
    return [CODEC.decode(raw) for raw in read_back(settings, topic)]


def log_of(settings: Settings) -> list[tuple[str, str, str, int]]:
    """Return (receiver, state, stage, number) of all that is in the log, the last of each receiver."""
    last = {one.receiver: one for one in read(settings, REPORTS) if isinstance(one, CostReport)}
    return [(one.receiver, one.state, one.stage, one.number) for one in last.values()]


def outcomes(settings: Settings) -> list[tuple[str, str]]:
    """Return receiver and outcome of each state of a message, in their order."""
    return [(one.receiver, one.outcome) for one in read(settings, DELIVERIES) if isinstance(one, DeliveryState)]


def titles(double: WebDouble) -> list[str]:
    return [json.loads(got.body)["note"]["title"] for got in double.got if got.path == "/hook"]


def by_hand_now(settings: Settings, clock: ManualClock, **options: Any) -> list[tuple[str, str, bool]]:
    routing = routing_with_reports(settings)
    [report] = routing.reports
    period = report.newest(clock.now())
    return asyncio.run(by_hand.send_now(settings, routing, clock, report, period, **options))


def test_a_report_is_told_once_to_each_receiver_whoever_runs_again(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(settings, double.url, "hook, chat")
        with reporting(settings, clock):
            wait_until(lambda: len(log_of(settings)) == 2)
        assert by_hand_now(settings, clock)[0] == ("hook", "nothing sent: told at 2026-03-10 12:00 UTC, complete", True)
        with reporting(settings, clock) as second:
            wait_until(lambda: {key[-1] for key in second._waits} >= {"hook", "chat"})
        assert sorted(got.path for got in double.got) == ["/chat", "/hook"]
        assert by_hand_now(settings, clock, to="hook", again=True) == [("hook", "sent", True)]
    assert titles(double) == ["Daily costs, Monday 2026-03-09: 150.00 USD (0.0 %)"] * 2
    ids = {json.loads(got.body)["id"] for got in double.got if got.path == "/hook"}
    assert len(ids) == 2


def test_a_late_bill_is_provisional_and_a_correction_follows_once(settings):
    first = reading(1, BILL, through=None)
    write(settings, first)
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(settings, double.url)
        with reporting(settings, clock):
            wait_until(lambda: log_of(settings) == [("hook", "sent", "provisional", 0)])
            whole = [*first, *reading(2, {DAY: {"EC2": 170, "S3": 30}})]
            write(settings, whole)
            clock.advance(timedelta(minutes=10))
            wait_until(lambda: log_of(settings) == [("hook", "sent", "complete", 1)])
            write(settings, [*whole, *reading(3, {DAY: {"EC2": 171, "S3": 30}}, final=DAY)])
            clock.advance(timedelta(minutes=10))
            wait_until(lambda: log_of(settings) == [("hook", "sent", "final", 1)])
    assert titles(double) == [
        "Provisional: Daily costs, Monday 2026-03-09: 150.00 USD (0.0 %)",
        "Correction: Daily costs, Monday 2026-03-09: 200.00 USD (+33.3 %)",
    ]
    text = json.loads(double.got[1].body)["note"]["text"]
    assert "This corrects what was told before: 150.00 USD, now 200.00 USD." in text


def test_a_receiver_that_is_away_is_tried_after_1_2_and_4_seconds(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    answers: Iterator[tuple[int, dict[str, str]]] = iter([(503, {})] * 3)
    with WebDouble(lambda _: next(answers, (200, {}))) as double:
        configure(settings, double.url)
        with reporting(settings, clock) as made:
            for count, seconds in enumerate((1, 2, 4), start=1):
                wait_until(lambda: outcomes(settings) == [("hook", "retrying")] * count)  # noqa: B023 - asked at once
                wait_until(lambda: made.details()["reports_in_trouble"] == {"daily 2026-03-09 hook": "status 503"})
                until, _ = made._lines["hook"].waits(clock.now()) or (clock.now(), "")
                assert until - clock.now() == timedelta(seconds=seconds)
                clock.advance(timedelta(seconds=seconds))
            wait_until(lambda: len(log_of(settings)) == 1)
    [told] = read(settings, REPORTS)
    assert (told.attempts, len({json.loads(got.body)["id"] for got in double.got})) == (4, 1)
    assert outcomes(settings) == [("hook", "retrying")] * 3 + [("hook", "accepted")]


def test_what_a_receiver_refuses_is_a_dead_letter_and_not_tried_again(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble(lambda _: (400, {})) as double:
        configure(settings, double.url)
        with reporting(settings, clock):
            wait_until(lambda: log_of(settings) == [("hook", "refused", "complete", 0)])
        assert by_hand_now(settings, clock)[0][1] == "nothing sent: the receiver refused it at 2026-03-10 12:00 UTC"
    assert len(double.got) == 1
    [letter] = [one for one in read(settings, DEAD_LETTERS) if isinstance(one, DeadLetter)]
    assert (letter.stage, letter.reason) == ("report", "receiver hook refused it: status 400")


def test_figures_that_cannot_be_had_yet_are_asked_for_again(bare):
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(bare, double.url)
        with reporting(bare, clock) as made:
            wait_until(lambda: "no figures" in str(made.details()))
            migrate(bare.clickhouse)
            write(bare, reading(1, BILL))
            clock.advance(timedelta(hours=1))
            wait_until(lambda: len(log_of(bare)) == 1)
    assert len(double.got) == 1


def test_a_report_that_is_written_while_it_runs_goes_out_and_history_does_not(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(settings, double.url)
        assert settings.alerts.routing is not None
        text = settings.alerts.routing.read_text()
        settings.alerts.routing.write_text(text.replace("every: day", "every: month"))
        with reporting(settings, clock):
            settings.alerts.routing.write_text(text)
            double.wait_for(lambda got: len(got) == 1)
    assert titles(double)[0].startswith("Daily costs")


def test_a_receiver_that_is_added_while_it_runs_is_told_too(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(settings, double.url)
        with reporting(settings, clock):
            wait_until(lambda: len(log_of(settings)) == 1)
            configure(settings, double.url, "hook, chat")
            wait_until(lambda: len(log_of(settings)) == 2)
    assert sorted(got.path for got in double.got) == ["/chat", "/hook"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("id: daily, every: day, receivers: [nobody]", "report daily names nobody, and there is no such receiver"),
        ("id: daily, every: day, receivers: [hook], at: 10:30", "write the time in quotes"),
        ("id: daily, every: day, receivers: [hook], by: 'category:x'", "name it in cost_explorer.view_categories"),
    ],
)
def test_a_report_that_cannot_be_told_is_refused_with_what_to_do(settings, wrong, said):
    configure(settings, "http://127.0.0.1:1")
    assert settings.alerts.routing is not None
    text = settings.alerts.routing.read_text().replace("id: daily, every: day, receivers: [hook]", wrong)
    settings.alerts.routing.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        routing_with_reports(settings)


def command(settings: Settings, *words: str, clickhouse: str | None = None) -> tuple[int, str]:
    environment = {
        "SPENDSTREAM_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "SPENDSTREAM_KAFKA__PREFIX": settings.kafka.prefix,
        "SPENDSTREAM_CLICKHOUSE__URL": clickhouse or settings.clickhouse.url,
        "SPENDSTREAM_CLICKHOUSE__DATABASE": settings.clickhouse.database,
        "SPENDSTREAM_ALERTS__ROUTING": str(settings.alerts.routing),
    }
    done = CliRunner().invoke(app, ["reports", *words], env=environment)
    return done.exit_code, done.output


def test_a_person_looks_at_a_report_and_sends_it(settings, tmp_path):
    write(settings, reading(1, BILL))
    html, csv = tmp_path / "r.html", tmp_path / "r.csv"
    with WebDouble() as double:
        configure(settings, double.url)
        status, said = command(settings, "show", "daily", "--day", "2026-03-09", "--html", str(html), "--csv", str(csv))
        assert (status, double.got) == (0, [])
        assert "EC2: 120.00 (+20.0 %)" in said
        assert "Monday 2026-03-09" in html.read_text()
        assert "daily,2026-03-09,2026-03-09,complete,effective,USD,service,EC2,120,100,110" in csv.read_text()
        assert command(settings, "send", "daily", "--day", "2026-03-09") == (0, "hook: sent\n")
        assert command(settings, "send", "daily", "--day", "2026-03-09")[1].startswith("hook: nothing sent: told at")
        assert len(double.got) == 1
        double.answer = lambda _: (503, {})
        away = command(settings, "send", "daily", "--day", "2026-03-09", "--to", "chat")
        assert away == (1, "chat: not sent: status 503\n")
        assert "daily" in command(settings, "list")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nightly"], "there is no report 'nightly'; there are: daily"),
        (["show", "daily", "--day", "2999-01-01"], "has not ended"),
        (["send", "daily", "--to", "nobody"], "there is no receiver 'nobody'; there are: hook, chat"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(settings, words, said):
    configure(settings, "http://127.0.0.1:1")
    status, told = command(settings, *words)
    assert (status, said in told) == (2, True), told


def test_a_clickhouse_that_is_away_is_told(settings):
    configure(settings, "http://127.0.0.1:1")
    status, told = command(settings, "show", "daily", clickhouse="http://127.0.0.1:1")
    assert (status, told.count("\n")) == (2, 1), told
    assert "ClickHouse does not answer" in told
