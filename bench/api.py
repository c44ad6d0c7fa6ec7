"""The read API over ten million lines.

Cached: requests per second for an answer that the API has in its cache, against a bare aiohttp handler that returns the
same bytes, each in a process of its own, asked over eight connections by the same small client.

Fresh: milliseconds for a question that the API was not asked before, over HTTP, against the very statement that it
sends, asked through clickhouse-connect. Where lines are read, the API asks one short question more: whether a reading
is open. What it costs while one is, and the longer way is taken, is told without a bar.
"""

import asyncio
import multiprocessing
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from clickhouse_connect.driver.client import Client
from multidict import MultiDict

from api import costs
from api.announced import over_newest
from api.app import make_app
from api.parameters import CostQuery, parse
from bench.result import Result, compared
from sinks.clickhouse import connect
from sinks.migrate import migrate
from spendstream.clock import ManualClock
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.settings import Settings, load

CACHED_BAR = 0.4
FRESH_BAR = 1.5
_LINES = 100
_CONNECTIONS = 8
_NOW = datetime(2026, 7, 1, tzinfo=UTC)
_YEAR = "from=2026-01-01&to=2026-12-31"
_QUESTIONS = {
    "day totals by service and month": f"{_YEAR}&granularity=month&group_by=service",
    "all lines by region": f"{_YEAR}&granularity=total&group_by=region",
    "a month's lines of a service by usage type": (
        "from=2026-01-01&to=2026-01-31&group_by=usage_type&filter.service=svc3"
    ),
    "a month's lines by tag": "from=2026-01-01&to=2026-01-31&granularity=total&group_by=tag:team",
}
_OPEN = "all lines by region"

# 1,000 statements a day, of 50 accounts and 20 services, each of 100 lines.
_STATEMENTS = """
INSERT INTO statements (run, source, provider, billing_account, billing_period, account, service, currency, day, view,
    part, version, parts, reading, read_at, account_name, kind, region, usage_type, tags, billed, effective, quantity,
    unit, resource, operation, charge_category, charge_class, charge_frequency, pricing_category, commitment,
    description)
SELECT 'live', 'bench', 'AWS', 'payer', toStartOfMonth(d), toString(100 + number % 50),
    concat('svc', toString(intDiv(number, 50) % 20)), 'USD', toDate('2026-01-01') + intDiv(number, 1000) AS d, '',
    0, 1, 1, 'r1', toDateTime64('2026-06-30 00:00:00', 3, 'UTC'), '',
    arrayMap(x -> 'usage', r), arrayMap(x -> concat('region', toString(x % 8)), r),
    arrayMap(x -> concat('usage', toString(x)), r), arrayMap(x -> map('team', toString(x % 5)), r),
    arrayMap(x -> toDecimal128((x + number % 7) / 100, 18), r) AS amounts, amounts,
    arrayMap(x -> toDecimal128(x, 18), r), arrayMap(x -> 'Hrs', r), arrayMap(x -> concat('i-', toString(x)), r),
    arrayMap(x -> 'op', r), arrayMap(x -> 'Usage', r), arrayMap(x -> '', r), arrayMap(x -> '', r),
    arrayMap(x -> '', r), arrayMap(x -> '', r), arrayMap(x -> '', r)
FROM (SELECT number, range({lines:UInt32}) AS r FROM numbers({since:UInt64}, {count:UInt64}))
"""
_READING = """
INSERT INTO readings (run, source, provider, billing_account, reading, view, opened_at, first_day, last_day, closed_at)
VALUES ('live', 'bench', 'AWS', 'payer', 'r1', '', '2026-06-30 00:00:00', '2026-01-01', '2026-12-31',
    '2026-06-30 01:00:00')
"""
_ANNOUNCED = """
INSERT INTO announcements (run, source, provider, billing_account, view, reading, epoch, partition, partitions,
    closed_at)
VALUES ('live', 'bench', 'AWS', 'payer', '', 'r1', 1, 0, 1, '2026-06-30 01:00:00')
"""
_TOTALS = """
INSERT INTO totals (run, currency, level, series, day, kind, provider, service, billed, effective, reading, version)
SELECT run, currency, 'service', concat('USD/provider=AWS/service=', service), day, 'usage', provider, service,
    sum(arraySum(billed)), sum(arraySum(effective)), 'r1', 1
FROM statements GROUP BY run, currency, provider, service, day
"""
# One account's service is read again, and its reading is still open.
_BEGUN = """
INSERT INTO statements
SELECT * REPLACE ('r2' AS reading, 2 AS version, toDateTime64('2026-06-30 12:00:00', 3, 'UTC') AS read_at)
FROM statements WHERE account = '100' AND service = 'svc0'
"""


def run(_: ApacheKafka | None, *, small: bool = False) -> Iterator[Result]:
    """Yield the results; Kafka has no part in them."""
    statements, repeats, requests = (200, 1, 80) if small else (100_000, 7, 20_000)
    with LocalClickHouse() as server:
        settings = load(clickhouse={"url": server.url}, api={"port": 0, "cache_seconds": 3600})
        migrate(settings.clickhouse)
        with connect(settings.clickhouse) as writer, connect(settings.clickhouse, reader=True) as reader:
            fill(writer, statements)
            with _served(_serve_api, settings) as address:
                yield from _fresh(address, reader, settings, repeats)
                yield _cached(address, requests, 1 if small else 5)
                writer.command("INSERT INTO statement_history SELECT * FROM statements")
                writer.command(_BEGUN)
                writer.command("INSERT INTO statement_history SELECT * FROM statements WHERE reading = 'r2'")
                query = _QUESTIONS[_OPEN]
                pairs = [_one(address, reader, settings, query, 100 + number) for number in range(repeats)]
                yield compared(f"API, fresh: {_OPEN}, while a reading is open", pairs, "ms", at_most=True)


def fill(client: Client, statements: int) -> None:
    """Write statements of 100 lines, 1,000 a day from 2026-01-01 on, and their day totals by service."""
    piece = 10_000
    for since in range(0, statements, piece):
        values = {"lines": _LINES, "since": since, "count": min(piece, statements - since)}
        client.command(_STATEMENTS, values)
    for command in (_READING, _ANNOUNCED, _TOTALS):
        client.command(command)


def _fresh(address: str, reader: Client, settings: Settings, repeats: int) -> Iterator[Result]:
    for name, query in _QUESTIONS.items():
        _one(address, reader, settings, query, 0)
        pairs = [_one(address, reader, settings, query, number) for number in range(1, repeats + 1)]
        yield compared(f"API, fresh: {name}", pairs, "ms", FRESH_BAR, at_most=True)


def _one(address: str, reader: Client, settings: Settings, query: str, number: int) -> tuple[float, float]:
    """Return the milliseconds of a question to the API, and of its statement through clickhouse-connect.

    `number` makes it one that was not asked before: another limit, which cuts nothing.
    """
    query = f"{query}&limit={50_000 + number}"
    parameters, filters = parse(CostQuery, MultiDict(parse_qsl(query)))
    asked = costs.sql(parameters, filters, settings.processing.run, _NOW, settings)
    text = over_newest(asked.text)
    began = time.perf_counter()
    with urllib.request.urlopen(f"{address}/v1/costs?{query}", timeout=120) as answer:  # noqa: S310 - our own address
        answer.read()
    between = time.perf_counter()
    reader.query(text, asked.values)
    return (between - began) * 1000, (time.perf_counter() - between) * 1000


def _cached(address: str, requests: int, repeats: int) -> Result:
    path = f"/v1/costs?{_QUESTIONS['day totals by service and month']}"
    with urllib.request.urlopen(f"{address}{path}", timeout=120) as answer:  # noqa: S310 - our own address
        body = answer.read()
    pairs = []
    with _served(_serve_bare, body) as bare:
        for _ in range(repeats):
            rates = [asyncio.run(_rate(one, path, requests)) for one in (address, bare)]
            pairs.append((rates[0], rates[1]))
    return compared("API, cached, against a bare aiohttp handler", pairs, "requests/s", CACHED_BAR)


async def _rate(address: str, path: str, requests: int) -> float:
    """Return requests per second over some connections that are kept open."""
    host = urlsplit(address)
    request = f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\nAccept: */*\r\n\r\n".encode()

    async def ask(count: int) -> None:
        stream, writer = await asyncio.open_connection(host.hostname, host.port)
        for _ in range(count):
            writer.write(request)
            head = await stream.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise OSError(head.decode())
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await stream.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    async def ask_over_all(count: int) -> None:
        await asyncio.gather(*(ask(count // _CONNECTIONS) for _ in range(_CONNECTIONS)))

    await ask_over_all(requests // 10)
    began = time.perf_counter()
    await ask_over_all(requests)
    return requests // _CONNECTIONS * _CONNECTIONS / (time.perf_counter() - began)


@contextmanager
def _served(serve: Callable[[Any, Connection], None], what: object) -> Iterator[str]:
    """Serve in a process of its own, and give its address."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(what, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(180):
            raise OSError("the server did not start within 180 s")
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join(10)


def _serve_api(settings: Settings, told: Connection) -> None:
    _serve(make_app(settings, ManualClock(_NOW)), told)


def _serve_bare(body: bytes, told: Connection) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/costs", handle)
    _serve(app, told)


def _serve(app: web.Application, told: Connection) -> None:
    async def serve() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())
