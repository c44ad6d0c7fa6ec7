"""A lane: the series of one currency and view in one partition, whose days are settled together.

At every close of a reading, in this order: restatements of settled days; fees and credits of the days that all books
have closed; the days that are old enough are settled; the rest are looked at; what has changed of any incident is told.

State: `l/{lane}` (where it stands), `i/{lane}/{id}` (incidents), `s/{lane}/{block}` (models), and what the parts of the
lane keep.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from detection.arrivals import Arrivals
from detection.seasons import Calendar
from processors.anomaly_bank import Bank, Look, Scored, are_readable
from processors.anomaly_calendars import FEES, Calendars, Told
from processors.anomaly_days import KEPT, DayCosts, Spot, spot_of
from processors.anomaly_feedback import Advice, Words
from processors.anomaly_follow import Following
from processors.anomaly_forecast import foretold
from processors.anomaly_head import Head, LaneOptions
from processors.anomaly_hours import SHARE, Hours
from processors.anomaly_incidents import event_of, with_course
from processors.anomaly_past import PastIncidents
from processors.anomaly_restated import Ages, Change, restate
from processors.series import ChargeKind, parse
from processors.step import State
from schemas.events import CostAggregate, CostAnomaly, CostForecast
from spendstream.clock import day_number, to_millis

#: Place of a series, day since 1970, charge class, amount in 10⁻¹⁸ units.
Row = tuple[int, int, int, int]

_UNITS = 10**18
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_USAGE, _CREDIT = (str(int(kind)) for kind in (ChargeKind.USAGE, ChargeKind.CREDIT))
_WARM_UP_DAYS = 21
_UNSAID_DAYS = 10
"""A source that does not say what it has closed has closed what is so old."""
_MOST_LOOKS = 14
_AT_ONCE = 300_000
"""Series times days that are settled at one close; the rest at the next, so that no event takes minutes."""


class Lane:
    """The detection of one lane.

    Parameters
    ----------
    name
        Its name in the state.
    options, state, counts
        How it detects, the partition's state, and a counter of things worth watching.
    tested
        Returns how many series are tested in the partition.
    words
        What people say of anomalies.
    """

    def __init__(
        self,
        name: str,
        options: LaneOptions,
        state: State,
        counts: Counter[str],
        tested: Callable[[], int],
        words: Words,
    ) -> None:
        self._name = name
        self._options = options
        self._state = state
        self._counts = counts
        self._tested = tested
        self.days = DayCosts(name, state)
        self._calendars = Calendars(name, state)
        stored: Any = state.get(f"l/{name}")
        self._head = Head(**stored["head"]) if stored else Head()
        self._arrivals = Arrivals.from_plain(stored["arrivals"]) if stored else Arrivals()
        self._bank = self._new_bank()
        self._blocks: int = stored["blocks"] if stored else 0
        self._learnt = False
        self._recall()
        self._advice = Advice(name, state, words)
        self.hours = Hours(
            name, state, counts, options.holidays, options.false_alerts_a_week, tested, self.days, self._advice
        )
        self._incidents = Following(name, state, self._bank, self.days, self.hours.hand_over)
        self._past = PastIncidents(name, state, words)

    def _recall(self) -> None:
        """Take over the models; in place of those of another version, learn the days that are kept."""
        blocks: Any = [self._state.get(f"s/{self._name}/{number}") for number in range(self._blocks)]
        if are_readable(blocks):
            self._bank.restore(blocks)
            return
        settled, first = self._head.settled or 0, self._head.first or 0
        for day in range(max(first, settled - KEPT + 1), settled + 1):
            self._bank.settle(day, self._costs(day))
        self._learnt = True
        self._counts["models_of_another_version"] += 1

    def _new_bank(self) -> Bank:
        calendar = Calendar(holidays=frozenset(self._options.holidays))
        return Bank(self._name, self._state, calendar, self._options.false_alerts_a_week)

    @property
    def series(self) -> int:
        """How many series are scored."""
        return len(self._bank)

    def has(self, book: str) -> bool:
        """Say whether a book ever told of this lane."""
        return book in self._head.books

    def take(self, series: Sequence[str], rows: Sequence[Row]) -> None:
        """Take what an announcement says of the days of this lane; rows name their series by its place."""
        admitted = {day: self._admits(day) for day in sorted({row[1] for row in rows})}
        head, put = self._head, self.days.put
        told = -1 if head.told is None else head.told
        spots: dict[int, Spot] = {}
        for index, day, kind, units in rows:
            if not admitted[day]:
                self._counts["rows_too_old"] += 1
                continue
            spot = spots.get(index)
            if spot is None:
                spot = spots[index] = spot_of(series[index])
            before = put(spot, day, kind, units)
            if day <= told and before != units:
                head.changed.setdefault(f"{series[index]}|{kind}|{day}", before)

    def take_price(self, family: str, day: int, cost: int, before: int) -> None:
        """Take what the usage of a day costs, and would have cost at earlier prices; the day's costs come before it."""
        head = self._head
        if head.first is not None and day >= head.first and (head.settled is None or day > head.settled - KEPT):
            self.days.put_price(spot_of(family), day, cost, before)

    def _admits(self, day: int) -> bool:
        """Say whether a day can still be taken; one before the first lets all be learnt again, while it can."""
        head = self._head
        if head.first is None or day < head.first:
            if head.settled is not None and not head.again:
                if head.settled - (head.first or 0) >= KEPT:
                    return False
                head.again = True
            head.first = day
        elif head.settled is not None and day <= head.settled - KEPT and not head.again:
            return False
        head.newest = max(head.newest, day)
        return True

    def join(self, book: str) -> None:
        """Note that a book tells of this lane."""
        self._head.books.setdefault(book, [None, None])

    def note(self, book: str, event: CostAggregate) -> None:
        """Note how far a book is closed."""
        closed, final = self._head.books.get(book) or (None, None)
        said = [
            _later(closed, event.closed_through),
            _later(final, event.final_through),
        ]
        self._head.at = max(self._head.at, to_millis(event.closed_at))
        if said[0] is None:
            said[0] = self._head.at // _DAY_MS - _UNSAID_DAYS
        self._head.books[book] = said

    def close(self, event: CostAggregate) -> list[CostAnomaly | CostForecast]:
        """Detect, at the close of a reading, and return what is to be told, and forecasts when they are due."""
        head = self._head
        if head.first is None:
            self.save()
            return []
        if head.again:
            self._begin_again()
        if self.hours:
            self._bank.share_alerts(1 - SHARE)
        closed, settle = head.targets(self._options.settle_hours)
        if head.settled is None:
            head.settled = head.told = head.first - 1
        self._heed()
        self._restate()
        self._pass_calendars(closed)
        settled_all = self._settle(settle)
        looks = self._looks() if settled_all else []
        looked = self._look(looks)
        self._incidents.look(looked, lambda row: self._is_warm(head.settled or 0, row), closed)
        self._look_for_new(looked)
        self._incidents.pass_time(head.at // _DAY_MS)
        told: list[CostAnomaly | CostForecast] = []
        for incident in self._incidents.folded(looked):
            remembered, one = event_of(incident, event)
            if one is not None:
                self._incidents.remember(remembered)
                one = with_course(one, self._incidents.course(incident, looked))
                told.append(self._past.told(incident, one, head.at))
        told += self.hours.close(event, head.at, closed, settle, self._incidents.is_open)
        self._incidents.forget(head.settled - KEPT)
        self._advice.forget(head.settled - KEPT)
        told += self._foretell(event, looks)
        self.save()
        return told

    def _foretell(self, event: CostAggregate, looks: Sequence[Look]) -> list[CostForecast]:
        """Return a forecast at the first close of an hour, and whenever a day was learnt."""
        head = self._head
        if not self._learnt and head.at // _HOUR_MS == head.foretold // _HOUR_MS:
            return []
        found = foretold(self._bank, looks, event, self._calendars, head.told or 0)
        if found is not None:
            head.foretold = head.at
        return [] if found is None else [found]

    def _heed(self) -> None:
        """Let what people said by now come into force."""
        today = self._head.at // _DAY_MS
        for one in self._advice.heed(self._head.at, self._incidents.began):
            self._counts["feedback"] += 1
            self.hours.heed(one)
            if one.verdict == "true":
                self._learnt |= self._incidents.stands(one.key, one.anomaly)
                continue
            self._incidents.judged(one.key, one.anomaly)
            if self._bank.rest(one.key, is_level=one.is_level):
                self._advice.take([one.key])
            self._learnt = True
        bars = np.array([self._advice.bar(key, today) for key in self._bank.keys]) if self._advice.raises else None
        self._bank.raise_bars(bars)

    def _begin_again(self) -> None:
        """Learn all days once more, now that a backfill has brought what was before them."""
        self._bank = self._new_bank()
        self._arrivals = Arrivals()
        self._calendars.begin_again()
        self._incidents.begin_again(self._bank)
        self._advice.begin_again()
        self._head.settled = self._head.told = None
        self._head.changed, self._head.again, self._learnt = {}, False, True
        self._counts["learnt_again"] += 1

    def _restate(self) -> None:
        """Weigh what was restated on days that were settled, or whose fees were judged."""
        for place, before in sorted(self._head.changed.items()):
            key, _, number = place.rpartition("|")
            series, _, kind = key.rpartition("|")
            day = int(number)
            after = self.days.parts(day, series).get("", {}).get(kind, 0)
            change = Change(key, day, before / _UNITS, after / _UNITS)
            if int(kind) in FEES:
                self._calendars.restate(key, day, change.after)
                self._incidents.judge_again(self._calendars, key, day)
                self._tell(self._calendars.judged(key, day), day)
            if day <= (self._head.settled or 0):
                row = self._bank.rows.get(key)
                age = (self._head.at - day * _DAY_MS) / 3_600_000
                ages = Ages(min(age, self._options.settle_hours), age, self._head.at // _DAY_MS)
                warm = row is not None and self._may_tell(day, row)
                restate(change, ages, self._bank, self._incidents, warm=warm)
        self._learnt |= bool(self._head.changed)
        self._head.changed = {}

    def _pass_calendars(self, closed: int) -> None:
        for day in range((self._head.told or 0) + 1, closed + 1):
            fees: dict[str, float] = {}
            credit: dict[str, tuple[float, float]] = {}
            for series, kinds in self._scored(day):
                if parse(series).level != self._options.fee_level:
                    continue
                fees |= {f"{series}|{kind}": units / _UNITS for kind, units in kinds.items() if int(kind) in FEES}
                key, paid = f"{series}|{_CREDIT}", kinds.get(_CREDIT)
                if paid is not None or self._calendars.has_credit(key):
                    credit[key] = ((paid or 0) / _UNITS, kinds.get(_USAGE, 0) / _UNITS)
            self._tell(self._calendars.pass_day(day, fees, credit), day)
            self._head.told = day

    def _tell(self, told: Sequence[Told], day: int) -> None:
        today = self._head.at // _DAY_MS
        for one in told if self._is_warm(day) else ():
            if not self._advice.muted(one.key, one.day, today):
                self._incidents.tell(one)

    def _settle(self, until: int) -> bool:
        """Learn the days up to `until`; say whether that is all of them."""
        start, work = (self._head.settled or 0) + 1, 0
        for day in range(start, until + 1):
            if work > _AT_ONCE:
                self._counts["days_left_for_later"] += until - day + 1
                return False
            costs = self._costs(day)
            self._arrive(day, costs)
            self._bank.hold(self._advice.held(day))
            self._advice.take(self._bank.take(day, costs, self._advice.meant(day)))
            scored = self._bank.settle(day, costs, self._advice.left_out(day))
            self._incidents.settle(scored, lambda row, day=day: self._may_tell(day, row))  # type: ignore[misc]
            self.days.forget(day - KEPT)
            self._head.settled, self._learnt = day, True
            work += len(self._bank) + 100
        return True

    def _arrive(self, day: int, costs: Mapping[str, float]) -> None:
        """Take note of the series that are new, and tell of those that are no ordinary ones."""
        self._bank.series.tested = self._tested()
        self._arrivals.pass_days(1.0)
        usage = {key: cost for key, cost in costs.items() if key.endswith("|0") and cost > 0}
        if usage:
            self._arrivals.usual = float(np.median(list(usage.values())))
        if not self._is_warm(day):
            return
        for key in sorted(set(usage) - set(self._bank.rows)):
            if self._passes(key, day, usage[key]):
                self._incidents.arrive(key, day, usage[key])
            self._arrivals.learn(usage[key])

    def _looks(self) -> list[Look]:
        """Return the days that are not settled, the first of them first."""
        settled = self._head.settled or 0
        last = min(self._head.newest, self._head.at // _DAY_MS, settled + _MOST_LOOKS)
        looks = []
        for day in range(settled + 1, last + 1):
            costs = self._costs(day)
            if costs:
                hours = (self._head.at - day * _DAY_MS) / 3_600_000
                looks.append(Look(day, costs, hours, self._advice.hidden(day)))
        return looks

    def _look(self, looks: Sequence[Look]) -> list[Scored]:
        """Score days that are not settled."""
        self._bank.series.tested = self._tested()
        return self._bank.look(looks) if len(self._bank) else []

    def _look_for_new(self, looked: list[Scored]) -> None:
        """Tell of new series before their first day is settled, and take back what is none any more."""
        there: dict[str, tuple[int, float]] = {}
        for one in looked:
            for key, cost in self._costs(one.day).items():
                if key.endswith("|0") and key not in self._bank.rows and cost > there.get(key, (0, 0.0))[1]:
                    there[key] = (one.day, cost)
        passing = {key: found for key, found in there.items() if self._is_warm(found[0]) and self._passes(key, *found)}
        self._incidents.expect(passing)

    def _passes(self, key: str, day: int, cost: float) -> bool:
        """Say whether a new series is no ordinary one, after what people said."""
        bar = self._advice.bar(key, self._head.at // _DAY_MS)
        allowed = self._options.false_alerts_a_week * float(np.exp(-bar))
        return self._arrivals.passes(cost, allowed) and not self._advice.silent(key, day)

    def _costs(self, day: int) -> dict[str, float]:
        """Return a day's costs that the models score, by key: usage, and fees of every day."""
        return {
            f"{series}|{kind}": units / _UNITS
            for series, kinds in self._scored(day)
            for kind, units in kinds.items()
            if kind == "0" or (int(kind) in FEES and self._calendars.flows(f"{series}|{kind}"))
        }

    def _scored(self, day: int) -> list[tuple[str, dict[str, int]]]:
        return [(family, parts[""]) for family, parts in self.days.of(day) if "" in parts]

    def _is_warm(self, day: int, row: int | None = None) -> bool:
        """Say whether enough is known to alert: of the lane, and of a series."""
        known = row is None or self._bank.days_known(row) >= _WARM_UP_DAYS
        return known and day - (self._head.first or 0) >= _WARM_UP_DAYS

    def _may_tell(self, day: int, row: int) -> bool:
        """Say whether a day of a series may be told of: enough is known, and nobody expects it."""
        return self._is_warm(day, row) and not self._advice.silent(self._bank.keys[row], day)

    def save(self) -> None:
        """Write what has changed."""
        self.days.save(self._head.settled or 0)
        self._advice.save()
        self.hours.save()
        self._calendars.save()
        self._incidents.save()
        if self._learnt:
            blocks = list(self._bank.blocks())
            for number, block in enumerate(blocks):
                self._state.put(f"s/{self._name}/{number}", block)
            for number in range(len(blocks), self._blocks):
                self._state.delete(f"s/{self._name}/{number}")
            self._blocks, self._learnt = len(blocks), False
        head: Any = {name: getattr(self._head, name) for name in Head.__slots__}
        head |= {"books": dict(self._head.books), "changed": dict(self._head.changed)}
        self._state.put(f"l/{self._name}", {"head": head, "arrivals": self._arrivals.plain(), "blocks": self._blocks})


def _later(known: int | None, day: date | None) -> int | None:
    if day is None:
        return known
    return day_number(day) if known is None else max(known, day_number(day))
