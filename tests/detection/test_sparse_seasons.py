from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import norm

from detection.levels import LevelBank
from detection.seasons import Calendar
from detection.sparse_seasons import common, sharpened

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
DAYS = Calendar()
FIRST_OF_DECEMBER = DAYS.index(datetime(2025, 12, 1, tzinfo=UTC))


def bank_of(month_starts):
    """Return a bank that has learnt eleven months of series whose first day of a month costs so much more."""
    series = len(month_starts)
    noise = np.random.default_rng(1).normal(0, 0.05, (FIRST_OF_DECEMBER - DAYS.index(MONDAY), series))
    bank = LevelBank(DAYS)
    bank.add(series)
    for day, row in enumerate(noise):
        moment = MONDAY + timedelta(days=day)
        bank.advance(DAYS.index(moment))
        bank.learn_many(100 * (1 + row) * (1 + np.array(month_starts) * (moment.day == 1)))
    return bank


def test_what_is_foretold_is_what_a_filter_with_the_slight_prior_would_say():
    # one coefficient, seen once with a variance of 1 beside a prior of 1: too little to say how common anything is
    seen, free, slight = 1.2, 1.0, 0.5
    height, variance = seen * free / (free + 1), free / (free + 1)
    known = np.full((1, 1, 1), height), np.full((1, 1, 1, 1), variance, np.float32), np.full((1, 1, 1), variance)

    found = sharpened((slight, slight), np.ones(1, np.float32), np.array([free]), *known, np.ones((1, 1)))

    odds = 4 * norm.pdf(seen, 0, np.sqrt(slight**2 + 1)) / norm.pdf(seen, 0, np.sqrt(free + 1))
    assert found.free.item() == pytest.approx(1 / (1 + odds))
    assert height - found.log.item() / (1 - found.free.item()) == pytest.approx(seen * slight**2 / (slight**2 + 1))


def test_how_common_something_is_comes_of_all_series():
    evidence = np.array([[9.0] * 50, [1.0] * 50])

    found = common(evidence, np.array([0.5, 0.5]))

    assert found[0] > 0.9
    assert found.sum() == pytest.approx(1)


def test_a_month_start_that_nobody_has_takes_nothing_off_a_forecast():
    bank = bank_of([0.0] * 20)

    bank.advance(FIRST_OF_DECEMBER)
    first = bank.expect()
    bank.advance(FIRST_OF_DECEMBER + 8)
    ordinary = bank.expect()

    assert np.median(first.sd / ordinary.sd) < 1.03
    assert np.abs(first.mean / 100 - 1).max() < 0.05


def test_a_month_start_that_only_one_series_has_is_kept():
    bank = bank_of([0.4] + [0.0] * 19)

    bank.advance(FIRST_OF_DECEMBER)

    assert bank.expect().mean[0] == pytest.approx(140, rel=0.04)
