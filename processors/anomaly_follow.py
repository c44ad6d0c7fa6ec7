"""The incidents of a lane: opened, followed day by day, closed, and taken back.

The models say where an incident begins and whether it goes on; here it gets a name, its beginning and its size. One
that a look has found is not confirmed before its day is settled; when it turns out to be none, it is withdrawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detection.cost_series import BAND
from detection.impact import NOTHING, Impact
from processors.anomaly_bank import Bank, Scored
from processors.anomaly_calendars import Calendars, Told
from processors.anomaly_days import DayCosts
from processors.anomaly_incidents import Incident, Shown, incident_id
from processors.anomaly_parts import cause_of, contributors, is_divided
from processors.step import State
from schemas.events import AnomalyShape

OUTSIDE = 2.0
"""Standard deviations from where a day belongs to an incident."""
_VANISHED = 0.05
_NEARLY = 0.7
"""Share of its first score from where a day is still thought to be one of an incident."""
_NEW_DAYS = 7
_FEE_DAYS = 7
_NEAR_DAYS = 10
_COURSE_DAYS = 14
_LEAST = 1e-12

IsWarm = Callable[[int], bool]
#: Series, first and last day of an incident → the id under which its hours were told.
ToldByHours = Callable[[str, int, int], str | None]


class Following:
    """The incidents of one lane, by id."""

    def __init__(
        self, lane: str, state: State, bank: Bank, days: DayCosts, told_by_hours: ToldByHours | None = None
    ) -> None:
        self._told_by_hours = told_by_hours
        self._a_day = bank.series.calendar.a_day
        self._prefix = f"i/{lane}/"
        self._state = state
        self._bank = bank
        self._days = days
        self._known = {
            key[len(self._prefix) :]: Incident.from_plain(stored) for key, stored in state.scan(self._prefix)
        }
        self._active = {one.key: one.id for one in self._known.values() if one.is_open and not one.apart}
        self._changed: set[str] = set()

    def settle(self, scored: Scored, is_warm: IsWarm) -> None:
        """Follow the incidents over a day that was learnt, and open those that begin."""
        for row in np.flatnonzero(scored.begins).tolist():
            key = self._bank.keys[row]
            if key not in self._active and is_warm(row):
                self._open(scored, row, confirmed=True)
        for name in list(self._active.values()):
            incident = self._known[name]
            at = self._bank.rows.get(incident.key)
            if at is not None and np.isfinite(scored.actual[at]):
                self._keep(_followed(incident, scored, at))

    def look(self, looked: Sequence[Scored], is_warm: IsWarm, closed: int) -> None:
        """Open what days show that are not settled, and take back what they showed and show no longer.

        Of a day that no source has closed, only a rise is told: what is missing may be on its way.
        """
        by_day = {one.day: one for one in looked}
        for name in list(self._active.values()):
            incident = self._known[name]
            if incident.confirmed or incident.shape == "new":
                continue
            scored, row = by_day.get(incident.opened), self._bank.rows.get(incident.key)
            if scored is None or row is None or not _shows(incident, scored, row):
                self._keep(replace(incident, withdrawn=True))
        for scored in looked:
            for row in np.flatnonzero(scored.begins).tolist():
                falls = scored.window[row] < 0
                if self._bank.keys[row] in self._active or (falls and scored.day > closed) or not is_warm(row):
                    continue
                self._open(scored, row, confirmed=False)

    def _open(self, scored: Scored, row: int, *, confirmed: bool) -> None:
        key, day, since = self._bank.keys[row], scored.day, scored.since(row)
        shown = _shown(scored, row)
        shape = self._shape(abs(int(scored.window[row])), shown)
        side = int(np.sign(scored.window[row])) or 1
        incident = self._named(
            key,
            shape,
            day,
            Incident(
                "",
                key,
                shape,
                day,
                since,
                side,
                float(scored.score[row]),
                shown,
                excess=Impact(start=scored.start_spread(row)),
                a_day=self._a_day,
            ),
        )
        settled = self._bank.series.levels.period or 0
        unsure = float(scored.unsure[row]) / max(shown.expected, _LEAST)
        for earlier in range(since, min(day, settled + 1)):
            past = self._past(row, earlier)
            past = replace(past, unsure=unsure * past.expected)
            if np.isfinite(past.actual) and np.isfinite(past.expected):
                incident = incident.outside(past, 0.0)
        incident = replace(incident, shape=shape, confirmed=confirmed, shown=shown)
        self._keep(self._explained(incident))

    def _shape(self, window: int, shown: Shown) -> AnomalyShape:
        if shown.actual <= _VANISHED * shown.expected:
            return "vanished"
        if window <= 1:
            return "spike"
        return "creep" if window == self._bank.series.windows[-1] else "step"

    def arrive(self, key: str, day: int, cost: float) -> None:
        """Open an incident of a series that is new with a settled day, or confirm it."""
        self._new(key, day, cost)
        incident = self._known[self._active[key]]
        self._keep(replace(incident, confirmed=True, excess=NOTHING, weight=0.0, since=day, until=day + _NEW_DAYS - 1))

    def expect(self, passing: Mapping[str, tuple[int, float]]) -> None:
        """Tell of series (key → day, cost) that are new on days which are not settled; take back those that are not."""
        for key, (day, cost) in sorted(passing.items()):
            if key not in self._active:
                self._new(key, day, cost)
            incident = self._known[self._active[key]]
            if not incident.confirmed and incident.shape == "new":
                shown = Shown(day, cost, 0.0, 0.0, 0.0)
                self._keep(replace(incident, shown=shown, excess=Impact(cost), weight=1.0))
        for name in list(self._active.values()):
            incident = self._known[name]
            gone = incident.key not in passing and incident.key not in self._bank.rows
            if incident.shape == "new" and not incident.confirmed and gone:
                self._keep(replace(incident, withdrawn=True))

    def _new(self, key: str, day: int, cost: float) -> None:
        if key in self._active:
            return
        shown = Shown(day, cost, 0.0, 0.0, 0.0)
        incident = Incident("", key, "new", day, day, 1, 0.0, shown, until=day + _NEW_DAYS - 1, last=day)
        incident = self._named(key, "new", day, incident)
        self._keep(self._explained(incident))

    def tell(self, told: Told) -> None:
        """Take what a calendar says; it closes by itself after a week."""
        known = self._known.get(incident_id(told.key, told.day, told.shape))
        if known is None or known.withdrawn:
            self.stand_apart(told, told.day + _FEE_DAYS)

    def stand_apart(self, told: Told, until: int, score: float = 0.0) -> None:
        """Open an incident that no model follows: of a calendar, or of a restatement."""
        shown = Shown(told.day, told.actual, told.expected, told.expected, told.expected)
        excess = Impact(told.actual - told.expected)
        side = 1 if excess.amount >= 0 else -1
        incident = Incident(
            "", told.key, told.shape, told.day, told.day, side, score, shown, True, until, excess, 1.0, last=told.day
        )
        self._keep(self._named(told.key, told.shape, told.day, incident))

    def judge_again(self, calendars: Calendars, key: str, day: int) -> None:
        """Take back what a calendar said of a day that was restated, when it says so no longer."""
        for one in list(self._known.values()):
            near = _NEAR_DAYS if one.shape == "fee_missing" else 0
            judged = one.key == key and one.shape.startswith("fee") and abs(one.opened - day) <= near
            if judged and not one.withdrawn and not calendars.still(key, one.shape, one.opened):
                self._keep(replace(one, withdrawn=True))

    def covering(self, key: str, day: int) -> Incident | None:
        """Return the incident of a series that a settled day belongs to."""
        for one in self._known.values():
            if (
                one.key == key
                and not one.apart
                and one.confirmed
                and not one.withdrawn
                and one.since <= day <= one.last
            ):
                return one
        return None

    def restated(self, incident: Incident, day: int, change: float, *, still: bool) -> None:
        """Take a restatement of one of an incident's days, which may have taken its cause away."""
        shown = incident.shown
        if shown.day == day:
            shown = replace(shown, actual=shown.actual + change)
        self._keep(replace(incident, excess=incident.excess + Impact(change), shown=shown, withdrawn=not still))

    def pass_time(self, today: int) -> None:
        """Close what only stands for a while."""
        for one in list(self._known.values()):
            if one.apart and one.is_open and one.until is not None and today >= one.until:
                self._keep(replace(one, ended=one.until))

    def folded(self, looked: Sequence[Scored]) -> list[Incident]:
        """Return all incidents, in the order of their ids, with what days add that are not settled."""
        return [self._folded(self._known[name], looked) for name in sorted(self._known)]

    def _folded(self, incident: Incident, looked: Sequence[Scored]) -> Incident:
        row = self._bank.rows.get(incident.key)
        if not incident.is_open or incident.apart or row is None:
            return incident
        before = incident.shown
        for scored in looked:
            if scored.day < incident.since or not np.isfinite(scored.actual[row]):
                continue
            found = scored.day == incident.opened and not incident.confirmed
            incident = _with_day(incident, scored, row, outside=found or _is_outside(incident, scored, row))
        if incident.shown.day != before.day:
            incident = self._explained(incident)
        return incident

    def course(self, incident: Incident, looked: Sequence[Scored]) -> list[Shown]:
        """Return the days to the one that is shown, the oldest first: as far back as they are known without a gap."""
        row = self._bank.rows.get(incident.key)
        by_day = {one.day: one for one in looked}
        found: list[Shown] = []
        for day in range(incident.shown.day, incident.shown.day - _COURSE_DAYS, -1):
            if row is None:
                break
            shown = _shown(by_day[day], row) if day in by_day else self._settled_day(row, day)
            if shown is None or not np.isfinite(shown.actual + shown.expected + shown.upper):
                break
            found.append(shown)
        return found[::-1]

    def _settled_day(self, row: int, day: int) -> Shown | None:
        settled = self._bank.series.levels.period or 0
        return self._past(row, day) if settled - self._bank.kept < day <= settled else None

    def _past(self, row: int, day: int) -> Shown:
        actual, expected, spread = self._bank.past(row, day)
        band = BAND * spread
        return Shown(day, actual, expected, max(expected - band, 0.0), expected + band)

    def _explained(self, incident: Incident) -> Incident:
        """Return an incident with what carries it and whether it is usage or rate, as its newest day shows it.

        The first day of which prices are known says the cause: later ones may be as expected.
        """
        if not is_divided(incident.series):
            return incident
        shown = incident.shown
        where = (
            self._days, incident.series, incident.kind, shown.day // self._a_day, incident.since // self._a_day
        )  # fmt: skip
        cause = incident.cause
        if cause == "unknown" and self._a_day == 1:
            cause = cause_of(*where, actual=shown.actual, expected=shown.expected)
        return replace(
            incident,
            parts=tuple(contributors(*where)) or incident.parts,
            cause=cause,
        )

    def remember(self, told: Incident) -> None:
        """Remember what was told of an incident; what days added that are not settled is left out."""
        self._keep(replace(self._known[told.id], said=told.said, parts=told.parts, cause=told.cause))

    def forget(self, day: int) -> None:
        """Forget incidents that were over before a day."""
        for name, one in list(self._known.items()):
            over = one.ended if one.ended is not None else one.opened if one.withdrawn else None
            if over is not None and over < day:
                del self._known[name]
                self._changed.add(name)

    def begin_again(self, bank: Bank) -> None:
        """Withdraw all, for the days are learnt once more; what is found again is told under its old id."""
        self._bank = bank
        for one in list(self._known.values()):
            self._keep(replace(one, withdrawn=True))

    def save(self) -> None:
        """Write what has changed."""
        for name in sorted(self._changed):
            if name in self._known:
                plain: Any = self._known[name].plain()
                self._state.put(self._prefix + name, plain)
            elif self._state.get(self._prefix + name) is not None:
                self._state.delete(self._prefix + name)
        self._changed.clear()

    def began(self, name: str) -> int | None:
        """Return the day on which an incident began; None when it is not known."""
        known = self._known.get(name)
        return None if known is None else known.since

    def judged(self, key: str, name: str) -> None:
        """Close an incident of which somebody said that it is none, and what goes on in its series."""
        for one in {name, self._active.get(key, name)} & self._known.keys():
            incident = self._known[one]
            if incident.is_open:
                self._keep(replace(incident, ended=incident.shown.day))

    def is_open(self, key: str) -> bool:
        """Say whether an incident of a series goes on."""
        return key in self._active

    def hand_over(self, key: str, since: int, until: int) -> str | None:
        """Let others follow the incident of a series that goes on and began in a span; return its id, None: no such."""
        incident = self._known.get(self._active.get(key, ""))
        if incident is None or not incident.said or not since <= incident.opened <= until:
            return None
        del self._known[incident.id], self._active[key]
        self._changed.add(incident.id)
        return incident.id

    def stands(self, key: str, name: str) -> bool:
        """Go on with an incident that is over because its level was taken; say whether that was so."""
        incident = self._known.get(name)
        if incident is None or incident.ended is None or incident.withdrawn or incident.apart or key in self._active:
            return False
        if not self._bank.give_back(key, incident.side):
            return False
        self._keep(replace(incident, ended=None))
        return True

    def _named(self, key: str, shape: AnomalyShape, day: int, incident: Incident) -> Incident:
        name = incident_id(key, day, shape, self._a_day)
        if self._told_by_hours is not None and not incident.apart:
            name = self._told_by_hours(key, incident.since, day) or name
        known = self._known.get(name)
        return replace(incident, id=name, said=known.said if known else ())

    def _keep(self, incident: Incident) -> None:
        if self._known.get(incident.id) == incident:
            return
        self._known[incident.id] = incident
        self._changed.add(incident.id)
        if incident.apart:
            return
        if incident.is_open:
            self._active[incident.key] = incident.id
        elif self._active.get(incident.key) == incident.id:
            del self._active[incident.key]


def _followed(incident: Incident, scored: Scored, row: int) -> Incident:
    """Return an incident after a settled day."""
    day = scored.day
    if incident.shape == "new":
        if not incident.confirmed:
            return replace(incident, withdrawn=True)
        incident = _with_day(incident, scored, row, outside=True)
        return replace(incident, ended=day) if day >= (incident.until or day) else incident
    outside = bool(scored.begins[row]) or _is_outside(incident, scored, row)
    if scored.begins[row] or scored.before[row] or scored.after[row]:
        incident = replace(_with_day(_settled(incident), scored, row, outside=outside), confirmed=True)
        return incident if scored.after[row] else replace(incident, ended=day)
    if incident.confirmed:
        return replace(incident, ended=day)
    if day < incident.opened:
        return _with_day(incident, scored, row, outside=True) if day >= incident.since else incident
    if outside:
        return replace(_with_day(_settled(incident), scored, row, outside=True), confirmed=True, ended=day)
    return replace(incident, withdrawn=True)


def _shows(incident: Incident, scored: Scored, row: int) -> bool:
    """Say whether the day on which a look found an incident still shows it, or nearly so."""
    nearly = scored.score[row] > _NEARLY * incident.score and incident.side * scored.window[row] > 0
    return bool(scored.begins[row] or nearly or incident.side * scored.z[row] > OUTSIDE)


def _settled(incident: Incident) -> Incident:
    """Return an incident whose score is to be that of settled days, not of a look."""
    return incident if incident.confirmed else replace(incident, score=0.0)


def _is_outside(incident: Incident, scored: Scored, row: int) -> bool:
    return incident.shape == "new" or bool(incident.side * scored.z[row] > OUTSIDE)


def _with_day(incident: Incident, scored: Scored, row: int, *, outside: bool) -> Incident:
    shown = _shown(scored, row)
    if incident.shape == "new":
        shown = replace(shown, expected=0.0, lower=0.0, upper=0.0)
        return incident.outside(shown, 0.0)
    return incident.outside(shown, float(scored.score[row])) if outside else incident.inside(shown)


def _shown(scored: Scored, row: int) -> Shown:
    expected, band = float(scored.expected[row]), BAND * float(scored.spread[row])
    actual, share = float(scored.actual[row]), float(scored.share[row])
    unsure = float(scored.unsure[row])
    return Shown(scored.day, actual, expected, max(expected - band, 0.0), expected + band, share, unsure)
