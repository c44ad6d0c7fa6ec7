"""One scope of 30 MB: in parts through the real Kafka, and whole in ClickHouse and in the totals."""

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from processors.batch import BatchDriver
from processors.pipeline import steps
from processors.series import ChargeKind
from producers.publisher import Coverage, Publisher
from producers.statement import Line, Scope
from schemas.events import CostStatement
from sinks.migrate import migrate
from sinks.runner import Sink
from spendstream.clock import ManualClock
from spendstream.local.clickhouse import LocalClickHouse
from spendstream.topics import MAX_MESSAGE_BYTES, STATEMENTS
from tests.kafka_backends import Backend
from tests.processors.histories import Announced, partition_of
from tests.processors.workers import CODEC, messages
from tests.sinks.test_sink import ask, readings, run_until

DAY = date(2026, 3, 9)
SCOPE = Scope("focus.main", "AWS", "payer", DAY.replace(day=1), "111", "EC2", "USD", DAY)
LINES = 50_000


def line(number: int) -> Line:
    """A line with 600 characters of its own, and cents of its own."""
    text = hashlib.sha512(str(number).encode()).hexdigest()
    return Line(ChargeKind.USAGE, number * 10**16, number * 10**16 + 1, "us", "u", resource=text, description=text * 4)


@pytest.mark.slow
@pytest.mark.kafka
def test_thirty_megabytes_of_one_scope_arrive_in_parts_and_whole(apache_kafka: Backend):
    """On the real broker only: the embedded one keeps 5 MiB a partition."""
    with LocalClickHouse() as server:
        settings = apache_kafka.settings(clickhouse={"url": server.url}, sink={"batch_seconds": 0.3})
        migrate(settings.clickhouse)
        publisher = Publisher(settings, ManualClock(datetime(2026, 3, 10, tzinfo=UTC)))
        reading = publisher.open(Coverage("focus.main", "AWS", "payer", DAY, DAY))
        reading.publish(SCOPE, [line(number) for number in range(LINES)])
        reading.close(DAY, None)

        values = messages(settings, STATEMENTS)
        events = [CODEC.decode(value) for value in values]
        assert sum(map(len, values)) > 30_000_000
        assert max(map(len, values)) < MAX_MESSAGE_BYTES
        assert sum(isinstance(event, CostStatement) for event in events) > 3

        run_until(Sink(settings), lambda: readings(settings) == 1 and bool(ask(settings, "SELECT 1 FROM statements")))
        stored = "SELECT count(), uniqExact(resource), sum(billed), sum(effective) FROM lines"
        cents = Decimal(sum(range(LINES))) / 100
        assert ask(settings, stored) == [(LINES, LINES, cents, cents + Decimal(LINES).scaleb(-18))]

        announced = Announced()
        driver = BatchDriver(steps(settings), announced)
        for event in events:
            if isinstance(event, CostStatement):
                driver.feed(STATEMENTS, partition_of(event), event)
        for partition in range(settings.kafka.shards):
            for event in events:
                if getattr(event, "partition", None) == partition:
                    driver.feed(STATEMENTS, partition, event)
        assert announced.days["USD", DAY, 0] == int(cents.scaleb(18)) + LINES
