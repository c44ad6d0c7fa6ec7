"""One ClickHouse for all tests of reports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.clickhouse import connect
from sinks.migrate import migrate
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.settings import ClickHouse, Settings, load
from tests.kafka_backends import Backend

#: What tests of reports fill.
_FILLED = (
    "statements", "statement_history", "totals", "hour_totals", "rolling_totals", "readings", "announcements",
    "incidents", "rules", "forecasts",
)  # fmt: skip


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[LocalClickHouse]:
    with LocalClickHouse() as running:
        yield running
        running.kill()  # its data is thrown away: nothing needs to be brought to an end


@pytest.fixture(scope="session")
def tables(clickhouse: LocalClickHouse) -> ClickHouse:
    """A database with all tables, which tests share: each begins with empty ones."""
    made = load(clickhouse={"url": clickhouse.url, "database": "reports"}).clickhouse
    migrate(made)
    return made


@pytest.fixture
def settings(embedded_kafka: Backend, tables: ClickHouse, tmp_path) -> Settings:
    with connect(tables) as client:
        for name in _FILLED:
            client.command(f"TRUNCATE TABLE {name}")
    return _settings(embedded_kafka, tables.url, tables.database, tmp_path)


@pytest.fixture
def bare(embedded_kafka: Backend, clickhouse: LocalClickHouse, tmp_path) -> Settings:
    """Settings of a deployment whose ClickHouse has no tables yet."""
    return _settings(embedded_kafka, clickhouse.url, "reports_later", tmp_path)


def _settings(kafka: Backend, url: str, database: str, folder: Path) -> Settings:
    return kafka.settings(
        clickhouse={"url": url, "database": database},
        alerts={"routing": folder / "routing.yaml"},
        ledger={"tags": ("team",)},
        cost_explorer={"view_tags": ("stage",)},
        detection={"enabled": False},
    )
