"""`spendstream demo`: real bills and a simulated incident through all services, inside one terminal."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import as_file, files
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from producers.runner import read_once
from sinks.clickhouse import connect
from sinks.migrate import migrate
from spendstream.local.demo_incident import Terminal, apply_rules, organisation, routing, show, terminal
from spendstream.local.simulator import SimulatedAWS, SimulatedClock
from spendstream.local.stack import LocalStack, touch_topics
from spendstream.settings import Settings, load
from spendstream.supervise import Services
from spendstream.verify import Report, verify

#: Billing account of the simulated organisation.
SIMULATED_PAYER = "100000000000"
_PATIENCE_SECONDS = 120


def run(*, once: bool, as_json: bool) -> int:
    """Show the main job; return the exit status."""
    console = Console(stderr=as_json)
    began = time.monotonic()
    bills = files("spendstream.local") / "data" / "focus" / "focus_sample.csv"
    with as_file(bills) as path, LocalStack() as stack, _simulated_aws(moving=not once) as aws, terminal() as receiver:
        exports = [{"name": "sample", "path": str(path)}]
        os.environ.update(stack.environment, SPENDSTREAM_FOCUS=json.dumps(exports), **_simulated_settings(aws))
        os.environ.update(routing(receiver.url, stack.folder))
        settings = load()
        touch_topics(settings)
        # The worker takes longest to start, and needs no ClickHouse.
        with Services(["process"], {}, None) as services:
            stack.start_clickhouse()
            migrate(settings.clickhouse)
            console.print("[dim]Kafka and ClickHouse are up; starting the services …[/dim]")
            services.start("sink")
            services.start("api")
            reports = read_once(settings)
            bills_read, simulated, *_ = reports
            console.print(
                f"[dim]{bills_read.lines} lines of real bills of AWS, Microsoft and Oracle, and {simulated.lines} of "
                "the simulated organisation's Cost Explorer, are in Kafka …[/dim]"
            )
            # They look at what the worker is about to announce, and start while it works.
            apply_rules(settings)
            services.start("alert")
            services.start("deliver")
            report = _agreed(services, settings, sum(one.readings for one in reports))
            address = f"http://127.0.0.1:{settings.api.port}"
            answer = _answer(services, address, group_by="provider,service", granularity="total")
            accounts = _ask(address, group_by="provider,account", granularity="total")
            freshness = json.load(urlopen(f"{address}/v1/freshness", timeout=10))  # noqa: S310 - our own address
            seconds = round(time.monotonic() - began, 1)
            if not as_json:
                _show(console, answer, accounts, freshness, address, seconds)
                console.print("[dim]And the rules have looked at it …[/dim]")
            told = _told(services, receiver)
            if as_json:
                _print_json(answer, reports, report, seconds, aws.clock.now(), told)
            else:
                show(console, told)
                console.print(f"From start to the message: {time.monotonic() - began:.0f} s")
            if not once:
                console.print("ctrl-C ends it")
                _wait()
    return 0


def _simulated_aws(*, moving: bool) -> SimulatedAWS:
    """An AWS that begins at the real time, so that its bill reaches until today."""
    now = datetime.now(UTC)
    return SimulatedAWS(organisation(now), SimulatedClock(now, speed=1 if moving else 0))


def _simulated_settings(aws: SimulatedAWS) -> dict[str, str]:
    return {
        "SPENDSTREAM_AWS__ENDPOINT_URL": aws.url,
        "SPENDSTREAM_AWS__PAYERS": json.dumps([{"account": SIMULATED_PAYER}]),
        "SPENDSTREAM_COST_EXPLORER__ENABLED": "true",
        "SPENDSTREAM_BUDGET__USD_PER_DAY": "5",
        # The simulator takes any credentials; real ones must not reach it.
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
    }


def _agreed(services: Services, settings: Settings, readings: int) -> Report:
    """Wait until source, Kafka and ClickHouse agree.

    To compare all takes a processor that the worker needs, so it is done once everything has been announced.
    """
    with connect(settings.clickhouse, reader=True) as client:
        for _ in _attempts(services):
            [(announced,)] = client.query("SELECT count() FROM announcements FINAL").result_rows
            if announced == readings * settings.kafka.shards:
                break
    for _ in _attempts(services):
        report = verify(settings)
        if report.agrees and report.statements:
            return report
    raise OSError(f"Kafka and ClickHouse did not agree within {_PATIENCE_SECONDS} s: {report.text()}")


def _answer(services: Services, address: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
    """Wait until the API answers."""
    for _ in _attempts(services):
        with suppress(URLError, ConnectionError, TimeoutError):
            return _ask(address, **parameters)
    raise OSError(f"{address} did not answer within {_PATIENCE_SECONDS} s")


def _told(services: Services, receiver: Terminal) -> list[dict[str, Any]]:
    """Wait until the terminal is told of the incident."""
    for _ in _attempts(services):
        if receiver.told:
            return receiver.told
    raise OSError(f"no message came within {_PATIENCE_SECONDS} s")


def _ask(address: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
    query = urlencode({"from": "2000-01-01", "to": "2039-12-31", "measure": "billed", **parameters})
    return json.load(urlopen(f"{address}/v1/costs?{query}", timeout=10))  # noqa: S310 - our own address


def _attempts(services: Services) -> Iterator[None]:
    """Yield at every attempt, as long as patience lasts and all services run."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        for name, (status, last) in services.ended().items():
            raise OSError(f"{name} ended with status {status}; its last lines:\n{last}")
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(0.3)


def _print_json(
    answer: Any,  # noqa: ANN401 - JSON
    reports: list[Any],
    report: Report,
    seconds: float,
    at: datetime,
    told: list[dict[str, Any]],
) -> None:
    totals: dict[str, dict[str, str]] = {}
    for row in answer["rows"]:
        totals.setdefault(row["provider"], {})[row["service"]] = row["cost"]
    document = {
        "measure": "billed",
        "totals": totals,
        "statements": report.statements,
        "lines": report.lines,
        "readings": sum(one.readings for one in reports),
        "dead_letters": sum(one.dead_letters for one in reports),
        "simulated_at": at.isoformat(),
        "seconds": seconds,
        "messages": told,
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _show(console: Console, answer: Any, accounts: Any, freshness: Any, address: str, seconds: float) -> None:  # noqa: ANN401
    for title, name, rows in (("by service", "service", answer["rows"]), ("by account", "account", accounts["rows"])):
        table = Table("provider", name, "billed", "", title=f"Spend {title} (the ten largest of {len(rows)})")
        for row in sorted(rows, key=lambda row: -float(row["cost"]))[:10]:
            table.add_row(row["provider"], row[name], row["cost"], row["currency"])
        console.print(table)
    table = Table("source", "provider", "billing account", "read at", "through", title="Freshness")
    for row in freshness["rows"]:
        read_at = row["last_closed"][:19].replace("T", " ")
        table.add_row(row["source"], row["provider"], row["billing_account"], read_at, row["closed_through"])
    console.print(table)
    console.print(f"The API answers on {address}/docs — from start to figures in {seconds} s")


def _wait() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
