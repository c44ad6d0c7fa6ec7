"""The drill of alerting: a short one on the real Kafka; that its count would see a fault."""

import pytest

from spendstream.local import alert_drill
from spendstream.local.drill_receivers import faults_of

A, B = "USD/provider=AWS/account=1", "USD/provider=AWS/account=2"
ONCE = {(receiver, scope, "firing"): [f"m{scope}"] for receiver in ("first", "second") for scope in (A, B)}


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("apache_kafka")
def test_two_kills_lose_nothing_and_tell_nothing_twice():
    """The fixture only brings its rule about a machine without Java: the drill starts a Kafka of its own."""
    report = alert_drill.run(seed=3, kills=2)
    assert report.faults == []
    assert len(report.kills) == 2
    assert report.messages >= 2 * report.causes > 0


def test_everybody_told_once_is_no_fault_and_neither_is_a_message_that_came_again():
    assert faults_of(ONCE, {A, B}, set(), {"first": 0, "second": 0}) == []
    again = {**ONCE, ("first", A, "firing"): ["m", "m"]}
    assert faults_of(again, {A, B}, set(), {"first": 1, "second": 0}) == []


@pytest.mark.parametrize(
    ("taken", "begun", "ended", "fault"),
    [
        ({("first", A, "firing"): []}, {A, B}, set(), f"first was never told that {A} is firing"),
        ({}, {A, B}, {B}, f"first was never told that {B} is resolved"),
        ({("first", A, "firing"): ["m", "n"]}, {A, B}, set(), f"first was told 2 times that {A} is firing"),
        (
            {("first", A, "firing"): ["m"] * 3},
            {A, B},
            set(),
            "first got 2 messages again, and there were reasons for 1",
        ),
        ({}, {A}, set(), f"an incident about {B}, of which nothing is known"),
    ],
)
def test_the_count_sees_what_is_lost_doubled_or_made_up(taken, begun, ended, fault):
    faults = faults_of({**ONCE, **taken}, begun, ended, {"first": 1, "second": 1})
    assert [one for one in faults if one.startswith(fault)] != []
