"""What the days of a lane cost, as they were announced: by family, part of the family, and charge class.

Announcements carry only what changed, so this is where a day stands whole. Days are kept until they are settled, and
`KEPT` days longer: they tell what a restatement changed and what a family's parts usually cost, and where a backfill
brings what was before, all of them are learnt again.

State: `v/{lane}/{day}/{bucket}`; a bucket holds the families whose names hash to it, so that an event
rewrites neither all of a day nor a record for every family.
"""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

from processors.series import family_of
from processors.step import State

KEPT = 35
"""Days for which the costs of settled days are kept."""
_BUCKETS = 64

#: Family → part of it (empty: its own total) → charge class → amount in 10⁻¹⁸ units.
Costs = dict[str, dict[str, dict[str, int]]]


class DayCosts:
    """The days of one lane.

    Parameters
    ----------
    lane
        Its name.
    state
        The partition's.
    """

    def __init__(self, lane: str, state: State) -> None:
        self._lane = lane
        self._state = state
        self._held: dict[int, dict[int, Costs]] = {}
        self._written: set[tuple[int, int]] = set()

    def put(self, series: str, day: int, kind: int, units: int) -> int:
        """Set what a series costs on a day (since 1970) in a charge class, and return what it was."""
        family = family_of(series)
        place = crc32(family.encode()) % _BUCKETS
        bucket = self._bucket(day, place)
        if (day, place) not in self._written:
            # What the state holds is never changed in place.
            bucket = {name: {part: dict(kinds) for part, kinds in parts.items()} for name, parts in bucket.items()}
            self._held[day][place] = bucket
            self._written.add((day, place))
        kinds = bucket.setdefault(family, {}).setdefault(series[len(family) :], {})
        before = kinds.get(str(kind), 0)
        kinds[str(kind)] = units
        return before

    def of(self, day: int) -> Iterator[tuple[str, dict[str, dict[str, int]]]]:
        """Yield the families of a day with their parts."""
        for place in range(_BUCKETS):
            yield from self._bucket(day, place).items()

    def parts(self, day: int, family: str) -> dict[str, dict[str, int]]:
        """Return the parts of a family on a day."""
        return self._bucket(day, crc32(family.encode()) % _BUCKETS).get(family, {})

    def forget(self, day: int) -> None:
        """Let a day go."""
        self._held.pop(day, None)
        for place in range(_BUCKETS):
            self._written.discard((day, place))
            if self._state.get(self._key(day, place)) is not None:
                self._state.delete(self._key(day, place))

    def save(self, settled: int) -> None:
        """Write what was put; days up to `settled` are not held in memory any longer."""
        for day, place in sorted(self._written):
            self._state.put(self._key(day, place), self._held[day][place])  # type: ignore[arg-type]
        self._written.clear()
        self._held = {day: buckets for day, buckets in self._held.items() if day > settled}

    def _bucket(self, day: int, place: int) -> Costs:
        buckets = self._held.setdefault(day, {})
        if place not in buckets:
            stored: Any = self._state.get(self._key(day, place))
            buckets[place] = stored or {}
        return buckets[place]

    def _key(self, day: int, place: int) -> str:
        return f"v/{self._lane}/{day}/{place:02d}"
