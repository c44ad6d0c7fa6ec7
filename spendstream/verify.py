"""Counts and adds up what Kafka holds and what ClickHouse holds; they must agree to the last digit."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from processors.pipeline import record_of
from processors.series import Series
from producers.statement import Scope
from schemas.codec import Codec, CodecError
from schemas.events import CostStatement
from schemas.registry import schema_source
from schemas.repository import UnknownSchemaError
from sinks.clickhouse import connect
from spendstream.admin import kafka_client
from spendstream.money import from_units, to_units
from spendstream.runs import live_run
from spendstream.settings import Settings
from spendstream.topics import STATEMENTS

#: Scope key → version, lines, billed and effective cost in 10⁻¹⁸ units.
Held = dict[str, tuple[int, int, int, int]]


@dataclass(slots=True)
class Report:
    """What was compared, and every difference."""

    statements: int = 0
    lines: int = 0
    totals: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether everything agrees."""
        return not self.differences

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"agrees": self.agrees, **{f.name: getattr(self, f.name) for f in fields(self)}}

    def text(self) -> str:
        """Return it for a person."""
        head = f"{self.statements} statements, {self.lines} lines: " + ", ".join(
            f"{amount} {currency}" for currency, amount in self.totals.items()
        )
        verdict = "Kafka and ClickHouse agree" if self.agrees else "\n".join(self.differences[:50])
        return f"{head}\n{verdict}"


def verify(settings: Settings) -> Report:
    """Compare Kafka with ClickHouse, scope by scope, and the totals with the statements of record."""
    kafka, scopes = newest_in_kafka(settings)
    report = Report(statements=len(kafka), lines=sum(lines for _, lines, _, _ in kafka.values()))
    with connect(settings.clickhouse, reader=True) as client:
        stored = _stored(client)
        for key in sorted({*kafka, *stored}):
            if kafka.get(key) != stored.get(key):
                report.differences.append(f"{key}: Kafka {kafka.get(key)}, ClickHouse {stored.get(key)}")
        expected = _totals_of_record(settings, kafka, scopes)
        announced = {
            (row[0], row[1]): (to_units(row[2]), to_units(row[3]))
            for row in client.query(_TOTALS, {"run": live_run(settings)}).result_rows
        }
    for where in sorted({*expected, *announced}):
        left, right = expected.get(where, (0, 0)), announced.get(where, (0, 0))
        if left != right:
            names = "/".join(where)
            report.differences.append(f"total {names}: statements {_text(left)}, totals {_text(right)}")
    for (currency, series), (_, effective) in sorted(announced.items()):
        if series == currency:
            report.totals[currency] = str(from_units(effective))
    return report


def _text(amounts: tuple[int, int]) -> str:
    return " / ".join(str(from_units(amount)) for amount in amounts)


def newest_in_kafka(settings: Settings) -> tuple[Held, dict[str, Scope]]:
    """Return the newest complete version of every scope that `cost.statements` holds."""
    parts: dict[str, dict[int, dict[int, tuple[int, int, int, int]]]] = {}
    scopes: dict[str, Scope] = {}
    for event in _statements(settings):
        scope = Scope(**{f.name: getattr(event, f.name) for f in fields(Scope)})
        scopes[scope.key] = scope
        said = (event.parts, len(event.billed), sum(event.billed), sum(event.effective))
        parts.setdefault(scope.key, {}).setdefault(event.version, {})[event.part] = said
    held: Held = {}
    for key, versions in parts.items():
        complete = [version for version, found in versions.items() if len(found) == next(iter(found.values()))[0]]
        if complete:
            found = versions[max(complete)].values()
            held[key] = (max(complete), sum(p[1] for p in found), sum(p[2] for p in found), sum(p[3] for p in found))
    return held, scopes


def _statements(settings: Settings) -> Any:  # noqa: ANN401 - an iterator of statements
    codec = Codec(schema_source(settings), {CostStatement.SUBJECT: "effective"})
    consumer = Consumer(
        {
            **kafka_client(settings),
            "group.id": f"{settings.kafka.prefix}spendstream-verify",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 16 * 1024 * 1024,
        }
    )
    names = settings.kafka.topics
    partitions = names.partitions(STATEMENTS)
    try:
        consumer.assign([TopicPartition(names.name(STATEMENTS), partition, 0) for partition in range(partitions)])
        ended: set[int] = set()
        while len(ended) < partitions:
            for message in consumer.consume(500, 1.0):
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                        ended.add(message.partition() or 0)
                    continue
                try:
                    event = codec.decode(message.value() or b"")
                except (CodecError, UnknownSchemaError):
                    continue
                if isinstance(event, CostStatement):
                    yield event
    finally:
        consumer.close()


def _stored(client: Any) -> Held:  # noqa: ANN401 - clickhouse-connect is untyped
    held: Held = {}
    for row in client.query(_STATEMENTS).result_rows:
        scope = Scope(**dict(zip(_SCOPE, row, strict=False)), view=row[8] or None)
        held[scope.key] = (row[9], row[10], to_units(row[11]), to_units(row[12]))
    return held


def _totals_of_record(
    settings: Settings, held: Held, scopes: dict[str, Scope]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return what the statements of record add up to, for the organisation and every account's service."""
    record = record_of(settings)
    billed: Counter[tuple[str, str]] = Counter()
    effective: Counter[tuple[str, str]] = Counter()
    for key, (_, _, some_billed, some_effective) in held.items():
        scope = scopes[key]
        if scope.view is not None or record.source_for(scope.billing_account, scope.day) not in {None, scope.source}:
            continue
        whole = Series(scope.currency).key
        own = Series(scope.currency, scope.provider, scope.account, scope.service).key
        for series in (whole, own):
            billed[scope.currency, series] += some_billed
            effective[scope.currency, series] += some_effective
    return {where: (billed[where], effective[where]) for where in billed}


_SCOPE = tuple(f.name for f in fields(Scope) if f.name != "view")
_STATEMENTS = """
SELECT source, provider, billing_account, billing_period, account, service, currency, day, view, version,
       length(billed), arraySum(billed), arraySum(effective)
FROM statements FINAL WHERE run = 'live'
"""
_TOTALS = """
SELECT currency, series, sum(billed), sum(effective) FROM totals FINAL
WHERE run = {run:String} AND level IN ('organisation', 'account_service') GROUP BY currency, series
"""
