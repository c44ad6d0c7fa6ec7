"""The simulated AWS on one port: AWS by `X-Amz-Target`, the simulator's own addresses under `/_simulator/`."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from spendstream.local.simulator.clock import SimulatedClock, aware
from spendstream.local.simulator.cost_explorer import CostExplorer
from spendstream.local.simulator.expression import AwsError, Call, Json
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.truth import document

_CENTS_A_PAGE = 1


class SimulatedAWS:
    """A simulated AWS in a thread of this process, listening on loopback from construction to `stop`.

    Parameters
    ----------
    model
        The organisation whose bill is told.
    clock
        Simulated time.
    port
        0 takes a free port; see `url`.
    page_size
        Rows (a group in a period) on a page of Cost Explorer.
    hourly
        Whether the accounts have opted in to hours in Cost Explorer.
    """

    def __init__(
        self, model: Organisation, clock: SimulatedClock, *, port: int = 0, page_size: int = 1000, hourly: bool = True
    ) -> None:
        if page_size < 1:
            raise ValueError(f"the page size must be at least 1; got {page_size}")
        self.model = model
        self.clock = clock
        self._lock = threading.Lock()
        self._answered: Counter[str] = Counter()
        self._charged: Counter[str] = Counter()
        self._faults: list[Json] = []
        explorer = CostExplorer([model], page_size, hourly=hourly)
        self._operations: dict[str, Callable[[Call], Json]] = {
            f"AWSInsightsIndexService.{name}": operation for name, operation in explorer.operations.items()
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="simulated-aws", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for `endpoint_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target: str, request: Json) -> Json:
        """Return AWS's answer to an operation, or raise `AwsError`. Failed calls are counted and free, as at AWS."""
        operation = self._operations.get(target)
        name = target.partition(".")[2] or target
        with self._lock:
            self._answered[name] += 1
            fault = self._faults[0] if self._faults else None
            if fault:
                fault["count"] -= 1
                self._faults = [f for f in self._faults if f["count"] > 0]
        if fault:
            raise AwsError(str(fault["code"]), str(fault.get("message", "Injected by the simulator")))
        if operation is None:
            raise AwsError("UnknownOperationException", f"the simulator does not answer {target!r}")
        result = operation(Call(request, self.clock.now(), self.model.payer))
        with self._lock:
            self._charged[name] += 1
        return result

    def control(self, path: str, body: Json | None) -> Json:
        """Answer the simulator's own addresses: `clock`, `requests`, `faults` and `truth`; `body` is None for a GET."""
        if path == "/_simulator/clock":
            if body is not None:
                self._move(body)
            return {"now": self.clock.now().isoformat()}
        if path == "/_simulator/truth":
            return document(self.model, self.clock.now())
        if path == "/_simulator/requests":
            with self._lock:
                cents = _CENTS_A_PAGE * sum(self._charged.values())
                return {
                    "requests": dict(self._answered), "charged": dict(self._charged),
                    "dollars": f"{cents // 100}.{cents % 100:02d}",
                }  # fmt: skip
        if path == "/_simulator/faults" and body is not None:
            count = body.get("count", 1)
            if not isinstance(body.get("code"), str) or not isinstance(count, int) or count < 1:
                raise AwsError("ValidationException", 'give {"code": "ThrottlingException", "count": 1 or more}')
            with self._lock:
                self._faults.append({**body, "count": count})
                return {"waiting": len(self._faults)}
        raise AwsError("NotFound", f"the simulator has nothing at {path}", 404)

    def _move(self, body: Json) -> None:
        try:
            if "now" in body:
                self.clock.set(aware(str(body["now"])))
            else:
                self.clock.advance(timedelta(seconds=float(body["advance_seconds"])))
        except (KeyError, TypeError, ValueError) as error:
            hint = 'give {"now": "2026-03-01T00:00:00Z"} or {"advance_seconds": 3600}'
            raise AwsError("ValidationException", f"{hint}: {error}") from None


def _handler_for(aws: SimulatedAWS) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(lambda: aws.control(self.path, None))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._reply(lambda: self._dispatch(raw))

        def _dispatch(self, raw: bytes) -> Json:
            try:
                body = json.loads(raw or b"{}")
            except ValueError:
                raise AwsError("SerializationException", "the body is not JSON") from None
            if not isinstance(body, dict):
                raise AwsError("SerializationException", "the body is not a JSON object")
            if self.path.startswith("/_simulator/"):
                return aws.control(self.path, body)
            return aws.answer(self.headers.get("X-Amz-Target") or "", body)

        def _reply(self, work: Callable[[], Json]) -> None:
            try:
                status, body = 200, work()
            except AwsError as error:
                status, body = error.status, {"__type": error.code, "message": error.message}
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet: requests are counted at `/_simulator/requests`."""

    return Handler
