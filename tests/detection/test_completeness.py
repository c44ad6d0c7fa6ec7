import json

import numpy as np
import pytest

from detection.completeness import CompletenessCurve, restatement


def learnt(days=20, at_24=0.7, noise=0.0, seed=1):
    rng = np.random.default_rng(seed)
    curve = CompletenessCurve()
    for n in range(days):
        day, final = f"2025-03-{n + 1:02d}", 100.0 + n
        curve.see(day, 24, final * (at_24 + noise * rng.normal()))
        curve.see(day, 48, final * 0.98)
        curve.settle(day, final)
    return curve


def test_the_share_is_learnt_and_its_band_narrows():
    fresh, known = CompletenessCurve().share(24), learnt().share(24)

    assert known[0] == pytest.approx(0.7, abs=0.01)
    assert known[1] < fresh[1] / 2


def test_noise_of_the_share_widens_the_band():
    assert learnt(noise=0.05).share(24)[1] == pytest.approx(0.06, abs=0.025)


def test_between_ages_the_curve_is_interpolated():
    low, middle, high = (learnt().share(age)[0] for age in (24, 36, 48))

    assert low < middle < high


def test_a_service_leans_on_its_source_until_it_has_days_of_its_own():
    source = learnt(at_24=0.5)

    new, own = CompletenessCurve().share(24, source), learnt(days=30, at_24=0.9).share(24, source)

    assert new[0] == pytest.approx(0.5, abs=0.02)
    assert own[0] == pytest.approx(0.85, abs=0.04)


def test_seeing_a_version_twice_changes_nothing():
    once, twice = CompletenessCurve(), CompletenessCurve()
    once.see("2025-03-01", 24, 70)
    twice.see("2025-03-01", 24, 70)
    twice.see("2025-03-01", 24, 70)

    assert once.plain() == twice.plain()


def test_state_is_plain_and_comes_back():
    curve = learnt()
    curve.see("2025-04-01", 24, 70)

    again = CompletenessCurve.from_plain(json.loads(json.dumps(curve.plain())))

    assert again == curve


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -3.0, 0.0])
def test_days_without_sense_say_nothing(bad):
    curve = CompletenessCurve()
    curve.see("2025-03-01", 24, 70)

    curve.settle("2025-03-01", bad)

    assert curve.share(24) == CompletenessCurve().share(24)


def test_growth_as_the_curve_has_it_is_no_surprise_and_a_jump_is():
    curve = learnt()

    ordinary = restatement(curve, 70, 98, 24, 48, None)
    jump = restatement(curve, 98, 150, 48, 240, None)

    assert abs(ordinary.z) < 1
    assert jump.z > 5
    assert jump.change == 52
