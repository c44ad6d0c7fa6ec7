"""Which days a report is about, when it is due, how final it is, and whether somebody is told of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from alerts.reports.due import Book, Standing, judge, standing
from alerts.reports.report import Span
from schemas.events import CostReport, ReportTotal
from tests.alerts.reports.facts import DAY, report

NOW = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
BOOK = Book("cost_explorer", "1234", DAY, None, NOW)
SPAN = Span(DAY, DAY)
TOLD = CostReport(
    report="daily", receiver="hook", first_day=DAY, last_day=DAY, measure="effective", state="sent",
    stage="provisional", number=0, digest="d", totals=[ReportTotal(currency="USD", amount=Decimal(100))],
    channel="webhook", sent_at=NOW, attempts=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("every", "now", "first", "last"),
    [
        ("day", "2026-03-10T08:00", "2026-03-09", "2026-03-09"),
        ("day", "2026-03-10T07:59", "2026-03-08", "2026-03-08"),
        ("week", "2026-03-09T08:00", "2026-03-02", "2026-03-08"),
        ("week", "2026-03-09T07:59", "2026-02-23", "2026-03-01"),
        ("week", "2026-03-15T23:00", "2026-03-02", "2026-03-08"),
        ("month", "2026-03-01T08:00", "2026-02-01", "2026-02-28"),
        ("month", "2026-03-01T07:59", "2026-01-01", "2026-01-31"),
    ],
)
def test_the_newest_period_is_the_one_whose_time_has_come(every, now, first, last):
    one = report(every=every)
    period = one.newest(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert period.span == Span(date.fromisoformat(first), date.fromisoformat(last))
    assert one.due_at(period) == datetime.combine(period.span.last + timedelta(days=1), one.at, UTC)


def test_a_late_bill_may_be_given_more_days():
    one = report(days_after=3, at="06:30")
    assert one.newest(NOW).span == Span(date(2026, 3, 7), date(2026, 3, 7))
    assert one.due_at(one.newest(NOW)) == datetime(2026, 3, 10, 6, 30, tzinfo=UTC)


def test_a_day_is_compared_with_its_weekday_and_a_month_with_the_whole_one_before():
    assert [span.first for _, span in report().newest(NOW).before] == [date(2026, 3, 2), date(2026, 3, 8)]
    monthly = report(every="month").newest(NOW)
    assert monthly.before == (("January 2026", Span(date(2026, 1, 1), date(2026, 1, 31))),)
    assert [len(report(every=every).newest(NOW).trend) for every in ("day", "week", "month")] == [14, 8, 12]
    assert monthly.trend[0] == Span(date(2025, 3, 1), date(2025, 3, 31))


@pytest.mark.parametrize(
    ("books", "stage"),
    [
        ([], "provisional"),
        ([BOOK], "complete"),
        ([replace(BOOK, closed_through=None)], "provisional"),
        ([BOOK, replace(BOOK, billing_account="2", closed_through=DAY - timedelta(days=1))], "provisional"),
        ([BOOK, replace(BOOK, closed_through=None, closed_at=NOW - timedelta(days=36))], "complete"),
        ([replace(BOOK, closed_at=NOW - timedelta(days=99))], "complete"),
        ([replace(BOOK, final_through=DAY)], "final"),
        ([replace(BOOK, final_through=DAY), BOOK], "complete"),
    ],
)
def test_a_period_is_as_final_as_its_latest_source(books, stage):
    assert standing(books, SPAN, NOW).stage == stage


def test_who_is_late_is_said():
    late = standing([replace(BOOK, closed_through=date(2026, 3, 7))], SPAN, NOW)
    assert late == Standing("provisional", ("cost_explorer of 1234 tells of days to 2026-03-07",))


def _through(one: Standing) -> tuple[date | None, date | None]:
    return one.complete_through, one.final_through


def test_which_days_are_complete_and_which_final_is_said_of_the_latest_source():
    week = Span(date(2026, 3, 2), date(2026, 3, 8))
    books = [replace(BOOK, final_through=date(2026, 3, 4)), replace(BOOK, closed_through=date(2026, 3, 7))]
    assert _through(standing(books, week, NOW)) == (date(2026, 3, 7), None)
    books[1] = replace(books[1], final_through=date(2026, 3, 3))
    assert _through(standing(books, week, NOW)) == (date(2026, 3, 7), date(2026, 3, 3))


@pytest.mark.parametrize(
    ("logged", "stage", "total", "action"),
    [
        (None, "provisional", 100, "send"),
        (TOLD, "provisional", 500, "nothing"),
        (TOLD, "complete", 102, "correct"),
        (TOLD, "complete", 98, "correct"),
        (TOLD, "complete", "101.99", "note"),
        (replace(TOLD, stage="complete"), "complete", 500, "nothing"),
        (replace(TOLD, stage="complete"), "final", 500, "correct"),
        (replace(TOLD, stage="final"), "provisional", 500, "nothing"),
        (replace(TOLD, state="refused"), "final", 500, "nothing"),
        (replace(TOLD, totals=[]), "complete", 1, "correct"),
        (replace(TOLD, totals=[]), "complete", 0, "note"),
    ],
)
def test_a_receiver_is_told_once_and_then_only_what_is_more_final_and_differs(logged, stage, total, action):
    assert judge(logged, stage, {"USD": Decimal(total)}, Decimal("0.02")).action == action


def test_a_currency_that_comes_or_goes_is_a_difference():
    now = {"USD": Decimal(100), "EUR": Decimal(1)}
    assert judge(TOLD, "complete", now, Decimal("0.5")).action == "correct"
    assert judge(TOLD, "complete", {}, Decimal("0.5")).action == "correct"


def test_a_person_may_have_it_sent_once_more():
    assert judge(TOLD, "provisional", {}, Decimal(1), again=True).action == "send"


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": "hour"},
        {"receivers": []},
        {"by": "colour"},
        {"by": "tag:"},
        {"where": {"team": "search"}},
        {"where": {"account": []}},
        {"days_after": 0},
        {"id": "a b"},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_a_report_is_refused(wrong):
    with pytest.raises(ValidationError):
        report(**wrong)
