"""The read API: an aiohttp application over ClickHouse, as a user that can only read."""

import asyncio
import csv
import hashlib
import io
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from aiohttp import web
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from api import costs, openapi
from api.problems import Problem, unknown
from sinks.clickhouse import connect
from spendstream.clock import Clock
from spendstream.health import token_matches
from spendstream.settings import ConfigurationError, Settings

_CACHED_BYTES = 64 * 2**20
_MOST_VALUES = 10_000
_OPEN_PATHS = ("/healthz", "/readyz")

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Database:
    """Asks ClickHouse, in threads, as the reader."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def rows(self, sql: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
        """Return the rows of a query; `Problem` 503 when ClickHouse does not answer."""
        return await asyncio.to_thread(self._rows, sql, values or {})

    def _rows(self, sql: str, values: dict[str, Any]) -> list[list[Any]]:
        try:
            if self._client is None:
                self._client = connect(self._settings.clickhouse, reader=True)
            found = self._client.query(sql, values, settings={"max_execution_time": 30}).result_rows
        except (OperationalError, ConfigurationError, OSError) as error:
            self._client = None
            raise Problem(503, "ClickHouse does not answer", "try again in a moment") from error
        except ClickHouseError as error:
            raise Problem(500, "the query failed", str(error).splitlines()[0]) from error
        return [list(row) for row in found]


class _Cache:
    """Answers of the last seconds, by question."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._answers: OrderedDict[str, tuple[float, bytes, str, str]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> tuple[bytes, str, str] | None:
        found = self._answers.get(key)
        if found is None or time.monotonic() - found[0] > self._seconds:
            return None
        return found[1:]

    def put(self, key: str, body: bytes, content_type: str, etag: str) -> None:
        self._drop(key)
        self._answers[key] = (time.monotonic(), body, content_type, etag)
        self._bytes += len(key) + len(body)
        while self._bytes > _CACHED_BYTES:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: str) -> None:
        found = self._answers.pop(key, None)
        if found is not None:
            self._bytes -= len(key) + len(found[1])


class Api:
    """The handlers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._database = Database(settings)
        self._cache = _Cache(settings.api.cache_seconds)
        self.registry = CollectorRegistry()
        self._requests = Counter("spendstream_api_requests", "Requests.", ["path", "status"], registry=self.registry)
        self._seconds = Histogram("spendstream_api_seconds", "Seconds to answer.", ["path"], registry=self.registry)

    def application(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/v1/costs", self._costs),
                web.get("/v1/rolling", self._rolling),
                web.get("/v1/runs", self._runs),
                web.get("/v1/freshness", self._freshness),
                web.get("/v1/reconciliation", self._reconciliation),
                web.get("/v1/dimensions", self._dimensions),
                web.get("/v1/dimensions/{name}/values", self._values),
                web.get("/openapi.json", self._openapi),
                web.get("/docs", self._docs),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else "unknown"
        began = time.perf_counter()
        try:
            if request.path not in _OPEN_PATHS and not token_matches(request, self._settings.api.token):
                raise Problem(401, "no valid token", "send the header Authorization: Bearer TOKEN")  # noqa: TRY301
            response = await self._answer(request, handler)
        except Problem as problem:
            response = problem.response()
        except web.HTTPException as error:
            response = Problem(error.status, error.reason, f"{request.method} {request.path}; see /docs").response()
        except Exception:
            log.exception("no answer to %s", request.path_qs)
            response = Problem(
                500, "a fault of this service", "the log of the API says more; please report it"
            ).response()
        self._requests.labels(path, response.status).inc()
        self._seconds.labels(path).observe(time.perf_counter() - began)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer from the cache, or ask; then say whether the caller has it already."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        key = request.path_qs
        found = self._cache.get(key)
        if found is None:
            response = await handler(request)
            body = response.body if isinstance(response, web.Response) else b""
            if response.status != web.HTTPOk.status_code or not isinstance(body, bytes):
                return response
            found = (body, response.content_type, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')
            self._cache.put(key, *found)
        body, content_type, etag = found
        headers = {"ETag": etag, "Cache-Control": f"private, max-age={int(self._settings.api.cache_seconds)}"}
        if etag in {known.strip().removeprefix("W/") for known in request.headers.get("If-None-Match", "").split(",")}:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=content_type, headers=headers)

    async def _costs(self, request: web.Request) -> web.Response:
        query, filters = costs.parse(request.query)
        asked = costs.sql(query, filters, self._clock.now(), self._settings)
        rows = await self._database.rows(asked.text, asked.values)
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        if more and query.format != "json":
            # A file has no place for a cursor, and one that ends early must not pass for the whole.
            raise Problem(400, "too many rows", f"more than {query.limit} rows: raise limit, or ask for less in a file")
        following = costs.cursor_of(rows[-1][:-1]) if more else None
        if query.granularity == "total":
            rows = [[query.first_day, *row[1:]] for row in rows]
        if query.format == "csv":
            return web.Response(body=_csv(asked.columns, rows), content_type="text/csv")
        if query.format == "parquet":
            return web.Response(
                body=_parquet(asked.columns, rows, query.granularity), content_type="application/vnd.apache.parquet"
            )
        body = {
            "measure": query.measure,
            "granularity": query.granularity,
            "rows": [dict(zip(asked.columns, map(_plain, row), strict=True)) for row in rows],
            "next_cursor": following,
        }
        return _json(body)

    async def _rolling(self, request: web.Request) -> web.Response:
        allowed = {"level": "String", "series": "String", "window": "String", "currency": "String", "run": "String"}
        given = {
            "run": self._settings.processing.run,
            "limit": "1000",
            **_known(request, [*allowed, "limit", "cursor"]),
        }
        limit, cursor = _limit(given.pop("limit"), 100_000), given.pop("cursor", None)
        keys = ["currency", "level", "series", "window", "kind"]
        where = " AND ".join(f"{name} = {{{name}:{allowed[name]}}}" for name in given)
        values: dict[str, Any] = {**given, "limit": limit + 1}
        if cursor is not None:
            values |= {f"c{number}": value for number, value in enumerate(costs.after(cursor, len(keys)))}
            where += f" AND ({', '.join(keys)}) > ({', '.join(f'{{c{n}:String}}' for n in range(len(keys)))})"
        columns = [*keys, "window_end", "billed", "effective"]
        rows = await self._database.rows(
            f"SELECT {', '.join(columns)} FROM rolling_totals FINAL WHERE {where} "  # noqa: S608 - names are ours
            f"ORDER BY {', '.join(keys)} LIMIT {{limit:UInt32}}",
            values,
        )
        following = costs.cursor_of(rows[limit - 1][: len(keys)]) if len(rows) > limit else None
        return _json({"rows": _dicts(columns, rows[:limit]), "next_cursor": following})

    async def _runs(self, request: web.Request) -> web.Response:
        _known(request, [])
        columns = ["run", "state", "steps", "started_at", "finished_at", "events", "note"]
        rows = await self._database.rows(f"SELECT {', '.join(columns)} FROM runs FINAL ORDER BY started_at DESC")  # noqa: S608
        return _json({"rows": _dicts(columns, rows)})

    async def _freshness(self, request: web.Request) -> web.Response:
        _known(request, [])
        columns = ["source", "provider", "billing_account", "view", "last_opened", "last_closed", "closed_through"]
        columns += ["final_through", "open_readings"]
        rows = await self._database.rows(_FRESHNESS)
        return _json({"asked_at": self._clock.now().isoformat(), "rows": _dicts(columns, rows)})

    async def _reconciliation(self, request: web.Request) -> web.Response:
        _known(request, [])
        book = ["source", "provider", "billing_account"]
        amounts = ["said_billed", "said_effective", "held_billed", "held_effective"]
        readings = await self._database.rows(_READINGS_HELD)
        controls = await self._database.rows(_CONTROLS_HELD)
        return _json(
            {
                "readings": _differing(_dicts([*book, "reading", "currency", *amounts], readings)),
                "controls": _differing(
                    _dicts([*book, "control", "first_day", "last_day", "currency", *amounts], controls)
                ),
            }
        )

    async def _dimensions(self, request: web.Request) -> web.Response:
        _known(request, [])
        return _json({"dimensions": [*costs.DIMENSIONS, "tag:KEY"]})

    async def _values(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        values = {"prefix": "", "limit": "100", **_known(request, ["prefix", "limit"])}
        if name not in costs.DIMENSIONS and not name.startswith("tag:"):
            raise unknown("dimension", name, [*costs.DIMENSIONS, "tag:KEY"])
        limit = _limit(values["limit"], _MOST_VALUES)
        column = "tags[{tag:String}]" if name.startswith("tag:") else f"toString({name})"
        rows = await self._database.rows(
            f"SELECT DISTINCT {column} AS v FROM lines WHERE run = 'live' AND startsWith(v, {{prefix:String}}) AND v != '' "  # noqa: S608
            "ORDER BY v LIMIT {limit:UInt32}",
            {**values, "limit": limit, "tag": name.removeprefix("tag:")},
        )
        return _json({"dimension": name, "values": [row[0] for row in rows]})

    async def _openapi(self, _: web.Request) -> web.Response:
        return _json(openapi.document())

    async def _docs(self, _: web.Request) -> web.Response:
        return web.Response(text=openapi.page(), content_type="text/html")

    async def _healthz(self, _: web.Request) -> web.Response:
        return _json({"service": "api", "status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        await self._database.rows("SELECT 1")
        return _json({"ready": True})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.registry), content_type="text/plain")


_FRESHNESS = """
SELECT source, provider, billing_account, view, max(opened_at), max(closed_at), max(closed_through), max(final_through),
       countIf(closed_at IS NULL)
FROM readings FINAL WHERE run = 'live' GROUP BY source, provider, billing_account, view ORDER BY 1, 2, 3, 4
"""

# What the last closed reading of each book said of its coverage, against what the newest statements hold of it; a
# currency that only one of them has stands beside 0.
_READINGS_HELD = """
WITH last AS (
    SELECT source, provider, billing_account, argMax(reading, closed_at) AS reading,
           argMax(first_day, closed_at) AS since, argMax(last_day, closed_at) AS until,
           argMax(arrayZip(currencies, billed, effective), closed_at) AS said
    FROM readings FINAL WHERE isNotNull(closed_at) AND view = '' AND run = 'live'
    GROUP BY source, provider, billing_account
)
SELECT source, provider, billing_account, any(reading), currency,
       sum(said_billed), sum(said_effective), sum(held_billed), sum(held_effective)
FROM (
    SELECT source, provider, billing_account, reading, one.1 AS currency, one.2 AS said_billed,
           one.3 AS said_effective, toDecimal128(0, 18) AS held_billed, toDecimal128(0, 18) AS held_effective
    FROM last ARRAY JOIN said AS one
    UNION ALL
    SELECT source, provider, billing_account, last.reading AS reading, currency, toDecimal128(0, 18),
           toDecimal128(0, 18), arraySum(billed), arraySum(effective)
    FROM (SELECT * FROM statements FINAL WHERE run = 'live' AND view = '') AS held
    INNER JOIN last USING (source, provider, billing_account)
    WHERE day >= since AND day <= until
)
GROUP BY source, provider, billing_account, currency
HAVING sum(said_billed) != 0 OR sum(held_billed) != 0 OR sum(said_effective) != 0 OR sum(held_effective) != 0
ORDER BY source, provider, billing_account, currency
"""

# A source's own answer over a longer time, against what is held of the same days; its forecast has no counterpart yet.
_CONTROLS_HELD = """
SELECT c.source, c.provider, c.billing_account, c.control, c.first_day, c.last_day, c.currency,
       any(c.billed), any(c.effective),
       sumIf(arraySum(s.billed), s.day >= c.first_day AND s.day <= c.last_day),
       sumIf(arraySum(s.effective), s.day >= c.first_day AND s.day <= c.last_day)
FROM (SELECT * FROM controls FINAL WHERE run = 'live' AND control != 'forecast') AS c
LEFT JOIN (SELECT * FROM statements FINAL WHERE run = 'live' AND view = '') AS s
    USING (source, provider, billing_account, currency)
GROUP BY c.source, c.provider, c.billing_account, c.control, c.first_day, c.last_day, c.currency
ORDER BY 1, 2, 3, 4, 5
"""


def _differing(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        for measure in ("billed", "effective"):
            if row[f"said_{measure}"] is not None:
                difference = Decimal(row[f"held_{measure}"]) - Decimal(row[f"said_{measure}"])
                row[f"difference_{measure}"] = _plain(difference)
    return rows


def _known(request: web.Request, names: list[str]) -> dict[str, str]:
    for name in request.query:
        if name not in names:
            raise unknown("parameter", name, names or ["none"])
        if len(request.query.getall(name)) > 1:
            raise Problem(400, "bad parameters", f"{name} is given several times: give it once")
    return dict(request.query)


def _limit(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= most):
        raise Problem(400, "bad parameters", f"limit: a whole number from 1 to {most}")
    return int(text)


def _plain(value: object) -> object:
    """Return a value as JSON holds it: money as text, never as a binary fraction."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


def _dicts(columns: list[str], rows: list[list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]


def _json(body: object) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), content_type="application/json")


def _csv(columns: list[str], rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _parquet(columns: list[str], rows: list[list[Any]], granularity: str) -> bytes:
    types: list[pa.DataType] = [pa.timestamp("s") if granularity == "hour" else pa.date32()]
    types += [pa.string()] * (len(columns) - 2) + [pa.decimal128(38, 18)]
    arrays = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(types)]
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, names=columns), out)
    return out.getvalue()


def make_app(settings: Settings, clock: Clock) -> web.Application:
    """Return the API for a deployment."""
    return Api(settings, clock).application()
