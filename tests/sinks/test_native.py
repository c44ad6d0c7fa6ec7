"""Native blocks: what ClickHouse reads of them is what was given."""

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from sinks.clickhouse import connect, insert
from sinks.native import UnstorableError, block
from spendstream.settings import ClickHouse

NUMBERS = itertools.count()
AT = datetime(2026, 3, 10, 12, 30, 15, 250_000, tzinfo=UTC)
#: The client gives UTC back without saying so.
READ = AT.replace(tzinfo=None)
HALF = 5 * 10**17


@pytest.fixture(scope="module")
def client(clickhouse):
    with connect(ClickHouse(url=clickhouse.url), database=False) as client:
        yield client


def stored(client, kind, values, read="value"):
    """Insert values of a type, in their order, and return what ClickHouse gives back, as `read` says."""
    table = f"native_{next(NUMBERS)}"
    client.command(f"CREATE TABLE {table} (n UInt32, value {kind}) ENGINE = MergeTree ORDER BY n")
    insert(client, table, ("n", "value"), list(enumerate(values)))
    return [row[0] for row in client.query(f"SELECT {read} FROM {table} ORDER BY n").result_rows]


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("Decimal(38, 18)", [HALF, -HALF, 0, Decimal("1.25")], [Decimal("0.5"), Decimal("-0.5"), 0, Decimal("1.25")]),
        ("Array(Nullable(Decimal(38, 18)))", [[HALF, None], []], [[Decimal("0.5"), None], []]),
        ("String", ["", "Zürich", "a" * 300, b"raw"], ["", "Zürich", "a" * 300, "raw"]),
        ("Array(String)", [["a", ""], [], ["a"]], [["a", ""], [], ["a"]]),
        ("LowCardinality(String)", ["b", "a", "b", ""], ["b", "a", "b", ""]),
        ("Array(LowCardinality(String))", [[], ["x", "y", "x"]], [[], ["x", "y", "x"]]),
        ("Array(LowCardinality(String))", [[], []], [[], []]),
        ("Array(Map(LowCardinality(String), String))", [[{"k": "v", "l": ""}, {}], []], [[{"k": "v", "l": ""}, {}], []]),  # noqa: E501
        ("Date", [date(2026, 3, 1), 0], [date(2026, 3, 1), date(1970, 1, 1)]),
        ("Nullable(Date32)", [date(1969, 12, 31), None], [date(1969, 12, 31), None]),
        ("Array(Date)", [[1, 2], []], [[date(1970, 1, 2), date(1970, 1, 3)], []]),
        ("DateTime64(3, 'UTC')", [AT, AT], [READ, READ]),
        ("Nullable(DateTime64(3, 'UTC'))", [None, AT], [None, READ]),
        ("Bool", [True, False], [True, False]),
        ("Array(Int8)", [[-1, 23], []], [[-1, 23], []]),
        ("UInt64", [2**63 + 1, 0], [2**63 + 1, 0]),
        ("Float64", [0.5, -1.0], [0.5, -1.0]),
    ],
)  # fmt: skip
def test_what_is_given_is_what_is_read(client, kind, given, read):
    assert stored(client, kind, given) == read


def test_the_largest_amounts_are_exact(client):
    nines = "9" * 20 + "." + "9" * 18
    assert stored(client, "Decimal(38, 18)", [10**38 - 1, 1 - 10**38], "toString(value)") == [nines, f"-{nines}"]


@pytest.mark.parametrize("distinct", [256, 257, 65_537])
def test_a_dictionary_of_any_size(client, distinct):
    values = [f"v{number}" for number in range(distinct)]
    assert stored(client, "LowCardinality(String)", values) == values


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("Decimal(38, 18)", 10**38, "more than 38 digits"),
        ("Decimal(38, 18)", Decimal("1e-19"), "finer than"),
        ("Date", date(1969, 12, 31), "value"),
        ("UInt32", -1, "value"),
        ("UInt32", None, "value"),
        ("String", "\ud800", "value"),
        ("Tuple(String)", ("a",), r"type Tuple\(String\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind, value, why):
    with pytest.raises(UnstorableError, match=f"{why}|value .*cannot hold"):
        block(("value",), {"value": kind}, [(value,)])


def test_a_column_that_the_table_lacks_is_named():
    with pytest.raises(UnstorableError, match=r"no column colour.*spendstream migrate"):
        block(("colour",), {"value": "String"}, [("red",)])
