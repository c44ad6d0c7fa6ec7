"""The lines of the benchmark's statements as one-line events, for systems that do not know statements."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Producer

from bench.statements import statements
from processors.series import shard_of
from producers.statement import Line, unfold
from schemas.events import CostStatement
from spendstream.clock import day_number
from spendstream.money import units_to_bytes

SCHEMA = Path(__file__).parent / "line.avsc"
#: Of the topic of lines.
PARTITIONS = 4


def published(bootstrap: str, topic: str, count: int) -> dict[str, int]:
    """Send the first `count` lines to a topic, and return their effective cost by region, in units of 10⁻¹⁸.

    An event is a line in Avro without any frame; its key is the account's service, which also chooses its partition.
    """
    schema: Any = fastavro.parse_schema(json.loads(SCHEMA.read_text()))
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 50})
    sums: Counter[str] = Counter()
    for statement, line in _lines(count):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, _record(statement, line))
        partition = shard_of(statement.account, statement.service, PARTITIONS)
        key = f"{statement.account}/{statement.service}".encode()
        while True:
            try:
                producer.produce(topic, body.getvalue(), key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        sums[line.region] += line.effective
    if producer.flush(120):
        raise OSError("Kafka did not take all lines")
    return dict(sums)


def _lines(count: int) -> Iterator[tuple[CostStatement, Line]]:
    for statement in statements(-(-count // 100), 100):
        for line in unfold(statement):
            if count <= 0:
                return
            count -= 1
            yield statement, line


def _record(statement: CostStatement, line: Line) -> dict[str, object]:
    return {
        "source": statement.source,
        "provider": statement.provider,
        "billing_account": statement.billing_account,
        "account": statement.account,
        "service": statement.service,
        "currency": statement.currency,
        "day": day_number(statement.day),
        "region": line.region,
        "usage_type": line.usage_type,
        "tags": line.tags,
        "unit": line.unit,
        "billed": units_to_bytes(line.billed),
        "effective": units_to_bytes(line.effective),
        "quantity": units_to_bytes(line.quantity or 0),
    }
