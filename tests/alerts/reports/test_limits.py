"""What a receiver may be burdened with, of reports: quiet hours, rate, deadline, fallback, as of alerts."""

from datetime import timedelta

import pytest

from spendstream.clock import ManualClock
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, REPORTS
from tests.alerts.reports.bills import BILL, reading, write
from tests.alerts.reports.test_service import log_of, outcomes, read, reporting, wait_until
from tests.alerts.web_double import WebDouble
from tests.processors.histories import NOW

ROUTING = """
receivers:
- {{name: hook, channel: webhook, url: "{url}/hook", {limits}}}
- {{name: other, channel: webhook, url: "{url}/other"}}
route: {{receiver: hook}}
reports:
- {{id: daily, every: day, receivers: [hook]}}
{more}
"""


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr("alerts.reports.reporting._LOOK_SECONDS", 0.02)


def configure(settings: Settings, double: WebDouble, limits: str, more: str = "") -> None:
    assert settings.alerts.routing is not None
    settings.alerts.routing.write_text(ROUTING.format(url=double.url, limits=limits, more=more))


def paths(double: WebDouble) -> list[str]:
    return [got.path for got in double.got]


def test_a_report_waits_for_the_end_of_quiet_hours(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(settings, double, 'quiet: {zone: UTC, start: "08:00", end: "13:00"}')
        with reporting(settings, clock):
            wait_until(lambda: outcomes(settings) == [("hook", "held")])
            assert paths(double) == []
            clock.advance(timedelta(hours=1))
            wait_until(lambda: len(log_of(settings)) == 1)
    assert outcomes(settings) == [("hook", "held"), ("hook", "accepted")]


def test_no_more_reports_go_out_than_the_rate_allows(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble() as double:
        configure(settings, double, "rate: 1/h", "- {id: accounts, every: day, by: account, receivers: [hook]}")
        with reporting(settings, clock):
            wait_until(lambda: ("hook", "held") in outcomes(settings))
            assert paths(double) == ["/hook"]
            clock.advance(timedelta(hours=1))
            wait_until(lambda: len(read_sent(settings)) == 2)
    assert read_sent(settings) == ["accounts", "daily"]


def read_sent(settings: Settings) -> list[str]:
    return sorted(one.report for one in read(settings, REPORTS))


@pytest.mark.parametrize(("status", "outcome"), [(400, "refused"), (503, "expired")])
def test_the_fallback_is_told_of_what_a_receiver_was_not(settings, status, outcome):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble(lambda got: (status if got.path == "/hook" else 200, {})) as double:
        configure(settings, double, "fallback: other, deadline: 10m")
        with reporting(settings, clock):
            wait_until(lambda: outcomes(settings) != [])
            clock.advance(timedelta(minutes=11))
            wait_until(lambda: len(log_of(settings)) == 2)
    assert sorted(log_of(settings)) == [("hook", outcome, "complete", 0), ("other", "sent", "complete", 0)]
    assert outcomes(settings)[-3:] == [("hook", outcome), ("hook", "fell_back"), ("other", "accepted")]
    assert b"This was meant for hook, which could not be told." in double.got[-1].body
    assert read(settings, DEAD_LETTERS) == []


@pytest.mark.slow
def test_without_a_fallback_it_is_tried_while_it_is_news_and_then_left_to_a_person(settings):
    write(settings, reading(1, BILL))
    clock = ManualClock(NOW)
    with WebDouble(lambda _: (503, {})) as double:
        configure(settings, double, "deadline: 10m")
        with reporting(settings, clock) as made:
            wait_until(lambda: "status 503" in str(made.details()))
            clock.advance(timedelta(hours=2))
            wait_until(lambda: outcomes(settings) == [("hook", "retrying")] * 2)
            assert log_of(settings) == []
            clock.advance(timedelta(days=1))
            wait_until(lambda: ("hook", "expired") in outcomes(settings))
    [letter] = read(settings, DEAD_LETTERS)
    assert letter.reason == "receiver hook was not told: status 503"
