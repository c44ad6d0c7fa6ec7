"""The crash drill itself: a short one on the real Kafka; that it would see a fault; that it is the same for a seed."""

import csv
from decimal import Decimal

import pytest

from spendstream.local import drill
from spendstream.local.drill import History, sum_of
from spendstream.local.kafka_install import MissingDependencyError


@pytest.mark.kafka
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("apache_kafka")
def test_three_kills_lose_and_double_nothing():
    """The fixture only brings its rule about a machine without Java: the drill starts a Kafka of its own."""
    report = drill.run(seed=11, kills=3, editions=3)
    assert report.differences == []
    assert len(report.kills) == 3
    assert report.lines > 0


def test_the_same_seed_makes_the_same_history(tmp_path):
    for name in ("one", "other"):
        history = History(5)
        for edition in range(3):
            history.write(tmp_path / f"{name}{edition}.csv", 1e9)
    for edition in range(3):
        assert (tmp_path / f"one{edition}.csv").read_bytes() == (tmp_path / f"other{edition}.csv").read_bytes()
    assert sum_of(tmp_path / "one0.csv") != sum_of(tmp_path / "one2.csv")


def test_the_independent_sum_adds_up_the_file(tmp_path):
    path = tmp_path / "export.csv"
    History(5).write(path, 1e9)
    sums, lines = sum_of(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert lines == len(rows)
    assert sum(sums.values()) == sum(Decimal(row["BilledCost"]) for row in rows)


def test_a_difference_is_told_with_both_figures(monkeypatch, tmp_path):
    """What the drill concludes from is seen to fail when a line is missing."""
    path = tmp_path / "export.csv"
    History(5).write(path, 1e9)
    expected, _ = sum_of(path)
    wrong = dict(expected)
    key, cost = wrong.popitem()
    wrong[key] = cost + 1
    monkeypatch.setattr(drill, "verify", lambda _: drill.DrillReport(1, 1))
    made = object.__new__(drill._Drill)
    made._export = path
    made._report = drill.DrillReport(1, 1)
    monkeypatch.setattr(made, "_sums", lambda: {"its lines": wrong}, raising=False)
    monkeypatch.setattr(made, "_ask", lambda _: [["7"]], raising=False)
    differences = made._differences(None)  # type: ignore[arg-type]
    assert any(f"the export says {cost}, its lines {cost + 1}" in text for text in differences)
    assert any("ClickHouse 7" in text for text in differences)


def test_without_java_it_says_what_is_missing(monkeypatch):
    def missing(*_: object) -> None:
        raise MissingDependencyError("Java 17 is needed")

    monkeypatch.setattr("spendstream.local.kafka_apache.java", missing)
    with pytest.raises(MissingDependencyError, match="Java 17"):
        drill.run(seed=1, kills=0)
