"""Rules about what is no total: runs, dead letters, backlogs, lost messages, credits and commitments that end."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from alerts.figures import Figures, learn
from alerts.health_findings import of_commitment, of_credit
from alerts.health_watch import HealthWatch, facts
from alerts.total_findings import days_looked_at
from processors.backlog_report import BacklogReport
from producers.sender import Sender
from schemas.events import Alert, DeadLetter, DeliveryState, HealthFact, Incident, SourceRun, Tick
from spendstream.clock import SystemClock
from spendstream.local.stack import touch_topics
from spendstream.read_back import read_back
from spendstream.settings import ConfigurationError
from spendstream.topics import ALERTS, DEAD_LETTERS, HEALTH, RULES, SOURCE_RUNS
from tests.alerts.facts import T, announced, rule
from tests.alerts.test_delivery import wait_until
from tests.alerts.test_steps import Alerting, applying
from tests.kafka_backends import Backend
from tests.schemas.examples import EXAMPLES

HOUR = timedelta(hours=1)


def fact(check: Any, value: float = 1, at: datetime = T, **changes: Any) -> HealthFact:
    told = HealthFact(id=f"{check}{at}", check=check, subject="ledger", at=at, value=value, note="cut off")
    return replace(told, **changes)


def said(text: str, *told: HealthFact | Tick) -> list[tuple[str, str]]:
    """Return (change, words) of what a rule says of facts and of time."""
    at_work = Alerting().feed(RULES, 0, applying(rule(f"id: r\nkind: health\n{text}")))
    for event in told:
        at_work.feed(RULES if isinstance(event, Tick) else HEALTH, 0, event)
    return [(event.state, event.says) for event in versions(at_work)]


def versions(at_work: Alerting) -> list[Incident]:
    """Return all that was told of incidents."""
    return [one.event for one in at_work.out if isinstance(one.event, Incident)]


def test_runs_that_fail_one_after_the_other_are_told_and_so_is_the_one_that_goes_well():
    assert said(
        "check: run_failing\nlimit: 3", *(fact("run_failing", n, T + n * HOUR) for n in (1, 2, 3, 4)),
        fact("run_failing", 0, T + 5 * HOUR),
    ) == [
        ("firing", "the source ledger failed 3 times in a row: cut off"),
        ("resolved", "the source ledger failed 0 times in a row: cut off"),
    ]  # fmt: skip


def test_a_run_that_is_missed_is_noticed_by_time_alone():
    good = fact("run_missed", 0)
    heard = said("check: run_missed\nlimit: 26", good, Tick(at=T + 25 * HOUR), Tick(at=T + 26 * HOUR))
    assert heard == [("firing", "no run of the source ledger went well since that of 2026-03-10 08:00 UTC")]


def test_a_run_that_is_too_slow_is_told():
    assert said(
        "check: run_slow\nlimit: 30\nsubject: led*", fact("run_slow", 29.9), fact("run_slow", 45, T + HOUR)
    ) == [("firing", "the newest run of the source ledger took 45 minutes")]


def test_dead_letters_are_counted_once_each_within_their_hours_and_forgotten_afterwards():
    letters = [fact("dead_letters", at=T + n * HOUR, id=f"l{n}") for n in (0, 1)]
    heard = said("check: dead_letters\nlimit: 2\nhours: 3", letters[0], *letters, Tick(at=T + 3 * HOUR))
    assert heard == [
        ("firing", "2 dead letters of ledger within 3 hours, the newest: cut off"),
        ("resolved", "1 dead letters of ledger within 3 hours, the newest: cut off"),
    ]


def test_mails_that_came_back_are_counted_within_their_hours():
    back = [fact("bounces", at=T + n * HOUR, subject="letters") for n in (0, 1)]
    assert said("check: bounces\nlimit: 2\nsubject: letters", *back) == [
        ("firing", "2 bounces and complaints of mail to letters within 24 hours, the newest: cut off")
    ]


def test_a_backlog_is_told_when_it_lasts():
    waiting = [fact("backlog", value, T + n * HOUR) for n, value in enumerate((500, 80, 100, 900, 0))]
    heard = said("check: backlog\nlimit: 100\nhours: 1", *waiting)
    assert heard[0] == ("firing", "900 events wait for the step ledger; it is behind since 2026-03-10 10:00 UTC")
    assert [state for state, _ in heard] == ["firing", "resolved"]


def test_other_subjects_and_checks_are_no_business_of_a_rule():
    assert said("check: run_failing\nlimit: 1\nsubject: [focus.*]", fact("run_failing", 9)) == []
    assert said("check: dead_letters\nlimit: 1", fact("undelivered", 9)) == []


def test_a_rule_that_asks_something_else_takes_its_incident_along():
    at_work = Alerting().feed(RULES, 0, applying(rule("id: r\nkind: health\ncheck: dead_letters\nlimit: 1")))
    at_work.feed(HEALTH, 0, fact("dead_letters"))
    at_work.feed(RULES, 0, applying(rule("id: r\nkind: health\ncheck: undelivered\nlimit: 1"), T + HOUR))
    assert [incident.state for incident in at_work.incidents] == ["resolved"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("check: run_slow\nlimit: 1\nhours: 3", "hours has no meaning for run_slow"),
        ("check: backlog\nlimit: 1\nhours: 30", "a backlog is followed for 8 hours"),
        ("check: none\nlimit: 1", "check: "),
    ],
)
def test_a_check_that_cannot_be_made_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        rule(f"id: r\nkind: health\n{text}")


# Where facts come from


def test_a_run_tells_how_it_went_how_long_it_took_and_which_was_the_last_good_one():
    run = SourceRun(source="s", started_at=T, ended_at=T + HOUR, failures=2, good_at=T - HOUR, note="denied")
    assert [(one.check, one.at, one.value) for one in facts(run)] == [
        ("run_failing", T + HOUR, 2),
        ("run_slow", T + HOUR, 60),
        ("run_missed", T - HOUR, 0),
    ]


def test_a_message_that_was_given_up_is_a_fact_of_its_receiver():
    state: Any = next(event for event in EXAMPLES if isinstance(event, DeliveryState))
    [lost] = facts(replace(state, outcome="refused", error="404"))
    assert (lost.check, lost.subject, lost.note) == ("undelivered", state.receiver, "404")
    assert list(facts(replace(state, outcome="accepted"))) == []


def test_a_backlog_is_reported_while_it_is_there_and_once_at_its_end():
    report = BacklogReport()
    told = [report.of("ledger", events, T) for events in (0, 5, 0, 0)]
    assert [[one.event.value for one in outputs if isinstance(one.event, HealthFact)] for outputs in told] == [
        [], [5], [0], []
    ]  # fmt: skip


def test_what_stands_in_other_topics_reaches_the_rules_once(embedded_kafka: Backend):
    settings = embedded_kafka.settings()
    touch_topics(settings)
    letter: Any = next(event for event in EXAMPLES if isinstance(event, DeadLetter))
    sender = Sender(settings, SystemClock())
    sender.send(DEAD_LETTERS, 0, "l", letter)
    sender.send(SOURCE_RUNS, 0, "s", SourceRun(source="s", started_at=T, ended_at=T, failures=1, good_at=None, note=""))
    sender.flush()
    for count in (3, 4):
        with HealthWatch(settings):
            wait_until(lambda count=count: len(list(read_back(settings, HEALTH))) >= count)
        sender.send(DEAD_LETTERS, 0, "m", replace(letter, id="m"))
        sender.flush()
    told: Any = [sender.codec.decode(raw) for raw in read_back(settings, HEALTH)]
    assert sorted((one.check, one.id == "m") for one in told) == [
        ("dead_letters", False), ("dead_letters", True), ("run_failing", False), ("run_slow", False)
    ]  # fmt: skip


# What ends


def test_a_commitment_that_is_about_to_end_is_told_in_steps_and_is_over_behind_its_last_day():
    plans = rule("id: c\nkind: commitment\nends: {plan a: 2026-03-31}\nbefore_days: {30: info, 7: critical}")
    at_work = Alerting().feed(RULES, 0, applying(plans))
    for day in (date(2026, 2, 28), date(2026, 3, 2), date(2026, 3, 24), date(2026, 3, 31), date(2026, 4, 1)):
        at_work.feed(RULES, 0, Tick(at=datetime(day.year, day.month, day.day, 8, tzinfo=UTC)))
    assert [(one.severity, one.state) for one in versions(at_work)] == [
        ("info", "firing"), ("critical", "firing"), ("critical", "resolved")
    ]  # fmt: skip
    assert of_commitment(plans, "plan a", T).says == "the commitment plan a ends on 2026-03-31, in 21 days"


@pytest.mark.parametrize(
    ("amount", "severity", "rank", "words"),
    [
        (1000, "info", 0, "has 860.00 USD left; at 20.00 USD a day it is used up on 2026-04-20, in 43 days"),
        (400, "warning", 2, "has 260.00 USD left; at 20.00 USD a day it is used up on 2026-03-21, in 13 days"),
        (140, "critical", 3, "is used up"),
    ],
)
def test_a_credit_is_told_by_the_days_that_it_lasts(amount, severity, rank, words):
    credit = rule(f"id: c\nkind: credit\nwhere: {{}}\namount: {amount}\nstart: 2026-03-02")
    figures = known_credits(credit, {date(2026, 3, day): "-20" for day in range(2, 9)})
    [found] = of_credit(credit, "USD", figures, T)
    assert (found.severity, found.rank) == (severity, rank)
    assert found.says == f"the credit of {amount}.00 USD of the organisation {words}".replace("1000", "1,000")


def test_what_was_used_of_a_credit_before_is_said_by_the_rule():
    credit = rule(
        "id: c\nkind: credit\nwhere: {}\namount: 1000\nstart: 2025-01-01\nopening: {through: 2026-03-04, amount: 600}"
    )
    figures = known_credits(credit, {date(2026, 3, day): "-20" for day in range(2, 9)})
    [found] = of_credit(credit, "USD", figures, T)
    assert str(found.actual) == "680"


def test_a_credit_that_is_not_used_lasts():
    credit = rule("id: c\nkind: credit\nwhere: {}\namount: 1000\nstart: 2026-03-02")
    [found] = of_credit(credit, "USD", known_credits(credit, {date(2026, 3, 8): "0"}), T)
    assert found.rank == 0
    assert "was not used for 7 days" in found.says


def known_credits(a_rule: Any, days: dict[date, str]) -> Figures:
    """Return what is known of the organisation whose credits of some days these are, billed."""
    event = announced("USD", days, {"d7": "1"}, through=max(days))
    event = replace(event, row_kind=[3] * len(days), row_billed=event.row_effective)
    return learn(event, lambda _: days_looked_at(a_rule), lambda _: Figures())["USD"]


def test_alerts_about_no_cost_have_no_currency():
    at_work = Alerting().feed(RULES, 0, applying(rule("id: r\nkind: health\ncheck: dead_letters\nlimit: 1")))
    at_work.feed(HEALTH, 0, fact("dead_letters"))
    [incident] = at_work.incidents
    assert (incident.currency, incident.scope, incident.kind, incident.level) == (None, "ledger", "health", "health")
    assert not [one for one in at_work.out if one.topic is ALERTS and isinstance(one.event, Alert)]
