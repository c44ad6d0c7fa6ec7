"""Whatever alerts, people and time do, in any order and with restarts: no incident makes a move that there is not."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.incident_states import MOVES, SYSTEM
from alerts.incident_step import IncidentOptions, incident_step
from processors.batch import BatchDriver, States
from processors.runner import StepFailedError
from schemas.events import AlertRequest, Incident, IncidentAction, IncidentTransition, Tick
from spendstream.topics import ALERTS
from tests.alerts.facts import T
from tests.alerts.test_incidents import ACCOUNT, ACCOUNT_EC2, ACCOUNT_S3, IRELAND, TEAM, alert

HOUR = timedelta(hours=1)
_FIRING = ("crossed", "worse", "eased", "updated")
_OVER = ("back", "restated", "ended", "rule")


class Life:
    """The keeping of incidents, and all that it said."""

    def __init__(self) -> None:
        self.states: States = {}
        self.incidents: list[Incident] = []
        self.moves: list[IncidentTransition] = []
        self.refused = 0
        self.open()

    def open(self) -> None:
        """Begin anew on the state that is there, as after a crash."""
        self.driver = BatchDriver([incident_step(IncidentOptions())], self._heard, states=self.states)

    def _heard(self, output: Any) -> None:
        match output.event:
            case Incident():
                self.incidents.append(output.event)
            case IncidentTransition():
                self.moves.append(output.event)

    def feed(self, event: Any) -> None:
        try:
            self.driver.feed(ALERTS, 0, event)
        except StepFailedError:
            self.refused += 1

    @property
    def known(self) -> list[str]:
        return sorted({incident.id for incident in self.incidents})


_ALERTS = st.builds(
    lambda series, change, severity, hours: ("alert", (series, change, severity), hours),
    st.sampled_from([ACCOUNT, ACCOUNT_S3, ACCOUNT_EC2, IRELAND, TEAM]),
    st.sampled_from([*_FIRING, "crossed", "crossed", *_OVER]),
    st.sampled_from(["info", "warning", "critical"]),
    st.integers(0, 3),
)
_REQUESTS = st.builds(
    lambda action, which, until, hours: ("request", (action, which, until), hours),
    st.sampled_from(get_args(IncidentAction)),
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(-1, 6)),
    st.integers(0, 3),
)
_TIME = st.builds(lambda hours: ("time", (), hours), st.integers(0, 40))
_RESTART = st.builds(lambda: ("restart", (), 0))


def lived(steps: Iterable[tuple[str, Any, int]]) -> Life:
    """Live through steps, each some hours after the one before."""
    life, now = Life(), T
    versions: dict[str, int] = defaultdict(int)
    for number, (kind, what, hours) in enumerate(steps):
        now += hours * HOUR
        if kind == "alert":
            series, change, severity = what
            versions[series] += 1
            state = "firing" if change in _FIRING else "resolved"
            life.feed(
                alert(
                    series,
                    100,
                    version=versions[series],
                    state=state,
                    change=change,
                    severity=severity,
                    observed_at=now,
                )
            )
        elif kind == "request" and life.known:
            action, which, until = what
            end = None if until is None else now + until * HOUR
            name = life.known[which % len(life.known)]
            life.feed(
                AlertRequest(id=f"q{number}", incident=name, action=action, by="ann", at=now, why="known", until=end)
            )
        elif kind == "time":
            life.feed(Tick(at=now))
        elif kind == "restart":
            life.open()
    return life


_STEPS = st.lists(st.one_of(_ALERTS, _ALERTS, _REQUESTS, _REQUESTS, _TIME, _RESTART), min_size=15, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(_STEPS)
def test_every_move_is_one_that_there_is_and_says_who_when_and_why(steps):
    life = lived(steps)
    at: dict[str, str | None] = {}
    for move in life.moves:
        assert move.before == at.get(move.incident)
        first = move.before is None and move.after == "firing"
        longer = move.before == move.after == "snoozed"
        assert first or longer or (move.before, move.after) in MOVES
        assert move.by in {"ann", SYSTEM}
        assert move.why
        assert move.at >= T
        at[move.incident] = move.after
    assert {incident.id: incident.state for incident in life.incidents} == at


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(_STEPS)
def test_an_incident_is_over_when_nothing_fires_and_each_of_its_versions_is_newer(steps):
    newest: dict[str, Incident] = {}
    for incident in lived(steps).incidents:
        before = newest.get(incident.id)
        assert incident.version == (1 if before is None else before.version + 1)
        assert incident.firing_count > 0 or incident.state == "resolved"
        assert (incident.snoozed_until is not None) == (incident.state == "snoozed")
        newest[incident.id] = incident


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(_STEPS)
def test_a_restart_changes_nothing_of_what_comes_after(steps):
    whole = lived(step for step in steps if step[0] != "restart")
    broken = lived([one for step in steps if step[0] != "restart" for one in (step, ("restart", (), 0))])
    assert broken.incidents == whole.incidents
    assert [(move.before, move.after, move.by, move.why) for move in broken.moves] == [
        (move.before, move.after, move.by, move.why) for move in whole.moves
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_ALERTS, min_size=5, max_size=25))
def test_every_alert_that_fires_stands_in_exactly_one_incident_that_is_not_over(steps):
    life = lived(steps)
    newest = {incident.id: incident for incident in life.incidents}
    places: dict[str, list[str]] = defaultdict(list)
    for incident in newest.values():
        for one in incident.alerts:
            if one.firing:
                places[one.id].append(incident.id)
    firing: dict[str, bool] = {}
    for _, (series, change, _), _ in steps:
        begins = change in _FIRING
        firing[f"rises|{series}"] = begins
    assert {name: len(held) for name, held in places.items()} == {name: 1 for name, fires in firing.items() if fires}
