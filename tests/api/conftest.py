"""One ClickHouse for all tests of the API; each serves a database of its own."""

from collections.abc import Iterator
from functools import partial

import pytest

from spendstream.local.clickhouse import LocalClickHouse
from tests.api.incidents import Served, incidents_served
from tests.api.serving import Serve, serving


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[LocalClickHouse]:
    with LocalClickHouse() as running:
        yield running
        running.kill()  # its data is thrown away: nothing needs to be brought to an end


@pytest.fixture(scope="session")
def incidents_api(clickhouse: LocalClickHouse) -> Iterator[Served]:
    """One API with incidents for all tests that write nothing to ClickHouse."""
    with incidents_served(clickhouse.url, "incidents") as running:
        yield running


@pytest.fixture
def api(incidents_api: Served) -> Served:
    """The same, with nothing sent so far; modules that need another one have their own fixture of this name."""
    incidents_api.noted.sent.clear()
    return incidents_api


@pytest.fixture
def serve(clickhouse: LocalClickHouse) -> Serve:
    return partial(serving, clickhouse.url)
