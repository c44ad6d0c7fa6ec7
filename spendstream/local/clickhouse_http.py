"""ClickHouse's HTTP interface over the engine inside this process."""

import asyncio
import base64
import binascii
import hmac
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from spendstream.local.clickhouse_codings import Compressor, choose, compressor, decode
from spendstream.local.clickhouse_engine import Answer, ClickHouseError, Engine, Request, refused

T = TypeVar("T")

WRITER = "spendstream"
READER = "spendstream_reader"

# Parameters of the interface itself; every other one is a setting.
_TRANSPORT = {
    "query", "user", "password", "database", "default_format", "query_id", "session_id", "session_timeout",
    "session_check", "close_session", "quota_key", "client_protocol_version", "stacktrace", "buffer_size",
    "wait_end_of_query", "compress", "decompress", "role",
}  # fmt: skip
_STATUS = {
    62: 400, 27: 400, 6: 400, 53: 400, 43: 400, 26: 400, 41: 400, 33: 400, 117: 400, 456: 400, 457: 400,
    47: 404, 46: 404, 50: 404, 56: 404, 60: 404, 73: 404, 81: 404, 115: 404,
    48: 501, 516: 403,
}  # fmt: skip
_CONTENT_TYPES = {"JSON": "application/json", "JSONCompact": "application/json", "CSV": "text/csv"}
_WORKERS = 32
_LARGEST_BODY = 1 << 32


@dataclass(frozen=True)
class Passwords:
    """What the two users must show; empty means that none is needed."""

    writer: str = ""
    reader: str = ""


class ClickHouseHttp:
    """The handlers. A statement runs in a worker thread, so a large one does not hold up the others."""

    def __init__(self, engine: Engine, passwords: Passwords) -> None:
        self._engine = engine
        self._passwords = {WRITER: passwords.writer, READER: passwords.reader}
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="clickhouse")

    def application(self) -> web.Application:
        """Return the aiohttp application; run it with `auto_decompress=False`: bodies are decoded here, whole."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_get("/ping", _ok)
        app.router.add_get("/replicas_status", _ok)
        app.router.add_get("/", self.handle)
        app.router.add_post("/", self.handle)
        return app

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Run the statement of one HTTP request."""
        query_id = http.query.get("query_id") or str(uuid.uuid4())
        headers = {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Timezone": "UTC"}
        if http.method == "GET" and "query" not in http.query:
            return await _ok(http)
        try:
            request = await self._request(http)
            answer = await self._in_thread(self._engine.run, request)
        except ClickHouseError as error:
            return _failure(error, headers)
        try:
            return await self._send(http, answer, headers)
        finally:
            await self._in_thread(answer.close)

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def _request(self, http: web.Request) -> Request:
        user = self._authenticated(http)
        fields = dict(http.query)
        if fields.get("compress", "0") != "0" or fields.get("decompress", "0") != "0":
            raise refused(48, "NOT_IMPLEMENTED", "Use HTTP compression (Content-Encoding) instead of compress=1")
        if http.content_type == "multipart/form-data":
            body = b""
            fields |= {name: str(value) for name, value in (await http.post()).items()}
        else:
            try:
                body = decode(await http.read(), http.headers.get("Content-Encoding", ""))
            except ValueError as error:
                raise refused(354, "ZLIB_INFLATE_FAILED", str(error)) from error
        statement = fields.get("query", "").encode()
        default_format = fields.get("default_format") or http.headers.get("X-ClickHouse-Format") or "TabSeparated"
        return Request(
            statement=statement or body,
            data=body if statement else b"",
            database=fields.get("database", "") or http.headers.get("X-ClickHouse-Database", ""),
            default_format=default_format,
            settings={k: v for k, v in fields.items() if k not in _TRANSPORT and not k.startswith("param_")},
            parameters={k.removeprefix("param_"): v for k, v in fields.items() if k.startswith("param_")},
            reader=user == READER,
            readonly=http.method == "GET",
        )

    def _authenticated(self, http: web.Request) -> str:
        user, password = _credentials(http)
        expected = self._passwords.get(user)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            message = f"{user}: Authentication failed: password is incorrect, or there is no user with such name"
            raise refused(516, "AUTHENTICATION_FAILED", message)
        return user

    async def _send(self, http: web.Request, answer: Answer, headers: Mapping[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        response.headers["X-ClickHouse-Format"] = answer.format
        response.headers["X-ClickHouse-Summary"] = json.dumps(answer.summary)
        response.content_type = _CONTENT_TYPES.get(answer.format, "text/tab-separated-values")
        wanted = http.query.get("enable_http_compression", "0") not in {"", "0", "false"}
        coding = choose(http.headers.get("Accept-Encoding", "")) if wanted else None
        if coding is not None:
            response.headers["Content-Encoding"] = coding
        await response.prepare(http)
        packer = compressor(coding) if coding is not None else None
        try:
            while (piece := await self._in_thread(_next_piece, answer.pieces, packer)) is not None:
                if piece:
                    await response.write(piece)
        except ClickHouseError:
            # The status is sent already: a body without its end tells the client that the result is not whole.
            if http.transport is not None:
                http.transport.abort()
            return response
        if packer is not None:
            await response.write(packer.end())
        await response.write_eof()
        return response


def _next_piece(pieces: Iterator[bytes], packer: Compressor | None) -> bytes | None:
    piece = next(pieces, None)
    return piece if piece is None or packer is None else packer.feed(piece)


async def _ok(_http: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def _credentials(http: web.Request) -> tuple[str, str]:
    """Return user and password from Basic authorization, ClickHouse's headers or the address, in this order."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            message = "The Authorization header is not valid Basic authorization"
            raise refused(516, "AUTHENTICATION_FAILED", message) from error
        return user, password
    if "X-ClickHouse-User" in http.headers:
        return http.headers["X-ClickHouse-User"], http.headers.get("X-ClickHouse-Key", "")
    return http.query.get("user", "default"), http.query.get("password", "")


def _failure(error: ClickHouseError, headers: Mapping[str, str]) -> web.Response:
    code_header = {"X-ClickHouse-Exception-Code": str(error.code)}
    return web.Response(status=_STATUS.get(error.code, 500), text=f"{error}\n", headers={**headers, **code_header})
