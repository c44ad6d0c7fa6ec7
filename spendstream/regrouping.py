"""Recorded statements among another number of shards: who goes where, and who has to wait for whom.

Each scope lies in one old partition and comes to lie in one new one, so its own order is kept by reading each old
partition in order. A reading does not: its close stands in every old partition behind that partition's statements, and
in every new one it must stand behind all of them. So a close waits until every old partition has reached it, and in a
partition that has, whatever comes next of the same book (source, provider, billing account) waits too: statements of
its next reading before the close would be announced half read.

A publisher sends a book's next reading only when Kafka has acknowledged all closes of the one before, so this comes to
no standstill, except for a close that a crash kept from some partitions. It is abandoned when a later reading of its
book begins, or when nothing else can move: as in the old topics, the next reading announces what it would have.

Where nothing can move, closes that are whole may wait as well, behind what waits for the broken one. The broken one is
that whose next reading began first: if close A is whole, then in a partition that has not reached it an item of another
book B stands before it and waits, so B's next reading began before A was acknowledged, and A's next only after.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

_T = TypeVar("_T")

Kind = Literal["statement", "opened", "closed", "other"]


@dataclass(frozen=True, slots=True)
class Item(Generic[_T]):
    """One recorded event, as far as regrouping needs to know it.

    Attributes
    ----------
    kind
        `other` belongs to no book.
    payload
        What is carried along.
    shards
        New partitions of a statement or other event.
    book, reading, opened_at
        What it belongs to; `opened_at` is when the reading began.
    """

    kind: Kind
    payload: _T
    shards: tuple[int, ...] = ()
    book: str = ""
    reading: str = ""
    opened_at: datetime | None = None


@dataclass(slots=True)
class _Waiting(Generic[_T]):
    """A close that has not been reached by every old partition: by which it was, and how it stands there."""

    close: Item[_T]
    reached: dict[int, Item[_T]] = field(default_factory=dict)


class Regrouping(Generic[_T]):
    """Takes the items of old partitions, each in its order, and tells where they go.

    Parameters
    ----------
    partitions
        The old partitions.
    shards
        Number of new ones.
    """

    def __init__(self, partitions: Iterable[int], shards: int) -> None:
        self._partitions = frozenset(partitions)
        self._shards = range(shards)
        self._waiting: dict[str, _Waiting[_T]] = {}
        self._opened: set[str] = set()

    def must_wait(self, partition: int, item: Item[_T]) -> bool:
        """Tell whether the next item of an old partition has to wait."""
        waiting = self._waiting.get(item.book)
        return waiting is not None and partition in waiting.reached

    def take(self, partition: int, item: Item[_T]) -> list[tuple[int, Item[_T]]]:
        """Take the next item of an old partition that need not wait; return what goes out now, by new partition."""
        if item.kind in {"statement", "other"}:
            return [(shard, item) for shard in item.shards]
        waiting = self._waiting.get(item.book)
        if waiting is not None and waiting.close.reading != item.reading and _later(item, waiting.close):
            del self._waiting[item.book]
            waiting = None
        if item.kind == "opened":
            if item.reading in self._opened:
                return []
            self._opened.add(item.reading)
            return self._everywhere(item)
        if waiting is not None and waiting.close.reading != item.reading:
            return []  # of a reading before the one that waits: it was abandoned
        if waiting is None:
            waiting = self._waiting[item.book] = _Waiting(item)
        waiting.reached[partition] = item
        if waiting.reached.keys() < self._partitions:
            return []
        del self._waiting[item.book]
        return self._everywhere(item)

    def abandon(self, heads: Iterable[Item[_T]]) -> None:
        """Give up the close that cannot come any more, when nothing can move; `heads` are the items that wait."""
        first = min(heads, key=lambda item: (item.opened_at is not None, item.opened_at))
        del self._waiting[first.book]

    def held(self, partition: int) -> list[Item[_T]]:
        """Return the closes of an old partition that were taken and still wait; a restart has to take them again."""
        return [waiting.reached[partition] for waiting in self._waiting.values() if partition in waiting.reached]

    def _everywhere(self, item: Item[_T]) -> list[tuple[int, Item[_T]]]:
        return [(shard, item) for shard in self._shards]


def _later(one: Item[_T], other: Item[_T]) -> bool:
    return one.opened_at is not None and other.opened_at is not None and one.opened_at > other.opened_at
