"""A rule that the history table rests on: what is past its time collapses to each key's newest expired row."""

from urllib.parse import urlsplit

import clickhouse_connect

from spendstream.local.clickhouse import LocalClickHouse


def test_expired_versions_of_a_key_collapse_to_the_newest_expired_one() -> None:
    with LocalClickHouse() as server:
        address = urlsplit(server.url)
        writer = clickhouse_connect.get_client(host=address.hostname, port=address.port, username="spendstream")
        writer.command(
            "CREATE TABLE h (k String, version UInt64, recorded_at DateTime64(3, 'UTC'), x Array(Int64))"
            " ENGINE = ReplacingMergeTree(version) PRIMARY KEY k ORDER BY (k, version)"
            " TTL toDateTime(recorded_at) + INTERVAL 1 YEAR GROUP BY k"
            " SET x = argMax(x, version), recorded_at = argMax(recorded_at, version), version = max(version)"
        )
        for rows in (
            "('both', 1, 900), ('both', 3, 700), ('both', 5, 1), ('old', 1, 900), ('old', 3, 700), ('new', 5, 1)",
            "('both', 2, 800), ('both', 4, 30), ('old', 2, 800), ('new', 4, 30)",
        ):
            writer.command(
                "INSERT INTO h SELECT k, v, now64(3, 'UTC') - toIntervalDay(age), [v * 10, v * 10 + 1]"
                f" FROM values('k String, v UInt64, age UInt32', {rows})"
            )

        writer.command("OPTIMIZE TABLE h FINAL")

        kept = writer.query("SELECT k, version, dateDiff('day', recorded_at, now()), x FROM h ORDER BY k, version")
        assert kept.result_rows == [
            ("both", 3, 700, [30, 31]),
            ("both", 4, 30, [40, 41]),
            ("both", 5, 1, [50, 51]),
            ("new", 4, 30, [40, 41]),
            ("new", 5, 1, [50, 51]),
            ("old", 3, 700, [30, 31]),
        ]
