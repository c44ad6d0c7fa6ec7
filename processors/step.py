"""The step: one piece of stream processing as a pure object, which any driver can run.

A step takes an event and its own state and returns the events that follow. It reads no clock, no network and no
global; time reaches it as `Tick` events. Two drivers run the same step: a Faust agent (`processors.live`) and the batch
driver (`processors.batch`). For every event a driver does, in this order:

1. call `process`, with the step's writes to its state held back;
2. send the outputs, and wait until Kafka has acknowledged every one;
3. let the held-back writes reach the state;
4. later, commit the offset.

So a crash before 3 leaves the state as it was, and the event, read again, gives the same outputs again; a crash after 3
finds the event already applied, and its outputs are known to be in Kafka. A step therefore has to recognise an event
that it has applied (by version, count or id) and return nothing for it, and its outputs must be absolute values with a
version, so that the same output twice is as good as once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from schemas.events import Event
from spendstream.topics import Topic

#: Plain data, as JSON has it; integers may be of any size. What is stored is never changed in place.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class State(Protocol):
    """One partition's own key-value state."""

    def get(self, key: str) -> Json:
        """Return the value of `key`, None when there is none. The value must not be changed in place."""
        ...

    def put(self, key: str, value: Json) -> None:
        """Set `key` to `value`, which belongs to the state from here on."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`, if it is there."""
        ...

    def scan(self, prefix: str) -> Iterator[tuple[str, Json]]:
        """Yield all entries whose key begins with `prefix`. Reads the whole state: for `open` only."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """An event that follows, and where it goes."""

    topic: Topic
    partition: int
    key: bytes
    event: Event


class StepPartition(Protocol):
    """A step at work on one partition.

    It may keep an index over its state in memory, as long as opening it again on the same state changes nothing.
    """

    def process(self, event: Event) -> Iterable[Output]:
        """Return what follows from `event`.

        May be called again with an event that it has already applied, and must then return nothing or the same.
        An exception means that this event cannot be processed: the driver forgets the writes of this call, opens the
        step again, and sends the event to `dead.letters`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A step, as drivers see it.

    Attributes
    ----------
    name
        Name of its state, consumer group and metrics.
    inputs
        The topics that it reads; partition n of each goes to the same `StepPartition`.
    open
        Makes the step for a partition (from 0), its state, and a counter of things worth watching.
    until
        Last fields that it reads of large events, see `schemas.codec`.
    tick_every
        How often the driver sends it a `Tick`; None: never.
    """

    name: str
    inputs: tuple[Topic, ...]
    open: Callable[[int, State, Counter[str]], StepPartition]
    until: dict[str, str] = field(default_factory=dict)
    tick_every: timedelta | None = None


_DELETED = object()


class HeldBack:
    """A state whose writes are held back until `release`, or forgotten by `forget`."""

    def __init__(self, below: State) -> None:
        self._below = below
        self._writes: dict[str, Json | object] = {}

    def get(self, key: str) -> Json:
        """Return the newest value, held back or not."""
        if key in self._writes:
            value = self._writes[key]
            return None if value is _DELETED else value  # type: ignore[return-value]
        return self._below.get(key)

    def put(self, key: str, value: Json) -> None:
        """Hold back a write."""
        self._writes[key] = value

    def delete(self, key: str) -> None:
        """Hold back a removal."""
        self._writes[key] = _DELETED

    def scan(self, prefix: str) -> Iterator[tuple[str, Json]]:
        """Yield the entries below, with what is held back laid over them."""
        for key, value in self._below.scan(prefix):
            if key not in self._writes:
                yield key, value
        for key, held in self._writes.items():
            if key.startswith(prefix) and held is not _DELETED:
                yield key, held  # type: ignore[misc]

    def release(self) -> None:
        """Let all writes reach the state below."""
        for key, value in self._writes.items():
            if value is _DELETED:
                self._below.delete(key)
            else:
                self._below.put(key, value)  # type: ignore[arg-type]
        self._writes.clear()

    def forget(self) -> None:
        """Drop all writes."""
        self._writes.clear()


class DictState:
    """A state in a dictionary, for the batch driver and tests."""

    def __init__(self, entries: dict[str, Json] | None = None) -> None:
        self.entries: dict[str, Json] = {} if entries is None else entries

    def get(self, key: str) -> Json:
        """Return the value of `key`."""
        return self.entries.get(key)

    def put(self, key: str, value: Json) -> None:
        """Set `key`."""
        self.entries[key] = value

    def delete(self, key: str) -> None:
        """Remove `key`."""
        self.entries.pop(key, None)

    def scan(self, prefix: str) -> Iterator[tuple[str, Json]]:
        """Yield the entries with `prefix`, a snapshot."""
        return iter([(key, value) for key, value in self.entries.items() if key.startswith(prefix)])
