"""What people were told, held against what went wrong."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bench.folding import Opened, Wrong, held, table
from schemas.events import Alert
from spendstream.local.simulator.truth import Part, Truth
from tests.alerts.facts import S3, T, anomaly
from tests.schemas.examples import EXAMPLES

EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Alert))


def wrong(name: str, days: int, impact: str = "100") -> Wrong:
    """Return something that went wrong in AmazonS3 of account 1234 for five days."""
    part = Part("1234", "AmazonS3", "eu-west-1", "Bytes", "Usage", {}, "1", impact)
    start, end = T + timedelta(days=days), T + timedelta(days=days + 5)
    fields = {"scope": {}, "size": 2.0, "charge_class": "usage", "cause": "usage", "impact_so_far_billed": impact}
    fields |= {"days": [], "parts": [part], "visible_in_cost_explorer_at": None, "visible_in_cloudwatch_at": None}
    times = {"started_at": start.isoformat(), "ended_at": end.isoformat()}
    return Wrong.of(Truth(id=name, kind=name, impact_so_far=impact, **times, **fields))  # type: ignore[arg-type]


def told(days: int, per_day: int = 10, series: str = S3) -> Opened:
    since = T + timedelta(days=days)
    alert = replace(EXAMPLE, subject=series, since=since, day=since.date(), impact_per_day=Decimal(per_day))
    return Opened((alert,), since + timedelta(days=2))


def test_an_incident_is_about_what_began_nearest_in_its_series_and_to_the_same_side():
    step, spike = held([wrong("step", 0), wrong("spike", 10)], [told(1), told(9), told(11), told(1, -10)], [])
    assert (step.incidents, step.days) == (1, 3)
    assert (spike.incidents, spike.days) == (2, 1)


def test_what_detection_found_and_nobody_was_told_is_counted_apart():
    [one] = held([wrong("step", 0)], [told(1, series="USD/provider=AWS/account=9")], [anomaly(S3, since=T)])
    assert (one.found, one.incidents, one.days) == (True, 0, None)
    assert list(table([one]))[2:] == ["| step | 1 | 1 | 0 | 0 |  |", "| all | 1 | 1 | 0 | 0 |  |"]
