import numpy as np
import pytest

from bench.detection import bills_causal, bills_model


def made(series=30, days=300):
    return bills_model.ordinary(np.random.default_rng(4), series, days)


def test_what_is_foreseen_is_unbiased_and_as_far_off_as_it_says():
    bills = made()

    best = bills_causal.foreseen(bills)

    z = (bills.values - best.mean)[60:] / best.sd[60:]
    assert abs(z.mean()) < 0.03
    assert z.std() == pytest.approx(1, abs=0.03)


def test_the_best_causal_test_of_a_course_is_standard_without_it_and_moves_with_it_as_it_says():
    bills, course = made(), bills_model.shaped("doubling", 4)
    quiet, gain = bills_causal.likelihood_ratio(bills, course)
    bills.added[196:200] += 2 * course[:, None] * bills.sigma[196:200]

    told, _ = bills_causal.likelihood_ratio(bills, course)

    assert quiet[60:].std() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose((told - quiet)[199], 2 * gain[199], rtol=0.02)


def test_nothing_of_a_day_is_known_before_it():
    bills, changed = made(), made()
    changed.added[200:] += 10 * changed.sigma[200:]

    np.testing.assert_array_equal(bills_causal.foreseen(bills).mean[:201], bills_causal.foreseen(changed).mean[:201])


def test_the_impact_of_an_incident_is_nearer_to_the_truth_with_the_days_after_it():
    bills = made(60)
    step = {"kind": "step", "shape": "block", "periods": 21}
    for column in range(60):
        bills_model.put(bills, step, 6.0, column, 200, column)

    def errors(after):
        return [bills_causal.impact(bills, one, after) / one.dollars - 1 for one in bills.incidents]

    assert np.std(errors(14)) < np.std(errors(0)) < 0.1
