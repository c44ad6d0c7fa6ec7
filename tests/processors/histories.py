"""Histories of statements and readings for tests, and a slow, obvious model of what the totals must be."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from processors.series import Series, shard_of
from processors.step import Output
from schemas.events import CostAggregate, CostForecast, CostStatement, Event, ReadingClosed
from spendstream.clock import day_of
from spendstream.topics import STATEMENTS

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = date(2026, 3, 9)
SHARDS = 4
UNIT = 10**18


def statement(
    service: str,
    version: int,
    lines: Sequence[tuple[str, str, int]],
    *,
    account: str = "111",
    day: date = DAY,
    reading: str = "r1",
    kind: int = 0,
    part: int = 0,
    parts: int = 1,
    billing_account: str = "payer",
    source: str = "cost_explorer",
    period: date | None = None,
    tags: Sequence[dict[str, str]] = (),
) -> CostStatement:
    """Return a statement whose lines are (region, usage type, dollars)."""
    strings = ["", *sorted({name for region, usage, _ in lines for name in (region, usage)})]
    amounts = [dollars * UNIT for _, _, dollars in lines]
    return CostStatement(
        source=source,
        provider="AWS",
        billing_account=billing_account,
        billing_period=period or day.replace(day=1),
        account=account,
        service=service,
        currency="USD",
        day=day,
        version=version,
        part=part,
        parts=parts,
        reading=reading,
        read_at=NOW,
        estimated=True,
        reconciled=True,
        strings=strings,
        tag_sets=[{}, *tags],
        tags=[1 + row % len(tags) for row in range(len(lines))] if tags else [0] * len(lines),
        kind=[kind] * len(lines),
        region=[strings.index(region) for region, _, _ in lines],
        usage_type=[strings.index(usage) for _, usage, _ in lines],
        billed=amounts,
        effective=amounts,
    )


def close(
    reading: str,
    partition: int = 0,
    *,
    first_day: date = date(2026, 2, 1),
    last_day: date = date(2026, 3, 31),
    billing_account: str = "payer",
    closed_through: date | None = DAY,
    source: str = "cost_explorer",
    billing_periods: Sequence[int] = (),
) -> ReadingClosed:
    """Return the copy of a reading's close for one partition."""
    return ReadingClosed(
        source=source,
        provider="AWS",
        billing_account=billing_account,
        reading=reading,
        opened_at=NOW,
        first_day=first_day,
        last_day=last_day,
        closed_at=NOW,
        partition=partition,
        scopes=0,
        published=0,
        closed_through=closed_through,
        billing_periods=billing_periods,
    )


def partition_of(event: CostStatement) -> int:
    """Return the partition of a statement."""
    return shard_of(event.account, event.service, SHARDS)


def closes(reading: str, **options: object) -> list[ReadingClosed]:
    """Return a close for every partition."""
    return [close(reading, partition, **options) for partition in range(SHARDS)]  # type: ignore[arg-type]


REGIONS = st.sampled_from(["us-east-1", "eu-west-1", ""])
LINES = st.lists(st.tuples(REGIONS, st.sampled_from(["A", "B/c=d", "C"]), st.integers(-5, 20)), max_size=4)


@st.composite
def a_history(draw: st.DrawFn) -> list[Event]:
    """Statements with restatements, duplicates and old versions; readings that close, half close, or close twice."""
    events: list[Event] = []
    for reading in range(draw(st.integers(1, 5))):
        for _ in range(draw(st.integers(0, 6))):
            service = draw(st.sampled_from(["EC2", "S3", "A/B", "RDS"]))
            version = draw(st.integers(1, 6))
            account = draw(st.sampled_from(["1", "2"]))
            day = DAY - timedelta(days=draw(st.integers(0, 3)))
            known = {
                (known.account, known.service, known.day, known.version): known
                for known in events
                if isinstance(known, CostStatement)
            }
            same = known.get((account, service, day, version))
            lines = draw(LINES)
            events.append(same or statement(service, version, lines, account=account, day=day, reading=str(reading)))
        events += closes(str(reading))[: draw(st.sampled_from([0, 2, SHARDS, SHARDS]))]
    return [*events, *closes("last")]


class Announced:
    """What was announced, newest value by series, day, hour and charge class; an `emit` for the batch driver."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, date, int], int] = {}
        self.windows: dict[tuple[str, int, int], tuple[date, int]] = {}
        self.events: list[CostAggregate] = []

    def __call__(self, output: Output) -> None:
        event = output.event
        if isinstance(event, CostForecast):
            return  # detection, which stands behind totals, has foretold all of it
        assert isinstance(event, CostAggregate)
        self.events.append(event)
        rows = zip(event.row_series, event.row_day, event.row_kind, event.row_effective, strict=True)
        for index, day, kind, effective in rows:
            self.days[event.series[index], day_of(day), kind] = effective
        ends = zip(
            event.window_series,
            event.window_name,
            event.window_end,
            event.window_kind,
            event.window_effective,
            strict=True,
        )
        for index, name, end, kind, effective in ends:
            self.windows[event.series[index], name, kind] = (day_of(end), effective)

    def dollars(self, key: str, day: date = DAY, kind: int = 0) -> int | None:
        """Return whole dollars of a series and day, None when it was never announced."""
        units = self.days.get((key, day, kind))
        return None if units is None else units // UNIT


def partitioned(events: Sequence[Event]) -> list[tuple[int, Event]]:
    """Return events with the partition that each goes to."""
    return [
        (event.partition if isinstance(event, ReadingClosed) else partition_of(event), event)  # type: ignore[arg-type]
        for event in events
    ]


def feed(driver: object, events: Sequence[Event]) -> None:
    """Hand all events to a batch driver."""
    for partition, event in partitioned(events):
        driver.feed(STATEMENTS, partition, event)  # type: ignore[attr-defined]


def model(events: Sequence[Event]) -> dict[tuple[str, date, int], int]:
    """Return the totals that the newest complete version of every scope gives, without zeros: the slow, obvious way."""
    newest: dict[tuple[object, ...], dict[int, dict[int, CostStatement]]] = {}
    for event in events:
        if isinstance(event, CostStatement):
            scope = (event.source, event.billing_account, event.billing_period, event.account, event.service, event.day)
            newest.setdefault(scope, {}).setdefault(event.version, {})[event.part] = event
    totals: Counter[tuple[str, date, int]] = Counter()
    for versions in newest.values():
        complete = [parts for _, parts in sorted(versions.items()) if len(parts) == next(iter(parts.values())).parts]
        for part in complete[-1].values() if complete else ():
            for row, amount in enumerate(part.effective):
                for key in _keys(part, row):
                    totals[key, part.day, part.kind[row]] += amount
    return {key: amount for key, amount in totals.items() if amount}


def _keys(event: CostStatement, row: int) -> list[str]:
    everything = Series("USD", "AWS", event.account, event.service)
    return [
        Series("USD").key,
        Series("USD", "AWS").key,
        Series("USD", "AWS", event.account).key,
        Series("USD", "AWS", service=event.service).key,
        everything.key,
        replace(everything, region=event.strings[event.region[row]]).key,
        replace(everything, usage_type=event.strings[event.usage_type[row]]).key,
    ]
