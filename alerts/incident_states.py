"""The states of an incident, and who may move it from one to another.

| state | what it is | told |
|---|---|---|
| firing | nobody has said anything about it | yes |
| acknowledged | somebody cares for it; getting worse makes it fire again | no |
| snoozed | later: fires again at the end of the snooze, or when it gets worse | no |
| suppressed | nobody wants to hear of it, whatever it does | no |
| expected | the change is meant to be; quiet until it is over | no |
| resolved | over, or said to be | the end is told once |
"""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from schemas.events import IncidentAction, IncidentState

STATES: tuple[IncidentState, ...] = get_args(IncidentState)
ACTIONS: tuple[IncidentAction, ...] = get_args(IncidentAction)

#: Who moves an incident when no person does.
SYSTEM = "spendstream"

#: Every move that there is.
MOVES: frozenset[tuple[IncidentState, IncidentState]] = frozenset(
    {
        ("firing", "acknowledged"),
        ("firing", "snoozed"),
        ("firing", "suppressed"),
        ("firing", "expected"),
        ("firing", "resolved"),
        ("acknowledged", "firing"),
        ("acknowledged", "snoozed"),
        ("acknowledged", "suppressed"),
        ("acknowledged", "expected"),
        ("acknowledged", "resolved"),
        ("snoozed", "firing"),
        ("snoozed", "acknowledged"),
        ("snoozed", "suppressed"),
        ("snoozed", "expected"),
        ("snoozed", "resolved"),
        ("suppressed", "firing"),
        ("suppressed", "expected"),
        ("suppressed", "resolved"),
        ("expected", "firing"),
        ("expected", "suppressed"),
        ("expected", "resolved"),
        ("resolved", "firing"),
    }
)

_AFTER: dict[IncidentAction, IncidentState] = {
    "acknowledge": "acknowledged",
    "snooze": "snoozed",
    "resolve": "resolved",
    "expect": "expected",
    "suppress": "suppressed",
    "reopen": "firing",
}


class ForbiddenMoveError(ValueError):
    """A request that the incident's state does not allow; the text says why."""


@dataclass(frozen=True, slots=True)
class Move:
    """From one state to another."""

    before: IncidentState | None
    after: IncidentState
    at: datetime
    by: str
    why: str


def asked(
    state: IncidentState,
    action: IncidentAction,
    *,
    fires: bool,
    at: datetime,
    by: str,
    why: str,
    until: datetime | None,
) -> Move | None:
    """Return the move that a person asks for; None when the incident is there already (a longer snooze is a move).

    Parameters
    ----------
    fires
        Whether any alert of the incident fires.

    Raises
    ------
    ForbiddenMoveError
        When the state does not allow it, or the end of a snooze is missing or past.
    """
    after = _AFTER[action]
    if action == "snooze" and (until is None or until <= at):
        raise ForbiddenMoveError("a snooze needs an end, later than now")
    if action == "reopen" and not fires:
        raise ForbiddenMoveError("none of its alerts fires any more: there is nothing to open again")
    if state == after:
        return Move(state, after, at, by, why) if action == "snooze" else None
    if (state, after) not in MOVES:
        raise ForbiddenMoveError(f"an incident that is {state} cannot become {after}; open it again first")
    return Move(state, after, at, by, why)


def moved_by_alerts(state: IncidentState, *, fires: bool, worse: bool, at: datetime, why: str) -> Move | None:
    """Return the move that follows from what its alerts do; None: it stays.

    Parameters
    ----------
    fires
        Whether any alert fires.
    worse
        Whether something crossed a bar just now: a new alert, or a worse one.
    """
    if not fires:
        return None if state == "resolved" else Move(state, "resolved", at, SYSTEM, why)
    if worse and state in {"acknowledged", "snoozed", "resolved"}:
        return Move(state, "firing", at, SYSTEM, why)
    return None


def moved_by_time(state: IncidentState, snoozed_until: datetime | None, now: datetime) -> Move | None:
    """Return the move at the end of a snooze; None before it."""
    if state == "snoozed" and snoozed_until is not None and now >= snoozed_until:
        return Move(state, "firing", now, SYSTEM, "the snooze ended")
    return None
