"""What the days of a lane cost, as they were announced: by family, part of the family, and charge class.

Announcements carry only what changed, so this is where a day stands whole. Days are kept until they are settled, and
`KEPT` days longer: they tell what a restatement changed and what a family's parts usually cost, and where a backfill
brings what was before, all of them are learnt again.

State: `v/{lane}/{day}/{bucket}`; a bucket holds the families whose names hash to it, so that an event
rewrites neither all of a day nor a record for every family.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from zlib import crc32

from processors.series import ChargeKind, family_of
from processors.step import State

KEPT = 35
"""Days for which the costs of settled days are kept."""
_BUCKETS = 64

#: Where the prices of a family's day stand among its parts.
_PRICES = "@prices"
_KINDS = tuple(str(int(kind)) for kind in ChargeKind)

#: Family, part of it, and place of its bucket.
Spot = tuple[str, str, int]
#: Family → part of it (empty: its own total) → charge class → amount in 10⁻¹⁸ units; and what its prices did.
Costs = dict[str, dict[str, dict[str, int]]]


@lru_cache(maxsize=200_000)
def spot_of(series: str) -> Spot:
    """Return where a series stands in a day."""
    family = family_of(series)
    return family, series[len(family) :], crc32(family.encode()) % _BUCKETS


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
        self._written: dict[tuple[int, int], Costs] = {}

    def put(self, spot: Spot, day: int, kind: int, units: int) -> int:
        """Set what a series costs on a day (since 1970) in a charge class, and return what it was."""
        kinds = self._kinds(spot, day)
        name = _KINDS[kind]
        before = kinds.get(name, 0)
        kinds[name] = units
        return before

    def put_price(self, spot: Spot, day: int, cost: int, before: int) -> None:
        """Set what a family's usage of a day costs, and what it would have cost at earlier prices."""
        family, _, place = spot
        kinds = self._kinds((family, _PRICES, place), day)
        kinds["cost"], kinds["before"] = cost, before

    def price(self, day: int, family: str) -> tuple[int, int]:
        """Return what `put_price` was given; zeros where nothing is known of the prices of a day."""
        kinds = self.parts(day, family).get(_PRICES, {})
        return kinds.get("cost", 0), kinds.get("before", 0)

    def _kinds(self, spot: Spot, day: int) -> dict[str, int]:
        family, part, place = spot
        bucket = self._written.get((day, place))
        if bucket is None:
            # What the state holds is never changed in place.
            known = self._bucket(day, place)
            bucket = {name: {one: dict(kinds) for one, kinds in parts.items()} for name, parts in known.items()}
            self._held[day][place] = self._written[day, place] = bucket
        parts = bucket.get(family)
        if parts is None:
            parts = bucket[family] = {}
        kinds = parts.get(part)
        if kinds is None:
            kinds = parts[part] = {}
        return kinds

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
            self._written.pop((day, place), None)
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
