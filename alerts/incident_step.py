"""The step that keeps incidents: alerts and people's requests in; incidents, and each of their transitions, out.

State of a partition (keys): `case/{id}`: an incident without its alerts; `alert/{incident}/{id}`: the newest version of
an alert of it. All that is not forgotten is in memory as well. An incident is forgotten `_KEPT` after its end.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from alerts.cases import Case, pack, unpack
from alerts.incident_states import ForbiddenMoveError
from alerts.incidents import Turn, fold, request, wake
from processors.step import Output, State, Step
from schemas.events import Alert, AlertRequest, Event, IncidentTransition, Tick
from spendstream.topics import ALERTS, INCIDENTS, TRANSITIONS

_TICK = timedelta(seconds=30)
_KEPT = timedelta(days=35)

#: Who owns a scope, by the scope and the labels of the rules.
OwnerOf = Callable[[str, Mapping[str, str]], str | None]


def no_owner(_: str, __: Mapping[str, str]) -> str | None:
    """Return None: nobody is known to own anything."""
    return None


@dataclass(frozen=True, slots=True)
class IncidentOptions:
    """What the step needs to know of the deployment."""

    run: str = "live"
    owner_of: OwnerOf = no_owner


def incident_step(options: IncidentOptions) -> Step:
    """Return the keeping of incidents as a step."""
    return Step(
        name="incidents",
        inputs=(ALERTS,),
        open=lambda partition, state, counts: IncidentPartition(options, partition, state, counts),
        tick_every=_TICK,
    )


class IncidentPartition:
    """The incidents of the currencies of one partition."""

    def __init__(self, options: IncidentOptions, partition: int, state: State, counts: Counter[str]) -> None:
        self._options = options
        self._partition = partition
        self._state = state
        self._counts = counts
        alerts: dict[str, dict[str, Alert]] = {}
        for key, text in state.scan("alert/"):
            alert = unpack(str(text))
            alerts.setdefault(key.split("/", 2)[1], {})[alert.id] = alert
        self._cases = {
            case.id: case
            for case in (
                Case.load(head, alerts.get(key.removeprefix("case/"), {})) for key, head in state.scan("case/")
            )
        }

    def process(self, event: Event) -> Iterable[Output]:
        """Fold an alert, do what a person asked for, or let time pass."""
        match event:
            case Alert() if event.run == self._options.run:
                turn = fold(list(self._cases.values()), event)
                if turn is None:
                    self._counts["alerts_known"] += 1
                    return ()
                self._state.put(f"alert/{turn.case.id}/{event.id}", pack(event))
                outputs = self._keep(turn)
                for taken in turn.taken:
                    outputs += self._keep(taken)
                    for name, alert in taken.case.alerts.items():
                        self._state.put(f"alert/{turn.case.id}/{name}", pack(alert))
                return outputs
            case AlertRequest():
                return self._asked(event)
            case Tick():
                return self._at(event)
        return ()

    def _asked(self, event: AlertRequest) -> list[Output]:
        case = self._cases.get(event.incident)
        if case is None:
            raise ForbiddenMoveError(
                f"there is no incident {event.incident} here; `spendstream incidents list` has all"
            )
        turn = request(case, event)
        return [] if turn is None else self._keep(turn)

    def _at(self, tick: Tick) -> list[Output]:
        outputs: list[Output] = []
        for case in list(self._cases.values()):
            turn = wake(case, tick.at)
            if turn is not None:
                outputs += self._keep(turn)
            elif case.state == "resolved" and not case.firing and tick.at - case.changed_at > _KEPT:
                self._forget(case)
        return outputs

    def _keep(self, turn: Turn) -> list[Output]:
        case, move = turn.case, turn.move
        self._cases[case.id] = case
        self._state.put(f"case/{case.id}", case.dump())
        event = case.incident(None)
        owner = self._options.owner_of(event.scope, event.labels)
        if owner is not None:
            event = replace(event, owner=owner)
        outputs = [Output(INCIDENTS, self._partition, f"{case.run}/{case.id}".encode(), event)]
        if move is not None:
            self._counts[f"incidents_{move.after}"] += 1
            transition = IncidentTransition(
                run=case.run,
                incident=case.id,
                version=case.version,
                before=move.before,
                after=move.after,
                at=move.at,
                by=move.by,
                why=move.why,
            )
            outputs.append(Output(TRANSITIONS, self._partition, case.id.encode(), transition))
        return outputs

    def _forget(self, case: Case) -> None:
        del self._cases[case.id]
        self._state.delete(f"case/{case.id}")
        for name in case.alerts:
            self._state.delete(f"alert/{case.id}/{name}")
