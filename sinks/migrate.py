"""Numbered SQL migrations: applied once, in order, and recorded with their checksum."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from clickhouse_connect.driver.client import Client

from sinks.clickhouse import connect
from spendstream.settings import ClickHouse, ConfigurationError

_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sinks/migrations`."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Hash of the text as it stands in the repository."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self, settings: ClickHouse) -> list[str]:
        """Return its statements for a deployment: with replicated engines on a cluster, else plain ones."""
        engine = "ReplicatedReplacingMergeTree" if settings.cluster else "ReplacingMergeTree"
        text = re.sub(r"^\s*--.*$", "", self.sql, flags=re.MULTILINE)
        text = text.replace("{engine}", engine).replace("{on_cluster}", on_cluster(settings))
        text = text.replace("{history_days}", str(settings.history_days))
        return [statement.strip() for statement in text.split(";") if statement.strip()]


def on_cluster(settings: ClickHouse) -> str:
    """Return the clause that makes a statement run on all of a cluster; empty on a single server."""
    return f"ON CLUSTER {_identifier(settings.cluster, 'cluster')}" if settings.cluster else ""


def _identifier(name: str, setting: str) -> str:
    if not _IDENTIFIER.match(name):
        raise ConfigurationError(f"clickhouse.{setting} is {name!r}: use letters, digits and underscores")
    return name


def migrations() -> list[Migration]:
    """Return all migrations, in order."""
    folder = files("sinks") / "migrations"
    found = sorted(path.name for path in folder.iterdir() if path.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, (folder / name).read_text()) for name in found]


def migrate(settings: ClickHouse) -> list[str]:
    """Bring the database up to date, and return the names of the migrations that were applied.

    Raises
    ------
    ConfigurationError
        When ClickHouse cannot be used, or an applied migration was changed afterwards.
    """
    database = _identifier(settings.database, "database")
    with connect(settings, database=False) as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {database} {on_cluster(settings)}")
    with connect(settings) as client:
        engine = "ReplicatedReplacingMergeTree" if settings.cluster else "ReplacingMergeTree"
        client.command(
            f"CREATE TABLE IF NOT EXISTS migrations {on_cluster(settings)} (number UInt32, name String, "
            f"checksum String, applied_at DateTime DEFAULT now()) ENGINE = {engine} ORDER BY number"
        )
        return [migration.name for migration in migrations() if _apply(client, settings, migration)]


def _apply(client: Client, settings: ClickHouse, migration: Migration) -> bool:
    known = client.query(
        "SELECT checksum FROM migrations FINAL WHERE number = {number:UInt32}", {"number": migration.number}
    ).result_rows
    if known:
        if known[0][0] != migration.checksum:
            raise ConfigurationError(
                f"migration {migration.name} was applied and has changed since: restore its text, and put the change "
                "into a new migration"
            )
        return False
    for statement in migration.statements(settings):
        client.command(statement)
    client.insert(
        "migrations", [[migration.number, migration.name, migration.checksum]], ["number", "name", "checksum"]
    )
    return True
