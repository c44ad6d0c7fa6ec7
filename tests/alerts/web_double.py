"""A web server that stands for a receiver: it answers as told, and keeps what it got."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


#: Status, headers and, if there is one, body of an answer, made from a request.
Answer = Callable[[Got], tuple[int, dict[str, str]] | tuple[int, dict[str, str], bytes]]


class WebDouble:
    """Answers every POST on a free port of loopback, from a thread of its own."""

    def __init__(self, answer: Answer = lambda _: (200, {}), tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self._tls = tls
        self.got: list[Got] = []
        self.arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._runner: Any = None
        self.url = ""

    def __enter__(self) -> Self:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/{path:.*}", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def _listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _post(self, request: web.Request) -> web.Response:
        got = Got(request.path, dict(request.headers), await request.read())
        with self.arrived:
            self.got.append(got)
            self.arrived.notify_all()
        status, headers, *body = await asyncio.to_thread(self.answer, got)
        return web.Response(status=status, headers=headers, body=b"".join(body))

    def wait_for(self, enough: Callable[[list[Got]], bool], seconds: float = 30) -> list[Got]:
        """Wait until what arrived is enough, and return it."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: enough(self.got), seconds), f"only {len(self.got)} came"
            return list(self.got)
