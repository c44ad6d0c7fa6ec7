"""Reports over a million lines: from the question to the finished mail, against the five seconds that are allowed.

A month divided by a tag is the dearest that a report can be: no day total tells it, so every line is read. By service,
totals have the answer.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

from alerts.reports.questions import Questions
from alerts.reports.report import Edition, Report
from alerts.reports.telling import note_of
from bench.api import fill
from bench.result import Result, compared
from sinks.clickhouse import connect
from sinks.migrate import migrate
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.local.kafka_apache import ApacheKafka
from spendstream.settings import Settings, load

_ALLOWED_MS = 5000.0
_NOW = datetime(2026, 2, 1, 8, tzinfo=UTC)
#: 100 lines each, 1,000 a day from the first of January on.
_STATEMENTS = 10_000
_LINES_EACH = 100


def run(_: ApacheKafka | None, *, small: bool = False) -> Iterator[Result]:
    """Yield the results; Kafka has no part in them."""
    statements, repeats = (200, 1) if small else (_STATEMENTS, 5)
    with LocalClickHouse() as server:
        settings = load(clickhouse={"url": server.url})
        migrate(settings.clickhouse)
        with connect(settings.clickhouse) as writer:
            fill(writer, statements)
        for by in ("service", "tag:team"):
            report = Report(id="bench", every="month", by=by, receivers=("nobody",))
            pairs = [(_milliseconds(settings, report), _ALLOWED_MS) for _ in range(repeats)]
            name = f"report of a month by {by}, {statements * _LINES_EACH:,} lines, against 5 s"
            yield compared(name, pairs, "ms", 1.0, at_most=True)


def _milliseconds(settings: Settings, report: Report) -> float:
    """Return how long a report takes, from nothing to what a channel is handed."""
    began = time.perf_counter()
    edition = Edition(report, report.period_of(date(2026, 1, 31)), None, report.receivers)
    figures = asyncio.run(Questions(settings).figures(report, edition.period, _NOW))
    note_of(edition, figures, "nobody", 0, _NOW, roomy=True)
    return (time.perf_counter() - began) * 1000
