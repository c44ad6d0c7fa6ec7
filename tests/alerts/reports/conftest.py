"""One ClickHouse for all tests of reports; each has a database of its own."""

from collections.abc import Iterator
from itertools import count

import pytest

from sinks.migrate import migrate
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.settings import Settings
from tests.kafka_backends import Backend

_NUMBERS = count()


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[LocalClickHouse]:
    with LocalClickHouse() as running:
        yield running
        running.kill()  # its data is thrown away: nothing needs to be brought to an end


@pytest.fixture
def bare(embedded_kafka: Backend, clickhouse: LocalClickHouse, tmp_path) -> Settings:
    """Settings of a deployment whose ClickHouse has no tables yet."""
    return embedded_kafka.settings(
        clickhouse={"url": clickhouse.url, "database": f"reports{next(_NUMBERS)}"},
        alerts={"routing": tmp_path / "routing.yaml"},
        ledger={"tags": ("team",)},
        cost_explorer={"view_tags": ("stage",)},
    )


@pytest.fixture
def settings(bare: Settings) -> Settings:
    migrate(bare.clickhouse)
    return bare
