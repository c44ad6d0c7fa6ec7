"""The story of an estimate: metered usage becomes money within the hour, and days later the bill says the same."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from processors.batch import BatchDriver
from processors.service import live_steps
from processors.step import Output
from producers.runner import read_once
from schemas.events import CostEstimate
from spendstream.clock import ManualClock
from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.settings import Settings, load
from spendstream.topics import ESTIMATES, STATEMENTS, USAGE
from tests.processors.workers import recorded

ACCOUNT = "100000000001"
MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


class Day:
    """A day of the simulated organisation, read as time goes by."""

    def __init__(self, common: dict[str, object], clock: SimulatedClock) -> None:
        self._clock = clock
        self._bills = load(**common, cost_explorer={"enabled": True, "window_days": 7, "controls": False})
        account = {"account": ACCOUNT, "role_arn": f"arn:aws:iam::{ACCOUNT}:role/metrics"}
        self._metrics = load(**common, cloudwatch={"enabled": True, "reread_minutes": 180, "accounts": [account]})
        self._driver = BatchDriver([step for step in live_steps(self._metrics) if step.name == "estimates"], self._take)
        self._seen: Counter[tuple[str, int]] = Counter()
        self.told: list[CostEstimate] = []

    def bills_at(self, hour: float) -> None:
        self._read(self._bills, hour)

    def metrics_at(self, hour: float) -> None:
        self._read(self._metrics, hour)

    def _read(self, settings: Settings, hour: float) -> None:
        at = MIDNIGHT + timedelta(hours=hour)
        self._clock.set(at)
        read_once(settings, ManualClock(at))
        for topic in (STATEMENTS, USAGE):
            place: Counter[int] = Counter()
            for partition, event in recorded(settings, topic):
                place[partition] += 1
                if place[partition] > self._seen[topic.name, partition]:
                    self._seen[topic.name, partition] += 1
                    self._driver.feed(topic, partition, event)

    def _take(self, output: Output) -> None:
        if output.topic is ESTIMATES:
            assert isinstance(output.event, CostEstimate)
            self.told.append(output.event)


@pytest.fixture
def day(embedded_kafka, monkeypatch) -> Iterator[Day]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    clock = SimulatedClock(MIDNIGHT)
    with SimulatedAWS(Organisation(seed=3, accounts=1, regions=1), clock) as aws:
        yield Day(
            {
                "kafka": embedded_kafka.settings().kafka.model_dump(),
                "aws": {"endpoint_url": aws.url},
                "budget": {"usd_per_day": "50", "usd_per_month": "500"},
            },
            clock,
        )


def test_what_was_estimated_on_the_day_is_what_the_bill_says_later(day: Day):
    day.bills_at(0.1)
    for hour in range(2, 26, 2):
        day.metrics_at(hour + 0.1)
    on_the_day = {one.service: one for one in day.told if one.day == MIDNIGHT.date()}
    assert {one.as_of for one in on_the_day.values()} == {MIDNIGHT + timedelta(days=1)}
    day.bills_at(100)
    day.metrics_at(100.1)
    settled = {one.service: one for one in day.told if one.day == MIDNIGHT.date() and one.billed is not None}
    assert set(settled) == set(on_the_day)
    billed = {name: one.billed for name, one in settled.items() if one.billed is not None}
    missed = sum(abs(on_the_day[name].so_far - amount) for name, amount in billed.items())
    assert missed / sum(billed.values()) < Decimal("0.02")
    assert all(on_the_day[name].lower <= amount <= on_the_day[name].upper for name, amount in billed.items())
    assert on_the_day["Amazon Elastic Compute Cloud - Compute"].coverage == pytest.approx(1)
