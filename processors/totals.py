"""Totals: adds up at most one value per shard and book for every series and day, and announces at the barrier.

The barrier of a reading is reached when every shard has sent all its partials of it. Until then partials only wait, so
that nobody sees an organisation's total climb while a poll is half read. A reading that stays behind for ever is
overtaken: its waiting partials are applied with those of the next reading of the same book that reaches its barrier.

State of a partition (keys; a *slot* is a shard and a book):

- `p/{book}/{shard}/{count}/{part}`: a partial that waits;
- `f/{family}/{day}`: by slot, the columns of the family's series (`own`), its hours (`hours`), and how its prices
  move (`prices`);
- `w/{family}`: day totals of the last 31 days and month totals of the family's own series, for rolling windows;
- `b/{book}`: the book's number, last count by shard, readings announced last, closed and final days;
- `version`: the partition's own count of announcements.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from processors.columns import Columns, by_name, in_order, replaced
from processors.contribution import HOURS, OWN, PRICES, TOTAL
from processors.ledger import MAX_ROWS, book_of
from processors.rolling import Sheet, WindowTotal
from processors.rows import COLUMNS, Rows, cut, hour_runs, price_runs, runs
from processors.series import WINDOWS, ChargeKind, family_of
from processors.step import Output, State, Step
from schemas.events import CostAggregate, CostPartial, Event
from spendstream.clock import day_number
from spendstream.topics import AGGREGATES, PARTIALS

_REMEMBERED_READINGS = 64


@dataclass(frozen=True, slots=True)
class TotalsOptions:
    """What totals need to know of the deployment."""

    shards: int
    epoch: int = 1
    run: str = "live"


def totals(options: TotalsOptions) -> Step:
    """Return totals as a step."""
    return Step(
        name="totals",
        inputs=(PARTIALS,),
        open=lambda partition, state, counts: TotalsPartition(options, partition, state, counts),
    )


class TotalsPartition:
    """The totals of the series of one partition."""

    def __init__(self, options: TotalsOptions, partition: int, state: State, counts: Counter[str]) -> None:
        self._options = options
        self._partition = partition
        self._state = state
        self._counts = counts
        self._families: dict[str, set[str]] = {}
        sheet: Any
        for key, sheet in state.scan("w/"):
            for book in sheet["books"]:
                self._families.setdefault(book, set()).add(key[2:])

    def process(self, event: Event) -> Iterable[Output]:
        """Let a partial wait, or announce the reading that it completes."""
        if not isinstance(event, CostPartial):
            return ()
        if event.run != self._options.run or event.epoch != self._options.epoch:
            self._counts["partials_of_other_runs"] += 1
            return ()
        key = f"b/{book_of(event)}"
        book: Any = self._state.get(key) or {
            "number": self._next_number(),
            "shards": {},
            "waiting": {},
            "announced": [],
            "closed": None,
            "final": None,
        }
        shard = str(event.shard)
        if self._known(event, book["shards"].get(shard)):
            self._counts["partials_known"] += 1
            return ()
        there = sorted({*self._parts_of(book, shard, event.count), event.part})
        complete = len(there) == event.parts
        self._state.put(f"p/{book_of(event)}/{shard}/{event.count}/{event.part}", _waiting(event))
        waiting = {name: dict(counts) for name, counts in book["waiting"].items()}
        waiting.setdefault(shard, {})[str(event.count)] = [event.reading, there, complete]
        shards = {**book["shards"], shard: event.count} if complete else book["shards"]
        book = {**book, "waiting": waiting, "shards": shards}
        if self._at_barrier(event.reading, waiting):
            return self._announce(event, key, book)
        self._state.put(key, book)
        return ()

    def _next_number(self) -> str:
        number: Any = (self._state.get("books") or 0) + 1  # type: ignore[operator]
        self._state.put("books", number)
        return str(number)

    @staticmethod
    def _known(event: CostPartial, last: int | None) -> bool:
        return last is not None and event.count <= last

    @staticmethod
    def _parts_of(book: Any, shard: str, count: int) -> list[int]:  # noqa: ANN401 - plain data of the state
        there: list[int] = book["waiting"].get(shard, {}).get(str(count), [None, [], False])[1]
        return there

    def _at_barrier(self, reading: str, waiting: dict[str, dict[str, Any]]) -> bool:
        done = sum(
            any(complete and name == reading for name, _, complete in counts.values()) for counts in waiting.values()
        )
        return done == self._options.shards

    def _announce(self, event: CostPartial, key: str, book: Any) -> list[Output]:  # noqa: ANN401 - as above
        closed = _later(book["closed"], event.closed_through)
        advanced = closed != book["closed"]
        changed = self._apply(event, book)
        book = {
            **book,
            "closed": closed,
            "final": _later(book["final"], event.final_through),
            "announced": [*book["announced"], event.reading][-_REMEMBERED_READINGS:],
            "waiting": self._left(event, book),
        }
        self._state.put(key, book)
        self._state.put(f"c/{book['number']}", closed)
        version: Any = (self._state.get("version") or 0) + 1  # type: ignore[operator]
        self._state.put("version", version)
        touched = set(changed.sheets)
        if advanced:
            touched |= self._families.get(book["number"], set())
        windows = _Windows()
        for family in sorted(touched):
            self._roll(family, changed.sheets.get(family, {}), book["number"], windows)
        self._counts["readings_announced"] += 1
        return self._aggregates(event, version, changed.rows, windows)

    def _apply(self, event: CostPartial, book: Any) -> "_Changed":  # noqa: ANN401 - plain data of the state
        """Apply all that waits in the book up to this reading, shard by shard, in the order of the counts."""
        changed = _Changed(self._state)
        for shard, counts in sorted(book["waiting"].items()):
            last = max(int(count) for count, (name, _, _) in counts.items() if name == event.reading)
            for count in sorted(map(int, counts)):
                _, parts, complete = counts[str(count)]
                if count > last or not complete:
                    continue
                for part in parts:
                    waiting = f"p/{book_of(event)}/{shard}/{count}/{part}"
                    partial = Rows(**self._state.get(waiting))  # type: ignore[arg-type]
                    changed.take(partial, f"{shard}.{book['number']}")
                    self._state.delete(waiting)
        changed.settle()
        return changed

    @staticmethod
    def _left(event: CostPartial, book: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data of the state
        left = {}
        for shard, counts in book["waiting"].items():
            last = max(int(count) for count, (name, _, _) in counts.items() if name == event.reading)
            left[shard] = {count: value for count, value in counts.items() if int(count) > last}
        return left

    def _roll(self, family: str, changes: dict[int, "_DayChange"], number: str, windows: "_Windows") -> None:
        sheet = Sheet.load(self._state.get(f"w/{family}"))
        if changes:
            sheet.books.add(number)
            self._families.setdefault(number, set()).add(family)
        for day, kinds in changes.items():
            for kind, (old, new) in kinds.items():
                sheet.change(day, kind, old, new)
        ends = [self._state.get(f"c/{book}") for book in sheet.books]
        end = max((day for day in ends if isinstance(day, int)), default=None)
        if end is not None:
            sheet.forget_before(end)
            for total in sheet.windows(end):
                windows.add(family, end, total)
        self._state.put(f"w/{family}", sheet.dump())

    def _aggregates(self, event: CostPartial, version: int, rows: Rows, windows: "_Windows") -> list[Output]:
        pieces = _cut(rows, windows)
        return [
            Output(
                AGGREGATES,
                self._partition,
                f"{book_of(event)}/{part}".encode(),
                CostAggregate(
                    run=event.run,
                    source=event.source,
                    provider=event.provider,
                    billing_account=event.billing_account,
                    reading=event.reading,
                    epoch=event.epoch,
                    partition=self._partition,
                    partitions=self._options.shards,
                    version=version,
                    part=part,
                    parts=len(pieces),
                    closed_at=event.closed_at,
                    closed_through=event.closed_through,
                    final_through=event.final_through,
                    view=event.view,
                    **piece,
                ),
            )
            for part, piece in enumerate(pieces)
        ]


_DayChange = dict[int, tuple[tuple[int, int], tuple[int, int]]]

#: Slot → section → columns, one family's day.
_Entry = dict[str, dict[str, Columns]]


class _Changed:
    """Applies partials to the families' days, and remembers what their totals were before."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._days: dict[tuple[str, int], _Day] = {}
        self.rows = Rows()
        self.sheets: dict[str, dict[int, _DayChange]] = {}

    def take(self, partial: Rows, slot: str) -> None:
        """Replace what a slot said of the series and days of a partial."""
        families = [family_of(series) for series in partial.series]
        suffixes = [series[len(family) :] for family, series in zip(families, partial.series, strict=True)]
        for family, day, run in runs(partial, families):
            names = [suffixes[index] for index in partial.row_series[run]]
            self._day(family, day).replace(
                slot, OWN, [names, partial.row_kind[run], partial.row_billed[run], partial.row_effective[run]]
            )
        for family, day, run in price_runs(partial, families):
            self._day(family, day).replace(
                slot,
                PRICES,
                [[TOTAL], [int(ChargeKind.USAGE)], partial.price_cost[run], partial.price_before[run]],
            )
        for family, day, run in hour_runs(partial, families):
            self._day(family, day).replace(
                slot,
                HOURS,
                [
                    partial.hour_hour[run],
                    partial.hour_kind[run],
                    partial.hour_billed[run],
                    partial.hour_effective[run],
                ],
            )

    def _day(self, family: str, day: int) -> "_Day":
        known = self._days.get((family, day))
        if known is None:
            stored: Any = self._state.get(f"f/{family}/{day}") or {}
            known = self._days[family, day] = _Day(stored)
        return known

    def settle(self) -> None:
        """Write the days back, and list what has changed."""
        for (family, day), entry in self._days.items():
            self._state.put(f"f/{family}/{day}", entry.slots)  # type: ignore[arg-type]
            self.rows.extend(family, day, entry.changed(OWN))
            self.rows.extend_prices(family, day, entry.changed(PRICES))
            self.rows.extend_hours(family, day, entry.changed(HOURS))
            totals = entry.own_totals()
            if totals:
                self.sheets.setdefault(family, {})[day] = totals


class _Day:
    """One family's day: what each slot says of it, and which rows were replaced."""

    def __init__(self, stored: _Entry) -> None:
        self.slots: _Entry = dict(stored)
        self._before = stored
        self._replaced: dict[str, list[tuple[str, Columns]]] = {}

    def replace(self, slot: str, section: str, new: Columns) -> None:
        """Put rows in place of those that the slot has."""
        known = self.slots.get(slot, {})
        self.slots[slot] = {**known, section: replaced(known.get(section), new)}
        self._replaced.setdefault(section, []).append((slot, new))

    def changed(self, section: str) -> Columns:
        """Return the sums over the slots of all rows that were replaced."""
        done = self._replaced.get(section, [])
        if len(done) == 1 and len(self.slots) == 1:
            return done[0][1]
        rows = {row for _, new in done for row in zip(new[0], new[1], strict=True)}
        said = [by_name(sections.get(section)) for sections in self.slots.values()]
        return in_order((name, kind, *_sum_of(said, (name, kind))) for name, kind in rows)

    def own_totals(self) -> _DayChange:
        """Return what the family's own total was and is, by charge class, where it was replaced."""
        kinds = {kind for _, new in self._replaced.get(OWN, []) for kind in new[1][: new[0].count(TOTAL)]}
        return {kind: (_own_total(self._before, kind), _own_total(self.slots, kind)) for kind in sorted(kinds)}


def _sum_of(said: list[dict[tuple[Any, int], tuple[int, int]]], row: tuple[Any, int]) -> tuple[int, int]:
    found = [amounts[row] for amounts in said if row in amounts]
    return sum(billed for billed, _ in found), sum(effective for _, effective in found)


def _own_total(entry: _Entry, kind: int) -> tuple[int, int]:
    billed = effective = 0
    for sections in entry.values():
        for name, other, its_billed, its_effective in zip(*sections.get(OWN, ()), strict=True):
            if name != TOTAL:
                break  # the family's own total comes first
            if other == kind:
                billed += its_billed
                effective += its_effective
    return billed, effective


class _Windows:
    """Rolling windows as the parallel arrays of an aggregate, in pieces for each family."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int, int, int, int, int]] = []

    def add(self, family: str, end: int, total: WindowTotal) -> None:
        window, kind, billed, effective = total
        self.entries.append((family, WINDOWS.index(window), end, kind, billed, effective))


def _cut(rows: Rows, windows: _Windows) -> list[dict[str, Any]]:
    """Return the arrays of one or more aggregate events."""
    pieces = cut(rows, MAX_ROWS)
    columns: list[dict[str, Any]] = []
    for start in range(0, max(len(windows.entries), 1), MAX_ROWS):
        chunk = windows.entries[start : start + MAX_ROWS]
        piece = pieces.pop(0) if pieces else Rows()
        arrays: dict[str, Any] = {name: [] for name in _WINDOW_COLUMNS}
        for family, *values in chunk:
            for name, value in zip(_WINDOW_COLUMNS, (piece.index_of(family), *values), strict=True):
                arrays[name].append(value)
        columns.append({**piece.columns(), **arrays})
    return columns + [dict(piece.columns()) for piece in pieces]


_WINDOW_COLUMNS = (
    "window_series",
    "window_name",
    "window_end",
    "window_kind",
    "window_billed",
    "window_effective",
)


def _waiting(event: CostPartial) -> Any:  # noqa: ANN401 - plain data of the state
    return {name: list(getattr(event, name)) for name in COLUMNS}


def _later(known: int | None, day: Any) -> int | None:  # noqa: ANN401 - a date or None
    if day is None:
        return known
    number = day_number(day)
    return number if known is None else max(known, number)
