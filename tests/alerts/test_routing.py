"""What goes out, to whom, when, and why: routes, groups, silences, inhibition, quiet hours, escalation."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.receivers import Quiet
from alerts.receivers import receiver as receiver_of
from alerts.routes import Matcher, Route, Routing, labels_of, read
from alerts.routing import Decision, decide, ways_of
from schemas.events import Incident, Notification
from spendstream.settings import ConfigurationError
from tests.alerts.facts import T
from tests.schemas.examples import EXAMPLES

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
_NOTE: Any = next(event for event in EXAMPLES if isinstance(event, Notification))


def incident(name: str = "i1", **changes: Any) -> Any:
    fields = {"id": name, "state": "firing", "opened_at": T, "changed_at": T, "labels": {}, "owner": None, **changes}
    return replace(_EXAMPLE, **fields)


def routing(**changes: Any) -> Routing:
    fields: dict[str, Any] = {
        "receivers": [
            {"name": name, "channel": "webhook", "url": "http://127.0.0.1/"} for name in ("all", "search", "boss")
        ],
        "route": {"receiver": "all", "group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"},
    }
    return Routing.model_validate(fields | changes)


def told(last: Incident, at: Any = T, **changes: Any) -> Any:
    return replace(_NOTE, incident=last.id, state=last.state, severity=last.severity, sent_at=at, **changes)


def decided(
    rules: Routing, group: list[Incident], now: Any, log: Any = None, receiver: str | None = None, others: Any = ()
) -> Decision:
    way = ways_of(rules, group[0])[0]
    return decide(rules, way, rules.receiver(receiver or way.receiver), group, [*group, *others], log or {}, now)


def said(decision: Decision) -> list[tuple[str, str]]:
    return [(one.incident.id, one.reason) for one in decision.told]


# When


def test_a_new_incident_waits_for_others_of_its_group_and_goes_out_with_them():
    one, two = incident("i1"), incident("i2", opened_at=T + 20 * SECOND)
    early = decided(routing(), [one, two], T + 29 * SECOND)
    assert (said(early), early.again_at) == ([], T + 30 * SECOND)
    assert said(decided(routing(), [one, two], T + 30 * SECOND)) == [("i1", "new"), ("i2", "new")]


def test_a_group_that_was_told_of_waits_its_interval():
    one, two = incident("i1"), incident("i2")
    log = {"i1": told(one, T)}
    assert decided(routing(), [one, two], T + MINUTE, log).again_at == T + 5 * MINUTE
    assert said(decided(routing(), [one, two], T + 5 * MINUTE, log)) == [("i2", "new")]


def test_the_same_is_told_again_after_the_repeat_interval_and_not_before():
    one = incident()
    log = {"i1": told(one, T)}
    assert decided(routing(), [one], T + HOUR, log) == Decision(
        (), {"i1": "not before 2026-03-10 12:00:00 UTC"}, T + 4 * HOUR
    )
    assert said(decided(routing(), [one], T + 4 * HOUR, log)) == [("i1", "repeated: nobody has acknowledged it")]


def test_worse_is_told_and_milder_is_not():
    worse = incident(severity="critical")
    log = {"i1": told(incident(), T)}
    assert said(decided(routing(), [worse], T + HOUR, log)) == [("i1", "worse: warning became critical")]
    assert said(decided(routing(), [incident(severity="info")], T + HOUR, log)) == []


def test_an_end_is_told_once_and_only_to_those_who_heard_of_the_beginning():
    over = incident(state="resolved")
    assert said(decided(routing(), [over], T + HOUR)) == []
    assert said(decided(routing(), [over], T + HOUR, {"i1": told(incident(), T)})) == [("i1", "resolved")]
    assert said(decided(routing(), [over], T + HOUR, {"i1": told(over, T)})) == []


@pytest.mark.parametrize("state", ["acknowledged", "snoozed", "suppressed", "expected"])
def test_what_somebody_cares_for_is_not_told(state):
    assert said(decided(routing(), [incident(state=state)], T + 100 * HOUR)) == []


BOT = {"name": "all", "channel": "slack_bot", "token": "t", "conversation": "C0123456789"}
SMS = {"name": "all", "channel": "sms", "region": "eu-west-1", "numbers": ["+4915112345678"]}


@pytest.mark.parametrize("state", ["acknowledged", "snoozed", "suppressed", "expected"])
def test_who_shows_how_it_stands_is_told_that_somebody_cares_once_and_only_of_what_they_know(state):
    bot, one = routing(receivers=[BOT]), incident(state=state)
    assert said(decided(bot, [one], T + HOUR)) == []
    assert said(decided(bot, [one], T + HOUR, {"i1": told(incident(), T)})) == [("i1", state)]
    assert said(decided(bot, [one], T + HOUR, {"i1": told(one, T)})) == []
    assert said(decided(routing(), [one], T + HOUR, {"i1": told(incident(), T)})) == []


def test_what_was_told_as_acknowledged_fires_again_and_ends():
    bot, log = routing(receivers=[BOT]), {"i1": told(incident(state="acknowledged"), T)}
    assert said(decided(bot, [incident()], T + HOUR, log)) == [("i1", "fires again")]
    assert said(decided(bot, [incident(state="resolved")], T + HOUR, log)) == [("i1", "resolved")]


def test_a_telephone_is_told_of_critical_incidents_and_of_their_end():
    sms, mild = routing(receivers=[SMS]), incident()
    assert decided(sms, [mild], T + HOUR).held == {"i1": "it takes no incidents of severity warning"}
    assert said(decided(sms, [incident(severity="critical")], T + HOUR)) == [("i1", "new")]
    over = incident(state="resolved")
    assert said(decided(sms, [over], T + HOUR, {"i1": told(incident(severity="critical"), T)})) == [("i1", "resolved")]


def test_a_silence_holds_until_its_end_and_names_its_comment():
    silent = routing(
        silences=[{"match": ["severity=warning"], "ends": "2026-03-10T10:00Z", "comment": "migration", "by": "ann"}]
    )
    before = decided(silent, [incident()], T + HOUR)
    assert before.held == {"i1": "silenced until 2026-03-10 10:00 UTC: migration"}
    assert before.again_at is not None
    assert said(decided(silent, [incident()], T + 2 * HOUR)) == [("i1", "new")]


def test_a_wider_incident_inhibits_a_narrower_one_of_the_same_account_but_not_itself():
    rules = routing(
        inhibit=[{"source": ["level=account"], "target": ["level=~account|account_service"], "equal": ["account"]}]
    )
    wide = incident("wide", scope="USD/provider=AWS/account=1", level="account")
    part = incident("part", scope="USD/provider=AWS/account=1/service=S3", level="account_service")
    other = incident("other", scope="USD/provider=AWS/account=2/service=S3", level="account_service")
    decision = decided(rules, [wide, part, other], T + HOUR)
    assert [name for name, _ in said(decision)] == ["wide", "other"]
    assert decision.held == {"part": "inhibited by incident wide"}


def test_quiet_hours_keep_all_but_the_critical_for_the_morning():
    quiet = {"zone": "Europe/Berlin", "start": "20:00", "end": "09:30"}
    receiver = {"name": "all", "channel": "webhook", "url": "http://127.0.0.1/", "quiet": quiet}
    rules = routing(receivers=[receiver])
    night = decided(rules, [incident("mild"), incident("bad", severity="critical")], T + 20 * MINUTE)
    assert said(night) == [("bad", "new")]
    assert night.held == {"mild": "quiet hours until 09:30 Europe/Berlin"}
    assert said(decided(rules, [incident("mild")], T + 30 * MINUTE)) == [("mild", "new")]


def test_what_nobody_acknowledges_goes_to_the_next_receiver_too():
    rules = routing(route={"receiver": "all", "escalate_after": "1h", "escalate_to": "boss"})
    assert decided(rules, [incident()], T, receiver="boss").again_at == T + HOUR
    assert said(decided(rules, [incident()], T + HOUR, receiver="boss")) == [
        ("i1", "escalated: nobody has acknowledged it")
    ]
    assert said(decided(rules, [incident(state="acknowledged")], T + HOUR, receiver="boss")) == []
    over = incident(state="resolved")
    assert said(decided(rules, [over], T + 2 * HOUR, {"i1": told(incident())}, "boss")) == [("i1", "resolved")]


# Where


def tree(**changes: Any) -> Routing:
    route = {
        "receiver": "all",
        "group_by": ["account"],
        "routes": [
            {"match": ["severity=critical"], "receiver": "boss", "continue": True},
            {"match": ["team=~sea.*"], "receiver": "search", "group_wait": "0s", "routes": [{"match": ["kind=fee"]}]},
            {"match": ["team!="], "receiver": "boss"},
        ],
        **changes,
    }
    return routing(route=route)


@pytest.mark.parametrize(
    ("changes", "receivers"),
    [
        ({}, ["all"]),
        ({"labels": {"team": "search"}}, ["search"]),
        ({"labels": {"team": "shop"}}, ["boss"]),
        ({"severity": "critical"}, ["boss"]),
        ({"severity": "critical", "labels": {"team": "search"}}, ["boss", "search"]),
    ],
)
def test_the_first_route_that_matches_takes_it_unless_it_says_continue(changes, receivers):
    assert [way.receiver for way in ways_of(tree(), incident(**changes))] == receivers


def test_a_route_takes_from_above_what_it_does_not_say():
    [way] = ways_of(tree(), incident(kind="fee", labels={"team": "search"}))
    assert (way.receiver, way.group_by, way.group_wait, way.group_interval) == (
        "search",
        ("account",),
        timedelta(0),
        5 * MINUTE,
    )


def test_an_incident_has_the_dimensions_of_its_scope_as_labels():
    labels = labels_of(incident(scope="USD/provider=AWS/account=1/service=S3", labels={"team": "x", "kind": "own"}))
    assert (labels["account"], labels["service"], labels["team"], labels["kind"]) == ("1", "S3", "x", "own")


_LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]), max_size=3)
_MATCHERS = st.lists(
    st.builds(
        Matcher,
        label=st.sampled_from("abc"),
        sign=st.sampled_from(["=", "!=", "=~", "!~"]),
        value=st.sampled_from(["", "x", "x|y", ".+"]),
    ),
    max_size=2,
)
_ROUTES = st.recursive(
    st.builds(lambda match, go_on: Route.model_validate({"match": match, "continue": go_on}), _MATCHERS, st.booleans()),
    lambda below: st.builds(
        lambda match, go_on, routes: Route.model_validate({"match": match, "continue": go_on, "routes": routes}),
        _MATCHERS,
        st.booleans(),
        st.lists(below, max_size=3),
    ),
    max_leaves=8,
)


def named(route: Route, path: str) -> Route:
    """Return a route in which each node has a receiver named for its place."""
    below = tuple(named(child, f"{path}.{n}") for n, child in enumerate(route.routes))
    return route.model_copy(update={"receiver": path, "routes": below})


def taken(route: Route, labels: dict[str, str]) -> list[str]:
    """The obvious model: Alertmanager's own description of its tree."""
    if not all(matcher.holds(labels) for matcher in route.match):
        return []
    found = []
    for child in route.routes:
        its = taken(child, labels)
        found += its
        if its and not child.go_on:
            break
    return found or [str(route.receiver)]


@given(_ROUTES, _LABELS)
def test_the_tree_is_walked_as_alertmanager_describes_it(route, labels):
    whole = named(route.model_copy(update={"match": ()}), "r")
    rules = routing().model_copy(update={"route": whole})
    assert [way.receiver for way in ways_of(rules, incident(labels=labels))] == taken(whole, labels)


# Over time: whatever happens, these hold

_HAPPENS = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["firing", "firing", "acknowledged", "snoozed", "resolved"]),
        st.sampled_from(["info", "warning", "critical"]),
    ),
    max_size=12,
)


def lived(rules: Routing, happens: Any) -> tuple[dict[str, Incident], list[tuple[Any, list[Any]]]]:
    """Live through what happens, asking every minute for 30 hours; return what is there at last, and what was sent."""
    known: dict[str, Incident] = {}
    log: dict[str, Notification] = {}
    sent = []
    waiting = sorted(happens, key=lambda one: one[0])
    for minute in range(1800):
        now = T + minute * MINUTE
        while waiting and waiting[0][0] <= minute:
            _, name, state, severity = waiting.pop(0)
            before = known.get(name)
            opened = now if before is None or before.state == "resolved" else before.opened_at
            known[name] = incident(name, state=state, severity=severity, opened_at=opened, changed_at=now)
        if not known:
            continue
        decision = decided(rules, list(known.values()), now, log)
        for one in decision.told:
            log[one.incident.id] = told(one.incident, now)
        if decision.told:
            sent.append((now, [(one.incident.id, one.incident.state, one.reason) for one in decision.told]))
    return known, sent


@settings(max_examples=12, deadline=None)
@given(_HAPPENS)
def test_nothing_is_lost_and_nothing_is_told_too_often(happens):
    known, sent = lived(routing(), happens)
    times = [now for now, _ in sent]
    assert all(later - earlier >= 5 * MINUTE for earlier, later in pairwise(times))
    for name, last in known.items():
        heard = [(now, state, reason) for now, all_told in sent for one, state, reason in all_told if one == name]
        if last.state == "firing":
            assert heard[-1][1] == "firing"
        if last.state == "resolved" and heard:
            assert heard[-1][1] == "resolved"
        for (earlier, _, _), (later, _, reason) in pairwise(heard):
            assert later - earlier >= 4 * HOUR or reason.startswith(("worse", "resolved", "fires again"))


@settings(max_examples=12, deadline=None)
@given(_HAPPENS, st.integers(0, 600), st.integers(1, 600))
def test_a_silence_and_quiet_hours_let_nothing_begin(happens, start, length):
    ends = T + (start + length) * MINUTE
    rules = routing(silences=[{"match": ["severity=~.*"], "ends": ends.isoformat(), "comment": "x"}])
    known, sent = lived(rules, happens)
    assert all(state == "resolved" for now, all_told in sent for _, state, _ in all_told if now < ends)
    firing = {name for name, last in known.items() if last.state == "firing"}
    assert firing <= {name for _, all_told in sent for name, _, _ in all_told}


@given(
    st.integers(0, 7 * 24 * 60),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sets(st.sampled_from("0123456"), min_size=1),
)
def test_quiet_hours_are_those_of_a_wall_clock(minute, start, end, days):
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    quiet = Quiet.model_validate(
        {
            "zone": "UTC",
            "start": f"{start // 60:02}:{start % 60:02}",
            "end": f"{end // 60:02}:{end % 60:02}",
            "days": [names[int(day)] for day in days],
        }
    )
    monday = T.replace(hour=0, minute=0) - timedelta(days=T.weekday())
    length = (end - start) % 1440
    covered = {(int(day) * 1440 + start + passed) % (7 * 1440) for day in days for passed in range(length)}
    assert quiet.holds(monday + minute * MINUTE) == (minute % (7 * 1440) in covered)


# Files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("receivers: []\nroute: {}", "receivers"),
        ("receivers: [{name: a, channel: webhook, url: http://x}]\nroute: {receiver: b}", "no such receiver"),
        ("receivers: [{name: a, channel: webhook, url: http://x}]\nroute: {}", "route.receiver is missing"),
        (
            "receivers: [{name: a, channel: webhook, url: http://x}]\nroute: {receiver: a, routes: [{match: ['a']}]}",
            "'a' is no matcher: write as team=search",
        ),
        (
            "receivers: [{name: a, channel: webhook, url: http://x}]\nroute: {receiver: a, group_wait: soon}",
            "'soon' is no length of time",
        ),
        (
            "receivers: [{name: a, channel: slack, url: u, quiet: {zone: Nowhere, start: '20:00', end: '07:00'}}]",
            "'Nowhere' is no time zone",
        ),
        ("receivers: [", "is no YAML"),
    ],
)
def test_a_mistake_in_a_routing_file_is_told(tmp_path, text, message):
    path = tmp_path / "routing.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"cannot be used|is no YAML") as raised:
        read(path)
    assert message in str(raised.value)


def test_a_mistake_beside_a_secret_does_not_tell_it(tmp_path):
    path = tmp_path / "routing.yaml"
    path.write_text("receivers: [{name: 'a b', channel: webhook, url: 'http://x/s3cret', secret: s3cret}]\nroute: {}")
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert "s3cret" not in str(raised.value)


def test_owners_come_from_the_rule_or_else_from_the_mapping():
    rules = routing(owners=[{"where": {"account": "12*"}, "owner": "search"}, {"where": {}, "owner": "finops"}])
    assert rules.owner_of("USD/provider=AWS/account=1234/service=S3", {}) == "search"
    assert rules.owner_of("USD", {}) == "finops"
    assert rules.owner_of("USD", {"owner": "ann"}) == "ann"


def test_a_receiver_hides_its_address():
    receiver = receiver_of({"name": "a", "channel": "slack", "url": "https://hooks.example.com/T0/s3cret"})
    assert "s3cret" not in repr(receiver)
