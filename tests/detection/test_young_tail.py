"""What is told of series whose own tails are not known yet, from what all young ones showed together."""

from datetime import UTC, datetime

import numpy as np
import pytest

from detection.cost_series import CostSeries
from detection.seasons import Calendar
from detection.young_tail import FROM, UNTIL, YoungTail

DAYS = Calendar()
START = DAYS.index(datetime(2025, 1, 6, tzinfo=UTC))
OWN_FROM = 56


def seen(nominal):
    """Return what is known of series of which these days were seen, the first when they became young ones."""
    tail = YoungTail(OWN_FROM)
    tail.add(nominal.shape[1])
    for age, row in enumerate(nominal, FROM):
        tail.learn(row, np.full(len(row), age))
    return tail


def power_tail(rng, size):
    """Return −ln p of which a hundredth lies beyond 8 and falls off by the power of 1.5."""
    nominal = np.minimum(rng.exponential(size=size), 8.0)
    return np.where(rng.uniform(size=size) < 0.01, 8 * rng.uniform(size=size) ** (-1 / 1.5), nominal)


def organisation(noise):
    """Return a detector of series whose costs have that noise, at the day after it, and how often it has alerted."""
    detector = CostSeries(DAYS, false_alerts_a_week=0.4)
    detector.add(noise.shape[1])
    week = np.array([1.0] * 5 + [0.6] * 2)[np.arange(len(noise)) % 7]
    told = 0
    for day, row in enumerate(100 * week[:, None] * (1 + 0.05 * noise)):
        detector.advance(START + day)
        told += int(detector.learn_many(row).sum())
    detector.advance(START + len(noise))
    return detector, told


def test_the_p_value_is_how_often_young_series_were_as_far_out():
    rng = np.random.default_rng(1)
    tail, fresh = seen(power_tail(rng, (20, 500))), power_tail(rng, 500_000)

    p = np.exp(-tail.log_p(fresh, np.full(len(fresh), 34), alone=np.zeros(len(fresh))))

    assert (p < 1e-3).mean() == pytest.approx(1e-3, rel=0.5)
    assert (p < 1e-4).mean() == pytest.approx(1e-4, rel=0.5)


def test_one_incident_of_a_week_counts_once():
    calm = np.full((20, 50), 1.0)
    once, week = calm.copy(), calm.copy()
    once[5, 0] = week[5:12, 0] = 40.0

    found, expected = (seen(one).log_p(np.full(50, 60.0), np.full(50, 34), np.zeros(50)) for one in (week, once))

    assert found == pytest.approx(expected)


def test_series_that_are_too_young_or_grown_up_are_judged_alone():
    tail = seen(np.full((20, 50), 1.0))

    found = tail.log_p(np.full(4, 60.0), np.array([FROM - 1, FROM, UNTIL - 1, UNTIL]), alone=np.full(4, 5.0))

    assert (found > 5).tolist() == [False, True, True, False]


def test_a_belief_about_a_series_gives_way_when_enough_was_seen_and_its_own_tail_does_not():
    few, many = (seen(np.full((20, series), 1.0)) for series in (10, 100))
    ages = np.array([OWN_FROM, OWN_FROM + 14])

    little, enough = (tail.log_p(np.full(2, 60.0), ages, alone=np.full(2, 20.0)) for tail in (few, many))

    assert little.tolist() == [20, 20]
    assert enough[0] < 12
    assert enough[1] == 20


@pytest.mark.parametrize("days", [25, 40])
def test_a_large_organisation_is_told_of_a_dear_day_in_its_first_weeks(days):
    detector, told = organisation(np.random.default_rng(1).normal(size=(days, 200)))

    expected = detector.levels.expect().mean

    assert detector.score_many(expected * 5).passes.all()
    assert not detector.score_many(expected * 1.1).passes.any()
    assert told == 0


@pytest.mark.parametrize("series", [100, 200])
def test_where_dear_days_are_common_they_are_not_told(series):
    rng = np.random.default_rng(1)
    dear = rng.uniform(size=(56, series)) < 1 / 50

    _, told = organisation(rng.normal(size=dear.shape) + dear * rng.uniform(8, 30, size=dear.shape))

    assert told < 0.25 * dear.sum()
