"""HTTP of the simulated AWS: requests in, replies out, and connections that break when they are told to."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler

from spendstream.local.simulator.expression import AwsError, Json
from spendstream.local.simulator.wire import Reply, parsed


class Dropped(Exception):  # noqa: N818 - nothing is wrong here: it was asked for
    """The connection is closed after some bytes of an answer of which `length` were announced; 0: before any."""

    def __init__(self, sent: bytes, length: int) -> None:
        super().__init__("dropped")
        self.sent = sent
        self.length = length


def handler_for(
    answer: Callable[[Mapping[str, str], bytes], Reply], control: Callable[[str, Json | None], Json]
) -> type[BaseHTTPRequestHandler]:
    """Return a handler: `answer` takes headers and body of AWS's requests, `control` path and body of our own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body go out together, and at once.
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self._controlled(None)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/_simulator/"):
                self._controlled(raw)
                return
            try:
                self._send(answer(dict(self.headers), raw))
            except Dropped as broken:
                self.close_connection = True
                if broken.length:
                    self._begin(200, {"Content-Type": "application/x-amz-json-1.1"}, broken.length)
                    self.wfile.write(broken.sent)

        def _controlled(self, raw: bytes | None) -> None:
            try:
                status, body = 200, control(self.path, None if raw is None else parsed(raw))
            except AwsError as error:
                status, body = error.status, {"__type": error.code, "message": error.message}
            self._send(Reply(status, {"Content-Type": "application/json"}, json.dumps(body).encode()))

        def _send(self, reply: Reply) -> None:
            self._begin(reply.status, reply.headers, len(reply.body))
            self.wfile.write(reply.body)

        def _begin(self, status: int, headers: Mapping[str, str], length: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet: requests are counted at `/_simulator/requests`."""

    return Handler
