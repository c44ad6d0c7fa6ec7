"""Which points are asked for, in which batches, and what counts up turned into increases."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.cloudwatch_points import MAX_POINTS, batches, increases, span

NOW = datetime(2026, 3, 10, 12, 2, 30, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def test_only_periods_that_have_ended_are_asked_for():
    asked = span(NOW, None, 300, HALF_HOUR)
    assert (asked.start, asked.end) == (NOW.replace(hour=11, minute=20, second=0), NOW.replace(minute=0, second=0))


def test_after_downtime_all_points_since_then_are_asked_for():
    asked = span(NOW, NOW - timedelta(hours=7), 300, HALF_HOUR)
    assert asked.start == NOW.replace(hour=4, minute=20, second=0)


@pytest.mark.parametrize(("period", "days"), [(60, 15), (300, 63), (3600, 455)])
def test_nothing_is_asked_for_that_aws_no_longer_keeps(period, days):
    asked = span(NOW, NOW - timedelta(days=1000), period, HALF_HOUR)
    assert timedelta(days=days) <= NOW - asked.start < timedelta(days=days, seconds=period)


@given(st.integers(0, 5000), st.sampled_from([60, 300, 3600, 86400]))
def test_every_point_is_asked_for_once_more_after_it_settled(minutes_between, period):
    first = NOW
    second = span(NOW + timedelta(minutes=minutes_between), first, period, HALF_HOUR)
    length = timedelta(seconds=period)
    unsettled = [
        at
        for at in (second.start - length * n for n in range(1, 60))
        if at + length > span(first, None, period, HALF_HOUR).settled
    ]
    assert unsettled == []


@pytest.mark.parametrize(
    ("queries", "points", "sizes"), [(1200, 8, [500, 500, 200]), (3, MAX_POINTS, [1, 1, 1]), (0, 8, [])]
)
def test_a_batch_is_what_one_call_takes(queries, points, sizes):
    assert [len(some) for some in batches(range(queries), points)] == sizes


def at(day: int, hour: int, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def test_a_figure_that_counts_up_becomes_its_increases():
    points = [(at(9, 0), 100.0), (at(9, 6), 103.0), (at(9, 12), 103.0), (at(9, 18), 101.5)]
    assert increases(points) == [(at(9, 6), 3.0), (at(9, 12), 0.0), (at(9, 18), -1.5)]


def test_a_new_month_begins_with_the_first_fall_of_its_first_day():
    points = [(at(31, 18), 900.0), (at(1, 0, 4), 905.0), (at(1, 6, 4), 2.0), (at(1, 12, 4), 5.0)]
    assert [value for _, value in increases(points)] == [5.0, 2.0, 3.0]


def test_a_new_month_has_begun_after_its_first_day_even_when_the_figure_did_not_fall():
    points = [(at(31, 18), 4.0), (at(2, 6, 4), 7.0), (at(2, 12, 4), 8.0)]
    assert [value for _, value in increases(points)] == [7.0, 1.0]


def test_a_span_that_begins_in_the_first_day_of_a_month_finds_the_same_beginning():
    points = [(at(1, 0, 4), 905.0), (at(1, 6, 4), 2.0), (at(2, 12, 4), 5.0)]
    assert [value for _, value in increases(points)] == [2.0, 3.0]


def test_a_span_that_begins_with_the_new_months_figure_is_not_taken_for_the_old_one():
    points = [(at(1, 20, 4), 3.0), (at(2, 2, 4), 4.0), (at(2, 8, 4), 3.5)]
    assert [value for _, value in increases(points)] == [1.0, -0.5]


@given(st.lists(st.floats(0, 1000), min_size=2, max_size=40))
def test_within_a_month_the_increases_add_up(values):
    points = [(at(5, 0) + timedelta(hours=6 * n), value) for n, value in enumerate(values)]
    total = sum(value for _, value in increases(points))
    assert total == pytest.approx(values[-1] - values[0], abs=1e-6)
    assert all(earlier[0] < later[0] for earlier, later in pairwise(increases(points)))
