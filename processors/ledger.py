"""The ledger: keeps what each scope contributes to each series, and tells its shard's totals when a reading closes.

State of a shard (keys; a *book* is one source's word about one billing account):

- `s/{book}/{day}/{scope}`: the contributions of one account's service and day, by billing period: `o` the newest, with
  the shard's count of closes when it came, `c` the one that it replaces, `p` parts of a version not yet complete;
- `m/{book}/{day}`: the close, by its count, that last announced the day, by billing period: what came before it in an
  `o` is announced, what came later is still open;
- `d/{book}/{day}`: the shard's totals of the series that hold many scopes (organisation, provider, account, service,
  tag), as announced, and `k`, the entries of the day;
- `k/…`: earlier prices of usage types (`processors.known_prices`);
- `b/{book}`: ids of the readings closed last and the newest closed day; `count`: the shard's own count of closes;
- `r/{provider}/{billing account}`: the source that this shard takes for the source of record.

A statement only changes `s`, and nothing is sent. The close of a reading announces what is open of all scopes in its
coverage, also that of an earlier reading that never closed, and sends the totals of every series and day that changed.
It writes a mark for each day, not the scopes: there may be very many.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from processors.columns import Changed, changed
from processors.contribution import HOURS, OWN, PRICES, TAGS, TOTAL, Contribution, added, contribution
from processors.known_prices import KnownPrices
from processors.rows import Row, Rows, cut
from processors.series import partition_of, quoted
from processors.step import Output, State, Step
from schemas.events import CostAggregate, CostPartial, CostStatement, Event, ReadingClosed, ReadingOpened
from spendstream.clock import day_number
from spendstream.topics import HORIZON_DAYS, PARTIALS, STATEMENTS

#: Rows that go into one partial event at most, about 1 MB; a larger close is sent in parts.
MAX_ROWS = 20_000
_REMEMBERED_READINGS = 64

_Totals = dict[str, dict[str, list[int]]]


class OverlapError(ValueError):
    """Two sources tell of the same billing account, and no setting says which is of record."""


@dataclass(frozen=True, slots=True)
class Record:
    """Says which source is of record: (billing account, source, first day or None), see `settings.SourceOfRecord`."""

    rules: tuple[tuple[str, str, date | None], ...] = ()

    def source_for(self, billing_account: str, day: date) -> str | None:
        """Return the source of record of an account and charge day; None when no rule names one."""
        best: tuple[date, str] | None = None
        for account, source, first_day in self.rules:
            since = first_day or date.min
            if account == billing_account and since <= day and (best is None or since >= best[0]):
                best = (since, source)
        return None if best is None else best[1]


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """What the ledger needs to know of the deployment."""

    shards: int
    epoch: int = 1
    run: str = "live"
    tags: tuple[str, ...] = ()
    record: Record = Record()


def ledger(options: LedgerOptions) -> Step:
    """Return the ledger as a step."""
    return Step(
        name="ledger",
        inputs=(STATEMENTS,),
        open=lambda partition, state, counts: LedgerPartition(options, partition, state, counts),
        until={CostStatement.SUBJECT: "effective"},
    )


def book_of(event: CostStatement | ReadingOpened | ReadingClosed | CostPartial | CostAggregate) -> str:
    """Return the key of the book that an event belongs to."""
    return f"{quoted(event.source)}/{quoted(event.provider)}/{quoted(event.billing_account)}"


class LedgerPartition:
    """The ledger of one shard."""

    def __init__(self, options: LedgerOptions, partition: int, state: State, counts: Counter[str]) -> None:
        self._options = options
        self._shard = partition
        self._state = state
        self._counts = counts
        #: Read for every statement, so kept at hand: the source of each billing account, and each book.
        self._sources: dict[str, Any] = {}
        self._books: dict[str, Any] = {}
        self._marks: dict[str, dict[str, int]] = {}
        self._prices = KnownPrices(state)
        #: Of this shard's closes.
        self._count: Any = state.get("count") or 0
        self._open: dict[str, set[str]] = {}
        for key, entry in state.scan("s/"):
            if self._parted(key, entry)[1]:
                self._open.setdefault(_book_in(key), set()).add(key)

    def process(self, event: Event) -> Iterable[Output]:
        """Take a statement into the books, or send what a closed reading has changed."""
        if isinstance(event, CostStatement):
            self._take(event)
        elif isinstance(event, ReadingClosed):
            return self._close(event)
        return ()

    # statements

    def _take(self, statement: CostStatement) -> None:
        if not self._of_record(statement):
            self._counts["statements_not_of_record"] += 1
            return
        book = book_of(statement)
        day = day_number(statement.day)
        known_book = self._book(book)
        if known_book is not None and day < known_book["newest"] - HORIZON_DAYS:
            self._counts["statements_before_horizon"] += 1
            return
        key = (
            f"s/{book}/{day}/{statement.currency}/{quoted(statement.provider)}"
            f"/{quoted(statement.account)}/{quoted(statement.service)}"
        )
        entry: Any = self._state.get(key) or {"c": {}, "o": {}, "p": {}}
        period = str(day_number(statement.billing_period))
        newest = max(entry[kind][period][0] if period in entry[kind] else -1 for kind in ("c", "o"))
        if statement.version <= newest:
            self._counts["statements_known" if statement.version == newest else "statements_outdated"] += 1
            return
        whole, parts = self._assemble(statement, entry["p"].get(period))
        pending = {other: value for other, value in entry["p"].items() if other != period}
        if whole is None:
            self._state.put(key, {**entry, "p": {**pending, period: parts}})
            return
        announced, opened = self._parted(key, entry)
        opened = {**opened, period: [statement.version, whole, self._count]}
        self._state.put(key, {"c": announced, "o": opened, "p": pending})
        self._open.setdefault(book, set()).add(key)
        self._counts["statements_taken"] += 1

    def _assemble(self, statement: CostStatement, known: Any) -> tuple[Contribution | None, Any]:  # noqa: ANN401
        """Return the contribution of a whole statement, or None and the parts that are there so far."""
        own = contribution(statement, self._options.tags)
        priced = self._prices.index(statement)
        if priced is not None:
            own[PRICES] = priced
        if statement.parts == 1:
            return own, None
        if known is not None and known[0] > statement.version:
            self._counts["statements_outdated"] += 1
            return None, known
        there = dict(known[1]) if known is not None and known[0] == statement.version else {}
        there[str(statement.part)] = own
        if len(there) < statement.parts:
            return None, [statement.version, there]
        return added(there.values()), None

    def _of_record(self, statement: CostStatement) -> bool:
        if statement.view is not None:
            return True
        chosen = self._options.record.source_for(statement.billing_account, statement.day)
        if chosen is not None:
            return statement.source == chosen
        key = f"r/{quoted(statement.provider)}/{quoted(statement.billing_account)}"
        known = self._sources.get(key) or self._state.get(key)
        if known is None:
            known = statement.source
            self._state.put(key, known)
        self._sources[key] = known
        if known != statement.source:
            raise OverlapError(
                f"billing account {statement.billing_account} is told of by {known} and by {statement.source}; they "
                "are never added up: say in ledger.of_record which one is of record, then send this back "
                "with `spendstream dead-letters retry`"
            )
        return True

    def _book(self, book: str) -> Any:  # noqa: ANN401 - plain data of the state
        known = self._books.get(book)
        if known is None:
            known = self._books[book] = self._state.get(f"b/{book}")
        return known

    def _parted(self, key: str, entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 - plain data
        """Return an entry's contributions by billing period: those announced, and those open, with when they came."""
        if not entry["o"]:
            return entry["c"], {}
        marks = self._marks_of(_mark_of(key))
        opened = {period: value for period, value in entry["o"].items() if value[2] >= marks.get(period, 0)}
        closed = {period: value[:2] for period, value in entry["o"].items() if period not in opened}
        return {**entry["c"], **closed}, opened

    def _marks_of(self, key: str) -> dict[str, int]:
        known = self._marks.get(key)
        if known is None:
            stored: Any = self._state.get(key) or {}
            known = self._marks[key] = stored
        return known

    # closes

    def _close(self, close: ReadingClosed) -> list[Output]:
        book = book_of(close)
        known = self._book(book) or {"closed": [], "newest": 0}
        if close.reading in known["closed"]:
            self._counts["closes_known"] += 1
            return []
        partitions = self._options.shards
        rows: list[Rows] = [Rows() for _ in range(partitions)]
        changes = _Changes(rows)
        self._count += 1
        self._state.put("count", self._count)
        for key in sorted(self._open.get(book, ())):
            self._settle(key, close, changes)
        for key, periods in changes.marks.items():
            self._marks[key] = {**self._marks_of(key), **dict.fromkeys(sorted(periods), self._count)}
            self._state.put(key, self._marks[key])  # type: ignore[arg-type]
        for day, deltas in sorted(changes.by_day.items()):
            for row in self._settle_day(f"d/{book}/{day}", day, deltas, changes.keys[day]):
                rows[partition_of(row.series, partitions)].add(row)
        newest = max(int(known["newest"]), day_number(close.closed_through or close.last_day))
        closed = [*known["closed"], close.reading][-_REMEMBERED_READINGS:]
        self._books[book] = {"closed": closed, "newest": newest}
        self._state.put(f"b/{book}", self._books[book])
        if known["newest"]:
            self._prune(book, range(known["newest"] - HORIZON_DAYS, newest - HORIZON_DAYS))
        return [output for partition in range(partitions) for output in self._partials(close, partition, rows)]

    def _settle(self, key: str, close: ReadingClosed, changes: "_Changes") -> None:
        """Announce what is open of one entry, where the reading covers it."""
        day = int(key.split("/")[4])
        if not day_number(close.first_day) <= day <= day_number(close.last_day):
            return
        announced, opened = self._parted(key, self._state.get(key))
        periods = set(map(str, close.billing_periods))
        moved = {period: value[:2] for period, value in opened.items() if not periods or period in periods}
        if not moved:
            return
        changes.add(key, day, _whole(announced), _whole({**announced, **moved}))
        changes.marks.setdefault(_mark_of(key), set()).update(moved)
        if len(moved) == len(opened):
            self._open[_book_in(key)].discard(key)

    def _settle_day(self, key: str, day: int, deltas: _Totals, entries: set[str]) -> list[Row]:
        """Add the day's changes to the series that hold many scopes, and return those that changed."""
        known: Any = self._state.get(key) or {"k": [], "t": {}}
        totals = dict(known["t"])
        rows = []
        for name, kinds in sorted(deltas.items()):
            series, _, hour = name.partition("@")
            old = totals.get(name, {})
            new = dict(old)
            for label, (billed, effective) in kinds.items():
                if label in old and not billed and not effective:
                    continue
                was = old.get(label, (0, 0))
                new[label] = [was[0] + billed, was[1] + effective]
                rows.append(Row(series, day, int(hour) if hour else None, int(label), *new[label]))
            totals[name] = new
        self._state.put(key, {"k": sorted({*known["k"], *entries}), "t": totals})
        return rows

    def _prune(self, book: str, days: range) -> None:
        for day in days:
            known: Any = self._state.get(f"d/{book}/{day}")
            if known is not None:
                for key in known["k"]:
                    self._state.delete(key)
                    self._open.get(book, set()).discard(key)
                self._state.delete(f"d/{book}/{day}")
                self._state.delete(f"m/{book}/{day}")
                self._marks.pop(f"m/{book}/{day}", None)

    def _partials(self, close: ReadingClosed, partition: int, rows: list[Rows]) -> list[Output]:
        pieces = cut(rows[partition], MAX_ROWS)
        return [
            Output(
                PARTIALS,
                partition,
                f"{book_of(close)}/{self._shard}".encode(),
                CostPartial(
                    run=self._options.run,
                    source=close.source,
                    provider=close.provider,
                    billing_account=close.billing_account,
                    reading=close.reading,
                    epoch=self._options.epoch,
                    shard=self._shard,
                    count=self._count,
                    part=part,
                    parts=len(pieces),
                    closed_at=close.closed_at,
                    closed_through=close.closed_through,
                    final_through=close.final_through,
                    view=close.view,
                    **piece.columns(),  # type: ignore[arg-type]
                ),
            )
            for part, piece in enumerate(pieces)
        ]


class _Changes:
    """What a close changes: rows of an account's service, and differences for the series above it."""

    def __init__(self, rows: list[Rows]) -> None:
        self._rows = rows
        self.by_day: dict[int, _Totals] = {}
        self.keys: dict[int, set[str]] = {}
        #: Keys of the marks → the billing periods to be marked.
        self.marks: dict[str, set[str]] = {}

    def add(self, key: str, day: int, before: Contribution, after: Contribution) -> None:
        currency, provider, account, service = key.split("/")[5:]
        above = (
            currency,
            f"{currency}/provider={provider}",
            f"{currency}/provider={provider}/account={account}",
            f"{currency}/provider={provider}/service={service}",
        )
        own = f"{currency}/provider={provider}/account={account}/service={service}"
        rows = self._rows[partition_of(own, len(self._rows))]
        deltas = self.by_day.setdefault(day, {})
        self.keys.setdefault(day, set()).add(key)

        of_own = changed(before.get(OWN), after.get(OWN))
        rows.extend(own, day, of_own.now)
        rows.extend_prices(own, day, changed(before.get(PRICES), after.get(PRICES)).now)
        for name, label, billed, effective in _differences(of_own):
            if name != TOTAL:
                break  # the scope's own total comes first
            for series in above:
                _add(deltas, series, label, billed, effective)
        of_hours = changed(before.get(HOURS), after.get(HOURS))
        rows.extend_hours(own, day, of_hours.now)
        for hour, label, billed, effective in _differences(of_hours):
            for series in above:
                _add(deltas, f"{series}@{hour:02d}", label, billed, effective)
        for suffix, label, billed, effective in _differences(changed(before.get(TAGS), after.get(TAGS))):
            _add(deltas, currency + suffix, label, billed, effective)


def _differences(rows: Changed) -> Iterator[tuple[Any, str, int, int]]:
    """Yield name, charge class as text, and by how much billed and effective have changed."""
    for name, kind, billed, effective, was_billed, was_effective in zip(
        *rows.now, rows.was_billed, rows.was_effective, strict=True
    ):
        yield name, str(kind), billed - was_billed, effective - was_effective


def _add(deltas: _Totals, series: str, label: str, billed: int, effective: int) -> None:
    sums = deltas.setdefault(series, {}).setdefault(label, [0, 0])
    sums[0] += billed
    sums[1] += effective


def _whole(periods: dict[str, Any]) -> Contribution:
    """Return the sum of the contributions of all billing periods, nearly always one."""
    return added(value[1] for value in periods.values())


def _book_in(key: str) -> str:
    return "/".join(key.split("/")[1:4])


def _mark_of(key: str) -> str:
    """Return the key of the mark that an entry is under."""
    return "m/" + "/".join(key.split("/")[1:5])
