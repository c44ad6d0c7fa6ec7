"""The ClickHouse engine inside this process: its rights, its statements, its results.

The engine runs every statement as one user of its own, whose rights are written in its users file: it may work on
tables, and may not reach files, other machines or programs. A reader's connection is in addition put into the
engine's read-only mode before its statement runs, which the statement cannot leave. What a statement is, is asked of
the engine's own parser, never of a regular expression.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast
from xml.sax.saxutils import escape

import chdb
from chdb import ChdbError
from chdb.state.sqlitelike import Connection, StreamingResult

READONLY = 164
_STREAMED = {"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow", "TabSeparatedRaw", "TSVRaw"}
_READING = ("Select", "Show", "Describe", "Exists", "Explain", "UseQuery")
_INSERT_PIECE = 1 << 20
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_SETTING_NAME = re.compile(r"\w+", re.ASCII)
_RIGHTS = (
    (
        "GRANT SELECT, SHOW, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, "
        "CREATE TEMPORARY TABLE, DROP, TRUNCATE, OPTIMIZE, SYSTEM, KILL QUERY, dictGet ON *.*"
    ),
    "GRANT TABLE ENGINE ON *",
)
# What stands before an INSERT's own data. Quoted text and comments are stepped over.
_INSERT_HEAD = re.compile(
    rb"'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\"(?:\\.|[^\"\\])*\"|--[^\n]*|/\*.*?\*/"
    rb"|\b(?P<end>FORMAT\s+\w+[ \t]*;?\r?\n?|VALUES\b|SELECT\b|WITH\b)",
    re.IGNORECASE | re.DOTALL,
)
_IS_INSERT = re.compile(rb"\s*(?:(?:--[^\n]*\n|/\*.*?\*/)\s*)*INSERT\b", re.IGNORECASE | re.DOTALL)


class ClickHouseError(Exception):
    """What the engine, or the front in its manner, says is wrong.

    Attributes
    ----------
    code
        ClickHouse's error number, as 60 for an unknown table.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return the engine's own words without what the Python binding put around them."""
        text = str(error)
        found = list(_CODE.finditer(text))
        if not found:
            return cls(1002, f"Code: 1002. DB::Exception: {text} (UNKNOWN_EXCEPTION)")
        return cls(int(found[-1].group(1)), text[found[-1].start() :])


def refused(code: int, name: str, message: str) -> ClickHouseError:
    """Return an error in ClickHouse's form."""
    return ClickHouseError(code, f"Code: {code}. DB::Exception: {message}. ({name})")


@dataclass(frozen=True)
class Request:
    """One statement to run.

    Attributes
    ----------
    statement, data
        Text of the statement, and the data of an INSERT, which may also stand at the end of the statement.
    settings, parameters
        ClickHouse settings, and values of `{name:Type}` in the statement.
    reader
        The user may only read. `readonly`: the engine's read-only mode alone (an HTTP GET).
    """

    statement: bytes
    data: bytes = b""
    database: str = ""
    default_format: str = "TabSeparated"
    settings: Mapping[str, str] | None = None
    parameters: Mapping[str, str] | None = None
    reader: bool = False
    readonly: bool = False


@dataclass
class Answer:
    """A result: its format, its pieces (read them all or call `close`), and the counts known before they are read."""

    format: str
    summary: dict[str, str]
    pieces: Iterator[bytes]
    connection: Connection

    def close(self) -> None:
        """Stop the statement if it still runs, and give its connection back."""
        close_pieces = getattr(self.pieces, "close", None)
        if close_pieces is not None:
            close_pieces()
        self.connection.close()


class Engine:
    """ClickHouse over a folder; one per process. Every call may block; all may be made from several threads.

    Parameters
    ----------
    folder
        Where the data is kept; made when it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        if set("?&%#") & set(str(folder)):
            raise ValueError(f"The data folder's name must not hold any of ? & % #: {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        # An empty default database cannot be attached again (the engine lost its UUID), and need not be.
        had_default = any((folder / "metadata" / "default").glob("*.sql"))
        self._address = f"{folder.resolve()}?config-file={_write_rights(folder)}"
        # The first connection holds the engine open while requests come and go.
        try:
            self._keeper = chdb.connect(self._address)
        except (ChdbError, RuntimeError) as error:
            raise ClickHouseError.of(error) from error
        # The engine lays files of the machine over its default database. Without them it is a database as any other.
        again = "ATTACH DATABASE default" if had_default else "CREATE DATABASE default ENGINE = Atomic"
        self._keeper.query("DETACH DATABASE default" if had_default else "DROP DATABASE default")
        self._keeper.query(again)

    def run(self, request: Request) -> Answer:
        """Run `request` and return its answer, of which the first piece is ready.

        Raises
        ------
        ClickHouseError
            The engine refused or failed; also while the pieces are read.
        """
        connection = chdb.connect(self._address)
        try:
            _prepare(connection, request)
            if _IS_INSERT.match(request.statement):
                return _insert(connection, request)
            return _select_or_command(connection, request)
        except (ChdbError, RuntimeError) as error:
            connection.close()
            raise ClickHouseError.of(error) from error
        except BaseException:
            connection.close()
            raise


def _write_rights(folder: Path) -> Path:
    users, config = folder.resolve() / "local-users.xml", folder.resolve() / "local-config.xml"
    grants = "".join(f"<query>{right}</query>" for right in _RIGHTS)
    users.write_text(
        "<clickhouse><profiles><default><constraints><dialect><const/></dialect></constraints></default></profiles>"
        "<quotas><default/></quotas><users><default><password/><profile>default</profile><quota>default</quota>"
        f"<networks><ip>::/0</ip></networks><grants>{grants}</grants></default></users></clickhouse>\n"
    )
    config.write_text(
        f"<clickhouse><user_directories><users_xml><path>{escape(str(users))}</path></users_xml></user_directories>"
        "<timezone>UTC</timezone><logger><level>none</level></logger></clickhouse>\n"
    )
    return config


def _quoted(text: str, sign: str) -> str:
    return sign + text.replace("\\", "\\\\").replace(sign, "\\" + sign) + sign


def _prepare(connection: Connection, request: Request) -> None:
    if request.database:
        connection.query(f"USE {_quoted(request.database, '`')}")
    if request.reader or request.readonly:
        connection.query("SET readonly = 2")
    for name, value in (request.settings or {}).items():
        if not _SETTING_NAME.fullmatch(name):
            raise refused(115, "UNKNOWN_SETTING", f"Unknown setting {name!r}")
        connection.query(f"SET {name} = {_quoted(value, chr(39))}")


def _parsed(connection: Connection, statement: str, parameters: dict[str, str]) -> tuple[str, list[str]]:
    """Return the statement as the engine writes it, and its syntax tree; one statement only, or an error."""
    literal = _quoted(statement, "'")
    canonical = connection.query(f"SELECT formatQuery({literal})", "RawBLOB").bytes().decode()
    tree = connection.query(f"EXPLAIN AST {statement}", "TSVRaw", params=parameters).bytes().decode().splitlines()
    # The engine's own quoting leaves no line break inside a literal: a line that begins so is the clause.
    if re.search(r"^\s*(INTO OUTFILE|FROM INFILE) ", canonical, re.MULTILINE):
        raise refused(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE and FROM INFILE are not allowed")
    if any(re.match(r"\s*Function (file|filesystem)\b", line, re.IGNORECASE) for line in tree):
        raise refused(497, "ACCESS_DENIED", "Not enough privileges. Reading files of the machine is not allowed")
    return canonical, tree


def _only_reads(tree: list[str]) -> bool:
    return tree[0].startswith(_READING) or tree[0].split() == ["Set"]


def _refuse_change(request: Request, tree: list[str]) -> None:
    if request.reader and not _only_reads(tree):
        raise refused(READONLY, "READONLY", "spendstream_reader: Cannot execute query in readonly mode")


def _insert(connection: Connection, request: Request) -> Answer:
    statement, data = _split_insert(request.statement, request.data)
    head = statement.decode()
    parameters = dict(request.parameters or {})
    canonical, tree = _parsed(connection, head, parameters)
    _refuse_change(request, tree)
    if len(tree) > 1 and any(line.startswith(" Select") for line in tree):
        result = connection.query(head, "Null", params=parameters)
        counts = {"written_rows": result.rows_written(), "written_bytes": result.bytes_written()}
    else:
        # The canonical form ends with "FORMAT <name>"; the engine takes the name apart from the statement.
        target, _, data_format = canonical.rpartition("FORMAT ")
        inserter: Any = connection.send_insert(target.strip(), data_format.strip())
        try:
            for start in range(0, len(data), _INSERT_PIECE):
                inserter.append(data[start : start + _INSERT_PIECE])
            outcome = inserter.finish()
        finally:
            inserter.close()
        counts = {"written_rows": outcome.rows_written, "written_bytes": outcome.bytes_written}
    return Answer(request.default_format, _summary(counts), iter(()), connection)


def _split_insert(statement: bytes, data: bytes) -> tuple[bytes, bytes]:
    for found in _INSERT_HEAD.finditer(statement):
        end = found.group("end")
        if end is None:
            continue
        if end[:6].upper() == b"SELECT" or end[:4].upper() == b"WITH":
            break
        return statement[: found.end()], statement[found.end() :] + data
    return statement, data


def _select_or_command(connection: Connection, request: Request) -> Answer:
    text = b"\n".join(filter(None, (request.statement, request.data))).decode()
    parameters = dict(request.parameters or {})
    canonical, tree = _parsed(connection, text, parameters)
    _refuse_change(request, tree)
    named = re.findall(r"^FORMAT (\w+)$", canonical, re.MULTILINE)
    result_format = named[-1] if named else request.default_format
    if tree[0].startswith("Select") and result_format in _STREAMED:
        stream = connection.send_query(text, result_format, params=parameters)
        pieces = _streamed(stream)
        first = next(pieces, b"")
        return Answer(result_format, _summary({}), _after(first, pieces), connection)
    result = connection.query(text, result_format, params=parameters)
    counts = {"read_rows": result.storage_rows_read(), "read_bytes": result.storage_bytes_read()}
    return Answer(result_format, _summary(counts), iter((result.bytes(),)), connection)


def _streamed(stream: StreamingResult) -> Iterator[bytes]:
    try:
        for piece in stream:
            yield piece.bytes()
    except (ChdbError, RuntimeError) as error:
        raise ClickHouseError.of(error) from error
    finally:
        cast("Any", stream).close()


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _summary(counts: Mapping[str, int]) -> dict[str, str]:
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "result_rows", "result_bytes")
    return {name: str(counts.get(name, 0)) for name in names}
