"""From the close of a reading to the message at a receiver, while 1,000 statements a minute flow.

All services are the real ones, on the real Kafka: process, alert, deliver. Every three seconds a reading of fifty
statements is closed, in which the day of one more account crosses a limit; its receiver is a web server of the
benchmark's own, told at once (group wait 0). Beside the bar it tells where the time goes, from `alert.deliveries`.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from alerts.applied import apply
from alerts.rule_files import parse
from bench.result import Result
from bench.statements import closes, encoded, publish, statements
from bench.stream import fresh
from schemas.codec import Codec
from schemas.events import DeliveryState
from schemas.repository import RepositorySchemas
from spendstream.clock import SystemClock
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.supervise import start_service
from spendstream.topics import DELIVERIES

#: Readings, the first of which are not counted: everything starts in them.
READINGS, FIRST = 105, 5
_STATEMENTS, _EVERY_SECONDS = 50, 3.0
_BAR_SECONDS = 2.0
_RULES = 'rules:\n- {id: dear, kind: threshold, where: {account: "*"}, window: day, limits: {critical: 1}}\n'
_PATIENCE_SECONDS = 120


def run(kafka: ApacheKafka, *, small: bool = False) -> Iterator[Result]:
    """Yield the 99th percentile against its bar."""
    settings = fresh(kafka)
    seconds = sorted(measured(settings, 8 if small else READINGS)[FIRST:])
    stages = ", ".join(f"{name} {took:.2f} s" for name, took in _stages(settings).items())
    sys.stderr.write(
        f"close to message: median {median(seconds):.2f} s, worst {seconds[-1]:.2f} s; medians: {stages}\n"
    )
    late = _percentile(seconds, 0.99)
    yield Result(
        "close of a reading to its message, 99 of 100",
        late * 1000,
        _BAR_SECONDS * 1000,
        "ms",
        late / _BAR_SECONDS,
        (seconds[0] / _BAR_SECONDS, seconds[-1] / _BAR_SECONDS),
        None if small else 1.0,
        at_most=True,
    )


def measured(settings: Settings, readings: int) -> list[float]:
    """Return the seconds from each reading's close to its message."""
    codec, shards = Codec(RepositorySchemas()), settings.kafka.shards
    apply(settings, SystemClock(), parse(_RULES, "the benchmark's rules"), "bench")
    found = []
    with receiver() as got, _services(settings, got.url):
        for number in range(readings):
            account = 1_000 + number
            lines = statements(_STATEMENTS, 20, f"r{number}", seed=number, first_account=account)
            publish(settings, encoded(codec, lines, shards))
            now = datetime.now(UTC)
            closed = [replace(one, opened_at=now, closed_at=now) for one in closes(f"r{number}", shards)]
            began = time.monotonic()
            publish(settings, encoded(codec, closed, shards))
            found.append(got.when(f"account={account:012d}") - began)
            time.sleep(max(0.0, began + _EVERY_SECONDS - time.monotonic()))
    return found


class Got:
    """What came to the receiver, and when."""

    def __init__(self) -> None:
        self.url = ""
        self._at: dict[str, float] = {}
        self._came = threading.Condition()

    def take(self, body: bytes) -> None:
        """Note the scopes of a message."""
        with self._came:
            for one in json.loads(body)["incidents"]:
                self._at.setdefault(one["scope"].rpartition("/")[2], time.monotonic())
            self._came.notify_all()

    def when(self, scope: str) -> float:
        """Wait for a scope, and return when it came.

        Raises
        ------
        TimeoutError
            When it does not.
        """
        with self._came:
            if not self._came.wait_for(lambda: scope in self._at, _PATIENCE_SECONDS):
                raise TimeoutError(f"nobody was told of {scope}")
            return self._at[scope]


@contextmanager
def receiver() -> Iterator[Got]:
    """Listen on a free port of loopback."""
    got = Got()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            got.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    got.url = f"http://127.0.0.1:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield got
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _services(settings: Settings, url: str) -> Iterator[None]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spendstream-bench-")))
        route = {"receiver": "hook", "group_by": ["scope"], "group_wait": "0s", "group_interval": "0s"}
        receivers = [{"name": "hook", "channel": "webhook", "url": url}]
        # YAML holds JSON.
        (folder / "routing.yaml").write_text(json.dumps({"receivers": receivers, "route": route}))
        environment = {
            "SPENDSTREAM_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "SPENDSTREAM_KAFKA__PREFIX": settings.kafka.prefix,
            "SPENDSTREAM_PROCESSING__STATE_FOLDER": str(folder / "state"),
            "SPENDSTREAM_ALERTS__ROUTING": str(folder / "routing.yaml"),
            "SPENDSTREAM_LOG__LEVEL": "warning",
            **{f"SPENDSTREAM_HEALTH__{name}": "0" for name in ("PROCESS", "ALERT", "DELIVER")},
        }
        for name in ("process", "alert", "deliver"):
            process = start_service([name], environment)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        yield


def _stages(settings: Settings) -> dict[str, float]:
    """Return the median seconds of each stage of the way."""
    codec = Codec(RepositorySchemas())
    told = [one for one in map(codec.decode, read_back(settings, DELIVERIES)) if isinstance(one, DeliveryState)]
    stages: dict[str, list[float]] = {}
    for one in told[FIRST:]:
        times = (one.observed_at, one.scored_at, one.fired_at, one.at)
        for name, before, after in zip(("scored", "fired", "delivered"), times, times[1:], strict=False):
            if before is not None and after is not None:
                stages.setdefault(name, []).append((after - before).total_seconds())
    return {name: median(found) for name, found in stages.items()}


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
