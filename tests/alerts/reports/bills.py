"""Bills in ClickHouse, as the pipeline would write them, for reports to tell of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from schemas.events import CostStatement, Event
from spendstream.settings import Settings
from tests.api.serving import land, opened, outputs_of
from tests.processors.histories import DAY, NOW, SHARDS, close, statement

WEEK_BEFORE, DAY_BEFORE = DAY - timedelta(days=7), DAY - timedelta(days=1)
BILL = {
    DAY: {"EC2": 120, "S3": 30},
    DAY_BEFORE: {"EC2": 110, "S3": 30},
    WEEK_BEFORE: {"EC2": 100, "S3": 50},
}


def reading(
    number: int,
    bill: Mapping[date, Mapping[str, int]],
    *,
    through: date | None = DAY,
    final: date | None = None,
    **more: Any,
) -> list[Event]:
    """Return one reading of a bill, dollars by day and service; `through` and `final` are what its close tells."""
    name = f"r{number}"
    statements: list[Event] = [
        statement(service, number, [("eu-west-1", "Usage", dollars)], day=day, reading=name, **more)
        for day, services in bill.items()
        for service, dollars in services.items()
    ]
    at = NOW + timedelta(minutes=number)
    closes = [
        replace(close(name, partition, closed_through=through), final_through=final, closed_at=at, opened_at=at)
        for partition in range(SHARDS)
    ]
    return [*statements, opened(name, at), *closes]


def in_currency(events: Sequence[Event], currency: str) -> list[Event]:
    """Return events whose statements are in another currency."""
    return [replace(event, currency=currency) if isinstance(event, CostStatement) else event for event in events]


def write(settings: Settings, events: Sequence[Event]) -> None:
    """Write readings, and what the steps announce of them, to ClickHouse."""
    land(settings, [*events, *outputs_of(settings, events)])
