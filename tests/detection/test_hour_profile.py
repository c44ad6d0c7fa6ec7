import json

import numpy as np
import pytest

from detection.hour_profile import HourProfile
from detection.levels import LevelBank
from detection.seasons import Calendar

MONDAY = 4 * 24
"""Hours from 1970, which began on a Thursday."""
WEEKS = 4


def at_work(hour):
    """Return what an hour costs: a quarter more from nine to five of a working day."""
    day, of_day = divmod(hour, 24)
    return 1.25 if day % 7 < 5 and 9 <= of_day < 17 else 1.0


def learnt(cost, weeks=WEEKS, noise=0.02):
    rng, bank = np.random.default_rng(1), LevelBank(Calendar(hourly=True))
    bank.add(1)
    for hour in range(weeks * 168):
        bank.advance(MONDAY + hour)
        bank.learn_many(np.array([cost(hour) * (1 + noise * rng.normal())]))
    return bank


def test_hours_that_no_wave_renders_are_known_after_some_weeks():
    bank = learnt(at_work)
    expected = []

    for hour in range(168):
        bank.advance(MONDAY + WEEKS * 168 + hour)
        expected.append(bank.expect().mean[0])

    assert expected == pytest.approx([at_work(hour) for hour in range(168)], rel=0.05)


def test_noise_is_not_taken_for_a_profile():
    noise = 0.1

    profile = learnt(lambda _: 1.0, noise=noise).profile

    assert np.std(profile.effects) < noise / 4


def test_what_is_known_of_an_hour_gets_surer_to_a_hundredth_of_its_noise():
    profile, variance = HourProfile(hourly=True), np.array([0.01])
    profile.add(1)

    for hour in range(300 * 24):
        profile.learn(hour, np.zeros(1), variance, np.array([True]))

    assert profile.of(0)[1] == pytest.approx(1e-4)


def test_days_have_no_profile():
    profile = HourProfile(hourly=False)
    profile.add(3)
    profile.learn(7, np.ones(3), np.ones(3), np.full(3, True))

    assert profile.of(7) == (0.0, 0.0)


def test_the_state_is_plain_data():
    bank, again = learnt(at_work, weeks=1), LevelBank(Calendar(hourly=True))

    again.restore(json.loads(json.dumps(bank.plain())))

    assert again.plain() == bank.plain()
