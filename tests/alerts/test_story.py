"""A simulated organisation with a known rise, from its bills to one incident that names it and ends with it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from alerts.incident_step import IncidentOptions, incident_step
from alerts.rule_step import RuleOptions, rule_step
from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.series import parse
from processors.step import Output
from schemas.events import AlertRule, Incident, IncidentTransition
from spendstream.local.simulator import Incident as Truth
from spendstream.local.simulator import Organisation, Scope
from spendstream.local.simulator.truth import truth
from spendstream.settings import load
from spendstream.topics import RULES
from tests.alerts.facts import rule
from tests.alerts.test_steps import applying
from tests.processors.simulated_bills import Bills, feed_bill, noon

pytestmark = pytest.mark.slow

FIRST = date(2026, 1, 1)
HISTORY, DAYS = 120, 144
BEGIN = datetime(2026, 5, 10, tzinfo=UTC)
ACCOUNT, SERVICE = "100000000001", "AWS Lambda"
STEP = Truth("loop", "step", BEGIN, Scope(ACCOUNT, service=SERVICE), 1.8, BEGIN + timedelta(days=5))
MODEL = Organisation(seed=3, accounts=1, services=6, regions=2, incidents=[STEP])
RISES = rule("id: rises\nkind: anomaly\nseverities: {warning: {amount: 1}}")


@dataclass
class Heard:
    """What came out of the steps."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    moves: list[tuple[str | None, str]] = field(default_factory=list)

    def __call__(self, output: Output) -> None:
        match output.event:
            case Incident() as incident:
                self.incidents[incident.id] = incident
            case IncidentTransition() as move:
                self.moves.append((move.before, move.after))


def test_a_rise_in_the_bill_is_one_incident_that_says_where_since_when_and_how_much():
    settings = load(detection={"false_alerts_a_week": 0.05})
    heard = Heard()
    chain = [*steps(settings), rule_step(RuleOptions(settings.kafka.shards)), incident_step(IncidentOptions())]
    driver = BatchDriver(chain, heard)
    applied: AlertRule = applying(RISES, BEGIN - timedelta(days=400))
    for partition in range(settings.kafka.shards):
        driver.feed(RULES, partition, applied)

    bills = Bills(MODEL, FIRST)
    for number in range(HISTORY, DAYS + 1):
        feed_bill(driver, bills.read(noon(FIRST + timedelta(days=number))))

    (incident,) = heard.incidents.values()
    scope = parse(incident.scope)
    assert (scope.account, scope.service) == (ACCOUNT, SERVICE)
    assert incident.since == BEGIN
    assert heard.moves == [(None, "firing"), ("firing", "resolved")]
    true = float(truth(MODEL, STEP, noon(FIRST + timedelta(days=DAYS))).impact_so_far)
    # It names the region that carries most of it, if one does, and tells what that costs.
    assert true / 2 <= float(incident.impact_so_far or 0) <= true * 1.1
