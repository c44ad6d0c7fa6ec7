"""Exports to statements on Kafka: restated, vanished, old, broken; and crashes at each point of the protocol."""

import csv
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from processors.batch import BatchDriver
from processors.ledger import OverlapError
from processors.pipeline import steps
from producers.focus_export import FocusExport
from producers.publisher import Publisher
from schemas.codec import Codec
from schemas.events import CostStatement, DeadLetter, ReadingClosed
from schemas.repository import RepositorySchemas
from spendstream.clock import ManualClock
from spendstream.settings import ConfigurationError
from spendstream.settings import FocusExport as Options
from spendstream.topics import DEAD_LETTERS, STATEMENTS
from tests.processors.histories import Announced, partition_of
from tests.processors.workers import messages
from tests.producers.test_focus_columns import ROW

CODEC = Codec(RepositorySchemas())
START = datetime(2026, 3, 10, tzinfo=UTC)


class CrashError(Exception):
    """Raised at a fault point."""


class Deployment:
    """A Kafka with topics of its own, and an export that can be rewritten."""

    def __init__(self, settings, folder: Path) -> None:
        self.settings = settings
        self.path = folder / "export.csv"
        self.clock = ManualClock(START)

    def write(self, rows, age_hours: float = 0) -> None:
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROW))
            writer.writeheader()
            writer.writerows({**ROW, **row} for row in rows)
        moment = (self.clock.now() - timedelta(hours=age_hours)).timestamp()
        os.utime(self.path, (moment, moment))

    def read(self, name: str = "main", faults=lambda _: None):
        self.clock.advance(timedelta(hours=1))
        publisher = Publisher(self.settings, self.clock, faults)
        return FocusExport(Options(name=name, path=str(self.path)), publisher).run_once()

    def announced(self) -> Announced:
        """What the steps make of all that is in Kafka."""
        result = Announced()
        driver = BatchDriver(steps(self.settings), result)
        for value in messages(self.settings, STATEMENTS):
            event = CODEC.decode(value)
            if isinstance(event, (CostStatement, ReadingClosed)):
                partition = event.partition if isinstance(event, ReadingClosed) else partition_of(event)
                driver.feed(STATEMENTS, partition, event)
        return result

    def cents(self) -> dict[str, int]:
        """The announced effective cost by service, in cents."""
        sums: Counter[str] = Counter()
        for (key, _, _), units in self.announced().days.items():
            if key.startswith("USD/provider=AWS/service="):
                sums[key.rpartition("=")[2]] += units // 10**16
        return dict(sums)


@pytest.fixture
def deployment(kafka, tmp_path):
    return Deployment(kafka.settings(), tmp_path)


def test_an_export_read_again_publishes_nothing(deployment):
    deployment.write([{}, {"ServiceName": "S3"}])
    assert deployment.read().statements == 2
    assert deployment.read().statements == 0
    assert deployment.cents() == {"Amazon SQS": 50, "S3": 50}


def test_a_restated_and_a_vanished_scope(deployment):
    deployment.write([{}, {"ServiceName": "S3"}])
    deployment.read()
    deployment.write([{"EffectiveCost": "0.7"}])
    deployment.read()
    assert deployment.cents() == {"Amazon SQS": 70, "S3": 0}


def test_an_older_export_never_wins_over_a_newer_one(deployment):
    deployment.write([{"EffectiveCost": "0.7"}])
    deployment.read()
    deployment.write([{"EffectiveCost": "0.1"}], age_hours=48)
    deployment.read()
    assert deployment.cents() == {"Amazon SQS": 70}


@pytest.mark.parametrize(("first", "last"), [("0.5", "0.5"), ("0.3", "0.5")])
def test_an_export_made_between_two_never_wins_over_the_later(deployment, first, last):
    for age, rows in (
        (30, [{"EffectiveCost": first}]),
        (10, [{"EffectiveCost": last}]),
        (20, [{"EffectiveCost": "0.1"}, {"ServiceName": "S3"}]),
    ):
        deployment.write(rows, age_hours=age)
        deployment.read()
    assert deployment.cents() == {"Amazon SQS": 50}


def test_an_older_export_takes_nothing_away_and_its_control_total_is_what_is_held(deployment):
    deployment.write([{"ServiceName": "Compute"}, {"ServiceName": "Storage"}])
    deployment.read()
    deployment.write([{"ServiceName": "Compute", "BilledCost": "99"}], age_hours=30)
    before = deployment.cents()
    deployment.read()
    assert deployment.cents() == before
    closes = [CODEC.decode(value) for value in messages(deployment.settings, STATEMENTS)]
    totals = [event.totals[0] for event in closes if isinstance(event, ReadingClosed)]
    assert totals[0] == totals[-1]


def test_an_export_made_before_an_empty_statement_was_read_still_counts_when_it_is_newer(deployment):
    """The times of exports decide, not when they were read."""
    deployment.write([{"ServiceName": "Compute"}, {"ServiceName": "Storage"}], age_hours=10)
    deployment.read()
    deployment.write([{"ServiceName": "Compute"}], age_hours=9)
    deployment.read()
    deployment.write([{"ServiceName": "Compute"}, {"ServiceName": "Storage", "EffectiveCost": "7"}], age_hours=8)
    deployment.read()
    assert deployment.cents()["Storage"] == 700


def test_a_bad_row_is_buried_with_its_line_and_the_rest_is_published(deployment):
    deployment.write([{}, {"BilledCost": "x"}, {"ServiceName": "S3"}])
    report = deployment.read()
    letters = [CODEC.decode(value) for value in messages(deployment.settings, DEAD_LETTERS)]
    assert (report.lines, report.dead_letters) == (2, 1)
    assert [letter.origin for letter in letters if isinstance(letter, DeadLetter)] == ["export.csv:3"]
    assert deployment.cents() == {"Amazon SQS": 50, "S3": 50}


def test_a_second_source_of_the_same_account_is_refused(deployment):
    deployment.write([{}])
    deployment.read()
    with pytest.raises(OverlapError, match=r"already told of by focus\.main; focus\.other is refused"):
        deployment.read("other")


@pytest.mark.parametrize("problem", ["missing file", "no column"])
def test_an_export_that_is_none_says_what_to_do(deployment, problem):
    if problem == "no column":
        deployment.path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigurationError, match=r"export\.csv"):
        deployment.read()


@pytest.mark.parametrize(
    "point",
    ["opened", "statement sent", "statement acknowledged", "statements and heads acknowledged", "close sent"],
)
def test_a_crash_at_any_point_is_mended_by_the_next_reading(deployment, point):
    deployment.write([{}, {"ServiceName": "S3"}])
    deployment.read()
    deployment.write([{"EffectiveCost": "0.7"}, {"ServiceName": "RDS"}])

    def crash(at: str) -> None:
        if at == point:
            raise CrashError(at)

    with pytest.raises(CrashError):
        deployment.read(faults=crash)
    assert deployment.cents() == {"Amazon SQS": 50, "S3": 50}
    deployment.read()
    assert deployment.cents() == {"Amazon SQS": 70, "S3": 0, "RDS": 50}
