import json

import pytest

from detection.recurrence import Recurrence

HOUR, STEP = 3600.0, 300.0


def after(episodes, days=14, score=8.0, step=STEP):
    """What a series has shown that reached a score in evenly spread episodes."""
    recurrence = Recurrence()
    rows = int(days * 24 * HOUR / step)
    every = rows // episodes if episodes else rows + 1
    for row in range(rows):
        recurrence.learn(score if row % every == every // 2 else 0.3, step * row, step)
    return recurrence, step * rows


def bound(recurrence, time, score=8.0, step=STEP):
    return recurrence.bound(score, time, step)


def test_what_was_never_seen_is_bounded_by_the_time_that_is_known():
    short, long = after(0, days=1), after(0, days=28)
    assert bound(*short) < bound(*long) < 8.0


def test_the_oftener_the_less():
    found = [bound(*after(episodes)) for episodes in (0, 2, 14, 100)]
    assert found == sorted(found, reverse=True)
    assert found[2] == pytest.approx(3.9, abs=0.2)  # once a day


def test_larger_than_ever_is_not_recurrent():
    recurrence, time = after(100, score=5.0)
    assert bound(recurrence, time, 5.5) < 3.2
    assert bound(recurrence, time, 9.0) > 4.5


def test_small_scores_are_left_alone():
    recurrence, time = after(100)
    assert bound(recurrence, time, 0.9) == 0.9


def test_rows_that_come_each_minute_are_counted_by_the_row():
    by_minute, by_five = after(28, step=60.0), after(28, step=300.0)
    assert by_minute[0].bound(8.0, by_minute[1], 60.0) > bound(*by_five) + 0.3


def test_rows_close_together_are_one_episode():
    burst, single = Recurrence(), Recurrence()
    for row in range(1000):
        burst.learn(8.0 if 300 <= row < 330 else 0.0, STEP * row, STEP)
        single.learn(8.0 if row == 300 else 0.0, STEP * row, STEP)
    assert bound(burst, STEP * 1000) == pytest.approx(bound(single, STEP * 1000), abs=0.01)


def test_what_is_long_ago_is_forgotten():
    recurrence, time = after(28)
    assert bound(recurrence, time + 90 * 24 * HOUR) > bound(recurrence, time) + 0.8


def test_asking_changes_nothing():
    recurrence, time = after(5)
    before = recurrence.state()
    first = bound(recurrence, time + HOUR)
    assert (bound(recurrence, time + HOUR), recurrence.state()) == (first, before)


@pytest.mark.parametrize("times", [[0.0] * 50, [-STEP * row for row in range(50)], [None] * 50])
def test_times_that_stand_still_run_backwards_or_miss_are_borne(times):
    recurrence = Recurrence()
    for time in times:
        recurrence.learn(8.0, time, None)
        assert 0.0 <= recurrence.bound(8.0, time, None) <= 8.0


def test_it_is_saved_and_restored():
    before, time = after(9)
    restored = Recurrence()
    restored.restore(json.loads(json.dumps(before.state())))
    assert restored.state() == before.state()
    assert bound(restored, time) == bound(before, time)
