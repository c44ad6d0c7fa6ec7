"""What an incident costs, and the band around it."""

import numpy as np
import pytest

from detection.explain import beginning_spread
from detection.impact import Impact


def test_noise_adds_up_as_variances_and_the_level_errs_alike_on_all_periods():
    noise = sum((Impact.of(12.0, 10.0, 1.0, 0.0) for _ in range(4)), Impact())
    level = sum((Impact.of(12.0, 10.0, 1.0, 1.0) for _ in range(4)), Impact())

    assert noise.band == pytest.approx((8 - 1.645 * 2, 8 + 1.645 * 2), abs=0.01)
    assert level.band == pytest.approx((8 - 1.645 * 4, 8 + 1.645 * 4), abs=0.01)


def test_the_band_holds_nine_sums_of_ten():
    rng = np.random.default_rng(4)
    added, held = 50.0, 0
    for _ in range(400):
        level, days = rng.normal(0, 0.5), rng.normal(0, 1, 5)
        impact = sum((Impact.of(20 + noise, 10 - level, np.hypot(1, 0.5), 0.5) for noise in days), Impact())
        held += impact.band[0] <= added <= impact.band[1]

    assert 0.86 <= held / 400 <= 0.94


def test_a_clear_beginning_is_certain_and_a_slow_one_is_not():
    quiet = np.random.default_rng(2).normal(0, 0.5, 20)
    sudden = np.append(quiet, [9.0, 9.0, 9.0])
    slow = np.append(quiet, [0.6, 1.2, 1.8, 2.4, 3.0])

    assert beginning_spread(sudden, 7, 20) < 0.1
    assert beginning_spread(slow, 7, 22) > 0.5
