"""The API before ClickHouse."""

from collections.abc import Iterator
from functools import partial

import pytest

from spendstream.local.clickhouse import LocalClickHouse
from spendstream.settings import ClickHouse
from tests.api.incidents import Served, incidents_served
from tests.api.serving import Serve, serving
from tests.clickhouse_backend import database


@pytest.fixture(scope="session")
def incidents_api(clickhouse: LocalClickHouse) -> Iterator[Served]:
    """One API with incidents for all tests that write nothing to ClickHouse."""
    with incidents_served(database(clickhouse)) as running:
        yield running


@pytest.fixture
def api(incidents_api: Served) -> Served:
    """The same, with nothing sent so far; modules that need another one have their own fixture of this name."""
    incidents_api.noted.sent.clear()
    return incidents_api


@pytest.fixture
def serve(tables: ClickHouse) -> Serve:
    return partial(serving, tables)
