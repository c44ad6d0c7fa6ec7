"""Two that tell of the same: what waits here meets what another has told, in the order in which it came here.

What a step says must not depend on which of two inputs is read first. So neither is judged before the other is there,
and both queues stand in the state. A *line* is what comes in one order on both sides, as the readings of a book: what
the other has passed over in it will not come, and is met without a word from there.
"""

from dataclasses import dataclass
from typing import Any

from processors.step import Json, State


@dataclass(frozen=True, slots=True)
class Met:
    """What waited here, with its number, and what had been told by then, oldest first: (number there, what)."""

    number: int
    held: Any
    told: list[tuple[int, Any]]


class Pairing:
    """The queues of one other that is waited for.

    State (keys): `queue/{place}`: last numbers from here and there, and of all that waits (`here`) or was told
    (`there`) its number, line and token; `here/{place}/{number}`, `there/{place}/{number}`: what it holds.

    Parameters
    ----------
    state
        The state of the partition.
    place
        Name of the other.
    """

    def __init__(self, state: State, place: str) -> None:
        self._state = state
        self._place = place

    def wait(self, number: int, line: str, token: str, held: Json) -> list[Met]:
        """Let something wait for what is told under the same line and token; return what meets now.

        Numbers rise; one that was taken before is ignored.
        """
        return self._take("here", number, line, token, held)

    def hear(self, number: int, line: str, token: str, told: Json) -> list[Met]:
        """Take what the other tells, as `wait` takes what waits for it."""
        return self._take("there", number, line, token, told)

    def clear(self) -> None:
        """Forget all that waits and was told."""
        queue = self._queue()
        for side in ("here", "there"):
            for number, _, _ in queue[side]:
                self._state.delete(f"{side}/{self._place}/{number}")
        self._state.delete(f"queue/{self._place}")

    def _queue(self) -> Any:  # noqa: ANN401 - plain data of the state
        known: Any = self._state.get(f"queue/{self._place}") or {"last": {"here": 0, "there": 0}}
        return {"last": dict(known["last"]), "here": list(known.get("here", ())), "there": list(known.get("there", ()))}

    def _take(self, side: str, number: int, line: str, token: str, what: Json) -> list[Met]:
        queue = self._queue()
        if number <= queue["last"][side]:
            return []
        queue["last"][side] = number
        queue[side].append([number, line, token])
        self._state.put(f"{side}/{self._place}/{number}", what)
        met = []
        while queue["here"]:
            first, line, token = queue["here"][0]
            awaited = {other for _, its_line, other in queue["here"] if its_line == line}
            told = [one for one in queue["there"] if one[1] == line]
            reached = [other for _, _, other in told if other in awaited]
            if not reached:
                break
            queue["here"].pop(0)
            # What was told before it waits no longer for anything: nobody here has heard of its occasion.
            past = told[: [other for _, _, other in told].index(token) + 1] if token in reached else []
            queue["there"] = [one for one in queue["there"] if one not in past]
            met.append(Met(first, self._taken("here", first), [(one[0], self._taken("there", one[0])) for one in past]))
        self._state.put(f"queue/{self._place}", queue)
        return met

    def _taken(self, side: str, number: int) -> Any:  # noqa: ANN401 - plain data of the state
        key = f"{side}/{self._place}/{number}"
        found = self._state.get(key)
        self._state.delete(key)
        return found
