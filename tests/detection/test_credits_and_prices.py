import json
from datetime import date, timedelta

import numpy as np
import pytest

from detection.credits import CreditBurn
from detection.unit_price import EstimateError, UnitPrice

FIRST = date(2025, 3, 1)


def burnt(days=30, paid=40.0, usage=100.0):
    burn = CreditBurn()
    for n in range(days):
        assert burn.learn(FIRST + timedelta(days=n), -paid, usage) is None
    return burn


def test_a_credit_that_ends_is_told_once_with_what_it_paid():
    burn = burnt()

    told = [burn.learn(FIRST + timedelta(days=30 + n), 0, 100) for n in range(3)]

    assert told[0] is not None
    assert told[0].a_day == pytest.approx(40)
    assert told[1:] == [None, None]


def test_a_day_without_usage_is_no_end():
    assert burnt().learn(FIRST + timedelta(days=30), 0, 0) is None


def test_the_day_on_which_a_credit_runs_out():
    days = burnt().runs_out(FIRST, granted=30 * 40 + 400)

    assert days == (FIRST + timedelta(days=10),) * 3


def test_an_uneven_burn_widens_the_dates():
    burn, rng = CreditBurn(), np.random.default_rng(1)
    for n in range(30):
        burn.learn(FIRST + timedelta(days=n), -float(rng.uniform(20, 60)), 100)

    days = burn.runs_out(FIRST, granted=burn.used + 400)

    assert days is not None
    assert days[0] < days[1] < days[2]


def test_credit_state_is_plain_and_comes_back():
    assert CreditBurn.from_plain(json.loads(json.dumps(burnt().plain()))) == burnt()


def priced(price=0.08, days=20):
    found = UnitPrice()
    for n in range(days):
        found.learn(price * (100 + n), 100 + n)
    return found


def test_more_usage_is_told_from_a_higher_price():
    usage = priced().split(cost=16, quantity=200, expected_cost=8)
    rate = priced().split(cost=10, quantity=100, expected_cost=8)

    assert (usage.mostly, rate.mostly) == ("usage", "rate")
    assert usage.usage == pytest.approx(8)
    assert rate.rate == pytest.approx(2)


def test_a_new_price_is_taken_after_three_days():
    price = priced()

    is_another = [price.changed(10, 100) for _ in range(4) if price.learn(10, 100) is None]

    assert is_another == [True, True, False, False]


def test_without_a_price_all_of_a_change_is_usage():
    nothing_known = UnitPrice()

    assert (nothing_known.split(9, 3, 4).usage, nothing_known.changed(9, 3)) == (5, False)


@pytest.mark.parametrize(("cost", "quantity"), [(0, 5), (5, 0), (-1, 5), (float("nan"), 5), (5, float("inf"))])
def test_days_without_a_price_say_nothing(cost, quantity):
    price = priced()

    price.learn(cost, quantity)

    assert price == priced()


def test_an_estimates_bias_is_taken_out_and_its_band_narrows():
    error = EstimateError()
    for n in range(40):
        error.learn(100, 120 + (n % 3 - 1))

    middle, spread = error.corrected(50)

    assert middle == pytest.approx(60, rel=0.02)
    assert spread < 3
