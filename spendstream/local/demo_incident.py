"""The demo's incident: what goes wrong in the simulated organisation, and the message about it, in this terminal.

The alert and deliver services of the demo are the real ones. Their only receiver is a web server of the demo's own on
loopback, so that nothing leaves this machine.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from alerts.applied import apply
from alerts.rule_files import parse
from spendstream.clock import SystemClock
from spendstream.local.simulator import Incident, Organisation, Scope
from spendstream.settings import Settings

SIMULATED_SEED = 7
ACCOUNT, SERVICE = "100000333334", "Amazon Elastic Compute Cloud - Compute"
#: The rest of the demo reads two weeks, too few to learn what is usual: so a rule over totals finds it.
RULES = """
rules:
- id: sudden-rise
  description: a day that costs twice as much as the same weekday before
  kind: change
  where: {account: "*", service: "*"}
  window: day
  severities: {critical: {amount: 50, share: 1.0, need: both}}
"""
_DAYS_AGO, _SIZE = 4, 2.5


def organisation(at: datetime) -> Organisation:
    """Return the simulated organisation, in which instances were forgotten four days before `at`."""
    began = datetime.combine(at.date(), time(), UTC) - timedelta(days=_DAYS_AGO)
    forgotten = Incident("forgotten-instances", "step", began, Scope(ACCOUNT, service=SERVICE), _SIZE)
    return Organisation(seed=SIMULATED_SEED, incidents=[forgotten])


class Terminal:
    """The receiver: it keeps what it is told.

    Attributes
    ----------
    url
        Its address, on loopback.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._told: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def take(self, body: dict[str, Any]) -> None:
        """Keep a message."""
        with self._lock:
            self._told.append(body)

    @property
    def told(self) -> list[dict[str, Any]]:
        """The messages so far."""
        with self._lock:
            return list(self._told)


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Listen for messages."""
    receiver = Terminal("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def routing(url: str, folder: Path) -> dict[str, str]:
    """Write the routing file that tells the terminal, and it alone, of everything; return the setting that names it."""
    path = folder / "routing.yaml"
    receiver = {"name": "terminal", "channel": "webhook", "url": url}
    route = {"receiver": "terminal", "group_by": ["scope"], "group_wait": "1s"}
    # YAML holds JSON.
    path.write_text(json.dumps({"receivers": [receiver], "route": route}))
    return {"SPENDSTREAM_ALERTS__ROUTING": str(path)}


def apply_rules(settings: Settings) -> None:
    """Apply the demo's rule."""
    apply(settings, SystemClock(), parse(RULES, "the demo's rules"), "demo")


def show(console: Console, told: list[dict[str, Any]]) -> None:
    """Print the messages."""
    for message in told:
        for one in message["incidents"]:
            lines = [
                f"[bold red]{escape(one['title'])}[/]",
                escape(one["says"]),
                f"A day: +{_rounded(one['impact_per_day'])} {one['currency']}",
                f"Why now: {escape(one['reason'])}",
            ]
            what = f"incident {one['id']}, rule {', '.join(one['rules'])}"
            console.print(Panel("\n".join(lines), title="A message", subtitle=escape(what)))
    console.print(
        f"[dim]The incident is simulated: from {_DAYS_AGO} days ago on, {SERVICE} of account {ACCOUNT} costs "
        f"{_SIZE} times as much as it would. Rule, incident and message are the real services'; the only receiver is "
        "this terminal, and nothing was sent to anybody else.[/]"
    )


def _rounded(amount: str | None) -> str:
    whole, _, fraction = (amount or "0").partition(".")
    return f"{whole}.{fraction[:2]:0<2}"
