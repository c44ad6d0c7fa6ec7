"""The API: an aiohttp application over ClickHouse, as a user that can only read; what changes goes to Kafka."""

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from api import openapi
from api.access import Access
from api.cache import Cache, Cached
from api.database import Database
from api.formats import Table, chosen, json_response, table_response
from api.incident_pages import IncidentPages
from api.lines import Lines
from api.parameters import parse, storable
from api.problems import Problem, bad_parameters
from api.publishing import Publisher
from api.route import Question, Route
from api.routes import ROUTES, WRITING
from api.writing import Wish, Writing, body_of
from spendstream.clock import Clock
from spendstream.settings import Settings

#: What tells nothing of the costs; the page asks for the token itself.
_OPEN_PATHS = ("/healthz", "/readyz", "/docs", "/openapi.json")

_LIVE_RUN = "SELECT run FROM runs FINAL WHERE state = 'live' ORDER BY version DESC LIMIT 1"

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The pages and the guard before them."""

    def __init__(self, settings: Settings, clock: Clock, publisher: Publisher) -> None:
        self._settings = settings
        self._clock = clock
        self._database = Database(settings)
        self._lines = Lines(self._database)
        self._access = Access(settings)
        self._publisher = publisher
        self._pages = IncidentPages(settings, clock, self._access, self._database, publisher, self._live_run)
        self._cache = Cache(settings.api.cache_seconds)
        self._live = (settings.processing.run, 0.0)
        self._age = f"private, max-age={int(settings.api.cache_seconds)}"
        self.registry = CollectorRegistry()
        self._requests = Counter("spendstream_api_requests", "Requests.", ["path", "status"], registry=self.registry)
        self._seconds = Histogram("spendstream_api_seconds", "Seconds to answer.", ["path"], registry=self.registry)

    def application(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes([web.get(route.path, self._handler(route)) for route in ROUTES])
        app.add_routes([web.route(one.method, one.path, self._writing(one)) for one in WRITING])
        app.add_routes(self._pages.routes())
        app.add_routes(
            [
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
            guarded = request.path not in _OPEN_PATHS and not self._pages.holds(request.path)
            if guarded and self._access.of_header(request) is None:
                raise Problem(401, "no valid token", "send the header Authorization: Bearer TOKEN")  # noqa: TRY301
            response = await handler(request)
        except Problem as problem:
            response = problem.response()
        except web.HTTPException as error:
            response = Problem(error.status, error.reason, f"{request.method} {request.path}; see /docs").response()
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception:
            # Without the query, which may hold a signed link.
            log.exception("no answer to %s %s", request.method, ascii(request.path))
            response = Problem(
                500, "a fault of this service", "the log of the API says more; please report it"
            ).response()
        self._requests.labels(path, response.status).inc()
        self._seconds.labels(path).observe(time.perf_counter() - began)
        return response

    def _handler(self, route: Route[Any]) -> Handler:
        """Return what answers a route: from the cache, else by asking; and not at all what the caller has already."""

        async def handle(request: web.Request) -> web.StreamResponse:
            accept = request.headers.get("Accept")
            key = f"{accept} {request.path_qs}"
            found = self._cache.get(key) if route.kept else None
            if found is None:
                response = await self._asked(route, request, accept)
                body = response.body if isinstance(response.body, bytes) else b""
                etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
                found = Cached(body, response.content_type, etag)
                if route.kept:
                    self._cache.put(key, found)
            age = self._age if route.kept else "private, no-cache"
            headers = {"ETag": found.etag, "Cache-Control": age, "Vary": "Accept"}
            known = request.headers.get("If-None-Match")
            if known is not None and found.etag in {one.strip().removeprefix("W/") for one in known.split(",")}:
                return web.Response(status=304, headers=headers)
            return web.Response(body=found.body, content_type=found.content_type, headers=headers)

        return handle

    def _writing(self, writing: Writing[Any, Any]) -> Handler:
        """Return what does a change: for a token that may write, and never from a cache."""

        async def handle(request: web.Request) -> web.StreamResponse:
            writer = self._access.writer(request)
            question = await self._question(writing, request)
            wish = Wish(question, body_of(writing.body, await request.read()), writer, self._publisher)
            response = json_response(await writing.handle(wish))
            response.set_status(writing.status)
            return response

        return handle

    async def _asked(self, route: Route[Any], request: web.Request, accept: str | None) -> web.Response:
        question = await self._question(route, request)
        wanted = chosen(getattr(question.parameters, "format", None), accept, route.formats)
        answer = await route.handle(question)
        return table_response(answer, wanted) if isinstance(answer, Table) else json_response(answer)

    async def _question(self, route: Route[Any] | Writing[Any, Any], request: web.Request) -> Question[Any]:
        parameters, filters = parse(route.parameters, request.query)
        path = dict(request.match_info)
        for name, value in path.items():
            try:
                storable(value)
            except ValueError as error:
                raise bad_parameters(f"{name}: {error}") from None
        settings = self._settings.of_run(await self._live_run())
        return Question(parameters, filters, path, self._clock.now(), settings, self._database, self._lines)

    async def _live_run(self) -> str:
        """Return the run whose totals are shown unless another one is asked for; it is looked up now and then."""
        run, until = self._live
        if time.monotonic() >= until:
            rows = await self._database.rows(_LIVE_RUN)
            run = rows[0][0] if rows else self._settings.processing.run
            self._live = (run, time.monotonic() + self._settings.api.cache_seconds)
        return run

    async def _openapi(self, _: web.Request) -> web.Response:
        return json_response(openapi.document())

    async def _docs(self, _: web.Request) -> web.Response:
        return web.Response(text=openapi.page(), content_type="text/html")

    async def _healthz(self, _: web.Request) -> web.Response:
        return json_response({"service": "api", "status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        await self._database.rows("SELECT 1")
        return json_response({"ready": True})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.registry), content_type="text/plain")


def make_app(settings: Settings, clock: Clock, publisher: Publisher | None = None) -> web.Application:
    """Return the API for a deployment; `publisher` is the way to Kafka, another one in tests."""
    return Api(settings, clock, publisher or Publisher(settings, clock)).application()
