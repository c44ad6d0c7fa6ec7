"""ClickHouse as the sink sees it: an HTTP address that takes rows and statements."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import clickhouse_connect
import cramjam
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.native import block
from spendstream.settings import ClickHouse, ConfigurationError

#: Said with every insert: nothing is written later than the answer says, and no row is dropped for looking familiar.
INSERT_SETTINGS = {"async_insert": 0, "insert_deduplicate": 0}


def connect(settings: ClickHouse, *, reader: bool = False, database: bool = True) -> Client:
    """Return a client.

    Parameters
    ----------
    reader
        As the user that can only read.
    database
        In the deployment's database; else in the server's default, to create it.

    Raises
    ------
    ConfigurationError
        When nothing answers, or the user is refused.
    """
    secret = settings.reader_password if reader else settings.password
    try:
        client: Client = clickhouse_connect.get_client(
            dsn=settings.url,
            username=settings.reader_user if reader else settings.user,
            password=secret.get_secret_value(),
            database=settings.database if database else "default",
            autogenerate_session_id=False,
            send_receive_timeout=60,
        )
    except ClickHouseError as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"ClickHouse at {settings.url} cannot be used: {first_line}; check SPENDSTREAM_CLICKHOUSE__URL, __USER and "
            "__PASSWORD, and run `spendstream migrate` once"
        ) from None
    return client


def insert(client: Client, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, and return when ClickHouse has them; amounts may be integers of 10⁻¹⁸, days numbers since 1970.

    Raises
    ------
    UnstorableError
        When a value does not fit its column. Nothing is inserted then.
    """
    if rows:
        send(client, table, columns, pack(client, table, columns, rows))


def pack(client: Client, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows as `send` takes them; good for every table that has the same columns."""
    return bytes(cramjam.lz4.compress(block(columns, _types(client, table), rows)))


def send(client: Client, table: str, columns: Sequence[str], data: bytes) -> None:
    """Insert what `pack` has made, and return when ClickHouse has it."""
    try:
        client.raw_insert(table, list(columns), data, INSERT_SETTINGS, "Native", "lz4")
    except ClickHouseError:
        # The table may have changed since it was asked about; the next try asks again.
        _TYPES.pop(client, None)
        raise


def _types(client: Client, table: str) -> dict[str, str]:
    """Return the types of a table's columns, asked for once."""
    known = _TYPES.setdefault(client, {})
    if table not in known:
        known[table] = {row[0]: row[1] for row in client.query(f"DESCRIBE TABLE {table}").result_rows}
    return known[table]


_TYPES: WeakKeyDictionary[Client, dict[str, dict[str, str]]] = WeakKeyDictionary()
