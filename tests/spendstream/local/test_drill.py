"""The crash drill itself: a short one on the real Kafka; that it would see a fault; that it is the same for a seed."""

import csv
from datetime import UTC, datetime
from decimal import Decimal

import boto3
import pytest

from spendstream.local import drill
from spendstream.local.drill_history import AWS, EXPORT, Bills, History, sum_of_bill, sum_of_export
from spendstream.local.kafka_install import MissingDependencyError


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("apache_kafka")
def test_three_kills_lose_and_double_nothing():
    """The fixture only brings its rule about a machine without Java: the drill starts a Kafka of its own."""
    report = drill.run(seed=11, kills=3, editions=3)
    assert report.differences == []
    assert len(report.kills) == 3
    assert report.lines > report.exported > 0


def test_the_same_seed_makes_the_same_history(tmp_path):
    for name in ("one", "other"):
        history = History(5)
        for edition in range(3):
            history.write(tmp_path / f"{name}{edition}.csv", 1e9)
    for edition in range(3):
        assert (tmp_path / f"one{edition}.csv").read_bytes() == (tmp_path / f"other{edition}.csv").read_bytes()
    assert sum_of_export(tmp_path / "one0.csv") != sum_of_export(tmp_path / "one2.csv")


def test_the_independent_sum_adds_up_the_file(tmp_path):
    path = tmp_path / "export.csv"
    History(5).write(path, 1e9)
    sums, lines = sum_of_export(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert lines == len(rows)
    assert sum(sums.values()) == sum(Decimal(row["BilledCost"]) for row in rows)


def test_the_simulated_bill_is_told_by_aws_as_the_csv_says_and_moves_on_with_each_edition(tmp_path):
    path = tmp_path / "bill.csv"
    totals = []
    with Bills(5, 3, datetime(2026, 3, 20, tzinfo=UTC)) as bills:
        client = boto3.client(
            "ce", "us-east-1", endpoint_url=bills.url, aws_access_key_id="k", aws_secret_access_key="s"
        )
        for edition in range(3):
            bills.move_on(edition)
            answer = client.get_cost_and_usage(
                TimePeriod={"Start": "2026-03-07", "End": "2026-03-21"}, Granularity="DAILY", Metrics=["UnblendedCost"]
            )
            totals.append(sum(Decimal(day["Total"]["UnblendedCost"]["Amount"]) for day in answer["ResultsByTime"]))
        bills.write(path)
    assert totals[0] < totals[1] < totals[2]
    assert sum(sum_of_bill(path).values()) == totals[2]


def test_a_difference_is_told_with_both_figures(monkeypatch, tmp_path):
    """What the drill concludes from is seen to fail when a cent is missing of either source, or a line."""
    made = object.__new__(drill._Drill)
    made._export, made._bill, made._report = (
        tmp_path / "export.csv",
        tmp_path / "bill.csv",
        drill.DrillReport(1, editions=1),
    )
    History(5).write(made._export, 1e9)
    made._bill.write_text("service,unblended\nEC2,10.00\n")
    exported, _ = sum_of_export(made._export)
    key, cost = next(iter(exported.items()))
    found = {**exported, key: cost + 1, (AWS, "AWS", "EC2"): Decimal("9.99")}
    monkeypatch.setattr(drill, "verify", lambda _: drill.DrillReport(1, editions=1))
    monkeypatch.setattr(made, "_lines", lambda: found, raising=False)
    monkeypatch.setattr(made, "_totals", lambda: drill._without_source(found), raising=False)
    monkeypatch.setattr(made, "_ask", lambda _: [["7"]], raising=False)
    differences = made._differences(None)  # type: ignore[arg-type]
    assert f"{EXPORT} {key[1]} {key[2]}: the source says {cost}, its lines {cost + 1}" in differences
    assert "cost_explorer AWS EC2: the source says 10.00, its lines 9.99" in differences
    assert any("its totals" in text for text in differences)
    assert any("ClickHouse 7" in text for text in differences)


def test_without_java_it_says_what_is_missing(monkeypatch):
    def missing(*_: object) -> None:
        raise MissingDependencyError("Java 17 is needed")

    monkeypatch.setattr("spendstream.local.kafka_apache.java", missing)
    with pytest.raises(MissingDependencyError, match="Java 17"):
        drill.run(seed=1, kills=0)
