"""The sink's benchmark: both sides store the same rows, and it says so when they do not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bench import sink
from sinks.clickhouse import connect


@pytest.fixture(scope="module")
def server(clickhouse):
    return clickhouse


def lines(settings, table="lines"):
    with connect(settings.clickhouse, reader=True) as client:
        return client.query(f"SELECT * EXCEPT version FROM {table} ORDER BY ALL").result_rows


@pytest.mark.slow
def test_both_sides_store_the_same_lines(embedded_kafka, server):
    work = sink.statement_load(40)
    ours, other = (
        sink.database(embedded_kafka.settings().kafka, server),
        sink.database(embedded_kafka.settings().kafka, server),
    )
    assert sink.sink(ours, work) > 0
    assert sink.bare_loop(other, work) > 0
    assert lines(ours) == lines(other)
    assert len(lines(ours)) == work.rows == 4000


@pytest.mark.slow
def test_both_sides_store_the_same_totals(embedded_kafka, server):
    work = sink.total_load(40, readings=2)
    ours, other = (
        sink.database(embedded_kafka.settings().kafka, server),
        sink.database(embedded_kafka.settings().kafka, server),
    )
    sink.sink(ours, work)
    sink.bare_loop(other, work)
    for table in ("totals FINAL", "rolling_totals FINAL"):
        assert lines(ours, table) == lines(other, table) != []


def test_a_wrong_sum_is_noticed(embedded_kafka, server):
    work = replace(sink.statement_load(2), effective=Decimal(1))
    with pytest.raises(AssertionError, match="ClickHouse holds"):
        sink.bare_loop(sink.database(embedded_kafka.settings().kafka, server), work)
