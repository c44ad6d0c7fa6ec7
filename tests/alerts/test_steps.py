"""From recorded events to incidents, by the batch driver; and again, as after a crash."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.backtest import would_say
from alerts.incident_step import IncidentOptions, incident_step
from alerts.rule_files import packed
from alerts.rule_step import RuleOptions, home_of, rule_step
from processors.batch import BatchDriver, States
from processors.runner import StepFailedError
from processors.step import Output
from schemas.events import AlertRequest, AlertRule, Event, Incident, IncidentTransition, Tick
from spendstream.topics import AGGREGATES, ALERTS, ANOMALIES, RULES, Topic
from tests.alerts.facts import DAY, S3, T, announced, anomaly, rule

SHARDS = 4
RISES = rule("id: rises\nkind: anomaly\nseverities: {warning: {amount: 50}, critical: {amount: 500}}")
LIMIT = rule("id: limit\nkind: threshold\nwhere: {}\nwindow: day\nlimits: {warning: 100}")
REGIONS = rule("id: regions\nkind: threshold\nwhere: {region: eu*}\nwindow: day\nlimits: {warning: 100}")
EUROPE = f"{S3}/region=eu-west-1"
SILENT = rule("id: silent\nkind: freshness\nsilent_hours: 24")


def applying(a_rule: Any, at: Any = T, **changes: Any) -> AlertRule:
    return replace(AlertRule(id=a_rule.id, applied_at=at, by="ann", definition=packed(a_rule)), **changes)


class Alerting:
    """Both steps over one state, and all that came out."""

    def __init__(self, states: States | None = None) -> None:
        self.out: list[Output] = []
        self.states: States = {} if states is None else states
        owned = IncidentOptions(owner_of=lambda _, labels: labels.get("owner", "finops"))
        self.driver = BatchDriver(
            [rule_step(RuleOptions(SHARDS)), incident_step(owned)], self.out.append, states=states
        )
        self.states = self.driver.states

    def feed(self, topic: Topic, partition: int, *events: Event) -> "Alerting":
        for event in events:
            self.driver.feed(topic, partition, event)
        return self

    @property
    def incidents(self) -> list[Incident]:
        """The newest version of each incident."""
        newest = {output.key: output.event for output in self.out if isinstance(output.event, Incident)}
        return [event for event in newest.values() if isinstance(event, Incident)]

    @property
    def moves(self) -> list[tuple[str | None, str]]:
        events = [output.event for output in self.out]
        return [(event.before, event.after) for event in events if isinstance(event, IncidentTransition)]


def test_an_anomaly_becomes_an_incident_and_its_withdrawal_the_end_of_it():
    at_work = Alerting().feed(RULES, 1, applying(RISES)).feed(ANOMALIES, 1, anomaly())
    [incident] = at_work.incidents
    assert (incident.state, incident.scope, incident.owner, incident.rules) == ("firing", S3, "finops", ["rises"])
    at_work.feed(ANOMALIES, 1, anomaly(version=2, state="withdrawn"))
    [incident] = at_work.incidents
    assert (incident.state, incident.version) == ("resolved", 2)
    assert at_work.moves == [(None, "firing"), ("firing", "resolved")]


def test_alerts_of_several_partitions_meet_in_the_partition_of_their_currency():
    at_work = Alerting()
    for partition, series in enumerate(("USD", S3)):
        at_work.feed(RULES, partition, applying(RISES)).feed(ANOMALIES, partition, anomaly(series, id=series))
    [incident] = at_work.incidents
    assert (incident.scope, incident.alert_count) == (S3, 2)
    assert {output.partition for output in at_work.out} == {home_of("USD", SHARDS)}


def test_a_total_in_several_parts_is_judged_at_its_last():
    at_work = Alerting().feed(RULES, 0, applying(LIMIT))
    at_work.feed(AGGREGATES, 0, announced("USD", {DAY: "150"}, {"d7": "150"}))
    after = DAY + timedelta(days=1)
    windows = announced("USD", {}, {"d7": "300"}, version=2, through=after, parts=2)
    at_work.feed(AGGREGATES, 0, windows)
    assert [incident.state for incident in at_work.incidents] == ["firing"]
    at_work.feed(AGGREGATES, 0, announced("USD", {after: "150"}, version=2, through=after, part=1, parts=2))
    assert [incident.state for incident in at_work.incidents] == ["firing"]
    assert at_work.moves == [(None, "firing")]


def test_a_region_that_costs_nothing_any_more_is_back_when_its_book_closes_the_next_day():
    next_day = DAY + timedelta(days=1)
    at_work = Alerting().feed(RULES, 0, applying(REGIONS)).feed(AGGREGATES, 0, announced(EUROPE, {DAY: "150"}))
    at_work.feed(AGGREGATES, 0, announced("USD", {}, version=2, through=next_day, billing_account="2"))
    assert at_work.moves == [(None, "firing")]
    at_work = Alerting(at_work.states)
    at_work.feed(AGGREGATES, 0, announced("USD", {}, version=3, through=next_day))
    at_work.feed(AGGREGATES, 0, announced("USD", {}, version=4, through=next_day))
    assert at_work.moves == [("firing", "resolved")]


def test_a_region_that_was_told_before_its_day_closed_is_judged_when_it_closes():
    at_work = Alerting().feed(RULES, 0, applying(REGIONS))
    at_work.feed(AGGREGATES, 0, announced(EUROPE, {DAY: "150"}, through=DAY - timedelta(days=1)))
    assert at_work.moves == []
    at_work.feed(AGGREGATES, 0, announced("USD", {}, version=2))
    assert at_work.moves == [(None, "firing")]


def test_a_rule_that_comes_later_looks_at_anomalies_that_are_open():
    at_work = Alerting().feed(ANOMALIES, 1, anomaly(), anomaly(id="a2", state="closed")).feed(RULES, 1, applying(RISES))
    assert [(incident.scope, incident.alert_count) for incident in at_work.incidents] == [(S3, 1)]


def test_other_runs_say_nothing():
    at_work = Alerting().feed(RULES, 0, applying(RISES), applying(LIMIT))
    at_work.feed(ANOMALIES, 0, anomaly(run="again"))
    at_work.feed(AGGREGATES, 0, announced("USD", {DAY: "150"}, {"d7": "150"}, run="again"))
    assert at_work.out == []


@pytest.mark.parametrize(
    "gone",
    [
        applying(RISES, definition=None),
        applying(RISES.model_copy(update={"enabled": False})),
        applying(rule("id: rises\nkind: anomaly\nwhere: {service: AmazonEC2}\nseverities: {info: {}}")),
        applying(rule("id: rises\nkind: fee")),
    ],
    ids=["removed", "switched off", "elsewhere", "of another kind"],
)
def test_a_rule_that_goes_takes_its_incidents_along(gone):
    at_work = Alerting().feed(RULES, 1, applying(RISES)).feed(ANOMALIES, 1, anomaly())
    at_work.feed(RULES, 1, replace(gone, applied_at=T + timedelta(hours=1)))
    assert [incident.state for incident in at_work.incidents] == ["resolved"]


def test_a_rule_that_is_applied_again_leaves_what_fires():
    at_work = Alerting().feed(RULES, 1, applying(RISES)).feed(ANOMALIES, 1, anomaly())
    at_work.feed(RULES, 1, applying(RISES, T + timedelta(hours=1)))
    assert [incident.state for incident in at_work.incidents] == ["firing"]


def test_a_source_that_falls_silent_is_one_incident_for_all_partitions():
    at_work = Alerting()
    for partition in range(SHARDS):
        at_work.feed(RULES, partition, applying(SILENT))
        at_work.feed(AGGREGATES, partition, announced("USD", {}, {}, partition=partition))
    for partition in range(SHARDS):
        at_work.feed(RULES, partition, Tick(at=T + timedelta(hours=25)))
    [incident] = at_work.incidents
    assert (incident.kind, incident.scope, incident.currency) == ("freshness", "focus.main", None)
    at_work.feed(AGGREGATES, 0, announced("USD", {}, {}, version=2, at=T + timedelta(hours=26)))
    assert [one.state for one in at_work.incidents] == ["resolved"]


def test_a_person_acknowledges_snoozes_and_time_wakes():
    at_work = Alerting().feed(RULES, 1, applying(RISES)).feed(ANOMALIES, 1, anomaly())
    home = home_of("USD", SHARDS)
    [incident] = at_work.incidents
    wish = AlertRequest(
        id="q",
        incident=incident.id,
        action="snooze",
        by="ann",
        at=T,
        why="known",
        until=T + timedelta(hours=4),
    )
    at_work.feed(ALERTS, home, wish, wish, Tick(at=T + timedelta(hours=5)))
    assert at_work.moves == [(None, "firing"), ("firing", "snoozed"), ("snoozed", "firing")]


def test_a_request_about_nothing_is_buried_with_a_reason():
    wish = AlertRequest(id="q", incident="none", action="resolve", by="ann", at=T, why="", until=None)
    with pytest.raises(StepFailedError, match="there is no incident none here"):
        Alerting().feed(ALERTS, 0, wish)


def test_what_ended_long_ago_is_forgotten():
    at_work = Alerting().feed(RULES, 1, applying(RISES)).feed(ANOMALIES, 1, anomaly(), anomaly(state="closed"))
    home = home_of("USD", SHARDS)
    at_work.feed(ALERTS, home, Tick(at=T + timedelta(days=36)))
    assert at_work.states["incidents"][home] == {}


_EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda name, rise, state, version: (
                ANOMALIES,
                anomaly(S3 if name == "a1" else "USD", str(20 + rise), id=name, state=state, version=version),
            ),
            st.sampled_from(["a1", "a2"]),
            st.integers(0, 900),
            st.sampled_from(["open", "updated", "closed", "withdrawn"]),
            st.integers(1, 4),
        ),
        st.builds(
            lambda amount, version: (
                AGGREGATES,
                announced("USD", {DAY: str(amount)}, {"d7": "1"}, version=version),
            ),
            st.integers(0, 200),
            st.integers(1, 4),
        ),
        st.builds(lambda hours: (RULES, Tick(at=T + timedelta(hours=hours))), st.integers(0, 50)),
    ),
    max_size=10,
)


@settings(max_examples=40, deadline=None)
@given(_EVENTS, st.data())
def test_an_event_read_again_and_a_step_opened_again_change_nothing(events, data):
    plain = Alerting()
    broken = Alerting()
    for at_work in (plain, broken):
        at_work.feed(RULES, 0, applying(RISES), applying(LIMIT), applying(SILENT))
    for topic, event in events:
        plain.feed(topic, 0, event)
        broken.feed(topic, 0, event)
        if data.draw(st.booleans()):
            kept = broken.out
            broken = Alerting(broken.states)
            broken.out[:] = kept
            broken.feed(topic, 0, event)
    assert broken.incidents == plain.incidents
    assert broken.moves == plain.moves
    assert broken.states == plain.states


def test_a_dry_run_says_what_the_stream_says():
    events: list[Any] = [
        (0, anomaly()),
        (1, announced("USD", {DAY: "150"}, {"d7": "1"}, at=T + timedelta(minutes=1))),
        (0, anomaly(version=2, state="withdrawn", scored_at=T + timedelta(hours=1))),
    ]
    said = would_say([RISES, LIMIT], events, RuleOptions(SHARDS))
    assert [(alert.rule, alert.change) for alert in said] == [
        ("rises", "crossed"),
        ("limit", "crossed"),
        ("rises", "restated"),
    ]
