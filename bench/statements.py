"""Statements as a large bill has them, for every benchmark of the stream."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from confluent_kafka import Producer

from processors.series import ChargeKind, shard_of
from producers.statement import Line, Said, Scope, fold
from schemas.codec import Codec
from schemas.events import CostStatement, ReadingClosed
from spendstream.settings import Settings
from spendstream.topics import MAX_MESSAGE_BYTES, STATEMENTS

_REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "eu-west-1", "ap-south-1")
_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = date(2026, 3, 9)


def statements(
    count: int, lines: int, reading: str = "r1", seed: int = 1, first_account: int = 0
) -> Iterator[CostStatement]:
    """Yield `count` statements of `lines` lines: 40 services, 14 days, as many accounts as are needed.

    A line is one usage type in one region of five, as a real bill has them: 40 usage types a service, tags of three
    teams, amounts with ten digits behind the point, list price and quantity. In two of three statements the effective
    cost is another than the billed one, as in the sample of real bills (`spendstream/local/data`).
    """
    chance = random.Random(seed)  # noqa: S311 - a benchmark
    for number in range(count):
        service, day, account = number % 40, DAY - timedelta(days=number // 40 % 14), first_account + number // 560
        scope = Scope("bench", "AWS", "payer", day.replace(day=1), f"{account:012d}", f"Service {service}", "USD", day)
        said = Said(version=1, reading=reading, read_at=_AT, estimated=True)
        rows = [
            Line(
                ChargeKind.USAGE,
                billed=(cost := chance.randrange(1, 10**12) * 10**8),
                effective=cost if number % 3 == 0 else cost * 7 // 10,
                region=_REGIONS[row % 5],
                usage_type=f"Usage-{service}-{row // 5 % 40}",
                tags={"team": ("data", "search", "web")[row % 3]},
                quantity=chance.randrange(1, 10**9) * 10**12,
                unit="Hrs",
                list_cost=cost,
                operation=f"Run{row % 7}",
                charge_category="Usage",
            )
            for row in range(lines)
        ]
        yield fold(scope, rows, said)[0]


def closes(reading: str, shards: int) -> list[ReadingClosed]:
    """Return the close of a reading, for every partition."""
    return [
        ReadingClosed(
            source="bench", provider="AWS", billing_account="payer", reading=reading, opened_at=_AT,
            first_day=DAY - timedelta(days=40), last_day=DAY, closed_at=_AT, partition=partition, scopes=0,
            published=0, closed_through=DAY,
        )
        for partition in range(shards)
    ]  # fmt: skip


def encoded(
    codec: Codec, events: Iterator[CostStatement] | list[ReadingClosed], shards: int
) -> list[tuple[int, bytes]]:
    """Return events with their partitions, as they go to Kafka."""
    return [(_partition(event, shards), codec.encode(event)) for event in events]


def _partition(event: CostStatement | ReadingClosed, shards: int) -> int:
    if isinstance(event, CostStatement):
        return shard_of(event.account, event.service, shards)
    return event.partition


def publish(settings: Settings, messages: list[tuple[int, bytes]]) -> None:
    """Send messages, and wait until Kafka has them."""
    producer = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap, "acks": "all", "message.max.bytes": MAX_MESSAGE_BYTES}
    )
    name = settings.kafka.topics.name(STATEMENTS)
    for partition, value in messages:
        while True:
            try:
                producer.produce(name, value, b"k", partition)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120):
        raise OSError("Kafka did not take all messages")
