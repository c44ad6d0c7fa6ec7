"""From the close of a reading to the message at a receiver, while 1,000 statements a minute flow.

All services are the real ones, on the real Kafka: process, alert, deliver. Every three seconds a reading of fifty
statements is closed, which makes one more account worth an alert: the day of a new one crosses a limit; or, after forty
days of history, one costs ten times as much today and detection finds it. The receiver is a web server of the
benchmark's own, told at once (group wait 0). Beside the bar it tells where the time goes, from `alert.deliveries`.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from alerts.applied import apply
from alerts.rule_files import parse
from bench.alerting_bills import Bill, Limits, Rises
from bench.result import Result
from bench.statements import closes, encoded, publish
from bench.stream import fresh
from processors.series import parse as parse_series
from schemas.codec import Codec
from schemas.events import DeliveryState, ReadingClosed
from schemas.repository import RepositorySchemas
from spendstream.clock import SystemClock
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.supervise import start_service
from spendstream.topics import DELIVERIES

#: Readings, the first of which are not counted: everything starts in them.
READINGS, FIRST = 105, 5
_EVERY_SECONDS = 3.0
_BAR_SECONDS = 2.0
_PATIENCE_SECONDS = 120


def run(kafka: ApacheKafka, *, small: bool = False) -> Iterator[Result]:
    """Yield the 99th percentile against its bar, of a rule over totals and of one over anomalies."""
    readings = 8 if small else READINGS
    for bill in (Limits(), Rises(readings)):
        settings = fresh(kafka)
        seconds = sorted(measured(settings, bill, readings)[FIRST:])
        stages = ", ".join(f"{name} {took:.2f} s" for name, took in _stages(settings).items())
        sys.stderr.write(
            f"{bill.name}, close to message: median {median(seconds):.2f} s, worst {seconds[-1]:.2f} s; "
            f"medians: {stages}\n"
        )
        late = _percentile(seconds, 0.99)
        yield Result(
            f"close of a reading to its message by {bill.name}, 99 of 100",
            late * 1000,
            _BAR_SECONDS * 1000,
            "ms",
            late / _BAR_SECONDS,
            (seconds[0] / _BAR_SECONDS, seconds[-1] / _BAR_SECONDS),
            None if small else 1.0,
            at_most=True,
        )


def measured(settings: Settings, bill: Bill, readings: int) -> list[float]:
    """Return the seconds from each reading's close to its message."""
    codec, shards = Codec(RepositorySchemas()), settings.kafka.shards
    apply(settings, SystemClock(), parse(bill.rules, "the benchmark's rules"), "bench")
    found = []
    with receiver() as got, _services(settings, got.url, bill.environment):
        publish(settings, encoded(codec, bill.history(), shards))
        publish(settings, encoded(codec, _closed("history", bill.through, shards), shards))
        for number in range(readings):
            account, lines = bill.reading(number)
            publish(settings, encoded(codec, lines, shards))
            began = time.monotonic()
            publish(settings, encoded(codec, _closed(f"r{number}", bill.through, shards), shards))
            found.append(got.when(account) - began)
            time.sleep(max(0.0, began + _EVERY_SECONDS - time.monotonic()))
    return found


def _closed(reading: str, through: date, shards: int) -> list[ReadingClosed]:
    """Return the close of a reading that ends now; the day behind the last that it closes is still open."""
    now = datetime.now(UTC)
    first, last = through - timedelta(days=60), through + timedelta(days=1)
    return [
        replace(one, opened_at=now, closed_at=now, first_day=first, last_day=last, closed_through=through)
        for one in closes(reading, shards)
    ]


class Got:
    """What came to the receiver, and when."""

    def __init__(self) -> None:
        self.url = ""
        self._at: dict[str, float] = {}
        self._came = threading.Condition()

    def take(self, body: bytes) -> None:
        """Note the accounts of a message."""
        with self._came:
            for one in json.loads(body)["incidents"]:
                self._at.setdefault(parse_series(one["scope"]).account or "", time.monotonic())
            self._came.notify_all()

    def when(self, account: str) -> float:
        """Wait for an account, and return when it came.

        Raises
        ------
        TimeoutError
            When it does not.
        """
        with self._came:
            if not self._came.wait_for(lambda: account in self._at, _PATIENCE_SECONDS):
                raise TimeoutError(f"nobody was told of account {account}")
            return self._at[account]


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
def _services(settings: Settings, url: str, more: Mapping[str, str]) -> Iterator[None]:
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
            **more,
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
