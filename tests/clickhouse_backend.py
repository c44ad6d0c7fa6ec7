"""ClickHouse for tests: one engine for all of a test process, and one database with all tables, emptied for each test.

To make the tables takes far longer than to empty the few that a test has filled. A test that changes the engine itself,
its users, its folder, its life, starts one of its own.
"""

import uuid
from collections.abc import Iterator

import pytest

from sinks.clickhouse import connect
from sinks.migrate import migrate
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.settings import ClickHouse, load


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[LocalClickHouse]:
    """One engine for all."""
    with LocalClickHouse() as running:
        yield running
        running.kill()  # its data is thrown away: nothing needs to be brought to an end


def database(clickhouse: LocalClickHouse) -> ClickHouse:
    """Return settings for a database of one's own, whose tables are not there yet."""
    return load(clickhouse={"url": clickhouse.url, "database": f"t{uuid.uuid4().hex[:8]}"}).clickhouse


@pytest.fixture(scope="module")
def own_tables(clickhouse: LocalClickHouse) -> ClickHouse:
    """A database with all tables for a module that fills them once."""
    made = database(clickhouse)
    migrate(made)
    return made


@pytest.fixture(scope="session")
def _shared(clickhouse: LocalClickHouse) -> ClickHouse:
    made = database(clickhouse)
    migrate(made)
    return made


@pytest.fixture
def tables(_shared: ClickHouse) -> ClickHouse:
    """A database with all tables, empty."""
    empty(_shared)
    return _shared


def empty(settings: ClickHouse) -> None:
    """Take all rows from a database; which migrations were applied stays known."""
    filled = (
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name != 'migrations'"
    )
    with connect(settings) as client:
        for (name,) in client.query(filled).result_rows:
            client.command(f"TRUNCATE TABLE {name}")
