import numpy as np
import pytest

from bench.detection import bills_model as model


def make(seed: int = 1, series: int = 6, periods: int = 400, **given):
    return model.ordinary(np.random.default_rng(seed), series, periods, **given)


def test_the_same_seed_makes_the_same_bills():
    np.testing.assert_array_equal(make().values, make().values)


def test_noise_has_the_sigma_that_the_truth_says():
    bills = make(periods=2000)

    assert ((bills.values - bills.mean) / bills.sigma).std() == pytest.approx(1, abs=0.03)


def test_an_incident_adds_what_its_truth_says():
    bills = make(series=40)

    model.add_incidents(np.random.default_rng(2), bills, ["spike", "step", "creep", "vanished_usage"])

    assert {one.kind for one in bills.incidents} == {"spike", "step", "creep", "vanished_usage"}
    for one in bills.incidents:
        assert bills.added[one.start : one.end, one.series].sum() == pytest.approx(one.dollars)


def test_incidents_leave_half_of_the_series_and_the_warm_up_alone():
    bills = make(series=40)

    model.add_incidents(np.random.default_rng(2), bills, ["spike"])

    assert not bills.added[:, :20].any()
    assert not bills.added[:120].any()


def test_hours_have_a_shape_of_the_day():
    bills = make(series=30, periods=24 * 28, hourly=True)

    by_hour = bills.mean.reshape(-1, 24, 30).mean(axis=(0, 2))

    assert by_hour[10] > 1.2 * by_hour[2]


@pytest.mark.parametrize(("shape", "course"), [("ramp", [0.25, 0.5, 0.75, 1]), ("doubling", [0.125, 0.25, 0.5, 1])])
def test_the_shapes_of_incidents_end_at_their_size(shape, course):
    np.testing.assert_allclose(model.shaped(shape, 4), course)
