"""Publishing readings: statements, heads, closes, in an order that a crash cannot break.

A reading, step by step; a crash anywhere is mended by the next reading of the same coverage:

1. `ReadingOpened` goes to every partition;
2. each statement whose content changed goes to its shard, in all its parts;
3. when Kafka has acknowledged a statement, its head goes to `cost.heads`: a crash between only publishes again;
4. an empty statement goes out for every scope that the coverage held before and the source no longer mentions;
5. when all of them, and all heads, are acknowledged, `ReadingClosed` goes to every partition.

A delivery that fails ends the reading with an error before its close.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from processors.ledger import OverlapError
from processors.of_record import record_of
from processors.series import shard_of
from producers.sender import Sender
from producers.statement import Line, Said, Scope, content_hash, fold
from schemas.events import ControlTotal, CostHead, CostStatement, DeadLetter, ReadingClosed, ReadingOpened
from spendstream.clock import Clock, day_number, to_millis
from spendstream.money import from_units
from spendstream.read_back import read_back
from spendstream.settings import Settings
from spendstream.topics import DEAD_LETTERS, HEADS, STATEMENTS


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a reading is about: one source's word about one billing account, over a span of charge days.

    `billing_periods` empty means all of them.
    """

    source: str
    provider: str
    billing_account: str
    first_day: date
    last_day: date
    billing_periods: tuple[date, ...] = ()
    view: str | None = None

    def is_of(self, head: CostHead) -> bool:
        """Tell whether a scope is of the same book and view, on whatever day."""
        return (head.source, head.provider, head.billing_account, head.view) == (
            self.source,
            self.provider,
            self.billing_account,
            self.view,
        )

    def holds(self, head: CostHead) -> bool:
        """Tell whether a scope lies within it."""
        return (
            self.is_of(head)
            and self.first_day <= head.day <= self.last_day
            and (not self.billing_periods or head.billing_period in self.billing_periods)
        )


class Publisher(Sender):
    """Publishes for one deployment; knows what was published before. One process publishes a book at a time.

    Parameters
    ----------
    settings, clock
        The deployment, and the time of reading.
    faults
        Called at each numbered point of the protocol, for tests.

    Attributes
    ----------
    heads
        What was published last, by the scope's key.
    """

    def __init__(self, settings: Settings, clock: Clock, faults: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(settings, clock)
        self.faults = faults
        self.heads: dict[str, CostHead] = {}
        for raw in read_back(settings, HEADS):
            head = self.codec.decode(raw)
            if isinstance(head, CostHead):
                self.heads[scope_of(head).key] = head

    def open(self, coverage: Coverage, source_time: datetime | None = None) -> "Reading":
        """Begin a reading of what the source says; `source_time` is its own time, where it has one.

        Raises
        ------
        OverlapError
            When another source tells of the same billing account, and no setting says which is of record.
        """
        self._check_overlap(coverage)
        return Reading(self, coverage, source_time)

    def bury(self, letter: DeadLetter) -> None:
        """Send what could not be read to `dead.letters`."""
        self.send(DEAD_LETTERS, 0, letter.id, letter)

    def _check_overlap(self, coverage: Coverage) -> None:
        if coverage.view is not None:
            return
        record = record_of(self.settings)
        if record.source_for(coverage.billing_account, coverage.last_day) is not None:
            return
        for head in self.heads.values():
            same = (head.provider, head.billing_account) == (coverage.provider, coverage.billing_account)
            if same and head.view is None and head.source != coverage.source and head.lines:
                raise OverlapError(
                    f"billing account {coverage.billing_account} is already told of by {head.source}; "
                    f"{coverage.source} is refused, because two sources are never added up: say in ledger.of_record "
                    "which one is of record"
                )


class Reading:
    """One reading under way; see the module's docstring for the order of things."""

    def __init__(self, publisher: Publisher, coverage: Coverage, source_time: datetime | None) -> None:
        self._publisher = publisher
        self._shards = publisher.settings.kafka.shards
        self.coverage = coverage
        self.source_time = source_time
        self.opened_at = publisher.clock.now()
        self.id = f"{to_millis(self.opened_at):x}-{uuid.uuid4().hex[:8]}"
        self.published = 0
        #: The source's own time of its newest word, by billing period.
        self._newest: dict[date, datetime] = {}
        for head in publisher.heads.values():
            if head.source_time is not None and coverage.holds(head):
                known = self._newest.get(head.billing_period, head.source_time)
                self._newest[head.billing_period] = max(known, head.source_time)
        self._mentioned: set[str] = set()
        self._sums: dict[str, Counter[str]] = {}
        opened = ReadingOpened(reading=self.id, opened_at=self.opened_at, **self._coverage())
        for partition in range(self._shards):
            publisher.send(STATEMENTS, partition, f"opened/{self.id}/{partition}", opened)
        publisher.faults("opened")

    def publish(
        self,
        scope: Scope,
        lines: Sequence[Line],
        *,
        fingerprint: str = "",
        estimated: bool = False,
        reconciled: bool = True,
        account_name: str | None = None,
    ) -> bool:
        """Publish a scope's statement, unless it is as published before; return whether it went out.

        What is older than the source's newest word about the billing period never wins, whenever it is read.
        """
        known = self._publisher.heads.get(scope.key)
        if self._is_old(scope.billing_period):
            if known is not None:
                self.mention_unchanged(known)
            return False
        self._mention(scope, lines)
        content = content_hash(lines)
        same = known is not None and (known.content, known.estimated, known.fingerprint) == (
            content,
            estimated,
            fingerprint,
        )
        if same:
            return False
        said = self._said(known, estimated=estimated, reconciled=reconciled, account_name=account_name)
        statements = fold(scope, lines, said)
        head = _head(scope, lines, said, len(statements), content, fingerprint)
        self._send(scope, statements, head)
        return True

    def _mention(self, scope: Scope, lines: Sequence[Line]) -> None:
        """Count a scope as one that the source still tells of, and its lines into the control total."""
        self._mentioned.add(scope.key)
        sums = self._sums.setdefault(scope.currency, Counter())
        sums["lines"] += len(lines)
        sums["billed"] += sum(line.billed for line in lines)
        sums["effective"] += sum(line.effective for line in lines)

    def mention_unchanged(self, head: CostHead) -> None:
        """Count a scope that a cheap request found unchanged, by what was published of it."""
        self._mentioned.add(scope_of(head).key)
        sums = self._sums.setdefault(head.currency, Counter())
        sums["lines"] += head.lines
        sums["billed"] += int(head.billed.scaleb(18))
        sums["effective"] += int(head.effective.scaleb(18))

    def close(self, closed_through: date | None, final_through: date | None) -> ReadingClosed:
        """Publish the empty statements, wait for Kafka, and announce the close in every partition."""
        publisher = self._publisher
        for key, head in list(publisher.heads.items()):
            if key in self._mentioned or not self.coverage.holds(head):
                continue
            if self._is_old(head.billing_period):
                self.mention_unchanged(head)
            elif head.lines:
                self._empty(head)
        publisher.flush()
        self._remember_time()
        publisher.faults("statements and heads acknowledged")
        totals = [
            ControlTotal(
                currency=currency,
                lines=sums["lines"],
                billed=from_units(sums["billed"]),
                effective=from_units(sums["effective"]),
            )
            for currency, sums in sorted(self._sums.items())
        ]
        close = ReadingClosed(
            reading=self.id,
            opened_at=self.opened_at,
            **self._coverage(),
            closed_at=publisher.clock.now(),
            partition=0,
            scopes=len(self._mentioned),
            published=self.published,
            closed_through=closed_through,
            final_through=final_through,
            totals=totals,
        )
        book = f"{self.coverage.source}/{self.coverage.provider}/{self.coverage.billing_account}"
        for partition in range(self._shards):
            key = f"closed/{book}/{self.coverage.view or ''}/{partition}"
            publisher.send(STATEMENTS, partition, key, replace(close, partition=partition))
            publisher.faults("close sent")
        publisher.flush()
        return close

    def _remember_time(self) -> None:
        """Let each billing period have a head with the time of this reading, also where the source says the same."""
        covered = [head for head in self._publisher.heads.values() if self.coverage.holds(head)]
        told = {head.billing_period for head in covered if head.source_time == self.source_time}
        for head in covered:
            if head.billing_period not in told and not self._is_old(head.billing_period):
                told.add(head.billing_period)
                self._send_head(scope_of(head), replace(head, source_time=self.source_time))
        self._publisher.flush()

    def _is_old(self, period: date) -> bool:
        """Tell whether a later word of the source about a billing period is known already."""
        return self.source_time is not None and self.source_time < self._newest.get(period, self.source_time)

    def _said(self, known: CostHead | None, **said: Any) -> Said:  # noqa: ANN401 - further fields of it
        """Return what a statement of this reading says of itself: a version above the last, and above all its times."""
        own = to_millis(self.opened_at if self.source_time is None else self.source_time)
        return Said(
            version=max(own, 0 if known is None else known.version + 1),
            reading=self.id,
            read_at=self.opened_at,
            source_time=self.source_time,
            **said,
        )

    def _empty(self, head: CostHead) -> None:
        scope = scope_of(head)
        said = self._said(head, estimated=head.estimated)
        self._send(scope, fold(scope, (), said), _head(scope, (), said, 1, content_hash(()), ""))

    def _send(self, scope: Scope, statements: Sequence[CostStatement], head: CostHead) -> None:
        publisher = self._publisher
        shard = shard_of(scope.account, scope.service, self._shards)
        waiting = len(statements)

        def acknowledged() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                publisher.faults("statement acknowledged")
                self._send_head(scope, head)

        for statement in statements:
            publisher.send(STATEMENTS, shard, f"{scope.key}#{statement.part}", statement, acknowledged)
        self.published += 1
        publisher.faults("statement sent")

    def _send_head(self, scope: Scope, head: CostHead) -> None:
        self._publisher.heads[scope.key] = head
        self._publisher.send(HEADS, shard_of(scope.account, scope.service, self._shards), scope.key, head)

    def _coverage(self) -> dict[str, Any]:
        coverage: dict[str, Any] = {f.name: getattr(self.coverage, f.name) for f in fields(self.coverage)}
        return {**coverage, "billing_periods": [day_number(day) for day in self.coverage.billing_periods]}


def scope_of(head: CostHead) -> Scope:
    """Return the scope that a head is about."""
    return Scope(**{f.name: getattr(head, f.name) for f in fields(Scope)})


def _head(scope: Scope, lines: Sequence[Line], said: Said, parts: int, content: str, fingerprint: str) -> CostHead:
    return CostHead(
        **{f.name: getattr(scope, f.name) for f in fields(scope)},
        version=said.version,
        parts=parts,
        lines=len(lines),
        content=content,
        fingerprint=fingerprint,
        estimated=said.estimated,
        reading=said.reading,
        source_time=said.source_time,
        billed=from_units(sum(line.billed for line in lines)),
        effective=from_units(sum(line.effective for line in lines)),
    )
