from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from detection.forecast import day_end, end_of, forecast, start_of, to_come
from detection.levels import LevelBank
from detection.seasons import Calendar

DAYS = Calendar()
FIRST = date(2025, 1, 6)
START = DAYS.index(datetime(2025, 1, 6, tzinfo=UTC))


def course(days, series=60, noise=0.08, seed=1):
    rng = np.random.default_rng(seed)
    week = np.array([1.0] * 5 + [0.6] * 2)[np.arange(days) % 7]
    growth = np.exp(0.001 * np.arange(days))
    return 100 * (week * growth)[:, None] * (1 + noise * rng.normal(size=(days, series)))


def learnt(values):
    bank = LevelBank(DAYS)
    bank.add(values.shape[1])
    for n, row in enumerate(values):
        bank.advance(START + n)
        bank.learn_many(row)
    return bank


@pytest.mark.parametrize(
    ("horizon", "first", "last"),
    [("month", date(2025, 12, 1), date(2025, 12, 31)), ("quarter", date(2025, 10, 1), date(2025, 12, 31))],
)
def test_periods_begin_and_end_with_the_year(horizon, first, last):
    assert start_of(date(2025, 12, 5), horizon) == first
    assert end_of(date(2025, 12, 5), horizon) == last


def test_the_band_of_a_month_holds_the_truth_as_often_as_it_says():
    values = course(130)
    bank = learnt(values[:100])

    found = forecast(bank, FIRST + timedelta(days=99), FIRST + timedelta(days=129), np.zeros(60))

    truth = values[100:].sum(axis=0)
    assert np.abs(found.mean / truth - 1).mean() < 0.03
    assert 0.8 <= ((truth >= found.lower) & (truth <= found.upper)).mean() <= 1


def test_what_was_paid_is_certain():
    bank = learnt(course(100))
    so_far = np.full(60, 500.0)

    over = forecast(bank, date(2025, 4, 30), date(2025, 4, 30), so_far)

    np.testing.assert_array_equal(over.lower, so_far)
    np.testing.assert_array_equal(over.upper, so_far)


def test_the_further_the_wider():
    bank = learnt(course(100))

    week, quarter = to_come(bank, 7), to_come(bank, 90)

    assert (np.sqrt(quarter[1]) / quarter[0] > np.sqrt(week[1] / 7) / week[0]).all()


def test_a_partial_day_leans_on_what_is_visible_as_that_becomes_sure():
    expected, sd = np.array([100.0]), np.array([0.1])

    vague = day_end(np.array([60.0]), expected, sd, share=0.3, spread=0.3)
    sure = day_end(np.array([180.0]), expected, sd, share=0.9, spread=0.01)

    assert vague[0][0] == pytest.approx(100, rel=0.1)
    assert sure[0][0] == pytest.approx(200, rel=0.06)
    assert sure[1][0] < vague[1][0]


def test_a_bank_that_knows_nothing_says_so():
    with pytest.raises(ValueError, match="learn before"):
        to_come(LevelBank(DAYS), 3)
