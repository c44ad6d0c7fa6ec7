"""ClickHouse as the API sees it: it is asked, in threads, as the user that can only read."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from api.problems import Problem
from sinks.clickhouse import connect
from spendstream.settings import ConfigurationError, Settings

_SECONDS = 30
#: ClickHouse's codes of a question that takes too long, or too much memory.
_TOO_MUCH = {159, 160, 241, 307, 396}
_CODE = re.compile(r"\bcode:? (\d+)", re.IGNORECASE)


class Database:
    """Asks ClickHouse."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """Return the rows of a query.

        Raises
        ------
        Problem
            503, when ClickHouse does not answer, or not within 30 s; 500, when it cannot read the question.
        """
        return await asyncio.to_thread(self._rows, sql, dict(values or {}))

    def _rows(self, sql: str, values: dict[str, Any]) -> list[list[Any]]:
        try:
            if self._client is None:
                self._client = connect(self._settings.clickhouse, reader=True)
            found = self._client.query(sql, values, settings={"max_execution_time": _SECONDS}).result_rows
        except (OperationalError, ConfigurationError, OSError) as error:
            self._client = None
            raise Problem(503, "ClickHouse does not answer", "try again in a moment") from error
        except ClickHouseError as error:
            raise _failed(str(error)) from error
        return [list(row) for row in found]


def _failed(said: str) -> Problem:
    code = _CODE.search(said)
    if code is not None and int(code[1]) in _TOO_MUCH:
        return Problem(503, "too much to read", "shorten the period, or filter by service or account")
    return Problem(500, "the query failed", said.splitlines()[0] if said else "ClickHouse did not say why")
