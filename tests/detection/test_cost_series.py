from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.cost_series import CostSeries
from detection.seasons import Calendar

DAYS = Calendar()
START = DAYS.index(datetime(2025, 1, 6, tzinfo=UTC))


def ordinary(days=150, series=20, seed=1):
    rng = np.random.default_rng(seed)
    week = np.array([1.0] * 5 + [0.6] * 2)[np.arange(days) % 7]
    return 100 * week[:, None] * (1 + 0.05 * rng.normal(size=(days, series)))


def run(values, detector=None, start=START):
    """Return the detector after `values`, its scores a period, and in which (period, series) incidents began."""
    if detector is None:
        detector = CostSeries(DAYS, false_alerts_a_week=0.002)
        detector.add(values.shape[1])
    scores, alerts = [], []
    for n, row in enumerate(values):
        detector.advance(start + n)
        scores.append(detector.score_many(row))
        alerts += [(n, int(column)) for column in np.flatnonzero(detector.learn_many(row, scores[-1]))]
    return detector, scores, alerts


def test_ordinary_weeks_are_quiet():
    _, _, alerts = run(ordinary())

    assert alerts == []


def test_the_noise_of_hours_is_known_before_they_are_first_told_of():
    rng = np.random.default_rng(3)
    wave = 1 + 0.4 * np.sin(2 * np.pi * np.arange(21 * 24) / 24)
    detector = CostSeries(Calendar(hourly=True), false_alerts_a_week=1.0)
    detector.add(30)

    _, _, alerts = run(100 * wave[:, None] * (1 + 0.04 * rng.standard_t(6, size=(21 * 24, 30))), detector, START * 24)

    assert sum(hour >= 14 * 24 for hour, _ in alerts) <= 3


def test_a_spike_alerts_at_once_and_once():
    values = ordinary()
    values[120, 3] *= 2

    _, scores, alerts = run(values)

    assert alerts == [(120, 3)]
    assert scores[120].window[3] == 1
    assert scores[120].upper[3] < values[120, 3]


def test_a_step_alerts_once_until_it_is_the_new_level():
    values = ordinary()
    values[120:, 3] *= 1.6

    _, scores, alerts = run(values)

    assert alerts == [(120, 3)]
    assert scores[140].expected[3] == pytest.approx(values[140, 3], rel=0.2)


def test_the_end_of_an_incident_is_no_new_one():
    values = ordinary()
    values[110:125, 3] *= 1.6

    _, _, alerts = run(values)

    assert alerts == [(110, 3)]


def test_a_small_step_is_found_by_a_longer_window():
    values = ordinary()
    values[120:134, 3] *= 1.17

    _, scores, alerts = run(values)

    assert [column for _, column in alerts] == [3]
    assert abs(scores[alerts[0][0]].window[3]) > 1


def test_a_creep_is_found_though_the_level_follows_it():
    values = ordinary(228)
    values[200:, 3] *= 1 + 0.25 * np.arange(1, 29) / 28

    _, scores, alerts = run(values)

    assert {column for _, column in alerts} == {3}
    assert scores[alerts[0][0]].window[3] in {7, 28}


def test_what_a_creep_has_taught_is_taken_back_when_it_is_found():
    values = ordinary(228)
    values[200:, 3] *= 1 + 0.3 * np.arange(1, 29) / 28
    _, scores, alerts = run(values[:218])
    found = alerts[0][0]
    learnt, kept = scores[found].expected[3], scores[found + 1].expected[3]

    assert learnt > 1.03 * 100 > kept
    assert kept == pytest.approx(100, rel=0.03)


def test_what_was_expected_is_told_without_what_the_creep_has_taught():
    values = ordinary(228)
    values[200:, 3] *= 1 + 0.3 * np.arange(1, 29) / 28
    found = run(values)[2][0][0]
    before, scores, _ = run(values[: found + 1])
    told = np.array([one.expected[3] for one in scores[200:]])

    held = told * before.held_back(3, len(told))

    week = np.array([1.0] * 5 + [0.6] * 2)[np.arange(200, found + 1) % 7]
    assert np.abs(held / (100 * week) - 1).max() < 0.06
    assert held.sum() < told.sum()


def test_what_lasts_is_found_where_single_days_are_wild():
    rng = np.random.default_rng(1)
    wild = rng.uniform(size=(300, 20)) < 1 / 40
    values = ordinary(300) * np.where(wild, rng.uniform(1.5, 4, size=wild.shape), 1.0)
    values[280:287, 3] = 130

    _, _, alerts = run(values)

    assert (280, 3) < min(one for one in alerts if one[0] >= 280 and one[1] == 3) <= (286, 3)
    assert len([one for one in alerts if one[0] >= 150]) < 0.2 * wild[150:].sum()


def test_usage_that_vanishes_alerts_downwards():
    values = ordinary()
    values[120:, 3] = 0

    _, scores, alerts = run(values)

    assert alerts[0] == (120, 3)
    assert scores[120].window[3] < 0


def test_a_partial_day_is_held_against_its_expected_part():
    detector, _, _ = run(ordinary())
    detector.advance(START + 150)

    partial = detector.levels.expect().mean * 0.7
    scores = detector.score_many(partial, share=0.7, spread=0.05)

    assert not scores.passes.any()
    assert np.abs(scores.z).max() < 0.1
    assert (scores.upper / scores.expected > 1.2).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e9, 0.0, 1e300])
def test_bad_values_raise_nothing_and_end(bad):
    values = ordinary()
    values[100:103, 3] = bad

    _, scores, alerts = run(values)

    assert len([one for one in alerts if one[1] == 3]) <= 1
    assert all(np.isfinite(one.log_p).all() for one in scores)
    assert not scores[-1].passes.any()


def test_a_constant_series_and_a_series_of_one_point_are_quiet():
    values = np.full((60, 2), 7.0)
    values[1:, 1] = np.nan

    _, _, alerts = run(values)

    assert alerts == []


def test_a_state_of_another_version_is_refused():
    state = CostSeries(DAYS).plain() | {"version": 1}

    with pytest.raises(ValueError, match="version 1"):
        CostSeries(DAYS).restore(state)


@settings(max_examples=4, deadline=None)
@given(st.integers(1, 39), st.integers(0, 1000))
def test_saved_and_restored_scored_twice_nothing_changes(cut, seed):
    values = ordinary(40, 3, seed)
    values[30:33, 1] *= 3
    through, scores, alerts = run(values)
    first, _, before = run(values[:cut])
    second = CostSeries(DAYS, false_alerts_a_week=0.002)
    second.restore(first.plain())
    second.advance(START + cut)
    second.score_many(values[cut])

    second, rest, after = run(values[cut:], second, START + cut)

    assert second.plain() == through.plain()
    assert [*before, *((n + cut, column) for n, column in after)] == alerts
    np.testing.assert_array_equal(rest[-1].log_p, scores[-1].log_p)
