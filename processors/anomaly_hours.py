"""The hours of a lane: where lines have hours, usage is scored hour by hour, within seconds of its reading.

The same detector with seasons of the hour of the day. Hours are settled with their day and looked at before, as days
are. What days tell comes first: nothing is told of an hour while an incident of its series' days is open, and when the
days find what an hour has told of, their incident takes over its id, so that one cause has one.

State: `h/{lane}` (where it stands), `u/{lane}/{day}` (costs by series and hour of days that are not settled), and with
the name `{lane}@h` what models and incidents of days have with the lane's.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from detection.seasons import Calendar
from processors.anomaly_bank import Bank, Look, Scored, are_readable
from processors.anomaly_days import DayCosts
from processors.anomaly_feedback import Advice, Judged
from processors.anomaly_follow import Following
from processors.anomaly_incidents import event_of
from processors.series import ChargeKind
from processors.step import State
from schemas.events import CostAggregate, CostAnomaly

#: Place of a series, day since 1970, charge class, hour, amount in 10⁻¹⁸ units.
HourRow = tuple[int, int, int, int, int]

SHARE = 0.2
"""The part of a lane's false alerts that is spent on hours, where there are any."""
_A_DAY = 24
_KEPT = 5 * _A_DAY
_WARM_UP = 14 * _A_DAY
_OLDEST_DAYS = 70
"""Days before the newest from which hours are learnt: a long history by hours is worth little and takes long."""
_MOST_LOOKS = 10 * _A_DAY
_AT_ONCE = 600
"""Hours that are settled at one close; the rest at the next."""
_HOUR_MS = 3_600_000
_UNITS = 10**18


class Hours:
    """The detection of one lane's hours.

    Parameters
    ----------
    lane, state, counts
        Its lane's name, the partition's state, and a counter of things worth watching.
    holidays, false_alerts_a_week
        Days that differ from their weekday; what the partition bears for days and hours together.
    tested
        Returns how many series are tested in the partition.
    days, advice
        The lane's costs by day, which say what carries a change, and what people said.
    """

    def __init__(
        self,
        lane: str,
        state: State,
        counts: Counter[str],
        holidays: Sequence[date],
        false_alerts_a_week: float,
        tested: Callable[[], int],
        days: DayCosts,
        advice: Advice,
    ) -> None:
        self._lane, self._state, self._counts = lane, state, counts
        self._tested, self._advice = tested, advice
        own = f"{lane}@h"
        calendar = Calendar(hourly=True, holidays=frozenset(holidays))
        self._bank = Bank(own, state, calendar, false_alerts_a_week * SHARE, _KEPT)
        stored: Any = state.get(f"h/{lane}") or {"first": None, "settled": None, "newest": 0, "blocks": 0}
        self._first: int | None = stored["first"]
        self._settled: int | None = stored["settled"]
        self._newest: int = stored["newest"]
        self._blocks: int = stored["blocks"]
        blocks: Any = [state.get(f"s/{own}/{number}") for number in range(self._blocks)]
        if are_readable(blocks):
            self._bank.restore(blocks)
        else:
            # settled hours are kept nowhere: those to come are learnt anew, and what was open ends with the next
            counts["models_of_another_version"] += 1
        self._incidents = Following(own, state, self._bank, days)
        self._costs: dict[int, dict[str, list[float]]] = {}
        self._written: set[int] = set()
        self._learnt = False

    def __bool__(self) -> bool:
        """Say whether there are any hours."""
        return self._first is not None

    def take(self, series: Sequence[str], rows: Sequence[HourRow]) -> None:
        """Take what an announcement says of hours; rows name their series by its place."""
        oldest = max((row[1] for row in rows), default=0) - _OLDEST_DAYS
        settled = -1 if self._settled is None else self._settled
        for place, day, kind, hour, units in rows:
            period = day * _A_DAY + hour
            if kind != ChargeKind.USAGE or day < oldest or period <= settled:
                continue
            costs = self._of_day(day)
            if day not in self._written:
                # What the state holds is never changed in place.
                costs = self._costs[day] = {key: list(values) for key, values in costs.items()}
                self._written.add(day)
            costs.setdefault(f"{series[place]}|{kind}", [0.0] * _A_DAY)[hour] = units / _UNITS
            self._first = period if self._first is None else min(self._first, period)
            self._newest = max(self._newest, period)

    def _of_day(self, day: int) -> dict[str, list[float]]:
        known = self._costs.get(day)
        if known is None:
            stored: Any = self._state.get(f"u/{self._lane}/{day}") or {}
            known = self._costs[day] = stored
        return known

    def _of(self, period: int) -> dict[str, float]:
        day, hour = divmod(period, _A_DAY)
        return {key: values[hour] for key, values in self._of_day(day).items()}

    def heed(self, word: Judged) -> None:
        """Let what somebody said of a series come into force."""
        if word.verdict != "true" and self:
            self._incidents.judged(word.key, word.anomaly)
            self._bank.rest(word.key, is_level=word.is_level)
            self._learnt = True

    def hand_over(self, key: str, since: int, day: int) -> str | None:
        """Return the id under which an incident of a series' days, from one to another, was told by its hours."""
        return self._incidents.hand_over(key, since * _A_DAY, day * _A_DAY + _A_DAY - 1)

    def close(
        self, event: CostAggregate, at_ms: int, closed: int, settle: int, is_open: Callable[[str], bool]
    ) -> Iterator[CostAnomaly]:
        """Detect, at the close of a reading, and yield what is to be told.

        Parameters
        ----------
        closed, settle
            The last day that all books have closed, and the last one that is old enough to be learnt.
        is_open
            Says whether an incident of a series' days is open.
        """
        if self._first is None:
            return
        self._bank.series.tested = self._tested()
        if self._settled is None:
            self._settled = self._first - 1
        looked = self._look(at_ms) if self._settle(settle, is_open) else []
        self._incidents.look(
            looked, lambda row: self._may_tell(self._settled or 0, row, is_open), (closed + 1) * _A_DAY - 1
        )
        for incident in self._incidents.folded(looked):
            remembered, told = event_of(incident, event)
            if told is not None:
                self._incidents.remember(remembered)
                yield told
        self._incidents.forget(self._settled - _KEPT)

    def _settle(self, day: int, is_open: Callable[[str], bool]) -> bool:
        """Learn the hours up to the end of a day; say whether that is all of them."""
        start = (self._settled or 0) + 1
        until = min((day + 1) * _A_DAY - 1, self._newest)
        for period in range(start, until + 1):
            if period - start >= _AT_ONCE:
                self._counts["hours_left_for_later"] += until - period + 1
                return False
            of_day = period // _A_DAY
            self._bank.hold(self._advice.held(of_day))
            scored = self._bank.settle(period, self._of(period), self._advice.left_out(of_day))
            self._incidents.settle(scored, lambda row, at=period: self._may_tell(at, row, is_open))  # type: ignore[misc]
            self._settled, self._learnt = period, True
            if period % _A_DAY == _A_DAY - 1:
                self._forget(of_day)
        return True

    def _forget(self, day: int) -> None:
        self._costs.pop(day, None)
        self._written.discard(day)
        if self._state.get(f"u/{self._lane}/{day}") is not None:
            self._state.delete(f"u/{self._lane}/{day}")

    def _look(self, at_ms: int) -> list[Scored]:
        """Score the hours that are not settled."""
        settled = self._settled or 0
        last = min(self._newest, at_ms // _HOUR_MS - 1, settled + _MOST_LOOKS)
        looks = []
        for period in range(settled + 1, last + 1):
            costs = self._of(period)
            if any(costs.values()):
                age = at_ms / _HOUR_MS - period
                looks.append(Look(period, costs, age, self._advice.hidden(period // _A_DAY)))
        return self._bank.look(looks) if len(self._bank) else []

    def _may_tell(self, period: int, row: int, is_open: Callable[[str], bool]) -> bool:
        """Say whether an hour of a series may be told of: enough is known, nobody expects it, and its days do not."""
        key = self._bank.keys[row]
        known = self._bank.days_known(row) >= _WARM_UP
        return known and not is_open(key) and not self._advice.silent(key, period // _A_DAY)

    def save(self) -> None:
        """Write what has changed."""
        if self._first is None:
            return
        for day in sorted(self._written):
            costs: Any = self._costs[day]
            self._state.put(f"u/{self._lane}/{day}", costs)
        self._written.clear()
        self._incidents.save()
        if self._learnt:
            blocks: Sequence[Mapping[str, Any]] = list(self._bank.blocks())
            for number, block in enumerate(blocks):
                self._state.put(f"s/{self._lane}@h/{number}", dict(block))
            self._blocks, self._learnt = len(blocks), False
        head = {"first": self._first, "settled": self._settled, "newest": self._newest, "blocks": self._blocks}
        self._state.put(f"h/{self._lane}", head)  # type: ignore[arg-type]
