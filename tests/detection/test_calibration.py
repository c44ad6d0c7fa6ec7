import numpy as np
import pytest

from detection.calibration import START, TailCalibration, e_value, needed_log_p


def learnt(nominal):
    tails = TailCalibration()
    tails.add(nominal.shape[1])
    for row in nominal:
        tails.learn(row, np.full(len(row), True))
    return tails


def test_of_right_p_values_nothing_changes():
    nominal = np.random.default_rng(1).exponential(size=(600, 300))

    calibrated = learnt(nominal).log_p(np.full(300, 9.0))

    assert np.median(calibrated) == pytest.approx(9, rel=0.06)


def test_heavier_tails_are_seen_through():
    nominal = np.random.default_rng(1).exponential(size=(600, 300))
    heavy = np.where(nominal > START, START + 1.6 * (nominal - START), nominal)

    calibrated = learnt(heavy).log_p(np.full(300, START + 1.6 * 5))

    assert np.median(calibrated) == pytest.approx(START + 5, rel=0.1)


def test_anomalies_in_a_tenth_of_the_series_do_not_blunt_the_others():
    nominal = np.random.default_rng(1).exponential(size=(600, 300))
    nominal[300:, :30] = 50.0

    calibrated = learnt(nominal).log_p(np.full(300, 9.0))

    assert np.median(calibrated[30:]) == pytest.approx(9, rel=0.08)


def test_a_wild_series_is_told_from_its_calm_neighbours():
    nominal = np.random.default_rng(1).exponential(size=(600, 100))
    nominal[::8, 0] = 12.0

    calibrated = learnt(nominal).log_p(np.full(100, 12.0))

    assert calibrated[0] < np.median(calibrated) - 2


def heavy(rng, size):
    """What −ln p looks like when noise falls off as a power: a thirtieth lies beyond 8, a three-hundredth beyond 80."""
    nominal = rng.exponential(size=size)
    return np.where(rng.uniform(size=size) < 1 / 30, 8 / np.maximum(rng.uniform(size=size), 1e-3), nominal)


def test_in_an_organisation_of_heavy_tails_what_is_ordinary_does_not_pass():
    rng = np.random.default_rng(1)
    tails = learnt(heavy(rng, (300, 200)))

    passes = tails.log_p(np.full(200, 60.0)) > needed_log_p(0.2, 200, 1)

    assert passes.mean() < 0.02


def test_light_series_keep_their_power_beside_heavy_ones():
    rng = np.random.default_rng(1)
    nominal = rng.exponential(size=(400, 200))
    nominal[:, :60] = heavy(rng, (400, 60))

    belief = learnt(nominal).heavy().belief
    calibrated = learnt(nominal).log_p(np.full(200, 20.0))

    assert belief[:60].mean() > 0.8
    assert belief[60:].mean() < 0.05
    assert np.median(calibrated[60:]) > 10
    assert np.median(calibrated[:60]) < 6


def test_where_heavy_tails_are_common_a_series_first_jump_is_doubted():
    rng = np.random.default_rng(1)
    nominal = rng.exponential(size=(60, 200))
    calm = learnt(nominal).log_p(np.full(200, 40.0))
    nominal[:, :100] = heavy(rng, (60, 100))
    mixed = learnt(nominal).log_p(np.full(200, 40.0))

    assert np.median(calm[100:]) > needed_log_p(0.2, 200, 1) > np.median(mixed[100:])


def test_a_few_wild_series_are_told_from_many_that_hardly_have_incidents():
    rng = np.random.default_rng(1)
    nominal = rng.exponential(size=(240, 200))
    nominal[:, :20] = np.where(rng.uniform(size=(240, 20)) < 1 / 50, 40.0, nominal[:, :20])

    belief = learnt(nominal).heavy().belief

    assert belief[:20].mean() > 0.7
    assert belief[20:].mean() < 0.02


def test_incidents_twice_a_year_are_no_heavy_tail():
    nominal = np.random.default_rng(1).exponential(size=(400, 200))
    nominal[[50, 230], :100] = 60.0

    tails = learnt(nominal)

    assert tails.heavy().belief.max() < 0.1
    assert np.median(tails.log_p(np.full(200, 12.0))) == pytest.approx(12, rel=0.1)


def test_the_setting_is_a_number_of_alerts_a_week():
    rng = np.random.default_rng(1)
    weeks, series = 60, 500
    p = rng.uniform(size=(weeks * 7, series))

    alerts = (-np.log(p) >= needed_log_p(3.0, series, 1)).sum()

    assert alerts / weeks == pytest.approx(3, rel=0.3)


def test_e_values_have_mean_one_by_chance():
    p = np.random.default_rng(1).uniform(size=2_000_000)

    assert e_value(-np.log(p), power=0.6).mean() == pytest.approx(1, abs=0.05)
