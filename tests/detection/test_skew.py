import json
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from detection.cost_series import CostSeries
from detection.seasons import Calendar
from detection.skew import Skew

SERIES, PERIODS = 60, 600
WIDTHS = np.geomspace(0.02, 0.15, SERIES)


def gaussian(rng, size):
    return 1 + WIDTHS * rng.normal(size=size)


def poisson(rng, size):
    return rng.poisson(WIDTHS**-2, size) * WIDTHS**2


def gamma(rng, size):
    return rng.gamma(WIDTHS**-2, WIDTHS**2, size)


def lognormal(rng, size):
    return np.exp(WIDTHS * rng.normal(size=size) - WIDTHS**2 / 2)


@cache
def learnt(draw, error=0.0):
    """Return what is learnt where the mean is known with an error of so many standard deviations of the noise."""
    rng, skew, all_of_them = np.random.default_rng(1), Skew(4000.0), np.full(SERIES, True)
    skew.add(SERIES)
    ratios = draw(rng, (PERIODS, SERIES)) / np.exp(WIDTHS * error * rng.normal(size=(PERIODS, SERIES)))
    sd = WIDTHS * np.sqrt(1 + error**2)
    for ratio in ratios:
        skew.learn(ratio - 1, sd, WIDTHS**2, all_of_them)
    return skew


@pytest.mark.parametrize(("draw", "curvature"), [(gaussian, 0.0), (poisson, 1 / 3), (gamma, 2 / 3), (lognormal, 1.0)])
@pytest.mark.parametrize("error", [0.0, 0.4])
def test_the_kind_of_noise_is_known_by_its_curvature_also_where_the_mean_is_not(draw, curvature, error):
    nearer_than_to_the_next = 1 / 6

    assert np.median(learnt(draw, error).curvature()) == pytest.approx(curvature, abs=nearer_than_to_the_next)


@pytest.mark.parametrize("draw", [gaussian, poisson, gamma, lognormal])
def test_on_the_scale_that_was_learnt_noise_is_symmetrical(draw):
    ratio = draw(np.random.default_rng(2), (5_000, SERIES))

    z = learnt(draw).relative(ratio, WIDTHS) / WIDTHS

    assert np.abs(z.mean(axis=0)).max() < 0.05
    assert np.mean(z**3) == pytest.approx(0, abs=0.05)


def test_what_nothing_is_known_of_counts_as_gaussian():
    skew = Skew(4000.0)
    skew.add(3)

    assert skew.relative(np.array([0.0, 1.3, -2.0]), np.full(3, 0.1)) == pytest.approx([-1.0, 0.3, -3.0])


def test_a_series_whose_noise_is_of_another_kind_is_told_from_the_rest():
    def draw(rng, size):
        return np.where(np.arange(SERIES) == SERIES - 1, lognormal(rng, size), gaussian(rng, size))

    curvature = learnt(draw).curvature()

    assert curvature[-1] > 0.6
    assert np.median(curvature) < 0.1


def test_incidents_do_not_make_noise_skewed():
    def draw(rng, size):
        return gaussian(rng, size) + 20 * WIDTHS * (rng.uniform(size=size) < 0.001)

    assert np.median(learnt(draw).curvature()) < 0.15


def test_a_rise_scores_the_more_the_larger_it_is_and_a_fall_to_nothing_is_the_lowest():
    skew = learnt(lognormal)
    ratios = np.sort(np.concatenate([[-3.0, 0.0], np.geomspace(1e-3, 1e300, SERIES - 2)]))

    told = skew.relative(ratios[:, None], WIDTHS)

    assert np.isfinite(told).all()
    assert (np.diff(told, axis=0) > 0).all()


def test_the_state_is_plain_data():
    skew, again = learnt(gamma), Skew(4000.0)

    again.restore(json.loads(json.dumps(skew.plain())))

    assert np.array_equal(again.curvature(), skew.curvature())


@pytest.mark.slow
@pytest.mark.parametrize("draw", [gaussian, gamma, lognormal])
def test_hours_keep_their_false_alerts_in_noise_of_every_kind(draw):
    weeks, warm_up, a_week = 10, 2, 6.0
    hours = np.arange(weeks * 168)
    wave = 1 + 0.4 * np.sin(2 * np.pi * hours / 24) + 0.2 * (hours % 168 < 120)
    costs = 10 * wave[:, None, None] * draw(np.random.default_rng(3), (len(hours), 4, SERIES))
    calendar = Calendar(hourly=True)
    series, told = CostSeries(calendar, a_week), 0
    series.add(4 * SERIES)
    monday = calendar.index(datetime(2026, 8, 3, tzinfo=UTC))

    for hour, values in zip(hours.tolist(), costs.reshape(len(hours), -1), strict=True):
        series.advance(monday + hour)
        begins = series.learn_many(values)
        told += int(begins.sum()) if hour >= warm_up * 168 else 0

    assert told <= 1.25 * a_week * (weeks - warm_up)
