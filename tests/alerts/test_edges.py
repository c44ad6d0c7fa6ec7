"""Crossing says something, staying does not: for every kind of rule, whatever is announced, restated and repeated."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.rule_step import RuleOptions, rule_step
from processors.batch import BatchDriver
from schemas.events import Alert, HealthFact, Tick
from spendstream.topics import AGGREGATES, ANOMALIES, HEALTH, RULES
from tests.alerts.facts import T, announced, anomaly, rule
from tests.alerts.test_steps import applying

HOUR = timedelta(hours=1)
FIRST = date(2026, 3, 5)
BEGINS, ENDS = {"crossed"}, {"back", "restated", "ended", "rule"}

ALL = {
    "anomaly": "severities: {warning: {amount: 50}, critical: {amount: 300}}",
    "fee": "amount: 50\nshapes: [step]",
    "threshold": "where: {}\nwindow: day\nlimits: {info: 50, critical: 150}",
    "threshold of a forecast": "where: {}\nwindow: mtd\nof: forecast\nlimits: {warning: 600}",
    "change": "where: {}\nwindow: day\nseverities: {warning: {share: 0.5}}",
    "budget": "where: {}\namount: 300\nrollover: true\nburn: {}\nvariance: {above: {0.1: warning}, course: last}",
    "budget of days": "where: {}\namount: 300\nperiod: {start: 2026-03-01, days: 6}\nvariance: {above: {0.2: info}}",
    "credit": "where: {}\namount: 300\nstart: 2026-03-05\nmeasure: effective",
    "commitment": "ends: {plan: 2026-03-14}\nbefore_days: {3: warning}",
    "freshness": "silent_hours: 30\nlate_days: 3",
    "health": "check: dead_letters\nlimit: 2\nhours: 20",
}

_DAY = st.builds(
    lambda day, amount, charge: ("announced", (day, amount, *charge)),
    st.integers(0, 8), st.integers(0, 200), st.sampled_from([(0, 1), (0, 1), (3, -1)]),
)  # fmt: skip
_FOUND = st.builds(
    lambda rise, state: ("anomaly", (rise, state)),
    st.integers(0, 500), st.sampled_from(["open", "updated", "updated", "closed", "withdrawn"]),
)  # fmt: skip
_LETTER = st.builds(lambda: ("letter", ()))
_TIME = st.builds(lambda hours: ("time", (hours,)), st.integers(1, 30))


def events(steps: list[tuple[str, Any]]) -> list[tuple[Any, Any]]:
    """Return what happens, with its topic: each step an hour after the one before."""
    found: list[tuple[Any, Any]] = []
    now, end = T, FIRST
    for number, (kind, what) in enumerate(steps, 1):
        now += HOUR
        if kind == "announced":
            day, amount, charge, sign = what
            told = FIRST + timedelta(days=day)
            end = max(end, told)
            windows = {"mtd": str(amount + 50), "d7": str(amount * 3), "d30": str(amount * 5)}
            event = announced("USD", {told: str(sign * amount)}, windows, version=number, through=end, at=now)
            found.append((AGGREGATES, replace(event, row_kind=[charge], window_kind=[charge] * len(windows))))
        elif kind == "anomaly":
            rise, state = what
            found.append((ANOMALIES, anomaly("USD", str(20 + rise), state=state, version=number, scored_at=now)))
        elif kind == "letter":
            fact = HealthFact(id=str(number), check="dead_letters", subject="ledger", at=now, value=1.0, note="")
            found.append((HEALTH, fact))
        else:
            now += what[0] * HOUR
            found.append((RULES, Tick(at=now)))
    return found


def said(text: str, kind: str, happens: list[tuple[Any, Any]]) -> list[Alert]:
    heard: list[Alert] = []
    driver = BatchDriver([rule_step(RuleOptions(4))], lambda output: heard.append(output.event))  # type: ignore[arg-type]
    driver.feed(RULES, 0, applying(rule(f"id: r\nkind: {kind}\n{text}")))
    for topic, event in happens:
        driver.feed(topic, 0, event)
    return heard


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(_DAY, _DAY, _DAY, _FOUND, _LETTER, _TIME), min_size=10, max_size=25))
def test_an_alert_fires_and_is_resolved_in_turn_and_what_is_repeated_changes_nothing(name, steps):
    happens = events(steps)
    once = said(ALL[name], name.split()[0], happens)
    by_id: dict[str, list[Alert]] = defaultdict(list)
    for alert in once:
        by_id[alert.id].append(alert)
    for alerts in by_id.values():
        assert [alert.version for alert in alerts] == list(range(1, len(alerts) + 1))
        edges = [alert.change for alert in alerts if alert.change in BEGINS | ENDS]
        assert edges[0] == "crossed"
        assert all((one in BEGINS) != (other in BEGINS) for one, other in pairwise(edges))
        assert all((alert.state == "resolved") == (alert.change in ENDS) for alert in alerts)
    assert said(ALL[name], name.split()[0], [one for event in happens for one in (event, event)]) == once


@pytest.mark.parametrize("name", ["threshold", "anomaly"])
@settings(max_examples=10, deadline=None)
@given(st.integers(60, 400))
def test_a_restatement_that_takes_the_cause_away_resolves_and_says_so(name, amount):
    day = FIRST + timedelta(days=2)
    happens = [
        (AGGREGATES, announced("USD", {day: str(amount)}, {"d7": "1"}, version=1, through=day)),
        (ANOMALIES, anomaly("USD", str(20 + amount))),
        (AGGREGATES, announced("USD", {day: "1"}, {"d7": "1"}, version=2, through=day)),
        (ANOMALIES, anomaly("USD", "20", version=2)),
    ]
    assert [alert.change for alert in said(ALL[name], name, happens)] == ["crossed", "restated"]
