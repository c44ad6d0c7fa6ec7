"""The receivers of the drill of alerting, and what their own count shows to be wrong."""

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

RECEIVERS = ("first", "second")

#: What a receiver took: (receiver, scope of the incident, its state) → ids of the messages, in their order.
Taken = dict[tuple[str, str, str], list[str]]


class Receivers:
    """The receivers: slow, sometimes in trouble, and the only ones who count.

    Attributes
    ----------
    messages, refused
        How many they took, and how many they answered with 503.
    doubted
        By receiver, how many they took and answered with 504, as if they had not.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"receivers of {seed}")  # noqa: S311 - a drill, not a secret
        self._lock = threading.Lock()
        self._taken: Taken = defaultdict(list)
        self.messages = 0
        self.refused = 0
        self.doubted: Counter[str] = Counter()
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                # Whoever called may be killed at any moment.
                with suppress(ConnectionError):
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seconds, status = receivers.take(self.path.strip("/"), json.loads(body))
                time.sleep(seconds)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Their address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, receiver: str, body: Mapping[str, object]) -> tuple[float, int]:
        """Count a message; return after how many seconds to answer, and how."""
        with self._lock:
            seconds = self._chance.uniform(0.0, 0.3)
            if self._chance.random() < 0.1:  # noqa: PLR2004 - one of ten
                self.refused += 1
                return seconds, 503
            self.messages += 1
            incidents = body["incidents"]
            for one in incidents if isinstance(incidents, list) else []:
                self._taken[receiver, one["scope"], one["state"]].append(str(body["id"]))
            if self._chance.random() < 0.1:  # noqa: PLR2004 - one of ten
                self.doubted[receiver] += 1
                return seconds, 504
            return seconds, 200

    @property
    def taken(self) -> Taken:
        """What they took so far."""
        with self._lock:
            return {key: list(ids) for key, ids in self._taken.items()}


def faults_of(taken: Taken, begun: set[str], ended: set[str], may_repeat: Mapping[str, int]) -> list[str]:
    """Return what the receivers' own count shows to be wrong.

    Parameters
    ----------
    begun, ended
        Series of the causes that began, and of those that ended.
    may_repeat
        By receiver, how many messages may come again: one for each kill of delivery, one for each answer of 504.
    """
    faults = []
    repeats: Counter[str] = Counter()
    for receiver in RECEIVERS:
        for state, scopes in (("firing", begun), ("resolved", ended)):
            for scope in sorted(scopes):
                ids = taken.get((receiver, scope, state), [])
                if not ids:
                    faults.append(f"{receiver} was never told that {scope} is {state}")
                if len(set(ids)) > 1:
                    faults.append(f"{receiver} was told {len(set(ids))} times that {scope} is {state}")
                repeats[receiver] += max(0, len(ids) - 1)
    faults += [
        f"{receiver} got {count} messages again, and there were reasons for {may_repeat[receiver]}"
        for receiver, count in repeats.items()
        if count > may_repeat[receiver]
    ]
    strange = {scope for _, scope, _ in taken if not scope.startswith("receiver ")} - begun
    return faults + [f"an incident about {scope}, of which nothing is known" for scope in sorted(strange)]
