"""The local ClickHouse starts again on the data of any database."""

from sinks.clickhouse import connect
from sinks.migrate import migrate
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.settings import load


def test_it_starts_again_on_a_database_of_its_own_beside_an_empty_default(tmp_path):
    with LocalClickHouse(tmp_path / "data") as server:
        applied = migrate(load(clickhouse={"url": server.url}).clickhouse)
    with LocalClickHouse(tmp_path / "data") as server:
        settings = load(clickhouse={"url": server.url})
        assert migrate(settings.clickhouse) == []
        with connect(settings.clickhouse, reader=True) as client:
            assert client.query("SELECT count() FROM migrations").result_rows == [(len(applied),)]
