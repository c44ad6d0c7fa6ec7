"""CloudWatch's producer on the simulated AWS: what the catalogue prices is the usage that the bill has."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from producers.runner import read_once
from schemas.codec import Codec
from schemas.events import UsageMetrics
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock, to_millis
from spendstream.local.simulator import Organisation, SimulatedAWS, SimulatedClock
from spendstream.local.simulator.catalogue import QUANTITY_SCALE
from spendstream.read_back import read_back
from spendstream.settings import load
from spendstream.topics import USAGE

CODEC = Codec(RepositorySchemas())
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ACCOUNT = "100000000001"
HOUR = NOW - timedelta(hours=2)


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    return Organisation(seed=3, accounts=1, regions=1)


def priced(events: list[UsageMetrics]) -> dict[str, float]:
    """Return the usage of one hour by usage type, as the metrics and the catalogue's factors have it."""
    usage: dict[str, float] = defaultdict(float)
    hour = range(to_millis(HOUR), to_millis(HOUR + timedelta(hours=1)))
    for event in events:
        if event.usage_type and event.factor and event.period_seconds == 300:
            told = [value for start, value in zip(event.starts, event.values, strict=True) if start in hour]
            usage[event.usage_type] += sum(told) * float(event.factor)
    return dict(usage)


def billed(model: Organisation) -> dict[str, float]:
    """Return the usage of that hour by usage type, whoever pays for it."""
    used = model.used(HOUR.date())[:, HOUR.hour]
    usage: dict[str, float] = defaultdict(float)
    for series, units in zip(model.series, used.tolist(), strict=False):
        usage[series.usage_type] += units / QUANTITY_SCALE
    return usage


def test_priced_usage_is_what_the_bill_will_have(embedded_kafka, model):
    with SimulatedAWS(model, SimulatedClock(NOW)) as aws:
        settings = load(
            kafka=embedded_kafka.settings().kafka.model_dump(),
            aws={"endpoint_url": aws.url},
            cloudwatch={
                "enabled": True,
                "reread_minutes": 180,
                "accounts": [{"account": ACCOUNT, "role_arn": f"arn:aws:iam::{ACCOUNT}:role/metrics"}],
            },
        )
        read_once(settings, ManualClock(NOW))
    events = [event for event in map(CODEC.decode, read_back(settings, USAGE)) if isinstance(event, UsageMetrics)]
    found = priced(events)
    assert set(found) == {
        "BoxUsage:m7g.large", "BoxUsage:c7g.xlarge", "NatGateway-Bytes", "NatGateway-Hours", "Request", "LCUUsage",
        "InstanceUsage:db.r7g.large", "ReadRequestUnits", "WriteRequestUnits",
    }  # fmt: skip
    bill = billed(model)
    assert found == pytest.approx({usage_type: bill[usage_type] for usage_type in found})
