import json
from datetime import date

import numpy as np
import pytest

from bench.detection import (
    bills,
    bills_impact,
    bills_model,
    bills_organisation,
    bills_pictures,
    bills_power,
    bills_rivals,
    bills_tables,
)
from processors.series import ChargeKind
from spendstream.local.simulator.completeness import final_at
from spendstream.local.simulator.organisation import Organisation


def made(series=40, periods=400):
    rng = np.random.default_rng(3)
    found = bills_model.ordinary(rng, series, periods)
    bills_model.add_incidents(rng, found, ["spike"], sparse=True)
    return found


def test_alerts_close_together_count_as_one_false_alert():
    scores = np.zeros((40, 2))
    scores[[3, 4, 9, 30], 0] = 1
    scores[4, 1] = 1

    assert bills.false_alerts(scores, np.full((40, 2), True), 0.5) == 3


def test_the_fitted_threshold_bears_what_it_may():
    scores = np.random.default_rng(1).normal(size=(500, 20))
    allowed = np.full(scores.shape, True)

    threshold = bills.fitted(scores, allowed, 5)

    assert bills.false_alerts(scores, allowed, threshold) <= 5
    assert bills.false_alerts(scores, allowed, threshold - 0.2) > 5


def test_an_incident_and_its_grace_are_not_clean():
    found = made()
    one = found.incidents[0]

    allowed = bills.clean(found)

    assert not allowed[one.start : one.end + 10, one.series].any()
    assert allowed[130:, 0].all()


def test_running_sums_are_the_windows_mean_and_deviation():
    values = np.random.default_rng(1).uniform(10, 20, size=(40, 2))

    scores = bills_rivals.moving_band(values, days=5)

    before = values[15:20]
    np.testing.assert_allclose(scores[20], (values[20] - before.mean(axis=0)) / before.std(axis=0))


def test_pictures_are_drawn():
    picture = bills_pictures.svg(1)

    assert picture.count("<polyline") == 24
    assert "nan" not in picture


def test_the_oracle_finds_large_spikes_and_rules_are_causal():
    found = made()
    name, rule = next(iter(bills_rivals.RULES.items()))
    scores = rule(found.values)
    later = found.values.copy()
    later[300:] *= 5

    powers = bills.powers(found, {name: (scores, 1.0)})

    assert {one.oracle for one in powers if one.size >= 8} == {1.0}
    np.testing.assert_array_equal(rule(later)[:300], scores[:300])


def test_the_benchmark_runs_and_says_what_it_found(capsys):
    assert bills_tables.main(None, 1, small=True, as_json=True) == 0

    told = json.loads(capsys.readouterr().out)
    assert {one["detector"] for one in told["outcomes"][0]["powers"]} > {"spendstream"}
    assert told["forecast"][0]["ours"] < told["forecast"][0]["seasonal_naive"]


def test_the_power_curve_rises_and_stays_below_the_oracle():
    found = {one.detector: one.found for one in bills_power.curves(3, series=40, days=220, sizes=(2, 5, 10))}

    assert found["spendstream"] == sorted(found["spendstream"])
    assert found["spendstream"][2] > 0.95
    assert all(ours <= oracle + 0.02 for ours, oracle in zip(found["spendstream"], found["oracle"], strict=True))


@pytest.mark.slow
def test_hours_have_a_curve_too_and_few_false_alerts():
    found = {one.detector: one.found for one in bills_power.curves(3, 10, 150, (4, 10), hourly=True)}
    quiet = bills_power.quiet_hours(3, 10, 150)

    assert found["spendstream"][0] < found["spendstream"][1]
    assert found["spendstream"][1] > 0.9
    assert quiet.false_alerts <= 1.5 * quiet.allowed + 3


def test_curves_are_drawn_with_their_names():
    found = [bills_power.Curve(name, (2, 10), (0.1, 1.0)) for name in ("oracle", "oracle, mean as estimated", "a rule")]

    picture = bills_power.svg(found)

    assert picture.count("<polyline") == 2
    assert "a rule" in picture


@pytest.mark.slow
def test_noise_that_falls_off_as_a_power_is_quiet():
    residuals = np.random.default_rng(5).standard_t(1.2, size=20_000)

    gaussian, heavy, _ = bills_power.quiet(5, residuals, series=80, days=300)

    assert heavy.false_alerts <= 1.5 * heavy.allowed + 3
    assert gaussian.false_alerts <= 1.5 * gaussian.allowed + 3


def test_the_impact_of_large_steps_is_told():
    found = {one.kind: one for one in bills_impact.impacts(3, least_size=6, series=60, days=310)}

    assert found["step"].of_excess > 0.8
    assert 0.8 <= found["all"].held <= 1.0
    assert found["all"].incidents >= found["step"].incidents > 0


def test_a_folder_without_series_is_named(tmp_path, capsys):
    assert bills_tables.main(tmp_path, 1, small=True, as_json=False) == 2

    assert str(tmp_path) in capsys.readouterr().err


def test_announcements_of_the_organisation_hold_all_of_its_cost_by_charge_class():
    model, day = Organisation(7, accounts=2, services=4, regions=1), date(2025, 3, 1)

    event = bills_organisation.announcement(model, day, 1)

    whole = int(model.day(day, final_at(day)).of("AmortizedCost").sum())
    assert sum(event.row_effective) == whole * 10**8
    assert {ChargeKind.USAGE, ChargeKind.TAX, ChargeKind.RECURRING_FEE} <= set(event.row_kind)


def test_an_incident_without_impact_is_none():
    told = [bills_organisation.Told("spike", 2, 50.0, 1), bills_organisation.Told("credit_end", 1, 0.0, None)]

    *_, found = bills_organisation.summary([bills_organisation.Year(told, [], 10, 50)])

    assert (found.kind, found.incidents, found.found, found.days) == ("all", 1, 1, 1)
    assert (found.false_alerts, found.allowed) == (0, 5.0)
