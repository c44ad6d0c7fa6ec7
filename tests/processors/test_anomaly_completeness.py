"""What share of a day is visible at an age: learnt by series, leaning on the lane, and used for restatements."""

import numpy as np
import pytest

from processors.anomaly_completeness import Completeness
from processors.step import DictState


def learnt(days: int = 20, at_24: float = 0.7, noise: float = 0.0, rows: int = 1) -> Completeness:
    """Return curves of series whose days all arrived so."""
    rng = np.random.default_rng(1)
    curves = Completeness("USD", DictState())
    curves.add(rows)
    for day in range(days):
        final = np.full(rows, 100.0 + day)
        curves.see(day, 24, final * (at_24 + noise * rng.normal()))
        curves.see(day, 48, final * 0.98)
        curves.settle(day, final)
    return curves


def test_the_share_is_learnt_and_its_band_narrows():
    fresh, known = learnt(days=0).shares(24), learnt().shares(24)

    assert known[0][0] == pytest.approx(0.7, abs=0.01)
    assert known[1][0] < fresh[1][0] / 2
    assert (fresh[2][0], known[2][0]) == (False, True)


def test_noise_of_the_share_widens_the_band():
    assert learnt(noise=0.05).shares(24)[1][0] == pytest.approx(0.06, abs=0.025)


def test_a_series_leans_on_the_lane_until_it_has_days_of_its_own():
    curves = learnt(at_24=0.5)
    curves.add(1)

    share, _, sure = curves.shares(24)

    assert share[1] == pytest.approx(0.5, abs=0.03)
    assert sure.tolist() == [True, False]


def test_a_version_that_is_seen_twice_counts_once():
    once, twice = learnt(), learnt()
    for curves in (once, twice, twice):
        curves.see(50, 24, np.array([70.0]))
    once.settle(50, np.array([100.0]))
    twice.settle(50, np.array([100.0]))

    np.testing.assert_array_equal(once.curves, twice.curves)


@pytest.mark.parametrize("bad", [float("nan"), -3.0, 0.0])
def test_days_without_sense_say_nothing(bad):
    curves = learnt(days=0)
    curves.see(0, 24, np.array([70.0]))

    curves.settle(0, np.array([bad]))

    assert not curves.curves.any()


def test_growth_as_the_curve_has_it_is_no_surprise_and_a_jump_is():
    curves = learnt()

    assert abs(curves.restated(0, 70, 98, 24, 48)) < 1
    assert curves.restated(0, 98, 150, 48, 240) > 5
