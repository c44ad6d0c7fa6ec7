"""`spendstream verify`: what it compares, and what it says of each difference. The bill is of two lines of 5 USD."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from processors.batch import BatchDriver
from processors.pipeline import steps
from schemas.events import ControlTotal, Event, ReadingClosed, SourceControl
from sinks.clickhouse import connect, insert
from sinks.rows import rows_of
from spendstream.cli import app
from spendstream.settings import ClickHouse, Settings
from spendstream.topics import CONTROLS
from spendstream.verify import verify
from tests.kafka_backends import Backend
from tests.processors.histories import NOW, closes, feed, statement
from tests.processors.workers import CODEC, publish

MARCH = SourceControl(
    source="cost_explorer", provider="AWS", billing_account="payer", control="month", first_day=date(2026, 3, 1),
    last_day=date(2026, 3, 31), currency="USD", billed=Decimal(10), effective=Decimal(10), estimated=False,
    read_at=NOW, version=1,
)  # fmt: skip


def closed(billed: int = 10, effective: int = 10, reading: str = "r1") -> list[ReadingClosed]:
    """The closes of a reading that says what its two lines cost."""
    total = ControlTotal(currency="USD", lines=2, billed=Decimal(billed), effective=Decimal(effective))
    return [replace(close, totals=[total]) for close in closes(reading)]


BILL: list[Event] = [
    statement("EC2", 1, [("us-east-1", "BoxUsage", 5)]),
    statement("S3", 1, [("us-east-1", "Storage", 5)]),
]


@pytest.fixture
def settings(embedded_kafka: Backend, tables: ClickHouse) -> Settings:
    return embedded_kafka.settings(clickhouse=tables)


def record(settings: Settings, events: Sequence[Event], *, stored: Sequence[Event] | None = None) -> None:
    """Publish a history, and store what the steps make of it; `stored` is what ClickHouse has of the history itself."""
    publish(settings, events)
    outputs: list[Event] = []
    feed(BatchDriver(steps(settings), lambda output: outputs.append(output.event)), events)
    with connect(settings.clickhouse) as client:
        for event in [*(events if stored is None else stored), *outputs]:
            for batch in rows_of(event):
                insert(client, batch.table, batch.columns, batch.rows)


def tell(settings: Settings, control: SourceControl) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap})
    producer.produce(settings.kafka.topics.name(CONTROLS), CODEC.encode(control), b"k", 0)
    assert producer.flush(10) == 0


def test_where_all_is_well_it_says_what_it_compared(settings: Settings):
    record(settings, [*BILL, *closed()])
    tell(settings, MARCH)
    report = verify(settings)
    assert report.differences == []
    assert (report.statements, report.lines, report.readings, report.controls) == (2, 2, 1, 1)
    assert "sources, Kafka and ClickHouse agree" in report.text()


def test_a_statement_that_clickhouse_does_not_have_is_named(settings: Settings):
    record(settings, [*BILL, *closed()], stored=[BILL[0], *closed()])
    (difference,) = verify(settings).differences
    assert difference.startswith("cost_explorer/AWS/payer/2026-03-01/111/S3/USD/2026-03-09/: Kafka (1, 1, ")
    assert difference.endswith("ClickHouse None")


def test_a_control_total_that_the_statements_do_not_reach_is_told_with_both(settings: Settings):
    record(settings, [*BILL, *closed(effective=11)])
    (difference,) = verify(settings).differences
    assert difference == (
        "reading r1 of cost_explorer/AWS/payer: its control total is 2 lines, 10 / 11 USD (billed / effective), its "
        "statements hold 2 lines, 10 / 10 USD (billed / effective)"
    )


def test_what_an_open_reading_has_brought_is_not_held_against_the_closed_one(settings: Settings):
    newer = replace(statement("EC2", 2, [("us-east-1", "BoxUsage", 7)], reading="r2"), read_at=NOW + timedelta(hours=1))
    record(settings, [*BILL, *closed(), newer])
    assert not [text for text in verify(settings).differences if text.startswith("reading")]


def test_a_close_that_clickhouse_does_not_have_is_named(settings: Settings):
    record(settings, [*BILL, *closed()], stored=BILL)
    assert verify(settings).differences == [
        "reading r1 of cost_explorer/AWS/payer: the last that closed in ClickHouse is None"
    ]


def test_another_control_total_in_clickhouse_is_named(settings: Settings):
    record(settings, [*BILL, *closed()], stored=[*BILL, *closed(billed=9)])
    assert verify(settings).differences == [
        "reading r1 of cost_explorer/AWS/payer: ClickHouse holds another control total of it"
    ]


def test_another_time_of_the_close_in_clickhouse_is_told_with_both(settings: Settings):
    later = [replace(close, closed_at=close.closed_at + timedelta(milliseconds=1)) for close in closed()]
    record(settings, [*BILL, *closed()], stored=[*BILL, *later])
    (difference,) = verify(settings).differences
    then, now = closed()[0].closed_at, later[0].closed_at
    assert difference.endswith(f"closed at {then} in Kafka, at {now} in ClickHouse")


def test_a_final_month_of_the_source_is_held_against_its_days_to_the_cent(settings: Settings):
    record(settings, [*BILL, *closed()])
    tell(settings, replace(MARCH, billed=Decimal("10.009"), effective=Decimal("10.01")))
    (difference,) = verify(settings).differences
    assert difference == (
        "cost_explorer says that the month from 2026-03-01 cost payer 10.01 USD effective; its statements hold 10: "
        "read these days again"
    )


@pytest.mark.parametrize(
    "change",
    [{"estimated": True}, {"control": "forecast"}, {"control": "year", "first_day": date(2026, 1, 1)}],
    ids=["not final", "a forecast", "not wholly read"],
)
def test_what_cannot_be_compared_is_not(settings: Settings, change: dict[str, object]):
    record(settings, [*BILL, *closed()])
    tell(settings, replace(MARCH, billed=Decimal(99), **change))  # type: ignore[arg-type]
    report = verify(settings)
    assert (report.differences, report.controls) == ([], 0)


@pytest.mark.parametrize(("effective", "status"), [(10, 0), (11, 1)])
def test_the_command_ends_with_1_when_something_differs(settings: Settings, monkeypatch, effective: int, status: int):
    record(settings, [*BILL, *closed(effective=effective)])
    monkeypatch.setenv("SPENDSTREAM_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("SPENDSTREAM_KAFKA__PREFIX", settings.kafka.prefix)
    monkeypatch.setenv("SPENDSTREAM_CLICKHOUSE__URL", settings.clickhouse.url)
    monkeypatch.setenv("SPENDSTREAM_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    done = CliRunner().invoke(app, ["verify"])
    assert done.exit_code == status, done.output
    assert ("agree" if status == 0 else "its control total is") in done.output
