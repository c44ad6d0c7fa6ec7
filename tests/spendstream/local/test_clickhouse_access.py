"""Who may do what on the embedded ClickHouse, and what the HTTP interface says."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
import requests

from spendstream.local.clickhouse import LocalClickHouse

WRITER = ("spendstream", "write-it")
READER = ("spendstream_reader", "read-it")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalClickHouse]:
    with LocalClickHouse(password=WRITER[1], reader_password=READER[1]) as running:
        ask(running, WRITER, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        ask(running, WRITER, "INSERT INTO t VALUES (1)")
        yield running


def ask(server: LocalClickHouse, user: tuple[str, str], statement: str | bytes, **parameters) -> requests.Response:
    return requests.post(server.url, data=statement, auth=user, params=parameters, timeout=60)


def code(answer: requests.Response) -> str | None:
    return answer.headers.get("X-ClickHouse-Exception-Code")


@pytest.mark.parametrize("user", [("spendstream", "wrong"), ("spendstream_reader", ""), ("default", ""), ("who", "x")])
def test_a_wrong_user_or_password_is_403_516(server: LocalClickHouse, user: tuple[str, str]) -> None:
    answer = ask(server, user, "SELECT 1")

    assert (answer.status_code, code(answer)) == (403, "516")
    assert "Authentication failed" in answer.text


def test_credentials_may_stand_in_headers_or_in_the_address(server: LocalClickHouse) -> None:
    headers = {"X-ClickHouse-User": READER[0], "X-ClickHouse-Key": READER[1]}
    by_header = requests.get(server.url, params={"query": "SELECT 1"}, headers=headers, timeout=60)
    in_address = {"query": "SELECT 1", "user": READER[0], "password": READER[1]}
    by_address = requests.get(server.url, params=in_address, timeout=60)

    assert (by_header.text, by_address.text) == ("1\n", "1\n")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (2)",
        "INSERT INTO t SELECT 2",
        "INSERT INTO t FORMAT TSV\n2\n",
        "/* a */ INSERT INTO t VALUES (2)",
        "INSERT INTO FUNCTION null('a UInt8') SELECT 2",
        "ALTER TABLE t DELETE WHERE 1",
        "CREATE TABLE u (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE u (a UInt8)",
        "CREATE DATABASE u",
        "CREATE FUNCTION f AS x -> x",
        "CREATE USER u",
        "GRANT ALL ON *.* TO default",
        "SET ROLE ALL",
        "EXECUTE AS spendstream SELECT 1",
        "DROP TABLE t",
        "TRUNCATE TABLE t",
        "RENAME TABLE t TO u",
        "OPTIMIZE TABLE t FINAL",
        "SYSTEM STOP MERGES",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS readonly = 1",
    ],
)
def test_the_reader_changes_nothing(server: LocalClickHouse, statement: str) -> None:
    answer = ask(server, READER, statement)

    assert code(answer) == "164"
    assert "READONLY" in answer.text
    assert ask(server, READER, "SELECT count() FROM t").text == "1\n"


def test_the_reader_does_not_leave_read_only_mode_by_the_address(server: LocalClickHouse) -> None:
    assert code(ask(server, READER, "SELECT 1", readonly=0)) == "164"
    assert code(ask(server, READER, "INSERT INTO t FORMAT TSV\n2", session_id="s")) == "164"
    assert code(ask(server, READER, "2", query="INSERT INTO t FORMAT TSV")) == "164"
    assert code(ask(server, READER, "SELECT 1; DROP TABLE t")) == "62"
    assert code(ask(server, READER, "SELECT 1", dialect="kusto")) == "452"
    assert ask(server, READER, "SELECT count() FROM t").text == "1\n"


def test_the_reader_may_set_limits(server: LocalClickHouse) -> None:
    assert ask(server, READER, "SELECT getSetting('max_execution_time')", max_execution_time=9).text.startswith("9")
    assert ask(server, READER, "SELECT 1 SETTINGS max_execution_time = 3").text == "1\n"
    assert ask(server, READER, "SET max_execution_time = 3").status_code == 200


@pytest.mark.parametrize("user", [READER, WRITER])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM file('{path}', 'LineAsString')",
        "SELECT file('{path}')",
        "SELECT `file`('{path}')",
        "SELECT (SELECT arrayMap(x -> file(x), ['{path}']))",
        "WITH x AS (SELECT file('{path}') AS f) SELECT f FROM x",
        "SELECT * FROM '{path}'",
        "SELECT * FROM `{path}`",
        "DESCRIBE TABLE file('{path}', 'LineAsString')",
        "EXPLAIN SELECT file('{path}')",
        "SELECT * FROM filesystem('{folder}')",
        "SELECT * FROM url('file://{path}', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:9/bucket/x', 'CSV')",
        "SELECT * FROM remote('127.0.0.1:9', 'system.one')",
        "SELECT * FROM sqlite('{path}', 'x')",
        "SELECT * FROM executable('/bin/cat {path}', 'LineAsString', 'a String')",
        "SELECT 1 INTO OUTFILE '{folder}/out.tsv'",
        "(SELECT 1) INTO\nOUTFILE '{folder}/out.tsv' FORMAT TSV SETTINGS max_threads = 1",
        "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{folder}/out.tsv'",
        "SHOW TABLES INTO OUTFILE '{folder}/out.tsv'",
        "DESCRIBE t INTO OUTFILE '{folder}/out.tsv'",
        "EXPLAIN SELECT 1 INTO OUTFILE '{folder}/out.tsv'",
        "INSERT INTO FUNCTION file('{folder}/out.tsv', 'TSV', 'a UInt8') SELECT 1",
        "INSERT INTO t FROM INFILE '{path}' FORMAT LineAsString",
        "CREATE TABLE f (a String) ENGINE = File(TSV, '{path}')",
        "CREATE DATABASE f ENGINE = Filesystem('{folder}')",
    ],
)
def test_nobody_reaches_the_machine_through_a_statement(
    server: LocalClickHouse, tmp_path: Path, user: tuple[str, str], statement: str
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not for you\n")

    answer = ask(server, user, statement.format(path=secret, folder=tmp_path))

    assert answer.status_code != 200
    assert code(answer) is not None
    assert "not for you" not in answer.text
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.txt"]


def test_a_get_only_reads_whoever_asks(server: LocalClickHouse) -> None:
    answer = requests.get(server.url, params={"query": "INSERT INTO t VALUES (9)"}, auth=WRITER, timeout=60)

    assert code(answer) == "164"


@pytest.mark.parametrize(
    ("statement", "status", "number"),
    [("SELECT * FROM nothing", 404, "60"), ("SELEC", 400, "62"), ("SELECT throwIf(1)", 500, "395")],
)
def test_an_error_has_clickhouses_status_header_and_text(
    server: LocalClickHouse, statement: str, status: int, number: str
) -> None:
    answer = ask(server, READER, statement)

    assert (answer.status_code, code(answer)) == (status, number)
    assert answer.text.startswith(f"Code: {number}. DB::Exception: ")


def test_headers_tell_format_query_and_counts(server: LocalClickHouse) -> None:
    ask(server, WRITER, "CREATE OR REPLACE TABLE counted (a UInt8) ENGINE = MergeTree ORDER BY a")
    written = ask(server, WRITER, "1\n2\n3\n", query="INSERT INTO counted FORMAT TSV", query_id="mine")
    read = ask(server, READER, "SELECT a FROM counted ORDER BY a", default_format="JSON")

    assert written.headers["X-ClickHouse-Query-Id"] == "mine"
    assert json.loads(written.headers["X-ClickHouse-Summary"])["written_rows"] == "3"
    assert read.headers["X-ClickHouse-Format"] == "JSON"
    assert [row["a"] for row in read.json()["data"]] == [1, 2, 3]


def test_query_in_the_address_and_in_the_body_are_one(server: LocalClickHouse) -> None:
    answer = ask(server, READER, "{n:UInt8}", query="SELECT 40 +", param_n="2")

    assert answer.text == "42\n"


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("lz4", lz4.frame.compress)])
def test_every_frame_of_a_compressed_body_counts(server: LocalClickHouse, coding: str, pack) -> None:
    ask(server, WRITER, "CREATE OR REPLACE TABLE framed (a UInt8) ENGINE = MergeTree ORDER BY a")

    requests.post(
        server.url,
        params={"query": "INSERT INTO framed FORMAT TSV"},
        data=pack(b"1\n") + pack(b"2\n") + pack(b"3\n"),
        headers={"Content-Encoding": coding},
        auth=WRITER,
        timeout=60,
    ).raise_for_status()

    assert ask(server, READER, "SELECT count() FROM framed").text == "3\n"


def test_health_needs_no_password(server: LocalClickHouse) -> None:
    assert requests.get(f"{server.url}/ping", timeout=60).text == "Ok.\n"
    assert requests.get(f"{server.url}/replicas_status", timeout=60).text == "Ok.\n"
