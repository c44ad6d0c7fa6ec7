"""The desk: one message a receiver at a time, pauses after failures, nothing told twice, nothing of the past."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from alerts.channels.channel import Outcome
from alerts.channels.webhook import payload
from alerts.desk import Desk
from alerts.records import Passed
from alerts.routes import Routing
from schemas.events import Incident
from tests.alerts.facts import T
from tests.schemas.examples import EXAMPLES

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))
ROUTING = Routing.model_validate(
    {
        "receivers": [{"name": name, "channel": "webhook", "url": "http://127.0.0.1/"} for name in ("all", "boss")],
        "route": {
            "receiver": "all",
            "group_by": ["scope"],
            "group_wait": "0s",
            "group_interval": "0s",
            "repeat_interval": "30d",
            "escalate_after": "1h",
            "escalate_to": "boss",
        },
    }
)
BUSY = Outcome(accepted=False, retry=True, error="status 503")


def incident(name: str = "i1", **changes: Any) -> Any:
    return replace(_EXAMPLE, **{"id": name, "state": "firing", "opened_at": T, "changed_at": T, **changes})


def desk(*incidents: Incident, log: Any = ()) -> Desk:
    made = Desk(ROUTING, log, 24 * HOUR)
    for one in incidents:
        made.take(one, T)
    return made


def names(messages: Any) -> list[tuple[str, list[str]]]:
    return [(message.receiver, [told.incident.id for told in message.told]) for message in messages]


def tell(at_work: Desk, now: Any = T, pause: Any = timedelta(0)) -> list[Any]:
    """Let every message be accepted, and return what is logged."""
    logged = []
    for message in at_work.messages("live", now):
        logged += at_work.accepted(message, pause, now)
        at_work.logged(message)
    return logged


def test_a_receiver_gets_one_message_at_a_time():
    at_work = desk(incident("i1", scope="USD"), incident("i2", scope="EUR"))
    [first] = at_work.messages("live", T)
    assert at_work.messages("live", T) == []
    at_work.accepted(first, timedelta(0), T)
    assert at_work.messages("live", T) == []
    at_work.logged(first)
    assert names(at_work.messages("live", T)) == [("all", ["i2"])]


def test_a_channel_that_wants_pauses_gets_them():
    at_work = desk(incident("i1", scope="USD"), incident("i2", scope="EUR"))
    tell(at_work, pause=SECOND)
    assert at_work.messages("live", T + SECOND / 2) == []
    assert names(at_work.messages("live", T + SECOND)) == [("all", ["i2"])]


def test_what_was_logged_before_a_restart_is_not_told_again():
    logged = tell(desk(incident()))
    assert [(one.receiver, one.incident, one.version, one.reason) for one in logged] == [("all", "i1", 3, "new")]
    assert desk(incident(), log=logged).messages("live", T) == []


def test_a_message_that_is_sent_again_keeps_its_id():
    at_work = desk(incident())
    [first] = at_work.messages("live", T)
    at_work.failed(first, BUSY, T)
    at_work.logged(first)
    [again] = at_work.messages("live", T + MINUTE)
    assert again.id == first.id
    assert desk(incident()).messages("live", T)[0].id == first.id


def test_pauses_double_up_to_five_minutes():
    at_work, now, waited = desk(incident()), T, []
    for _ in range(12):
        [message] = at_work.messages("live", now)
        at_work.failed(message, BUSY, now)
        at_work.logged(message)
        length = next(n for n in range(1, 700) if desk_is_free(at_work, now + n * SECOND))
        waited.append(length)
        now += length * SECOND
    assert waited == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert at_work.troubles(now - SECOND) == {"all": "12 failed in a row: status 503; breaker open"}


def test_a_receiver_that_asks_for_a_longer_pause_gets_it():
    at_work = desk(incident())
    [message] = at_work.messages("live", T)
    at_work.failed(message, replace(BUSY, retry_after=HOUR / 2), T)
    at_work.logged(message)
    assert at_work.messages("live", T + HOUR / 2 - SECOND) == []
    assert names(at_work.messages("live", T + HOUR / 2)) == [("all", ["i1"])]


def desk_is_free(at_work: Desk, now: Any) -> bool:
    """Whether a message would go out; it is taken back at once."""
    messages = at_work.messages("live", now)
    for message in messages:
        at_work.logged(message)
    return bool(messages)


def test_what_a_receiver_refused_is_given_up_until_it_changes():
    at_work = desk(incident())
    [message] = at_work.messages("live", T)
    at_work.failed(message, Outcome(accepted=False, error="status 400"), T)
    at_work.logged(message)
    assert at_work.messages("live", T + HOUR / 2) == []
    at_work.take(incident(version=4), T)
    assert names(at_work.messages("live", T + HOUR / 2)) == [("all", ["i1"])]


def test_another_run_is_never_told():
    at_work = desk(incident(run="again"))
    assert at_work.messages("live", T + 9 * HOUR) == []
    assert names(at_work.messages("again", T)) == [("all", ["i1"])]


def test_what_was_worked_out_long_after_it_happened_is_history():
    at_work = desk()
    at_work.take(incident(), T + 25 * HOUR)
    assert at_work.messages("live", T + 25 * HOUR) == []
    at_work.take(incident(version=4, changed_at=T + 25 * HOUR), T + 25 * HOUR)
    assert names(at_work.messages("live", T + 25 * HOUR))[0] == ("all", ["i1"])


def test_an_older_version_changes_nothing():
    at_work = desk(incident(), incident(version=2, state="resolved"))
    assert names(at_work.messages("live", T)) == [("all", ["i1"])]


def test_escalation_reaches_the_second_receiver_and_both_hear_of_the_end():
    at_work = desk(incident())
    tell(at_work)
    assert [one.receiver for one in tell(at_work, T + HOUR)] == ["boss"]
    at_work.take(incident(version=4, state="resolved"), T + HOUR)
    assert sorted(one.receiver for one in tell(at_work, T + 2 * HOUR)) == ["all", "boss"]


def test_a_storm_of_two_thousand_incidents_reaches_a_receiver_as_messages_of_groups():
    storm = [incident(f"i{n}", scope=f"USD/provider=AWS/account={n % 40}") for n in range(2_000)]
    at_work = desk(*storm)
    told = 0
    for second in range(40):
        logged = tell(at_work, T + second * SECOND)
        told += len(logged)
    assert told == 2_000
    assert at_work.messages("live", T + MINUTE) == []


def test_a_channel_gets_back_what_it_called_the_message_before_also_after_a_restart():
    at_work = desk(incident("i1"), incident("i2"))
    [first] = at_work.messages("live", T)
    outcome = Outcome(accepted=True, handle="m1", handles={"i2": "m2"})
    logged = at_work.accepted(first, timedelta(0), T, outcome)
    assert [(one.incident, one.handle) for one in logged] == [("i1", "m1"), ("i2", "m2")]
    over = [incident(name, version=4, state="resolved") for name in ("i1", "i2")]
    [second] = desk(*over, log=logged).messages("live", T + HOUR)
    assert [told.handle for told in second.told] == ["m1", "m2"]


def test_what_was_on_its_way_when_a_process_ended_is_told_again_while_it_fires_and_as_over_when_it_is():
    at_work = desk(incident())
    [message] = at_work.messages("live", T)
    leaving = at_work.leaving(message, T)
    assert desk(incident(), log=leaving).messages("live", T)[0].id == message.id
    [over] = desk(incident(version=4, state="resolved"), log=leaving).messages("live", T)
    assert [(told.incident.state, told.reason) for told in over.told] == [("resolved", "resolved")]
    logged = at_work.accepted(message, timedelta(0), T)
    assert desk(incident(), log=[*leaving, *logged]).messages("live", T) == []


def test_what_is_told_carries_when_it_was_observed_scored_and_fired_and_so_does_the_log():
    at_work = desk()
    at_work.take(incident(), T + 3 * SECOND, Passed(T + SECOND, T + 2 * SECOND))
    [message] = at_work.messages("live", T + 4 * SECOND)
    [shown] = payload(message)["incidents"]
    assert [shown[name] for name in ("changed_at", "scored_at", "fired_at")] == [
        "2026-03-10T08:00:00+00:00",
        "2026-03-10T08:00:01+00:00",
        "2026-03-10T08:00:02+00:00",
    ]
    [logged] = at_work.accepted(message, timedelta(0), T + 5 * SECOND)
    [state] = at_work.written().states
    times = (T, T + SECOND, T + 2 * SECOND, T + 5 * SECOND)
    assert (logged.observed_at, logged.scored_at, logged.fired_at, logged.sent_at) == times
    assert (state.observed_at, state.scored_at, state.fired_at, state.at) == times


SILENT = Outcome(accepted=False, retry=True, unknown=True, error="no answer in time")
OVER = incident(version=4, state="resolved")


def try_once(at_work: Desk, outcome: Outcome, now: Any = T) -> list[Any]:
    """Let the next message end so; return what the log has of it, before and after."""
    [message] = at_work.messages("live", now)
    log = at_work.leaving(message, now)
    at_work.failed(message, outcome, now)
    at_work.logged(message)
    return [*log, *at_work.written().attempts]


def states(messages: Any) -> list[str]:
    return [told.incident.state for message in messages for told in message.told]


def test_whoever_perhaps_heard_of_an_incident_is_told_of_its_end():
    at_work = desk(incident())
    log = try_once(at_work, SILENT)
    at_work.take(OVER, T)
    assert states(at_work.messages("live", T + MINUTE)) == ["resolved"]
    assert states(desk(OVER, log=log).messages("live", T + MINUTE)) == ["resolved"]


def test_an_end_that_perhaps_arrived_is_told_until_it_was_accepted():
    at_work = desk(incident())
    log = try_once(at_work, SILENT)
    at_work.take(OVER, T)
    log += try_once(at_work, SILENT, T + MINUTE)
    restarted = desk(OVER, log=log)
    assert states(at_work.messages("live", T + HOUR / 2)) == ["resolved"]
    assert [(one.state, one.reason) for one in tell(restarted, T + HOUR / 2)] == [("resolved", "resolved")]
    assert restarted.messages("live", T + HOUR / 2) == []


def test_whoever_surely_heard_nothing_is_not_told_of_the_end():
    at_work = desk(incident())
    log = try_once(at_work, BUSY)
    at_work.take(OVER, T)
    assert at_work.messages("live", T + MINUTE) == []
    assert desk(OVER, log=log).messages("live", T + MINUTE) == []


def test_a_sure_failure_takes_nothing_back_of_what_was_perhaps_heard_before():
    at_work = desk(incident())
    log = try_once(at_work, SILENT) + try_once(at_work, BUSY, T + MINUTE)
    assert states(desk(OVER, log=log).messages("live", T + HOUR)) == ["resolved"]


def test_what_perhaps_rang_is_acknowledged_where_it_rings():
    ringing = Routing.model_validate(
        {"receivers": [{"name": "all", "channel": "pagerduty", "key": "k"}], "route": {"receiver": "all"}}
    )
    at_work = Desk(ringing, (), 24 * HOUR)
    at_work.take(incident(), T)
    [message] = at_work.messages("live", T + MINUTE)
    at_work.failed(message, SILENT, T + MINUTE)
    at_work.logged(message)
    at_work.take(incident(version=4, state="acknowledged"), T)
    assert states(at_work.messages("live", T + HOUR)) == ["acknowledged"]
