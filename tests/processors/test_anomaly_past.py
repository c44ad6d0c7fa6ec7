"""Which earlier incidents an incident is like, and what was said of them."""

from dataclasses import replace

import pytest

from detection.impact import Impact
from processors.anomaly_feedback import Words
from processors.anomaly_incidents import Incident, Shown
from processors.anomaly_past import Likeness, PastIncidents
from processors.step import DictState
from tests.alerts.facts import anomaly
from tests.processors.announcements import EC2, S3, USAGE, Bill, Costs, day_of, ordinary, with_history
from tests.processors.test_anomaly_feedback import say, word

DAYS, LATER = 60, 123
KEY = f"{EC2}|{USAGE}"
MONDAY = 20_521


def rising(*rises: tuple[int, str, float]) -> Bill:
    """Return a bill in which series cost so many times as much for three days from one on."""

    def bill(day: int) -> Costs:
        costs = ordinary(day)
        for first, series, factor in rises:
            for key in costs:
                if first <= day < first + 3 and key[0].startswith(series):
                    costs[key] *= factor
        return costs

    return bill


def test_an_incident_names_the_earlier_one_that_it_is_like_and_what_was_said_of_it():
    watched, bill = with_history(DAYS), rising((DAYS, EC2, 1.6), (LATER, EC2, 1.6), (LATER, S3, 1.6))
    first = watched.read(DAYS, DAYS + 9, bill)[0]
    say(watched, word("false", DAYS + 10, anomaly=first.id))

    told = watched.read(DAYS + 10, LATER + 3, bill)

    again = [one for one in told if one.series == EC2][-1]
    [found] = again.alike
    assert first.alike == []
    assert (found.id, found.series, found.since, found.verdict) == (first.id, EC2, day_of(DAYS), "false")
    assert found.likeness > 0.9
    assert {one.series for one in told if not one.alike} == {S3}


def test_of_one_that_is_much_larger_nothing_is_named():
    watched = with_history(DAYS)

    told = watched.read(DAYS, LATER + 3, rising((DAYS, EC2, 1.3), (LATER, EC2, 2.5)))

    assert {one.since.date() for one in told} == {day_of(DAYS), day_of(LATER)}
    assert all(one.alike == [] for one in told)


def test_the_newest_are_remembered_and_the_likest_three_named():
    state = DictState()
    past = PastIncidents("USD", state, Words(state))
    for number in range(20):
        day = MONDAY + 7 * number
        one = incident(id=str(number), since=day, opened=day, last=day, ended=day, excess=Impact(50.0 + number))
        event = past.told(one, anomaly(state="closed"), 0)

    [kept] = state.entries.values()
    assert [one["id"] for one in kept] == [str(number) for number in range(4, 20)]  # type: ignore[index, call-overload, union-attr]
    assert [one.id for one in event.alike] == ["18", "17", "16"]


def test_one_that_a_restatement_takes_back_is_forgotten():
    state = DictState()
    past = PastIncidents("USD", state, Words(state))
    past.told(incident(ended=MONDAY), anomaly(state="closed"), 0)

    past.told(incident(withdrawn=True), anomaly(state="withdrawn"), 0)

    assert list(state.entries.values()) == [[]]


def incident(**changes: object) -> Incident:
    shown = Shown(MONDAY, 150.0, 100.0, 90.0, 110.0)
    made = Incident("i", KEY, "spike", MONDAY, MONDAY, 1, 9.0, shown, excess=Impact(50.0), weight=1.0, last=MONDAY)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "likeness"),
    [
        ({}, 1.0),
        ({"excess": Impact(25.0)}, 0.5),
        ({"key": f"{EC2.replace('111', '222')}|0"}, 0.8),
        ({"shape": "creep"}, 0.8),
        ({"cause": "usage"}, 0.7),
        ({"since": MONDAY - 1, "last": MONDAY - 1}, 0.9),
        ({"last": MONDAY + 3}, 1.0),
        ({"side": -1}, 0.0),
        ({"shape": "new"}, 0.0),
    ],
)
def test_each_difference_takes_something_off(other, likeness):
    now = Likeness.of(incident(cause="rate"))
    past = Likeness.of(incident(**{"cause": "rate", **other}))

    assert now.to(past, is_over=False) == pytest.approx(likeness)


def test_what_is_over_is_less_like_what_lasted_longer():
    long = Likeness.of(incident(last=MONDAY + 3))

    assert Likeness.of(incident()).to(long, is_over=True) == pytest.approx(0.5)
