import copy
import doctest
import inspect
import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.checks import common

from detection import detector as series_detector
from detection import deviation, recurrence
from detection.detector import THRESHOLD, SeriesDetector, joined
from detection.deviation import DeviationDetector
from detection.one_alert import OneAlert

STEP = 300.0


def noise(rows=800, seed=1):
    return np.random.default_rng(seed).normal(50.0, 2.0, rows).tolist()


def day_wave(rows=1500, seed=1):
    random = np.random.default_rng(seed)
    return [50 + 20 * math.sin(2 * math.pi * row / 288) + random.normal() for row in range(rows)]


def scores(values, detector=None, start=0):
    detector = detector or SeriesDetector()
    found = []
    for row, value in enumerate(values, start):
        found.append(detector.score_one(value, STEP * row))
        detector.learn_one(value, STEP * row)
    return found


BOTH = pytest.mark.parametrize("make", [SeriesDetector, DeviationDetector])


def alerts(found, threshold=THRESHOLD):
    one = OneAlert(threshold)
    return [row for row, score in enumerate(found) if one.passes(score, STEP * row)]


def test_a_spike_is_an_alert():
    assert 700 in alerts(scores([*noise(700), 90.0]))


def test_noon_at_midnight_is_an_alert():
    wave = day_wave(1500)
    assert any(1370 <= row < 1400 for row in alerts(scores([*wave[:1370], *wave[1224:1250]])))


def test_a_further_spike_of_the_same_size_scores_less():
    first, second = (scores([*noise(700), 90.0, *noise(200, seed=2), 90.0])[row] for row in (700, 901))
    assert second < first


def test_the_larger_the_spike_the_higher_the_score():
    found = [scores([*noise(700), 50.0 + 2.0 * sigma])[-1] for sigma in (4, 6, 8, 12)]
    assert found == sorted(found)
    assert len(set(found)) == 4


def test_a_new_level_becomes_normal():
    found = scores(noise(700) + [value + 30 for value in noise(700, seed=3)])
    assert max(found[700:720]) > THRESHOLD
    assert max(found[1300:]) < THRESHOLD


def test_the_unit_of_the_values_is_no_matter():
    plain, scaled = scores(day_wave()), scores([1024.0 * value for value in day_wave()])
    assert scaled == pytest.approx(plain)


@BOTH
def test_scores_do_not_depend_on_what_comes_later(make):
    assert scores(day_wave(600), make()) == scores(day_wave(900), make())[:600]


@BOTH
def test_scoring_twice_changes_nothing(make):
    twice = make()
    found = []
    for row, value in enumerate(day_wave(600)):
        twice.score_one(value * 3, STEP * row)
        twice.score_one(value, STEP * row)
        found.append(twice.score_one(value, STEP * row))
        twice.learn_one(value, STEP * row)
    assert found == scores(day_wave(600), make())


@BOTH
def test_a_value_counts_the_same_when_another_was_scored_before_it(make):
    scored, other = make(), make()
    values = [*day_wave(600), 900.0, *day_wave(50)]
    scores(values, scored)
    for row, value in enumerate(values):
        other.score_one(value + 1.0, STEP * row)
        other.learn_one(value, STEP * row)
    assert other.state() == scored.state()


@settings(max_examples=20, deadline=None)
@given(
    cut=st.integers(0, 500),
    make=st.sampled_from([SeriesDetector, SeriesDetector.for_cost, DeviationDetector]),
    spike=st.integers(0, 499),
)
def test_state_saved_and_restored_at_any_point_changes_nothing(cut, make, spike):
    values = day_wave(500)
    values[spike] *= 40
    before = make()
    scores(values[:cut], before)
    after = make()
    after.restore(json.loads(json.dumps(before.state())))
    assert scores(values[cut:], after, start=cut) == scores(values[cut:], before, start=cut)
    assert after.state() == before.state()


@pytest.mark.parametrize(
    ("make", "most"), [(SeriesDetector, 64_000), (SeriesDetector.for_cost, 8_000), (DeviationDetector, 8_000)]
)
def test_the_state_is_small(make, most):
    detector = make()
    scores(day_wave(3500), detector)
    assert len(json.dumps(detector.state())) <= most


def test_a_copy_goes_on_like_the_original():
    original = SeriesDetector()
    scores(day_wave(700), original)
    copied = copy.deepcopy(original)
    assert scores(day_wave(900)[700:], copied, start=700) == scores(day_wave(900)[700:], original, start=700)


def test_the_state_of_another_detector_is_refused():
    with pytest.raises(ValueError, match="bins"):
        SeriesDetector().restore(SeriesDetector.for_cost().state())
    with pytest.raises(ValueError, match="bins"):
        DeviationDetector().restore(DeviationDetector(bins=64).state())


@BOTH
def test_a_state_of_another_version_is_refused(make):
    with pytest.raises(ValueError, match="version 7"):
        make().restore({"version": 7})


BAD = {
    "not a number": [*noise(300), math.nan, *noise(300)],
    "infinite": [*noise(300), math.inf, -math.inf, *noise(300)],
    "negative": [-value for value in noise(600)],
    "constant": [7.0] * 600,
    "nothing but zeros": [0.0] * 600,
    "constant but for rounding": [0.1 + 0.2 if row % 2 else 0.3 for row in range(600)],
    "one point": [7.0],
    "huge": [value * 1e300 for value in noise(600)],
    "one that is huge": [*noise(300), 1e308, *noise(600)],
    "tiny": [value * 1e-300 for value in noise(600)],
    "integers": [int(value) for value in noise(600)],
}


@BOTH
@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_bad_input_gives_a_finite_score_and_no_endless_alarm(values, make):
    found = scores(values, make())
    assert all(math.isfinite(score) and score >= 0.0 for score in found)
    assert len(alerts(found)) <= 3


@BOTH
def test_what_is_no_number_is_not_learnt(make):
    with_gap, without = make(), make()
    scores(noise(300), with_gap)
    scores(noise(300), without)
    with_gap.learn_one(math.nan, STEP * 300)
    assert with_gap.score_one(math.inf, STEP * 301) == 0.0
    assert with_gap.state() == without.state()


@pytest.mark.parametrize(
    "times",
    [
        [STEP * (600 - row) for row in range(600)],
        [0.0] * 600,
        [STEP * row + (8e6 if row > 300 else 0.0) for row in range(600)],
        [None] * 600,
        [math.nan] * 600,
        [-STEP * row for row in range(600)],
    ],
    ids=["backwards", "standing still", "a gap of months", "none", "not a number", "before 1970"],
)
@BOTH
def test_bad_times_give_no_exception_and_no_endless_alarm(times, make):
    detector, found = make(), []
    for value, time in zip(noise(600), times, strict=True):
        found.append(detector.score_one(value, time))
        detector.learn_one(value, time)
    assert len(alerts(found)) <= 3


@BOTH
def test_a_time_is_aware_or_in_seconds(make):
    by_seconds, by_moment = make(), make()
    for row, value in enumerate(day_wave(400)):
        by_seconds.learn_one(value, STEP * row)
        by_moment.learn_one({"value": value}, datetime.fromtimestamp(STEP * row, UTC))
    assert by_seconds.state() == by_moment.state()


def test_views_say_what_the_score_is_made_of():
    detector = SeriesDetector()
    scores(noise(700), detector)
    views = detector.views_one(90.0, STEP * 700)
    assert list(views) == ["value", "drift", "season", "shape", "jump"]
    assert joined(list(views.values()), detector.pace) == detector.score_one(90.0, STEP * 700)
    assert min(views["value"], views["jump"]) > max(views["drift"], views["season"], views["shape"])


def test_a_jump_from_where_the_series_was_is_an_alert_though_the_value_is_ordinary():
    wave = [50 + 20 * math.sin(2 * math.pi * row / 288) + 0.1 * value for row, value in enumerate(noise(1500))]
    wave[1380] += 25.0  # from the bottom of the wave to its middle
    found = scores(wave)
    assert found[1380] > THRESHOLD
    assert max(found[1000:1380]) < THRESHOLD


def test_jumps_that_recur_each_day_become_ordinary_and_rare_ones_do_not():
    daily, rare = noise(8 * 288), noise(8 * 288)
    for row in range(150, len(daily), 72):
        daily[row] += 40.0
    rare[150], rare[-100] = daily[150], rare[-100] + 40.0
    often = [score for row, score in enumerate(scores(daily)) if row > 1000 and row % 72 == 6]
    assert max(often) < THRESHOLD < scores(rare)[-100]


def test_of_rows_that_come_quicker_more_is_asked():
    by_minute, by_five = SeriesDetector(), SeriesDetector()
    for row, value in enumerate(noise(400)):
        by_minute.learn_one(value, 60.0 * row)
        by_five.learn_one(value, STEP * row)
    assert by_five.pace == 0.0
    assert by_minute.pace == pytest.approx(-math.log10(5))


def test_little_is_concluded_from_few_rows():
    few, many = (scores([*noise(rows), 300.0])[-1] for rows in (60, 3000))
    assert few < many - 0.5


class Features:
    """Rows of features, as river's checks want them; river's own data set is a download of 150 MB."""

    def __iter__(self):
        random = np.random.default_rng(5)
        for row in range(150):
            yield {"a": float(random.normal()), "b": float(row % 7), "c": 1.0, "d": 2.0}, row % 50 == 0


GENERIC = [
    check
    for name, check in vars(common).items()
    if name.startswith("check_")
    and set(inspect.signature(check).parameters) in ({"model"}, {"model", "dataset"})
    # these are of estimators of another kind
    and not any(kind in name for kind in ("many", "wrapper", "transform", "debug", "seeding", "mutable_attributes"))
]


@BOTH
@pytest.mark.parametrize("check", GENERIC, ids=lambda check: check.__name__)
def test_rivers_generic_checks(check, make):
    given = {"dataset": Features()} if "dataset" in inspect.signature(check).parameters else {}
    check(make(), **given)


@pytest.mark.parametrize("module", [series_detector, deviation, recurrence], ids=lambda module: module.__name__)
def test_the_examples_of_the_documentation_run(module):
    ran = doctest.testmod(module)
    assert (ran.failed, ran.attempted > 0) == (0, True)


def test_what_recurs_stays_an_incident_for_the_detector_of_deviations():
    found = scores([*noise(400), *([*noise(60, seed=2), 80.0] * 6)], DeviationDetector())
    spikes = [found[400 + 61 * turn + 60] for turn in range(6)]
    assert min(spikes) > deviation.THRESHOLD
    assert min(spikes) > 0.5 * max(spikes)


def test_one_threshold_means_the_same_rate_for_rows_a_minute_and_rows_an_hour():
    by_minute, by_hour = DeviationDetector(), DeviationDetector()
    for row, value in enumerate(noise(300)):
        by_minute.learn_one(value, 60.0 * row)
        by_hour.learn_one(value, 3600.0 * row)
    difference = by_hour.score_one(70.0, 3600.0 * 300) - by_minute.score_one(70.0, 60.0 * 300)
    assert difference == pytest.approx(math.log10(60))


def test_one_alert_an_incident():
    one = OneAlert(3.0, hold=3600.0, habit=0.0)
    assert [row for row in range(30) if one.passes(5.0, STEP * row)] == [0, 13, 26]


def test_a_series_that_often_alerts_must_show_more():
    one = OneAlert(3.0, hold=300.0)
    assert one.passes(3.1, 0.0)
    assert not one.passes(3.1, 1000.0)
    assert one.passes(3.5, 2000.0)


def test_a_habit_fades():
    one = OneAlert(3.0)
    assert one.passes(3.1, 0.0)
    assert one.passes(3.1, 90 * 86_400.0)


def test_times_that_run_backwards_are_one_incident():
    one = OneAlert(3.0)
    assert [one.passes(9.0, -3600.0 * row) for row in range(40)] == [True] + 39 * [False]


def test_an_alerts_memory_is_saved_and_restored():
    before, after = OneAlert(3.0), OneAlert(3.0)
    before.passes(9.0, 0.0)
    after.restore(json.loads(json.dumps(before.state())))
    times = (1e4, 3e4, 9e5)
    assert [before.passes(3.2, time) for time in times] == [after.passes(3.2, time) for time in times]
