"""Limits of receivers: rates, deadlines and who stands in, the breaker, tests, and what is silent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from alerts.channels.channel import Outcome
from alerts.desk import Desk
from alerts.limits import Limits, Pipeline, Rate
from alerts.lines import Line
from alerts.message import Message, view
from alerts.pulse import silent
from alerts.returned_mail import Returned
from alerts.routes import Routing
from schemas.events import Incident
from tests.alerts.facts import T
from tests.schemas.examples import EXAMPLES

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
BUSY = Outcome(accepted=False, retry=True, error="status 503")
REFUSED = Outcome(accepted=False, error="status 400")


def routing(
    first: dict[str, Any] | None = None, *, second: dict[str, Any] | None = None, told: Any = (), **more: Any
) -> Routing:
    """Return a routing in which everything goes to `first`, or to all who are `told`, at once."""
    hook = {"channel": "webhook", "url": "http://127.0.0.1/"}
    receivers = [{"name": "first", **hook, **(first or {})}, {"name": "second", **hook, **(second or {})}]
    at_once = {"group_by": ["scope"], "group_wait": "0s", "group_interval": "0s", "repeat_interval": "30d"}
    route = {"receiver": "first", **at_once, "routes": [{"receiver": name, "continue": True} for name in told]}
    return Routing.model_validate({"receivers": receivers, "route": route, **more})


def incident(name: str = "i1", **changes: Any) -> Any:
    scope = f"USD/provider=AWS/account={name}"
    fields = {"id": name, "scope": scope, "state": "firing", "opened_at": T, "changed_at": T, **changes}
    return replace(_EXAMPLE, **fields)


def desk(made: Routing, *incidents: Incident, log: Any = ()) -> Desk:
    at_work = Desk(made, log, 24 * HOUR)
    for one in incidents:
        at_work.take(one, T)
    return at_work


def tell(at_work: Desk, now: Any) -> list[tuple[str, list[str]]]:
    """Let every message be accepted; return who was told of what."""
    told = []
    for message in at_work.messages("live", now):
        at_work.accepted(message, timedelta(0), now)
        at_work.logged(message)
        told.append((message.receiver, [one.incident.id for one in message.told]))
    return told


def fail(at_work: Desk, now: Any, outcome: Outcome = BUSY) -> int:
    """Let every message fail; return how many there were."""
    messages = at_work.messages("live", now)
    for message in messages:
        at_work.failed(message, outcome, now)
        at_work.logged(message)
    return len(messages)


def outcomes(at_work: Desk) -> list[tuple[str, str, str]]:
    return [(one.receiver, one.incident, one.outcome) for one in at_work.written().states]


def test_a_rate_is_kept_in_every_stretch_of_its_length_and_what_waits_goes_together():
    at_work = desk(routing({"rate": "2/m"}), *(incident(f"i{n}") for n in range(5)))
    assert tell(at_work, T) == [("first", ["i0", "i1", "i2", "i3", "i4"])]
    at_work.take(incident("more"), T)
    assert tell(at_work, T + SECOND) == [("first", ["more"])]
    at_work.take(incident("last"), T)
    assert tell(at_work, T + 59 * SECOND) == []
    assert outcomes(at_work)[-1] == ("first", "last", "held")
    assert tell(at_work, T + MINUTE) == [("first", ["last"])]


def test_a_try_counts_from_its_end_because_nobody_knows_when_it_came():
    line = Line(Limits.model_validate({"rate": "1/m"}))
    line.begins(T)
    line.accepted(T + 10 * SECOND, timedelta(0))
    assert line.waits(T + 69 * SECOND) == (T + 70 * SECOND, "its rate is used up")
    assert line.waits(T + 70 * SECOND) is None


def test_a_rate_outlives_a_restart():
    made = routing({"rate": "1/h"})
    at_work = desk(made, incident("a"))
    [message] = at_work.messages("live", T)
    log = at_work.accepted(message, timedelta(0), T)
    again = desk(made, incident("a"), incident("b"), log=log)
    assert tell(again, T + 59 * MINUTE) == []
    assert tell(again, T + HOUR) == [("first", ["b"])]


def test_what_waited_in_quiet_hours_is_one_message():
    quiet = {"zone": "UTC", "start": "20:00", "end": "07:00"}
    night = T.replace(hour=3)
    members = [incident(f"i{n}", opened_at=night, changed_at=night, severity="warning") for n in range(3)]
    at_work = desk(routing({"quiet": quiet}), *members)
    assert tell(at_work, night) == []
    assert outcomes(at_work) == [("first", f"i{n}", "held") for n in range(3)]
    assert tell(at_work, T) == [("first", ["i0", "i1", "i2"])]


def test_after_the_deadline_the_fallback_is_told_and_hears_of_the_end():
    at_work = desk(routing({"deadline": "10m", "fallback": "second"}), incident())
    assert fail(at_work, T) == 1
    assert fail(at_work, T + 9 * MINUTE) == 1
    assert at_work.messages("live", T + 10 * MINUTE) == []
    [message] = at_work.messages("live", T + 10 * MINUTE)
    assert (message.receiver, message.told[0].reason) == ("second", "first could not be told: new")
    at_work.accepted(message, timedelta(0), T)
    at_work.logged(message)
    assert [outcome for _, _, outcome in outcomes(at_work)] == [
        "retrying",
        "retrying",
        "expired",
        "fell_back",
        "accepted",
    ]
    at_work.take(incident(version=4, state="resolved"), T)
    assert ("second", ["i1"]) in tell(at_work, T + HOUR) + tell(at_work, T + HOUR)


def test_what_fell_back_stays_told_after_a_restart():
    made = routing({"deadline": "0s", "fallback": "second"})
    at_work = desk(made, incident())
    fail(at_work, T)
    assert at_work.messages("live", T + SECOND) == []
    messages = at_work.messages("live", T + SECOND)
    log = [one for m in messages for one in at_work.accepted(m, timedelta(0), T)]
    assert [one.receiver for one in log] == ["second"]
    over = desk(made, incident(version=4, state="resolved"), log=log)
    assert tell(over, T + MINUTE) == [("second", ["i1"])]


def test_a_deadline_goes_on_where_it_was_after_a_restart_also_for_what_only_waits():
    made = routing({"deadline": "10m", "fallback": "second"})
    at_work = desk(made, incident("a"), incident("b"))
    log: list[Any] = []
    for now in (T, T + 2 * SECOND):
        [message] = at_work.messages("live", now)
        log += at_work.leaving(message, now)
        at_work.failed(message, BUSY, now)
        at_work.logged(message)
    log += at_work.written().attempts
    restarted = desk(made, incident("a"), incident("b"), log=log)
    assert fail(restarted, T + 9 * MINUTE) == 1
    fail(restarted, T + 11 * MINUTE)
    assert tell(restarted, T + 11 * MINUTE) == [("second", ["a"])]
    assert [(who, what) for who, what, outcome in outcomes(restarted) if outcome == "expired"] == [
        ("first", "a"),
        ("first", "b"),
    ]


def test_what_was_given_up_stays_so_after_a_restart_and_the_fallback_is_told():
    made = routing({"fallback": "second"})
    at_work = desk(made, incident())
    fail(at_work, T, REFUSED)
    restarted = desk(made, incident(), log=at_work.written().attempts)
    assert tell(restarted, T + MINUTE) == [("second", ["i1"])]
    assert tell(restarted, T + HOUR) == []


def test_once_the_first_can_be_told_again_the_fallback_hears_of_the_end_alone():
    at_work = desk(routing({"fallback": "second"}), incident())
    fail(at_work, T, REFUSED)
    assert tell(at_work, T + MINUTE) == [("second", ["i1"])]
    at_work.take(incident(version=4), T)
    assert ("first", ["i1"]) in tell(at_work, T + MINUTE)
    assert tell(at_work, T + MINUTE)[0][0] == "second"  # that the first can be reached again
    at_work.take(incident(version=5, severity="critical"), T)
    assert tell(at_work, T + HOUR) == [("first", ["i1"])]
    at_work.take(incident(version=6, state="resolved"), T)
    assert sorted(tell(at_work, T + HOUR)) == [("first", ["i1"]), ("second", ["i1"])]


def test_what_is_refused_goes_to_the_fallback_at_once_and_without_one_is_lost():
    at_work = desk(routing({"fallback": "second"}), incident())
    fail(at_work, T, REFUSED)
    assert [(one.receiver, one.incident.id, one.error) for one in at_work.written().lost] == []
    fail(at_work, T + SECOND, REFUSED)
    assert [(one.receiver, one.incident.id, one.error) for one in at_work.written().lost][:1] == [
        ("second", "i1", "status 400")
    ]


def test_a_receiver_that_is_closed_is_not_tried_and_its_fallback_is_told_at_once():
    at_work = desk(routing({"fallback": "second", "canary": "daily"}), incident())
    at_work.close({"first": "its mail came back"})
    assert at_work.messages("live", T) == []
    assert tell(at_work, T) == [("second", ["i1"])]
    at_work.close({})
    at_work.take(incident(version=4), T)
    assert ("first", ["i1"]) in tell(at_work, T + MINUTE)


def bounced(message: Message) -> Returned:
    says = "came back from ann@example.com: Permanent"
    return Returned(message.id, message.receiver, "bounced", ("ann@example.com",), True, T + SECOND, says)


def test_what_came_back_from_the_last_address_is_told_to_the_fallback():
    at_work = desk(routing({"fallback": "second"}), incident())
    [message] = at_work.messages("live", T)
    at_work.accepted(message, timedelta(0), T)
    at_work.logged(message)
    at_work.close({"first": "its mail came back"})
    at_work.returned(bounced(message), (), T + SECOND)
    assert outcomes(at_work) == [
        ("first", "i1", "accepted"),
        ("first", "i1", "bounced"),
        ("first", "i1", "fell_back"),
    ]
    [again] = at_work.messages("live", T + SECOND)
    assert (again.receiver, again.told[0].reason) == ("second", "first could not be told: new")


def test_what_came_back_from_one_of_several_addresses_was_told():
    at_work = desk(routing({"fallback": "second"}), incident())
    [message] = at_work.messages("live", T)
    at_work.accepted(message, timedelta(0), T)
    at_work.logged(message)
    at_work.returned(bounced(message), (), T + SECOND)
    assert at_work.messages("live", T + SECOND) == []
    [_, state] = at_work.written().states
    assert (state.outcome, state.error, state.at) == (
        "bounced",
        "came back from ann@example.com: Permanent",
        T + SECOND,
    )


def test_the_breaker_opens_after_failures_in_a_row_and_lets_probes_through():
    line = Line(Limits(breaker=2))
    line.failed(T, BUSY, 1.0)
    assert line.breaker(T) == "closed"
    line.failed(T, BUSY, 1.0)
    assert (line.breaker(T), line.breaker(T + 2 * SECOND)) == ("open", "half-open")
    line.accepted(T + 2 * SECOND, timedelta(0))
    assert line.breaker(T + 2 * SECOND) == "closed"


def test_a_receiver_that_cannot_be_reached_is_told_of_to_another_one_until_it_can():
    at_work = desk(routing({"breaker": 2, "watch": "second"}), incident())
    fail(at_work, T)
    assert fail(at_work, T + MINUTE) == 1
    [notice] = at_work.written().incidents
    assert (notice.scope, notice.says) == ("receiver first", "2 tries in a row failed: status 503")
    assert tell(at_work, T + MINUTE) == [("second", [notice.id])]
    assert tell(at_work, T + HOUR / 2) == [("first", ["i1"])]
    assert tell(at_work, T + HOUR / 2) == [("second", [notice.id])]
    assert [one.state for one in at_work.written().incidents] == ["resolved"]


def test_a_test_goes_out_at_its_time_and_keeps_its_id_until_it_was_taken():
    at_work = desk(routing({"canary": "daily"}))
    [first] = at_work.messages("live", T)
    at_work.failed(first, BUSY, T)
    at_work.logged(first)
    [again] = at_work.messages("live", T + MINUTE)
    assert (again.id, again.told[0].incident.kind) == (first.id, "canary")
    assert view(again.told[0]).title == "Test: receiver first can be reached"
    log = at_work.accepted(again, timedelta(0), T + MINUTE)
    restarted = desk(routing({"canary": "daily"}), log=log)
    assert tell(restarted, T + 24 * HOUR) == []
    assert tell(restarted, T + 24 * HOUR + MINUTE) == [("first", ["canary"])]


def test_a_test_that_is_refused_is_told_of_to_another_receiver_and_tried_again_at_its_next_time():
    at_work = desk(routing({"canary": "daily", "watch": "second"}))
    assert fail(at_work, T, REFUSED) == 1
    [(receiver, [notice])] = tell(at_work, T + MINUTE)
    assert (receiver, notice[:14]) == ("second", "receiver-first")
    assert tell(at_work, T + 23 * HOUR) == []
    assert tell(at_work, T + 24 * HOUR) == [("first", ["canary"])]


def test_a_silent_pipeline_is_told_of_until_it_speaks_again():
    at_work = desk(routing(pipeline={"tell": "second"}))
    at_work.messages("live", T)
    at_work.pipeline("no total was announced", T)
    at_work.pipeline("no total was announced", T + MINUTE)
    [(receiver, [notice])] = tell(at_work, T + MINUTE)
    at_work.pipeline(None, T + HOUR)
    assert tell(at_work, T + HOUR) == [(receiver, [notice])]
    assert receiver == "second"


def test_silence_is_what_lasts_longer_than_is_allowed():
    rule = Pipeline(tell="x", silent=timedelta(minutes=15), no_totals=timedelta(days=1))
    assert silent(rule, T, T, T + 15 * MINUTE) is None
    assert "`spendstream alert` has given no sign of life since 2026-03-10 08:00:00 UTC" in str(
        silent(rule, T, T, T + 16 * MINUTE)
    )
    assert "no total was announced" in str(silent(rule, T + 25 * HOUR, T, T + 25 * HOUR))


def test_another_routing_tells_what_was_not_told_and_nothing_twice():
    at_work = desk(routing(), incident("a"))
    assert tell(at_work, T) == [("first", ["a"])]
    other = routing(silences=[{"match": ["account=b"], "ends": "2026-03-11T00:00Z", "comment": "known"}])
    at_work.reroute(other.model_copy(update={"route": other.route.model_copy(update={"receiver": "second"})}))
    at_work.take(incident("b"), T)
    assert tell(at_work, T + MINUTE) == [("second", ["a"])]
    at_work.take(incident("a", version=4, state="resolved"), T)
    assert sorted(tell(at_work, T + MINUTE)) == [("first", ["a"]), ("second", ["a"])]


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({"fallback": "second"}, {"fallback": "first"}, "circle"),
        ({"fallback": "nobody"}, {}, "its fallback nobody must be another receiver"),
        ({"watch": "first"}, {}, "its watch first must be another receiver"),
        ({"rate": "often"}, {}, "'often' is no rate"),
        ({"canary": "never"}, {}, "no length of time"),
    ],
)
def test_limits_that_cannot_be_say_why(first, second, says):
    with pytest.raises(ValidationError, match=says):
        routing(first, second=second)


def test_a_rate_is_read_as_it_is_written():
    assert Rate.model_validate("5/10m") == Rate(messages=5, within=timedelta(minutes=10))
    assert Limits.model_validate({"rate": "30/h"}).rate == Rate(messages=30, within=HOUR)


def test_in_a_storm_of_forty_causes_no_receiver_is_over_its_rate_and_nothing_is_lost():
    """10,000 alerts are versions of forty incidents; the receivers are asked every second, and fail now and then."""
    rates = {"first": 6, "second": 3}
    made = routing({"rate": "6/m"}, second={"rate": "3/m"}, told=rates)
    at_work = desk(made)
    tries: dict[str, list[Any]] = {name: [] for name in rates}
    told: dict[str, set[str]] = {name: set() for name in rates}
    for second in range(180):
        now = T + second * SECOND
        for number in range(second * 167, min((second + 1) * 167, 10_000)):
            at_work.take(incident(f"c{number % 40}", version=number // 40 + 1, changed_at=now), now)
        for message in at_work.messages("live", now):
            tries[message.receiver].append(now)
            if second % 7 == 3:
                at_work.failed(message, BUSY, now)
                at_work.logged(message)
                continue
            at_work.accepted(message, timedelta(0), now)
            at_work.logged(message)
            told[message.receiver] |= {one.incident.id for one in message.told}
    assert all(known == {f"c{n}" for n in range(40)} for known in told.values())
    for name, most in rates.items():
        windows = [sum(begin <= at < begin + MINUTE for at in tries[name]) for begin in tries[name]]
        assert max(windows) <= most
