"""Reports over a million lines: from the question to the finished mail, against the five seconds that are allowed.

A month divided by a tag is the dearest that a report can be: no day total tells it, so every line is read. By service,
totals have the answer.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

from alerts.reports.figures import Figures
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
        for by, each in (("service", None), ("tag:team", None), ("service", "tag:team")):
            report = Report(id="bench", every="month", by=by, for_each=each, receivers=("nobody",))
            pairs = [(_milliseconds(settings, report), _ALLOWED_MS) for _ in range(repeats)]
            what = f"report of a month by {by}" if each is None else f"a report of a month for each {each}"
            name = f"{what}, {statements * _LINES_EACH:,} lines, against 5 s"
            yield compared(name, pairs, "ms", 1.0, at_most=True)


def _milliseconds(settings: Settings, report: Report) -> float:
    """Return how long a report, or all that are made for each of something, takes from nothing to the channels."""
    period = report.period_of(date(2026, 1, 31))
    began = time.perf_counter()
    questions = Questions(settings)
    found: dict[str | None, Figures] = {}
    if report.for_each is None:
        found[None] = asyncio.run(questions.figures(report, period, _NOW))
    else:
        found.update(asyncio.run(questions.each(report, period, _NOW)))
    for value, figures in found.items():
        edition = Edition(figures.report, period, value, report.receivers)
        note_of(edition, figures, "nobody", 0, _NOW, roomy=True)
    return (time.perf_counter() - began) * 1000
