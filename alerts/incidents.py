"""Folding: alerts of one cause become one incident. A pure function: (open cases, alert) → what changes.

An alert of a rule over anomalies joins the open case whose cause it fits best (`alerts.lattice.fits`): same currency,
direction and charge class, and begun within `JOIN` of it. The case is then named anew, for the smallest series that
explains most of the change. A wider alert that no open case explains alone, and several do together, joins the largest
of them and says nothing about its scope. Alerts of other rules fold by rule and subject.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.cases import FOLDED, Case, change_of, sizes
from alerts.incident_states import SYSTEM, Move, asked, moved_by_alerts, moved_by_time
from alerts.lattice import MOST, Change, fits, relation
from schemas.events import Alert, AlertRequest

#: So far apart may two changes begin and still have one cause: late data moves a beginning by a day or two.
JOIN = timedelta(days=3)

_REMEMBERED_REQUESTS = 50
_SAYS = {
    "crossed": "a bar was crossed",
    "worse": "it got worse",
    "eased": "it eased",
    "updated": "its figures changed",
    "back": "it is back below its bar",
    "restated": "a restatement took the cause away",
    "ended": "it ended",
    "rule": "its rule was changed, switched off or removed",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of a case: its newest form, and the move that it made, if any."""

    case: Case
    move: Move | None


def fold(cases: Sequence[Case], alert: Alert) -> Turn | None:
    """Return the case that an alert changes.

    Parameters
    ----------
    cases
        All cases whose alerts may be said again, open or resolved.

    Returns
    -------
    None when the alert is older than what is known of it, says what is known, or is the end of something unknown.
    """
    holders = [case for case in cases if alert.id in case.alerts]
    holder = max(holders, key=lambda case: case.alerts[alert.id].version, default=None)
    if holder is not None and alert.version <= holder.alerts[alert.id].version:
        return None
    if holder is not None and not _begins_anew(holder, alert):
        return _changed(holder, alert)
    if alert.state == "resolved":
        return None
    found = _home([case for case in cases if case.firing], alert)
    if found is not None:
        case, shared = found
        return _changed(replace(case, shared=(*case.shared, alert.id)) if shared else case, alert)
    digest = hashlib.sha256(f"{alert.run}|{alert.id}|{alert.version}".encode()).hexdigest()[:16]
    case = Case(digest, alert.run, 1, "firing", alert.observed_at, alert.observed_at, {alert.id: alert})
    return Turn(case, Move(None, "firing", alert.observed_at, SYSTEM, f"{alert.rule}: {_SAYS[alert.change]}"))


def request(case: Case, wish: AlertRequest) -> Turn | None:
    """Return the case after what a person asked for; None when it changes nothing or was seen before.

    Raises
    ------
    alerts.incident_states.ForbiddenMoveError
        When its state does not allow it.
    """
    if wish.id in case.requests:
        return None
    move = asked(
        case.state, wish.action, fires=bool(case.firing), at=wish.at, by=wish.by, why=wish.why, until=wish.until
    )
    if move is None:
        return None
    seen = (*case.requests, wish.id)[-_REMEMBERED_REQUESTS:]
    return Turn(replace(case.moved(move, wish.until), requests=seen).changed(wish.at), move)


def wake(case: Case, now: datetime) -> Turn | None:
    """Return the case at the end of its snooze; None before it."""
    move = moved_by_time(case.state, case.snoozed_until, now)
    return None if move is None else Turn(case.moved(move).changed(now), move)


def _begins_anew(holder: Case, alert: Alert) -> bool:
    """Tell whether an alert is another occasion than the incident that it stands in, which ended some time ago.

    Soon after its end it is the same: what goes up and down about a bar is one cause.
    """
    ended = holder.state == "resolved" and not holder.firing
    return alert.change == "crossed" and ended and alert.observed_at - holder.changed_at > JOIN


def _changed(case: Case, alert: Alert) -> Turn:
    after = case.with_alert(alert)
    worse = alert.change in {"crossed", "worse"} and alert.id not in after.shared
    why = f"{alert.rule}: {_SAYS[alert.change]}"
    move = moved_by_alerts(case.state, fires=bool(after.firing), worse=worse, at=alert.observed_at, why=why)
    return Turn((after if move is None else after.moved(move)).changed(alert.observed_at), move)


def _home(cases: Sequence[Case], alert: Alert) -> tuple[Case, bool] | None:
    """Return the case that an alert joins, and whether that shares it with others; None: it begins one."""
    if alert.kind not in FOLDED:
        same = [case for case in cases if _is_about(case, alert)]
        return (min(same, key=lambda case: case.id), False) if same else None
    near = [case for case in cases if case.folds and _begun_together(case, alert)]
    change = Change(alert.subject, change_of(alert))
    ranked = [(fits(change, case.scope), case) for case in near]
    best = max((rank for rank, _ in ranked), default=0)
    if best > 0:
        equal = [case for rank, case in ranked if rank == best]
        case = max(equal, key=lambda case: (abs(case.scope.amount), case.id))
        return case, best == _ABOVE and _many_explain(near, change, case)
    parts = _parts_of(near, change)
    if parts and sizes(parts) >= abs(change.amount) * MOST:
        return max(parts, key=lambda case: (abs(case.scope.amount), case.id)), True
    return None


#: What `fits` gives for a change of a series above the cause.
_ABOVE = 2


def _parts_of(cases: Sequence[Case], change: Change) -> list[Case]:
    return [
        case
        for case in cases
        if relation(change.series, case.scope.series) == "above" and (case.scope.amount < 0) == (change.amount < 0)
    ]


def _many_explain(cases: Sequence[Case], change: Change, largest: Case) -> bool:
    """Tell whether several cases explain a wider change together, and the largest of them not alone."""
    if abs(largest.scope.amount) >= abs(change.amount) * MOST:
        return False
    parts = _parts_of(cases, change)
    return len(parts) > 1 and sizes(parts) >= abs(change.amount) * MOST


def _is_about(case: Case, alert: Alert) -> bool:
    return any((other.rule, other.subject) == (alert.rule, alert.subject) for other in case.alerts.values())


def _begun_together(case: Case, alert: Alert) -> bool:
    return (
        not case.charges.isdisjoint(alert.charges)
        and alert.currency in case.currencies
        and abs(case.since - alert.since) <= JOIN
    )
