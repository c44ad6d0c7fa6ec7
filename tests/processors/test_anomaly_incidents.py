"""What is told of an incident, from its opening to its close."""

from dataclasses import replace
from datetime import timedelta

import pytest

from processors.anomaly_incidents import Incident, Shown, event_of
from schemas.events import CostAggregate
from spendstream.clock import day_number
from tests.alerts.facts import DAY, S3, T, announced

OPENED = day_number(DAY)
FEE = Incident("f", f"{S3}|1", "fee_doubled", OPENED, OPENED, 1, 0.0, Shown(OPENED, 200.0, 100.0, 99.0, 101.0, 1.0))


def close_after(days: int) -> CostAggregate:
    """Return the announcement of a reading that is closed so many days after the incident's end."""
    return announced(S3, {}, {}, at=T + timedelta(days=days - 1))


@pytest.mark.parametrize(("days", "states"), [(1, ["open", "closed"]), (7, ["open", "closed"]), (8, ["closed"])])
def test_what_is_over_when_it_is_found_opens_unless_it_has_been_over_for_long(days, states):
    over, told = replace(FEE, ended=OPENED), []
    for day in (days, days + 1, days + 2):
        over, event = event_of(over, close_after(day))
        told += [] if event is None else [event.state]
    assert told == states


def test_what_is_withdrawn_before_anybody_heard_of_it_is_not_told():
    assert event_of(replace(FEE, withdrawn=True), close_after(1))[1] is None
