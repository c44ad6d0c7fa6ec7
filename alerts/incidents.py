"""Folding: alerts of one cause become one incident. A pure function: (open cases, alert) → what changes.

An alert of a rule over anomalies joins the open case whose cause it fits best (`alerts.lattice.fits`): same currency,
direction and charge class, and begun within `JOIN` of it. The case is then named anew, for the smallest series that
explains most of the change. A wider alert that no open case explains alone, and several do together, joins the largest
of them and says nothing about its scope. Alerts of other rules fold by rule and subject.

Parts are often told before the whole. When an account or a service rose because at least `SCATTERED` of its parts did,
all at once and none of them by most of it, the cause is the whole: its incident takes over those of the parts. And a
part that was told when little of its day was known may grow into most of a wider rise that began an incident meanwhile:
both become one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from alerts.cases import FOLDED, Case, change_of, sizes
from alerts.incident_states import SYSTEM, Move, asked, moved_by_alerts, moved_by_time
from alerts.lattice import MOST, Change, fits, relation
from processors.series import family_of, parse
from schemas.events import Alert, AlertRequest

#: So far apart may two changes begin and still have one cause: late data moves a beginning by a day or two.
JOIN = timedelta(days=3)

#: So far apart may parts of one whole begin.
AT_ONCE = timedelta(days=1)
#: So many parts that rise at once have one cause; two may be chance.
SCATTERED = 3
#: Levels whose rise is one cause, though none of its parts tells most of it.
_WHOLES = frozenset({"account", "service"})

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
    """What became of a case: its newest form, the move that it made, if any, and what it took over."""

    case: Case
    move: Move | None
    taken: tuple["Turn", ...] = ()


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
    cases = [case for case in cases if case.into is None]
    holders = [case for case in cases if alert.id in case.alerts]
    holder = max(holders, key=lambda case: case.alerts[alert.id].version, default=None)
    if holder is not None and alert.version <= holder.alerts[alert.id].version:
        return None
    if holder is not None and not _begins_anew(holder, alert):
        return _joined(cases, _changed(holder, alert), alert.observed_at)
    if alert.state == "resolved":
        return None
    found = _home([case for case in cases if case.firing], alert)
    if found is not None:
        case, shared = found
        turn = _changed(replace(case, shared=(*case.shared, alert.id)) if shared else case, alert)
        return _joined(cases, turn, alert.observed_at)
    just_over = max(
        (case for case in cases if _is_told_anew(case, alert)), key=lambda case: case.changed_at, default=None
    )
    if just_over is not None:
        return _joined(cases, _changed(just_over, alert), alert.observed_at)
    digest = hashlib.sha256(f"{alert.run}|{alert.id}|{alert.version}".encode()).hexdigest()[:16]
    case = Case(digest, alert.run, 1, "firing", alert.observed_at, alert.observed_at, {alert.id: alert})
    begun = Turn(case, Move(None, "firing", alert.observed_at, SYSTEM, f"{alert.rule}: {_SAYS[alert.change]}"))
    return _joined(cases, begun, alert.observed_at)


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


def _is_told_anew(case: Case, alert: Alert) -> bool:
    """Tell whether an alert says otherwise what a case said that is just over, as that a fee was doubled, in fact."""
    return (
        alert.kind in FOLDED
        and case.folds
        and not case.firing
        and alert.observed_at - case.changed_at <= AT_ONCE
        and any(one.subject == alert.subject for one in case.alerts.values())
        and (case.scope.amount < 0) == (change_of(alert) < 0)
        and _begun_together(case, alert)
    )


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


def _joined(cases: Sequence[Case], turn: Turn, at: datetime) -> Turn:
    """Return the turn with what its case takes over: incidents that turn out to have the same cause."""
    home = turn.case
    if home.state != "firing" or not home.folds:
        return turn
    others = [
        case
        for case in cases
        if case.id != home.id and case.state == "firing" and case.folds and case.charges == home.charges
    ]
    same = [case for case in others if _grew_into_one(home, case)]
    whole = _whole(home, others)
    if not same and whole is None:
        return turn
    parts = [] if whole is None else _begun_with(others, whole)
    taken = {case.id: case for case in (*same, *parts)}
    alerts = {name: one for case in taken.values() for name, one in case.alerts.items()}
    shared = {*home.shared, *(name for case in taken.values() for name in case.shared)}
    shared -= set() if whole is None else {whole.id}
    why = f"it is part of incident {home.id}"
    return Turn(
        replace(home, alerts={**alerts, **home.alerts}, shared=tuple(sorted(shared))),
        turn.move,
        tuple(
            Turn(replace(one, into=home.id, state="resolved").changed(at), Move(one.state, "resolved", at, SYSTEM, why))
            for one in taken.values()
        ),
    )


def _grew_into_one(one: Case, other: Case) -> bool:
    """Tell whether one of two causes is part of the other and most of it: figures of a day grow while it is read."""
    if relation(one.scope.series, other.scope.series) not in {"above", "below"} or abs(one.since - other.since) > JOIN:
        return False
    small, large = sorted((abs(one.scope.amount), abs(other.scope.amount)))
    narrow = one if relation(one.scope.series, other.scope.series) == "below" else other
    same_way = (one.scope.amount < 0) == (other.scope.amount < 0)
    return same_way and (small >= large * MOST or abs(narrow.scope.amount) == large)


def _whole(home: Case, others: Sequence[Case]) -> Alert | None:
    """Return the alert of an account or a service, in `home`, whose rise is that of many parts; None: there is none."""
    wholes = [one for one in home.firing if one.kind in FOLDED and parse(one.subject).level in _WHOLES]
    whole = max(wholes, key=lambda one: (abs(change_of(one)), one.subject), default=None)
    if whole is None:
        return None
    apart = _begun_with(others, whole)
    inside = [Change(one.subject, change_of(one)) for one in home.firing if abs(one.since - whole.since) <= AT_ONCE]
    scattered = _is_scattered([*inside, *(case.scope for case in apart)], Change(whole.subject, change_of(whole)))
    return whole if apart and scattered else None


def _begun_with(cases: Sequence[Case], whole: Alert) -> list[Case]:
    """Return those that are parts of a whole and began with it."""
    parts = _parts_of(cases, Change(whole.subject, change_of(whole)))
    return [case for case in parts if abs(case.since - whole.since) <= AT_ONCE]


def _is_scattered(changes: Sequence[Change], whole: Change) -> bool:
    """Tell whether a rise is that of many of these parts, each below most of it, and most of it together."""
    parts: dict[str, Decimal] = {}
    for part in changes:
        family = family_of(part.series)
        if relation(whole.series, family) == "above" and (part.amount < 0) == (whole.amount < 0):
            parts[family] = max(parts.get(family, Decimal(0)), abs(part.amount))
    most = abs(whole.amount) * MOST
    return len(parts) >= SCATTERED and max(parts.values()) < most <= sum(parts.values())


def _is_about(case: Case, alert: Alert) -> bool:
    return any((other.rule, other.subject) == (alert.rule, alert.subject) for other in case.alerts.values())


def _begun_together(case: Case, alert: Alert) -> bool:
    return (
        not case.charges.isdisjoint(alert.charges)
        and alert.currency in case.currencies
        and abs(case.since - alert.since) <= JOIN
    )
