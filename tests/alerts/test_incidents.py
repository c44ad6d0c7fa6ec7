"""Alerts of one cause become one incident, named for the smallest series that explains most of the change."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.cases import Case, pack, unpack
from alerts.incident_states import ACTIONS, MOVES, STATES, ForbiddenMoveError, asked, moved_by_alerts, moved_by_time
from alerts.incidents import fold, request, wake
from alerts.lattice import Change, cause, relation
from schemas.events import Alert, AlertPart, AlertRequest
from tests.alerts.facts import T

AWS = "USD/provider=AWS"
ACCOUNT = f"{AWS}/account=1"
S3 = f"{AWS}/service=AmazonS3"
ACCOUNT_S3 = f"{ACCOUNT}/service=AmazonS3"
IRELAND = f"{ACCOUNT_S3}/region=eu-west-1"
BYTES = f"{ACCOUNT_S3}/usage_type=Bytes"
ACCOUNT_EC2 = f"{ACCOUNT}/service=AmazonEC2"
TEAM = "USD/tag=team/value=search"


def alert(series: str, per_day: int | Decimal, **changes: Any) -> Alert:
    fields: dict[str, Any] = {
        "run": "live",
        "id": f"rises|{series}",
        "version": 1,
        "state": "firing",
        "change": "crossed",
        "rule": "rises",
        "kind": "anomaly",
        "severity": "warning",
        "subject": series,
        "currency": "USD",
        "charges": ["usage"],
        "anomaly": series,
        "shape": "step",
        "day": T.date(),
        "actual": Decimal(per_day) + 10,
        "expected": Decimal(10),
        "impact_per_day": Decimal(per_day),
        "impact_so_far": Decimal(per_day) * 2,
        "impact_to_month_end": Decimal(per_day) * 20,
        "score": 6.0,
        "since": T,
        "observed_at": T,
        "says": f"{series} rose",
        "parts": [],
        "labels": {},
        "runbook": None,
        "course_from": T.date(),
        "course": [10**18, 110 * 10**18],
        "course_lower": [],
        "course_upper": [],
    }
    return Alert(**(fields | changes))


def over(known: Alert, version: int = 2, **changes: Any) -> Alert:
    """Return the end of an alert."""
    return replace(known, version=version, state="resolved", change="back", **changes)


def folded(*alerts: Alert) -> list[Case]:
    """Return the cases that alerts make, in the order in which they began; not those that others took over."""
    cases: dict[str, Case] = {}
    for one in alerts:
        turn = fold(list(cases.values()), one)
        if turn is not None:
            cases |= {changed.case.id: changed.case for changed in (turn, *turn.taken)}
    return [case for case in cases.values() if case.into is None]


def scopes(*alerts: Alert) -> list[str]:
    return [case.incident(None).scope for case in folded(*alerts)]


# Which incident


def test_one_cause_seen_at_every_level_is_one_incident_named_for_the_smallest():
    seen = [alert(series, 100) for series in ("USD", AWS, ACCOUNT, S3, ACCOUNT_S3, IRELAND)]
    assert scopes(*seen) == [IRELAND]
    assert scopes(*reversed(seen)) == [IRELAND]


def test_a_part_that_explains_less_than_half_does_not_name_the_incident():
    [case] = folded(alert(ACCOUNT_S3, 100), alert(IRELAND, 40), alert(BYTES, 60))
    incident = case.incident(None)
    assert incident.scope == BYTES
    assert [
        child.series for child in folded(alert(ACCOUNT_S3, 100), alert(IRELAND, 40))[0].incident(None).children
    ] == [IRELAND]


def test_two_services_that_rise_are_two_incidents_and_the_account_joins_the_larger():
    cases = folded(alert(ACCOUNT_S3, 60), alert(ACCOUNT_EC2, 50), alert(ACCOUNT, 110))
    assert [case.incident(None).scope for case in cases] == [ACCOUNT_S3, ACCOUNT_EC2]
    assert [case.incident(None).alert_count for case in cases] == [2, 1]


SMALL = [alert(f"{ACCOUNT}/service=s{number}", size) for number, size in enumerate((30, 20, 18, 15, 12))]


@given(st.permutations([*SMALL, alert(ACCOUNT, 100), alert("USD", 105)]))
def test_many_parts_that_rise_at_once_are_one_incident_of_their_whole(seen):
    [case] = folded(*seen)
    incident = case.incident(None)
    assert (incident.scope, incident.alert_count, incident.impact_per_day) == (ACCOUNT, 7, Decimal(100))


@pytest.mark.parametrize(
    "seen",
    [
        [alert(ACCOUNT_S3, 45), alert(ACCOUNT_EC2, 45), alert(ACCOUNT, 100)],
        [*SMALL[1:3], alert(ACCOUNT_S3, 60), alert(ACCOUNT, 100)],
        [replace(one, since=T - timedelta(days=2 - number)) for number, one in enumerate(SMALL[:3])],
        [*SMALL[:3], alert("USD", 100)],
    ],
    ids=["two parts", "one is most of it", "one after the other", "the organisation"],
)
def test_parts_that_may_have_causes_of_their_own_stay_incidents_of_their_own(seen):
    whole = [] if seen[-1].subject in {ACCOUNT, "USD"} else [alert(ACCOUNT, 70)]
    parts = [one.subject for one in seen if one.subject not in {ACCOUNT, "USD"}]
    assert sorted(scopes(*seen, *whole)) == sorted(parts)


def test_what_was_taken_over_is_over_and_says_by_whom_it_is_told():
    cases = folded(*SMALL)
    turn = fold(cases, alert(ACCOUNT, 100))
    assert turn is not None
    assert [one.case.incident(None).state for one in turn.taken] == ["resolved"] * 4
    assert {one.move.why for one in turn.taken if one.move is not None} == {f"it is part of incident {turn.case.id}"}
    assert turn.taken[0].case.incident(None).says.startswith(f"it is part of incident {turn.case.id}: USD/")
    with pytest.raises(ForbiddenMoveError, match="none of its alerts fires any more"):
        request(turn.taken[0].case, wish("reopen"))
    [still] = [turn.case]
    ended = fold([still, *(one.case for one in turn.taken)], over(SMALL[4]))
    assert ended is not None
    assert (ended.case.id, len(ended.case.firing)) == (still.id, 5)


def test_a_part_that_grows_into_most_of_a_wider_rise_becomes_one_incident_with_it():
    early, wide = alert(ACCOUNT_S3, 10), alert(S3, 100)
    assert scopes(early, wide) == [ACCOUNT_S3, S3]
    grown = alert(ACCOUNT_S3, 95, version=2, change="updated")
    [case] = folded(early, wide, grown)
    assert (case.incident(None).scope, case.incident(None).alert_count) == (ACCOUNT_S3, 2)
    assert scopes(early, wide, alert(ACCOUNT_S3, 40, version=2, change="updated")) == [ACCOUNT_S3, S3]


def test_an_incident_that_somebody_cares_for_is_not_taken_over():
    first, *others = folded(*SMALL)
    cared = request(first, wish("acknowledge"))
    assert cared is not None
    turn = fold([cared.case, *others], alert(ACCOUNT, 100))
    assert turn is not None
    assert cared.case.id not in {one.case.id for one in turn.taken}


def test_a_wide_rise_that_nothing_known_explains_is_its_own_incident():
    assert scopes(alert(ACCOUNT_S3, 10), alert("USD", 1000)) == [ACCOUNT_S3, "USD"]


def test_contributors_of_an_anomaly_name_the_incident_too():
    parts = [AlertPart(series=IRELAND, share=0.9), AlertPart(series=BYTES, share=0.3)]
    [case] = folded(alert(ACCOUNT_S3, 100, parts=parts))
    incident = case.incident("ann@example.com")
    assert (incident.scope, incident.level, incident.owner) == (IRELAND, "region", "ann@example.com")
    assert incident.impact_per_day == Decimal("90.000000")
    assert incident.says == f"{ACCOUNT_S3} rose; 90 % of that is AmazonS3 in eu-west-1 of account 1"


def test_a_tag_joins_only_a_change_of_about_its_size_and_never_names_it():
    assert scopes(alert(ACCOUNT_S3, 100), alert(TEAM, 95)) == [ACCOUNT_S3]
    assert scopes(alert(TEAM, 95), alert(ACCOUNT_S3, 100)) == [ACCOUNT_S3]
    assert scopes(alert(ACCOUNT_S3, 100), alert(TEAM, 50)) == [ACCOUNT_S3, TEAM]


@pytest.mark.parametrize(
    "other",
    [
        alert(IRELAND, -100),
        alert(IRELAND, 100, since=T - timedelta(days=4)),
        alert(IRELAND, 100, charges=["recurring_fee"]),
        alert(IRELAND.replace("USD", "EUR"), 100, currency="EUR"),
        alert(f"{AWS}/account=2/service=AmazonS3", 100),
    ],
    ids=["a fall", "another time", "another charge class", "another currency", "another account"],
)
def test_what_has_another_cause_is_another_incident(other):
    assert len(folded(alert(ACCOUNT_S3, 100), other)) == 2


def test_a_budget_folds_by_rule_and_subject_whatever_the_lattice_says():
    used = alert("USD", 100, kind="budget", rule="b", id="b|actual")
    soon = alert("USD", 100, kind="budget", rule="b", id="b|forecast", severity="critical", says="too much")
    cases = folded(alert("USD", 100), used, soon)
    assert [case.incident(None).kind for case in cases] == ["anomaly", "budget"]
    assert (cases[1].incident(None).severity, cases[1].incident(None).says) == ("critical", "too much")


def test_a_storm_of_forty_causes_makes_forty_incidents():
    storm = [
        alert(f"{AWS}/account={cause_}/service=s{suffix}", size, id=f"r{rule}|{cause_}{suffix}")
        for rule in range(5)
        for cause_ in range(40)
        for suffix, size in (("", 100), ("/region=a", 90), ("/usage_type=b", 95))
    ]
    cases = folded(*storm)
    assert len(cases) == 40
    assert sum(case.incident(None).alert_count for case in cases) == len(storm)


@given(st.permutations([("USD", 100), (AWS, 100), (ACCOUNT, 98), (S3, 97), (ACCOUNT_S3, 96), (BYTES, 80)]))
def test_the_order_in_which_one_cause_is_seen_changes_nothing(order):
    [case] = folded(*(alert(series, size) for series, size in order))
    assert case.incident(None).scope == BYTES
    assert case.incident(None).impact_per_day == Decimal(80)


# Its life


def test_an_incident_ends_with_its_last_alert_and_says_why():
    one, two = alert(ACCOUNT_S3, 100), alert(IRELAND, 90)
    cases = folded(one, two)
    first = fold(cases, over(one))
    assert first is not None
    assert first.move is None
    last = fold([first.case], replace(over(two), change="restated"))
    assert last is not None
    assert last.move is not None
    assert (last.move.after, last.move.why) == ("resolved", "rises: a restatement took the cause away")


def test_an_alert_that_fires_again_later_is_a_new_incident():
    one = alert(ACCOUNT_S3, 100)
    cases = folded(one, over(one), replace(one, version=3, observed_at=T + timedelta(days=4)))
    assert [(case.state, len(case.firing)) for case in cases] == [("resolved", 0), ("firing", 1)]
    ended = fold(cases, over(one, version=4))
    assert ended is not None
    assert ended.case.id == cases[1].id


def test_what_is_told_otherwise_at_once_opens_its_incident_again():
    changed = alert(ACCOUNT_S3, 100, kind="fee", shape="fee_changed", charges=["recurring_fee"])
    doubled = replace(changed, id="doubled", shape="fee_doubled", observed_at=T + timedelta(hours=24))
    [case] = folded(changed, over(changed, observed_at=T + timedelta(hours=24)), doubled)
    assert (case.state, [one.id for one in case.firing]) == ("firing", ["doubled"])
    later = replace(doubled, observed_at=T + timedelta(days=3))
    assert len(folded(changed, over(changed), later)) == 2


def test_an_alert_that_fires_again_soon_opens_its_incident_again():
    one = alert(ACCOUNT_S3, 100)
    [case] = folded(one, over(one), replace(one, version=3, observed_at=T + timedelta(days=2)))
    assert (case.state, len(case.firing), case.version) == ("firing", 1, 3)


def test_what_is_known_or_older_changes_nothing():
    one = alert(ACCOUNT_S3, 100, version=2)
    cases = folded(one)
    assert fold(cases, one) is None
    assert fold(cases, replace(one, version=1)) is None
    assert fold([], over(one)) is None


def test_an_acknowledged_incident_stays_quiet_until_it_gets_worse():
    one = alert(ACCOUNT_S3, 100)
    [case] = folded(one)
    known = request(case, wish("acknowledge"))
    assert known is not None
    grown = fold([known.case], replace(one, version=2, change="updated"))
    assert grown is not None
    worse = fold([grown.case], replace(one, version=3, change="worse", severity="critical"))
    assert worse is not None
    assert (known.case.state, grown.case.state, worse.case.state) == ("acknowledged", "acknowledged", "firing")


def test_an_expected_change_is_quiet_to_its_end():
    one = alert(ACCOUNT_S3, 100)
    [case] = folded(one)
    meant = request(case, wish("expect"))
    assert meant is not None
    worse = fold([meant.case], replace(one, version=2, change="worse"))
    assert worse is not None
    end = fold([worse.case], over(one, version=3))
    assert end is not None
    assert (worse.case.state, end.case.state) == ("expected", "resolved")


def test_a_snooze_ends_at_its_time():
    [case] = folded(alert(ACCOUNT_S3, 100))
    asleep = request(case, wish("snooze", until=T + timedelta(hours=2)))
    assert asleep is not None
    assert wake(asleep.case, T + timedelta(hours=1)) is None
    awake = wake(asleep.case, T + timedelta(hours=2))
    assert awake is not None
    assert (awake.case.state, awake.case.snoozed_until) == ("firing", None)


def test_the_same_request_twice_does_nothing_more():
    [case] = folded(alert(ACCOUNT_S3, 100))
    once = request(case, wish("snooze", until=T + timedelta(hours=2)))
    assert once is not None
    assert request(once.case, wish("snooze", until=T + timedelta(hours=2))) is None


def test_a_case_comes_back_from_the_state_as_it_went():
    [case] = folded(alert(ACCOUNT_S3, 100), alert(IRELAND, 90))
    alerts = {one.id: unpack(pack(one)) for one in case.alerts.values()}
    assert Case.load(case.dump(), alerts).incident(None) == case.incident(None)


def wish(action: Any, until: datetime | None = None) -> AlertRequest:
    return AlertRequest(id=f"q-{action}", incident="i", action=action, by="ann", at=T, why="known", until=until)


# The state machine


@given(
    st.sampled_from(STATES),
    st.sampled_from(ACTIONS),
    st.booleans(),
    st.one_of(st.none(), st.integers(-5, 5).map(lambda hours: T + timedelta(hours=hours))),
)
def test_no_request_makes_a_forbidden_move(state, action, fires, until):
    try:
        move = asked(state, action, fires=fires, at=T, by="ann", why="", until=until)
    except ForbiddenMoveError:
        return
    assert move is None or (state, move.after) in MOVES or (state, move.after) == ("snoozed", "snoozed")


@given(st.sampled_from(STATES), st.booleans(), st.booleans())
def test_no_alert_makes_a_forbidden_move_and_none_leaves_an_incident_open_that_is_over(state, fires, worse):
    move = moved_by_alerts(state, fires=fires, worse=worse, at=T, why="")
    assert move is None or (state, move.after) in MOVES
    after = state if move is None else move.after
    assert fires or after == "resolved"


@given(st.sampled_from(STATES), st.one_of(st.none(), st.just(T)))
def test_time_wakes_what_is_snoozed_and_nothing_else(state, until):
    move = moved_by_time(state, until, T)
    assert (move is not None) == (state == "snoozed" and until is not None)


def test_a_person_resolves_only_what_can_be_opened_again_while_it_fires():
    [case] = folded(alert(ACCOUNT_S3, 100))
    done = request(case, wish("resolve"))
    assert done is not None
    with pytest.raises(ForbiddenMoveError, match="open it again first"):
        request(done.case, wish("acknowledge"))
    again = request(done.case, wish("reopen"))
    assert again is not None
    assert again.case.state == "firing"


# The lattice


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("USD", "USD", "same"),
        ("USD", "EUR", "none"),
        ("USD", IRELAND, "above"),
        (IRELAND, ACCOUNT, "below"),
        (IRELAND, BYTES, "across"),
        (ACCOUNT, S3, "across"),
        (ACCOUNT_S3, ACCOUNT_EC2, "none"),
        (ACCOUNT, TEAM, "tag"),
        ("USD", TEAM, "above"),
        (TEAM, "USD/tag=team/value=shop", "none"),
    ],
)
def test_where_one_series_stands_from_another(one, other, expected):
    assert relation(one, other) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from(["USD", AWS, ACCOUNT, S3, ACCOUNT_S3, IRELAND]), st.integers(1, 1000)), min_size=1
    )
)
def test_a_cause_explains_at_least_half_of_the_largest_change(sized):
    changes = [Change(series, Decimal(size)) for series, size in sized]
    found = cause(changes)
    assert found.amount * 2 >= max(change.amount for change in changes)
