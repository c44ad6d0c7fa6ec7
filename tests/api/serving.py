"""The API before a database, filled with events as the pipeline would fill it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.app import make_app
from api.publishing import Publisher
from processors.batch import BatchDriver
from processors.pipeline import steps
from schemas.events import CostAggregate, Event, ReadingOpened
from sinks.clickhouse import connect, insert
from sinks.rows import rows_of
from spendstream.clock import ManualClock
from spendstream.settings import ClickHouse, Settings, load
from tests.clickhouse_backend import empty
from tests.processors.histories import DAY, NOW, feed

#: Called with events and sections of settings; gives a client of the API.
Serve = Callable[..., AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def serving(
    tables: ClickHouse, events: Sequence[Event], publisher: Publisher | None = None, **sections: Any
) -> AsyncIterator[Any]:
    """Serve what the steps make of events, a day after `NOW`; `tables` are there, and are emptied."""
    sections = {"api": {"cache_seconds": 0}, **sections}
    settings = load(clickhouse=tables, **sections)
    empty(settings.clickhouse)
    land(settings, [*events, *outputs_of(settings, events)])
    async with TestClient(TestServer(make_app(settings, ManualClock(NOW + timedelta(days=1)), publisher))) as client:
        client.settings = settings  # type: ignore[attr-defined]
        yield client


@contextmanager
def served(app: web.Application) -> Iterator[str]:
    """Serve from a thread, for questions from blocking code; gives the address."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def outputs_of(settings: Settings, events: Sequence[Event], run: str | None = None) -> list[CostAggregate]:
    """Return what the totals announce of events."""
    outputs: list[Event] = []
    driver = BatchDriver(steps(settings, run), lambda output: outputs.append(output.event))
    feed(driver, [event for event in events if not isinstance(event, ReadingOpened)])
    return [output for output in outputs if isinstance(output, CostAggregate)]


def land(settings: Settings, events: Sequence[Event]) -> None:
    """Write events to ClickHouse, as the sink does: all rows of a table at once."""
    by_table: dict[tuple[str, tuple[str, ...]], list[Sequence[Any]]] = {}
    for event in events:
        for batch in rows_of(event):
            by_table.setdefault((batch.table, tuple(batch.columns)), []).extend(batch.rows)
    with connect(settings.clickhouse) as client:
        for (table, columns), rows in by_table.items():
            insert(client, table, columns, rows)


def opened(reading: str, at: datetime) -> ReadingOpened:
    """Return the begin of a reading of `DAY`."""
    return ReadingOpened(
        source="cost_explorer", provider="AWS", billing_account="payer", reading=reading, opened_at=at,
        first_day=DAY, last_day=DAY,
    )  # fmt: skip
