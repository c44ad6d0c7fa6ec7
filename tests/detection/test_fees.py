import json
from datetime import date, timedelta

import pytest

from detection.fees import FeeCalendar, FeeFinding

EARLY = date(2024, 1, 1)


def monthly(months=6, amount=100.0, day=1):
    calendar = FeeCalendar()
    for n in range(months):
        calendar.put(date(2025, 1 + n, day), amount)
    return calendar


def test_the_first_charge_is_new_and_the_others_are_expected():
    found = monthly().findings(date(2025, 6, 2), EARLY)

    assert found == [FeeFinding("new", date(2025, 1, 1), 100, 0)]


def test_a_month_without_its_fee_is_missing_after_the_grace():
    calendar = monthly()

    assert calendar.findings(date(2025, 7, 3), date(2025, 7, 1)) == []
    assert calendar.findings(date(2025, 7, 5), date(2025, 7, 1)) == [FeeFinding("missing", date(2025, 7, 1), 0, 100)]


@pytest.mark.parametrize(("day", "amount"), [(date(2025, 7, 1), 200.0), (date(2025, 6, 9), 100.0)])
def test_a_fee_charged_twice_is_doubled(day, amount):
    calendar = monthly()
    calendar.put(day, amount)

    assert calendar.findings(day, day) == [FeeFinding("doubled", day, 200, 100)]


def test_a_second_charge_does_not_move_the_cycle():
    calendar = monthly()
    calendar.put(date(2025, 6, 9), 100.0)

    assert calendar.due() == date(2025, 7, 1)


def test_a_fee_that_costs_more_is_changed():
    calendar = monthly()
    calendar.put(date(2025, 7, 1), 130)

    assert calendar.findings(date(2025, 7, 1), date(2025, 7, 1)) == [FeeFinding("changed", date(2025, 7, 1), 130, 100)]


def test_a_tax_that_follows_usage_may_differ():
    calendar = FeeCalendar()
    for n, amount in enumerate([90, 110, 95, 120, 100, 105]):
        calendar.put(date(2025, 1 + n, 3), amount)

    calendar.put(date(2025, 7, 3), 125)

    assert calendar.findings(date(2025, 7, 3), date(2025, 7, 1)) == []


def test_a_restatement_replaces_and_takes_away():
    calendar = monthly()
    calendar.put(date(2025, 6, 9), 100.0)

    calendar.put(date(2025, 6, 9), 0)

    assert calendar == monthly()


def test_the_last_day_of_a_month_is_kept():
    calendar = FeeCalendar()
    for day in (date(2024, 12, 31), date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)):
        calendar.put(day, 50.0)

    assert calendar.due() == date(2025, 4, 30)


def test_daily_fees_are_missed_the_next_day():
    calendar = FeeCalendar()
    for n in range(10):
        calendar.put(date(2025, 3, 1) + timedelta(days=n), 5.0)

    found = calendar.findings(date(2025, 3, 12), date(2025, 3, 11))

    assert [one.kind for one in found] == ["missing"]


def test_state_is_plain_and_comes_back():
    calendar = monthly()

    assert FeeCalendar.from_plain(json.loads(json.dumps(calendar.plain()))) == calendar
