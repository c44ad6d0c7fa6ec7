"""A service's health and metrics: `/healthz`, `/readyz`, `/metrics` on a port of its own."""

import asyncio
import faulthandler
import hmac
import ipaddress
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from spendstream.settings import ConfigurationError, Health


class Watched(Protocol):
    """What a health page shows."""

    @property
    def service(self) -> str:
        """Name of the service."""
        ...

    @property
    def details(self) -> Callable[[], dict[str, object]]:
        """What else it has to say."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it has begun its work."""
        ...

    @property
    def seconds_without_progress(self) -> float:
        """Seconds since work was done last, 0 while there is none."""
        ...


@dataclass(slots=True)
class Progress:
    """What a service does: `moved` when work was done, `busy` while there is work."""

    service: str
    details: Callable[[], dict[str, object]] = dict
    clock: Callable[[], float] = time.monotonic
    ready: bool = False
    _moved_at: float = field(init=False)
    _busy: bool = False

    def __post_init__(self) -> None:
        """Begin counting now."""
        self._moved_at = self.clock()

    def moved(self) -> None:
        """Note that work was done."""
        self.ready = True
        self._moved_at = self.clock()

    def busy(self, there_is_work: bool) -> None:
        """Note whether there is work to do; an idle service is never stalled."""
        if there_is_work and not self._busy:
            self._moved_at = self.clock()
        self._busy = there_is_work

    @property
    def seconds_without_progress(self) -> float:
        """Seconds since work was done last, 0 while there is none."""
        return self.clock() - self._moved_at if self._busy else 0.0


def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, token: SecretStr | None, setting: str) -> None:
    """Raise `ConfigurationError` when a listener beyond loopback has no token."""
    if not is_loopback(host) and token is None:
        raise ConfigurationError(f"{setting}.host is {host}, which others can reach: set {setting}.token as well")


def token_matches(request: web.Request, token: SecretStr | None) -> bool:
    """Tell whether a request carries the bearer token, where one is wanted."""
    if token is None:
        return True
    sent = request.headers.get("Authorization", "")
    return hmac.compare_digest(sent.encode(), f"Bearer {token.get_secret_value()}".encode())


def health_app(progress: Watched, settings: Health, registry: CollectorRegistry) -> web.Application:
    """Return the pages of a service."""

    async def healthz(request: web.Request) -> web.Response:
        if not token_matches(request, settings.token):
            return web.json_response({"status": "unauthorized"}, status=401)
        idle = progress.seconds_without_progress
        stalled = idle > settings.stalled_seconds
        body = {
            "service": progress.service,
            "status": "stalled" if stalled else "ok",
            "seconds_without_progress": round(idle, 1),
            **progress.details(),
        }
        return web.json_response(body, status=503 if stalled else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"ready": progress.ready}, status=200 if progress.ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        if not token_matches(request, settings.token):
            return web.Response(status=401)
        return web.Response(body=generate_latest(registry), content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


@contextmanager
def health_page(
    progress: Watched,
    settings: Health,
    port: int,
    routes: Sequence[web.AbstractRouteDef] = (),
    registry: CollectorRegistry | None = None,
) -> Iterator[None]:
    """Serve the pages of a service that has no event loop, from a thread, and end the process when it stalls.

    `routes` are pages of the service's own; they check the token themselves. `registry` has its metrics.

    Raises
    ------
    ConfigurationError
        When it would listen beyond loopback without a token, or the port is taken.
    """
    check_exposure(settings.host, settings.token, "health")
    loop = asyncio.new_event_loop()
    app = health_app(progress, settings, registry or CollectorRegistry())
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    try:
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, settings.host, port).start())
    except OSError as error:
        raise ConfigurationError(f"port {port} of {settings.host} cannot be used for health: {error}") from None
    thread = threading.Thread(target=loop.run_forever, name="health", daemon=True)
    thread.start()
    guard = StallGuard(progress, settings.stalled_seconds)
    guard.start()
    try:
        yield
    finally:
        guard.stop()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


#: Exit status of a process that made no progress, to be restarted.
STALLED = 75


def _end_stalled() -> None:
    sys.stderr.write("no progress while there is work; this is what each thread does, and the process ends:\n")
    faulthandler.dump_traceback(all_threads=True)
    os._exit(STALLED)


class StallGuard:
    """Ends the process when it makes no progress while there is work: a restart heals, waiting does not."""

    def __init__(self, progress: Watched, stalled_seconds: float, end: Callable[[], None] | None = None) -> None:
        self._progress = progress
        self._limit = stalled_seconds
        self._end = end or _end_stalled
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall-guard", daemon=True)

    def start(self) -> None:
        """Begin watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(min(5.0, self._limit / 4)):
            if self._progress.seconds_without_progress > self._limit * 2:
                self._end()
                return
