from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.levels import LevelBank
from detection.seasons import Calendar

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
DAYS = Calendar()
START = DAYS.index(MONDAY)


def learnt(values, bank=None, start=START):
    """Return a bank that has learnt the rows of `values`, and the expectations that it had of them."""
    bank = LevelBank(DAYS) if bank is None else bank
    bank.add(np.shape(values)[1] - len(bank))
    means = []
    for n, row in enumerate(values):
        bank.advance(start + n)
        means.append(bank.expect().mean)
        bank.learn_many(np.asarray(row, dtype=float))
    return bank, np.array(means)


def noisy(level, days, noise=0.05, seed=1):
    return level * (1 + noise * np.random.default_rng(seed).normal(size=(days, 1)))


def test_a_weekend_is_expected_after_three_weeks():
    week = np.array([[100.0]] * 5 + [[50.0]] * 2)

    bank, _ = learnt(np.tile(week, (4, 1)))

    bank.advance(START + 28 + 5)
    assert bank.expect().mean[0] == pytest.approx(50, rel=0.03)


def test_working_days_are_taken_as_alike_where_noise_hides_how_they_differ():
    _, means = learnt(noisy(100, 140, noise=0.15))

    assert np.ptp(means[-7:-2]) < 0.6 * np.ptp(means[49:54])


def test_a_day_of_the_week_that_plainly_differs_stays_so():
    mondays = np.where(np.arange(140) % 7 == 0, 1.5, 1.0)[:, None]

    bank, _ = learnt(noisy(100, 140) * mondays)

    bank.advance(START + 140)
    assert bank.expect().mean[0] == pytest.approx(150, rel=0.04)


def test_the_first_of_a_month_is_learnt_apart():
    days = [MONDAY + timedelta(days=n) for n in range(300)]
    bank, _ = learnt([[130.0 if day.day == 1 else 100.0] for day in days])

    bank.advance(DAYS.index(datetime(2025, 12, 1, tzinfo=UTC)))

    assert bank.expect().mean[0] == pytest.approx(130, rel=0.02)


def test_a_holiday_is_learnt_apart():
    holidays = frozenset({date(2025, 3, 5), date(2025, 4, 9), date(2025, 5, 14)})
    calendar = Calendar(holidays=holidays)
    days = [MONDAY + timedelta(days=n) for n in range(128)]
    bank, _ = learnt([[50.0 if day.date() in holidays else 100.0] for day in days], LevelBank(calendar))

    bank.advance(calendar.index(datetime(2025, 5, 14, tzinfo=UTC)))

    assert bank.expect().mean[0] == pytest.approx(50, rel=0.1)


def test_a_holiday_on_a_weekend_is_a_weekend_with_a_wider_band():
    saturday = MONDAY + timedelta(days=5)
    calendar = Calendar(holidays=frozenset({saturday.date()}))

    assert calendar.row(START + 5).tolist() == Calendar().row(START + 5).tolist()
    assert calendar.unsure(START + 5) > Calendar().unsure(START + 5)


def test_growth_is_followed():
    grows = 100 * np.exp(0.002 * np.arange(120))[:, None]

    _, means = learnt(grows)

    np.testing.assert_allclose(means[90:], grows[90:], rtol=0.01)


def test_the_noise_is_known_after_some_months():
    bank, _ = learnt(noisy(100, 200))

    bank.advance(START + 200)

    assert bank.expect().sd[0] == pytest.approx(0.05, rel=0.2)


def test_a_spike_is_not_learnt():
    values = noisy(100, 100)
    values[90] = 1000

    _, means = learnt(values)

    assert means[91, 0] == pytest.approx(100, rel=0.05)


def test_a_new_level_is_taken_after_its_confirmation_and_not_before():
    values = noisy(100, 120)
    values[90:] *= 3

    _, means = learnt(values)

    assert means[96, 0] < 130
    assert means[98, 0] == pytest.approx(300, rel=0.1)


def test_a_gap_of_months_widens_the_band():
    bank, _ = learnt(noisy(100, 100))
    bank.advance(START + 100)
    before = bank.expect().sd[0]

    bank.advance(START + 400)

    assert bank.expect().sd[0] > before
    bank.learn_many(np.array([100.0]))
    assert np.isfinite(bank.expect().mean[0])


def test_it_goes_forward_only():
    bank, _ = learnt(noisy(100, 3))

    with pytest.raises(ValueError, match="forward only"):
        bank.advance(START)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -5.0, 0.0, 1e300])
def test_bad_values_leave_finite_expectations(bad):
    values = noisy(100, 60)
    values[30:33] = bad

    bank, means = learnt(values)

    assert np.isfinite(means).all()
    bank.advance(START + 60)
    assert bank.expect().mean[0] == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("constant", [0.0, 1e-9, 7.0, 1e15])
def test_a_constant_series_is_expected_to_stay(constant):
    bank, _ = learnt(np.full((60, 1), constant))

    bank.advance(START + 60)
    expected = bank.expect()

    assert expected.mean[0] == pytest.approx(constant, rel=0.01, abs=2)
    assert np.isfinite(expected.sd[0]) or constant == 0.0


def test_series_tell_each_other_only_how_common_their_ways_are():
    both = np.hstack([noisy(100, 60), noisy(5, 60, seed=2)])

    _, alone = learnt(both[:, :1])
    _, together = learnt(both)

    np.testing.assert_allclose(together[:, 0], alone[:, 0], rtol=0.002)


def test_hours_of_the_day_are_learnt():
    calendar = Calendar(hourly=True)
    hours = 24 * 21
    shape = 2 + np.sin(2 * np.pi * np.arange(hours) / 24)[:, None]
    bank, _ = learnt(shape, LevelBank(calendar), calendar.index(MONDAY))

    bank.advance(calendar.index(MONDAY) + hours + 6)

    assert bank.expect().mean[0] == pytest.approx(3, rel=0.03)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-10, 1e6) | st.just(float("nan")), min_size=2, max_size=30), st.data())
def test_state_saved_and_restored_at_any_point_changes_nothing(values, data):
    cut = data.draw(st.integers(1, len(values) - 1))
    rows = np.array(values)[:, None]
    through, _ = learnt(rows)
    before, _ = learnt(rows[:cut])
    after = LevelBank(DAYS)
    after.restore(before.plain())

    after, _ = learnt(rows[cut:], after, START + cut)

    assert after.plain() == through.plain()


@pytest.mark.parametrize("hourly", [False, True])
def test_a_series_takes_less_than_eight_kilobytes(hourly):
    bank = LevelBank(Calendar(hourly=hourly))
    bank.add(1)
    state = bank.plain()
    singles = str([state.pop("covariance"), state.pop("profile")]).count(",")

    assert singles * 4 + str(state).count(",") * 8 < 6000
