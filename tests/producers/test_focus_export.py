"""Exports to statements on Kafka: restated, vanished, old, broken; and crashes at each point of the protocol."""

import csv
import gzip
import io
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
from producers.source import SourceError
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


@pytest.fixture
def embedded(embedded_kafka, tmp_path):
    """For what ends before Kafka, or does not depend on it."""
    return Deployment(embedded_kafka.settings(), tmp_path)


def test_a_reading_closes_at_one_time_in_all_partitions(deployment):
    class MovingClock(ManualClock):
        """A clock that moves whenever it is looked at, as real ones do."""

        def now(self):
            self.advance(timedelta(milliseconds=1))
            return super().now()

    deployment.clock = MovingClock(START)
    deployment.write([{}])
    deployment.read()
    events = map(CODEC.decode, messages(deployment.settings, STATEMENTS))
    closes = [event for event in events if isinstance(event, ReadingClosed)]
    assert len(closes) == deployment.settings.kafka.shards
    assert len({close.closed_at for close in closes}) == 1


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


def whole(**changes: str) -> bytes:
    """A row as it stands in the file."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow({**ROW, **changes}.values())
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (whole(BilledCost="x"), "BilledCost: 'x' is not a decimal number"),
        (whole(BilledCost="1e-19"), "BilledCost: 1e-19 is finer than 10^-18"),
        (whole(BillingCurrency="XQZ"), "BillingCurrency: 'XQZ' is not an ISO 4217 currency code"),
        (whole(ChargePeriodStart="yesterday"), "ChargePeriodStart is 'yesterday'"),
        (b"0.1,123\r\n", "the row has fewer fields than the header"),
        (whole().rstrip() + b",1\r\n", "the row has more fields than the header"),
        (whole(ServiceName="~").replace(b"~", b"\xff"), "the row is not in UTF-8"),
        (whole(ServiceName="x" * 200_000), "the row is no CSV: field larger than field limit"),
    ],
    ids=["amount", "finer", "currency", "day", "short", "long", "not UTF-8", "endless"],
)
def test_a_bad_row_is_buried_with_its_line_and_the_rest_is_published(embedded, row, reason):
    embedded.write([{}, {"ServiceName": "S3"}])
    header, first, second = embedded.path.read_bytes().splitlines(keepends=True)
    embedded.path.write_bytes(header + first + row + second)
    report = embedded.read()
    letters = [CODEC.decode(value) for value in messages(embedded.settings, DEAD_LETTERS)]
    assert (report.lines, report.dead_letters) == (2, 1)
    (letter,) = (letter for letter in letters if isinstance(letter, DeadLetter))
    assert letter.origin == "export.csv:3"
    assert letter.reason.startswith(reason)
    assert embedded.cents() == {"Amazon SQS": 50, "S3": 50}


@pytest.mark.parametrize(
    ("name", "content"),
    [("cut.csv.gz", gzip.compress(b"a" * 9000)[:-9]), ("no.csv.gz", b"no gzip"), ("no.parquet", b"PAR1 no")],
    ids=["cut", "no gzip", "no Parquet"],
)
def test_a_damaged_file_says_so_and_announces_nothing(embedded, name, content):
    embedded.path = embedded.path.with_name(name)
    embedded.path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} cannot be read: .*; see that it is whole, and export"):
        embedded.read()
    assert messages(embedded.settings, STATEMENTS) == []


def test_a_second_source_of_the_same_account_is_refused(deployment):
    deployment.write([{}])
    deployment.read()
    with pytest.raises(OverlapError, match=r"already told of by focus\.main; focus\.other is refused"):
        deployment.read("other")


@pytest.mark.parametrize("problem", ["missing file", "no column"])
def test_an_export_that_is_none_says_what_to_do(embedded, problem):
    if problem == "no column":
        embedded.path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigurationError, match=r"export\.csv"):
        embedded.read()


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
