"""The API before a database of its own, filled with events as the pipeline would fill it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from api.app import make_app
from processors.batch import BatchDriver
from processors.pipeline import steps
from schemas.events import CostAggregate, Event, ReadingOpened
from sinks.clickhouse import connect, insert
from sinks.migrate import migrate
from sinks.rows import rows_of
from spendstream.clock import ManualClock
from spendstream.settings import Settings, load
from tests.processors.histories import DAY, NOW, feed

#: Called with events and sections of settings; gives a client of the API.
Serve = Callable[..., AbstractAsyncContextManager[Any]]
_NUMBERS = count()


@asynccontextmanager
async def serving(url: str, events: Sequence[Event], **sections: Any) -> AsyncIterator[Any]:
    """Serve what the steps make of events, a day after `NOW`."""
    sections = {"api": {"cache_seconds": 0}, **sections}
    settings = load(clickhouse={"url": url, "database": f"api{next(_NUMBERS)}"}, **sections)
    migrate(settings.clickhouse)
    land(settings, [*events, *outputs_of(settings, events)])
    async with TestClient(TestServer(make_app(settings, ManualClock(NOW + timedelta(days=1))))) as client:
        client.settings = settings  # type: ignore[attr-defined]
        yield client


def outputs_of(settings: Settings, events: Sequence[Event], run: str | None = None) -> list[CostAggregate]:
    """Return what the totals announce of events."""
    outputs: list[Event] = []
    driver = BatchDriver(steps(settings, run), lambda output: outputs.append(output.event))
    feed(driver, [event for event in events if not isinstance(event, ReadingOpened)])
    return [output for output in outputs if isinstance(output, CostAggregate)]


def land(settings: Settings, events: Sequence[Event]) -> None:
    """Write events to ClickHouse, as the sink does."""
    with connect(settings.clickhouse) as client:
        for event in events:
            for batch in rows_of(event):
                insert(client, batch.table, batch.columns, batch.rows)


def opened(reading: str, at: datetime) -> ReadingOpened:
    """Return the begin of a reading of `DAY`."""
    return ReadingOpened(
        source="cost_explorer", provider="AWS", billing_account="payer", reading=reading, opened_at=at,
        first_day=DAY, last_day=DAY,
    )  # fmt: skip
