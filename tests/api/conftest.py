"""One ClickHouse for all tests of the API; each serves a database of its own."""

from collections.abc import Iterator
from functools import partial

import pytest

from spendstream.local.clickhouse import LocalClickHouse
from tests.api.serving import Serve, serving


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[LocalClickHouse]:
    with LocalClickHouse() as running:
        yield running
        running.kill()  # its data is thrown away: nothing needs to be brought to an end


@pytest.fixture
def serve(clickhouse: LocalClickHouse) -> Serve:
    return partial(serving, clickhouse.url)
