"""The embedded ClickHouse as clickhouse-connect and Grafana meet it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import psutil
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from spendstream.local.clickhouse import ClickHouseNotStarted, LocalClickHouse

ROWS = 200_000
START = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def client(server: LocalClickHouse, **options) -> Client:
    address = urlsplit(server.url)
    return clickhouse_connect.get_client(
        host=address.hostname, port=address.port, **{"username": "spendstream", **options}
    )


@pytest.fixture
def server(clickhouse: LocalClickHouse) -> LocalClickHouse:
    return clickhouse


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_rows_of_every_type_arrive_whole_in_any_compression(server: LocalClickHouse, compression: str | bool) -> None:
    writer = client(server, compress=compression, tz_mode="aware")
    writer.command("DROP TABLE IF EXISTS lines")
    writer.command(
        "CREATE TABLE lines (n UInt64, cost Decimal(38, 18), tags Array(LowCardinality(String)),"
        " at DateTime64(3, 'UTC'), day Date, labels Map(String, String), note Nullable(String))"
        " ENGINE = MergeTree ORDER BY n"
    )
    smallest = Decimal("0.000000000000000001")
    rows = [
        [n, smallest * n, [f"team-{n % 7}"], START + timedelta(milliseconds=n), date(2026, 3, 1), {"a": str(n)}, None]
        for n in range(ROWS)
    ]

    writer.insert("lines", rows)

    assert writer.query("SELECT count(), sum(cost) FROM lines").result_rows == [
        (ROWS, smallest * (ROWS * (ROWS - 1) // 2))
    ]
    assert list(writer.query("SELECT * FROM lines WHERE n = 199999").result_rows[0]) == rows[-1]


def test_results_come_as_arrow_and_as_a_stream_of_blocks(server: LocalClickHouse) -> None:
    reader = client(server)

    table = reader.query_arrow("SELECT number AS n, toString(number) AS s FROM numbers(1000) ORDER BY n")
    with reader.query_row_block_stream("SELECT number FROM numbers(500000)") as blocks:
        counts = [len(block) for block in blocks]

    assert table.column("s")[999].as_py() == "999"
    assert sum(counts) == 500_000
    assert len(counts) > 1


def test_parameters_and_settings_reach_the_engine(server: LocalClickHouse) -> None:
    text = "it's a \\ back\nslash\ttab"

    result = client(server).query(
        "SELECT {text:String}, {n:UInt8} + 1, getSetting('max_execution_time'), {days:Array(Date)}",
        parameters={"text": text, "n": 4, "days": [date(2026, 1, 1)]},
        settings={"max_execution_time": 7},
    )

    assert result.result_rows[0][:2] == (text, 5)
    assert int(result.result_rows[0][2]) == 7
    assert result.result_rows[0][3] == [date(2026, 1, 1)]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT * FROM nothing_here", 60),
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT toUInt8('x')", 6),
        ("SELECT * FROM nowhere.table", 81),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
    ],
)
def test_errors_carry_clickhouse_codes(server: LocalClickHouse, statement: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=f"Code: {code}. DB::Exception") as caught:
        client(server).raw_query(statement)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "probe",
    [
        "SELECT displayName(), version(), revision(), timezone()",
        "SELECT 1",
        "SHOW DATABASES",
        "SHOW TABLES FROM system",
        "DESC TABLE system.one",
        "SELECT name, type FROM system.columns LIMIT 3",
        "SELECT name FROM system.functions LIMIT 3",
    ],
)
def test_grafanas_probes_are_answered_to_the_reader(server: LocalClickHouse, probe: str) -> None:
    rows = client(server, username="spendstream_reader").query(probe, settings={"max_execution_time": 60}).result_rows

    assert rows


def test_an_insert_and_its_data_may_stand_in_one_body(server: LocalClickHouse) -> None:
    writer = client(server)
    writer.command("CREATE OR REPLACE TABLE pairs (a UInt8, b String) ENGINE = MergeTree ORDER BY a")

    writer.command("INSERT INTO pairs VALUES (1, 'FORMAT TSV'), (2, 'it\\'s')")
    writer.raw_query('INSERT INTO pairs FORMAT JSONEachRow {"a":3,"b":"three"}')
    writer.command("INSERT INTO pairs SELECT 4, 'four'")

    assert writer.query("SELECT b FROM pairs ORDER BY a").result_rows == [
        ("FORMAT TSV",),
        ("it's",),
        ("three",),
        ("four",),
    ]


def test_reads_and_writes_go_on_at_the_same_time(server: LocalClickHouse) -> None:
    client(server).command("CREATE OR REPLACE TABLE busy (n UInt64) ENGINE = MergeTree ORDER BY n")

    def write(first: int) -> int:
        client(server).insert("busy", [[n] for n in range(first, first + 1000)], column_names=["n"])
        return len(client(server).query("SELECT n FROM busy").result_rows)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(write, range(0, 16_000, 1000)))

    assert min(seen) >= 1000
    assert client(server).command("SELECT uniqExact(n) FROM busy") == 16_000


def test_a_small_read_does_not_wait_for_a_large_one(server: LocalClickHouse) -> None:
    with ThreadPoolExecutor(1) as pool:
        endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
        large = pool.submit(client(server).command, endless, settings={"max_execution_time": 5})

        small = client(server).command("SELECT 1")

        assert small == 1
        assert not large.done()
        with pytest.raises(DatabaseError, match="TIMEOUT_EXCEEDED"):
            large.result()


def test_a_large_result_is_streamed_in_bounded_memory(server: LocalClickHouse) -> None:
    process = psutil.Process(server.pid)
    client(server).command("SELECT 1")
    before = process.memory_info().rss
    highest, rows = before, 0

    with client(server).query_row_block_stream("SELECT number, repeat('x', 100) FROM numbers(3000000)") as blocks:
        for block in blocks:
            rows += len(block)
            highest = max(highest, process.memory_info().rss)

    assert rows == 3_000_000
    assert highest - before < 150_000_000  # the result is 330 MB


def test_another_process_reads_what_this_one_wrote(server: LocalClickHouse) -> None:
    client(server).command("CREATE OR REPLACE TABLE shared (a UInt8) ENGINE = MergeTree ORDER BY a")
    client(server).insert("shared", [[7]], column_names=["a"])
    address = urlsplit(server.url)
    script = (
        "import clickhouse_connect as c;"
        f"print(c.get_client(host='{address.hostname}', port={address.port}, username='spendstream')"
        ".command('SELECT a FROM shared'))"
    )

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "7"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_acknowledged_outlives_the_process(tmp_path: Path, end: str) -> None:
    with LocalClickHouse(tmp_path / "data") as server:
        writer = client(server)
        writer.command("CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
        writer.command("CREATE DATABASE other")
        writer.command("CREATE TABLE other.kept AS default.kept")
        writer.insert("kept", [[n] for n in range(1000)], column_names=["a"])
        writer.insert("other.kept", [[1]], column_names=["a"])

        getattr(server, end)()
        server.start()

        assert client(server).command("SELECT count(), sum(a) FROM kept") == ["1000", "499500"]
        assert client(server).command("SELECT count() FROM other.kept") == 1
        with pytest.raises(DatabaseError, match="Code: 60"):
            client(server).raw_query("SELECT * FROM unknown_after_restart")


def test_a_folder_in_use_is_refused_with_the_engines_words(tmp_path: Path) -> None:
    with LocalClickHouse(tmp_path / "data"):
        second = LocalClickHouse(tmp_path / "data")

        with pytest.raises(ClickHouseNotStarted, match=r"cannot run on .*data"):
            second.start()


def test_beyond_loopback_passwords_are_demanded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spendstream.local.clickhouse", "--path", str(tmp_path), "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPENDSTREAM_LOCAL")}

    refused = subprocess.run(
        [*command, "--host", "0.0.0.0"], env=environment, capture_output=True, text=True, check=False
    )

    assert refused.returncode == 2
    assert "set SPENDSTREAM_LOCAL_CLICKHOUSE_PASSWORD" in refused.stderr
