"""The live driver's state of one partition: Faust's local store, the writes under way to it, and their journal.

The writes of one event are several records of the table's changelog, and a crash may cut between them. So they are
journalled: records that name all writes of the event go before the writes themselves. Whoever opens the partition next
finishes the writes of a whole journal, and a cut journal means that none of its writes was sent: the state is always
that of a whole number of events. An event with a single write needs no journal; it only says that the one before is
finished.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from processors.step import Json

#: A journal is cut into records of about this size, well below the largest message.
JOURNAL_BYTES = 4 * 2**20

#: Values that were written last are kept as they are, up to about so much JSON: a close reads what came just before.
KEPT_BYTES = 2 * 2**20

_JOURNAL = "\0journal/"

_as_json = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Writes:
    """What one event wrote: records for the changelog, in their order; None removes a key."""

    sequence: int
    records: list[tuple[bytes, bytes | None]]


class Database(Protocol):
    """What is used of a RocksDB."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        ...

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Return all entries."""
        ...


class PartitionState:
    """The state of one partition: its database, and above it the writes that are still under way.

    Parameters
    ----------
    database
        Returns the partition's database; it is asked each time, because a rebalance may open it anew.
    """

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._under_way: dict[bytes, tuple[int, bytes | None]] = {}
        self._sequence = 0
        self._fresh: dict[str, Json] = {}
        self._kept: dict[str, Json] = {}
        self._kept_bytes = 0
        self._journalled = self._database().get(_journal_key(0)) is not None

    def get(self, key: str) -> Json:
        """Return the newest value, stored or not yet."""
        if key in self._fresh:
            return self._fresh[key]
        if key in self._kept:
            return self._kept[key]
        raw = self._raw(key.encode())
        return None if raw is None else json.loads(raw)

    def put(self, key: str, value: Json) -> None:
        """Write; `take` hands the write on."""
        self._fresh[key] = value

    def delete(self, key: str) -> None:
        """Remove a key."""
        self.put(key, None)

    def scan(self, prefix: str) -> Iterator[tuple[str, Json]]:
        """Yield the newest entries whose key begins with `prefix`."""
        raw_prefix = prefix.encode()
        stored: dict[bytes, bytes | None] = {
            key: value for key, value in self._database().items() if key.startswith(raw_prefix)
        }
        stored.update((key, value) for key, (_, value) in self._under_way.items() if key.startswith(raw_prefix))
        found = {key.decode(): json.loads(value) for key, value in stored.items() if value is not None}
        found.update((key, value) for key, value in self._fresh.items() if key.startswith(prefix))
        yield from ((key, value) for key, value in found.items() if value is not None)

    def take(self) -> Writes:
        """Return the writes since the last call as records; they stay under way until `settle`."""
        records = self._taken()
        if len(records) > 1:
            records = [*_journal(records), *records]
            self._journalled = True
        elif records and self._journalled:
            records = [(_journal_key(0), None), *records]
            self._journalled = False
        return self._under(records)

    def finish_journal(self) -> Writes:
        """Write what a crash has kept from being written; the journal stays, until the next event is taken."""
        for key, value in _named_by(self._raw):
            if self.get(key) != value:
                self.put(key, value)
        return self._under(self._taken())

    def _taken(self) -> list[tuple[bytes, bytes | None]]:
        fresh, self._fresh = self._fresh, {}
        records = [(key.encode(), None if value is None else _as_json(value).encode()) for key, value in fresh.items()]
        self._kept |= fresh
        self._kept_bytes += sum(len(key) + len(value or b"") for key, value in records)
        if self._kept_bytes > KEPT_BYTES:
            self._kept.clear()
            self._kept_bytes = 0
        return records

    def _under(self, records: list[tuple[bytes, bytes | None]]) -> Writes:
        self._sequence += 1
        self._under_way.update((key, (self._sequence, value)) for key, value in records)
        return Writes(self._sequence, records)

    def settle(self, writes: Writes) -> None:
        """Let acknowledged writes reach the store."""
        database = self._database()
        for key, value in writes.records:
            if value is None:
                database.delete(key)
            else:
                database.put(key, value)
            if self._under_way[key][0] == writes.sequence:
                del self._under_way[key]

    def _raw(self, key: bytes) -> bytes | None:
        found = self._under_way.get(key)
        if found is not None:
            return found[1]
        return self._database().get(key)


def _journal_key(part: int) -> bytes:
    return f"{_JOURNAL}{part}".encode()


def _journal(records: list[tuple[bytes, bytes | None]]) -> list[tuple[bytes, bytes]]:
    """Return the records of a journal; all have its id, so that those of an older one are no part of it."""
    pieces: list[list[bytes]] = [[]]
    size = 0
    for key, value in records:
        entry = json.dumps(key.decode()).encode() + b": " + (value or b"null")
        if size and size + len(entry) > JOURNAL_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(entry)
        size += len(entry)
    head = json.dumps({"id": os.urandom(8).hex(), "parts": len(pieces)}).encode()[:-1]
    return [
        (_journal_key(part), head + b', "writes": {' + b", ".join(entries) + b"}}")
        for part, entries in enumerate(pieces)
    ]


def _named_by(raw: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, Json]]:
    """Yield the writes that the newest journal names; none when it is not whole."""
    first = raw(_journal_key(0))
    if first is None:
        return
    whole = [json.loads(first)]
    for part in range(1, whole[0]["parts"]):
        other = raw(_journal_key(part))
        if other is None or (piece := json.loads(other))["id"] != whole[0]["id"]:
            return
        whole.append(piece)
    for piece in whole:
        yield from piece["writes"].items()
