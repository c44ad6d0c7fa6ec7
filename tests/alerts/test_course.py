"""The last days of a cost: as rules and anomalies tell them, and drawn."""

from dataclasses import replace
from datetime import date

import pytest

from alerts.cases import Case
from alerts.course import Column, Course, columns
from alerts.edge import judge
from alerts.figures import Figures
from alerts.findings import of_anomaly
from alerts.rules import AnomalyRule, ThresholdRule
from alerts.total_findings import of_totals, with_course
from schemas.events import Alert, AlertPart
from spendstream.clock import day_number
from tests.alerts.facts import DAY, S3, T, anomaly
from tests.alerts.test_incidents import alert

FIRST = date(2026, 3, 7)
DOLLAR = 10**18


def course(costs: list[int], lower: list[int], upper: list[int]) -> Course:
    dollars = ([one * DOLLAR for one in part] for part in (costs, lower, upper))
    return Course(FIRST, *dollars)


def drawn(*args: list[int]) -> list[tuple[int, int, int, int]]:
    found = columns(course(*args), 100, "USD")
    return [(one.within, one.beyond, one.missing, one.room) for one in found]


def test_what_is_more_than_expected_stands_apart_from_what_was_expected():
    assert drawn([50, 20, 100], [40, 40, 40], [60, 60, 60]) == [(50, 0, 0, 10), (20, 0, 20, 20), (60, 40, 0, 0)]


def test_days_without_an_expectation_are_drawn_and_credits_have_no_height():
    assert drawn([50, -20, 100], [], []) == [(50, 0, 0, 0), (0, 0, 0, 0), (100, 0, 0, 0)]


@pytest.mark.parametrize("costs", [[], [1, 2], [0, 0, 0], [-1, -2, -3]])
def test_too_little_to_see_is_not_drawn(costs):
    assert drawn(costs, [], []) == []


def test_a_column_says_what_it_shows():
    [first, *_] = columns(course([50, 20, 100], [40] * 3, [60] * 3), 72, "USD")
    assert isinstance(first, Column)
    assert first.says == "2026-03-07: 50.00 USD, expected 40.00 to 60.00"


def test_an_alert_carries_the_days_of_its_anomaly():
    event = anomaly(course_from=FIRST, course=[1, 2, 3], course_lower=[0, 0, 0], course_upper=[2, 2, 2])
    rule = AnomalyRule.model_validate({"id": "rises", "kind": "anomaly", "severities": {"warning": {"amount": 1}}})
    finding = of_anomaly(rule, event)
    assert finding is not None
    _, [said] = judge(rule, S3, "USD", [finding], None, "live")
    assert Course.of(said) == Course.of(event)


def test_a_rule_over_totals_tells_the_days_that_it_adds_up():
    limit = {"id": "dear", "kind": "threshold", "where": {}, "window": "day", "limits": {"warning": 5}}
    rule = ThresholdRule.model_validate(limit)
    newest = day_number(DAY)
    figures = Figures(newest, newest - 2, {newest - number: {0: (0, 7 - number), 5: (9, 9)} for number in range(3)})
    _, said = judge(rule, "USD", "USD", of_totals(rule, "USD", figures, T), None, "live")
    told = [with_course(one, rule, figures) for one in (*said, alert("USD", 1))]
    assert {(one.course_from, tuple(one.course)) for one in told} == {(FIRST, (5, 6, 7))}


def test_an_incident_shows_the_days_of_its_scope_and_no_others():
    own: Alert = alert(S3, 100)
    assert Course.of(case_of(own).incident(None)) == Course.of(own)
    carried = replace(own, subject="USD", parts=[part(S3, 0.9)])
    told = case_of(carried).incident(None)
    assert (told.scope, Course.of(told).days) == (S3, [])


def case_of(one: Alert) -> Case:
    return Case("i", "live", 1, "firing", T, T, {one.id: one})


def part(series: str, share: float) -> AlertPart:
    return AlertPart(series=series, share=share)
