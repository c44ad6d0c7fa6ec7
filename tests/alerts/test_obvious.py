"""The desk tells what the obvious model tells: whatever the tree, whatever happens, however often it starts anew."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.desk import Desk
from alerts.routes import Routing
from schemas.events import Incident, Notification
from tests.alerts.facts import T
from tests.alerts.obvious import Happens, Obvious, Told
from tests.schemas.examples import EXAMPLES

MINUTE = timedelta(minutes=1)
#: Minutes of the model begin at midnight.
MIDNIGHT = T.replace(hour=0)
LABELS = {
    name: {"team": team, "scope": f"USD/provider=AWS/account={name}"}
    for name, team in (("1", "a"), ("2", "a"), ("3", "b"))
}
_EXAMPLE: Any = next(event for event in EXAMPLES if isinstance(event, Incident))

_MATCH = st.lists(
    st.sampled_from(["team=a", "team=b", "severity=critical", "severity=~info|warning", "severity=warning"]),
    min_size=1,
    max_size=2,
    unique=True,
)


@st.composite
def routings(draw: Any) -> dict[str, Any]:
    """Return a routing as a document, with lengths in minutes; each receiver stands at one place."""
    names: list[str] = []

    def named(kind: str) -> str:
        names.append(f"{kind}{len(names)}")
        return names[-1]

    def route(depth: int) -> dict[str, Any]:
        node: dict[str, Any] = {
            "receiver": named("r"),
            "group_by": draw(st.sampled_from([[], ["team"], ["scope"], ["severity"]])),
            "group_wait": draw(st.sampled_from([0, 1, 10])),
            "group_interval": draw(st.sampled_from([0, 5, 60])),
            "repeat_interval": draw(st.sampled_from([30, 240])),
            "escalate_after": draw(st.sampled_from([5, 60])),
        }
        node["escalate_to"] = named("e")
        node["routes"] = [
            {**route(depth + 1), "match": draw(_MATCH), "continue": draw(st.booleans())}
            for _ in range(draw(st.integers(0, 2 if depth < 2 else 0)))
        ]
        return node

    tree = route(0)
    begins = draw(st.integers(0, 20))
    quiet = {"from": begins * 60, "until": (begins + draw(st.integers(1, 3))) * 60}
    silences = st.builds(lambda match, ends: {"match": match, "ends": ends}, _MATCH, st.integers(1, 600))
    inhibits = st.builds(
        lambda source, target, equal: {"source": source, "target": target, "equal": equal},
        _MATCH, _MATCH, st.sampled_from([[], ["team"]]),
    )  # fmt: skip
    return {
        "receivers": [{"name": name, **({"quiet": quiet} if draw(st.booleans()) else {})} for name in names],
        "route": tree,
        "silences": draw(st.lists(silences, max_size=1)),
        "inhibit": draw(st.lists(inhibits, max_size=2)),
    }


def routing_of(document: Mapping[str, Any]) -> Routing:
    """Return the routing that a document says."""

    def route(node: Mapping[str, Any]) -> dict[str, Any]:
        lengths = {name: timedelta(minutes=node[name]) for name in node if name.endswith(("wait", "interval", "after"))}
        return {**node, **lengths, "routes": [route(child) for child in node["routes"]]}

    def receiver(one: Mapping[str, Any]) -> dict[str, Any]:
        made = {"name": one["name"], "channel": "webhook", "url": "http://127.0.0.1/"}
        if "quiet" in one:
            start, end = (time(one["quiet"][name] // 60) for name in ("from", "until"))
            made["quiet"] = {"zone": "UTC", "start": start, "end": end}
        return made

    return Routing.model_validate(
        {
            "receivers": [receiver(one) for one in document["receivers"]],
            "route": route(document["route"]),
            "silences": [
                {"match": one["match"], "ends": MIDNIGHT + one["ends"] * MINUTE, "comment": "known"}
                for one in document["silences"]
            ],
            "inhibit": document["inhibit"],
        }
    )


class Desks:
    """A desk that may be started anew, with nothing but the log and the newest version of each incident."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._incidents: dict[str, Incident] = {}
        self._log: list[Notification] = []
        self.restart()

    def restart(self) -> None:
        self._desk = Desk(self._routing, self._log, timedelta(days=9))
        for incident in self._incidents.values():
            self._desk.take(incident, incident.changed_at)

    def take(self, one: Happens) -> None:
        now, before = MIDNIGHT + one.minute * MINUTE, self._incidents.get(one.name)
        changed = replace(
            before or _EXAMPLE,
            id=one.name,
            version=1 if before is None else before.version + 1,
            scope=LABELS[one.name]["scope"],
            labels={"team": LABELS[one.name]["team"]},
            owner=None,
            state=one.state,
            severity=one.severity,
            opened_at=now if before is None or before.state == "resolved" else before.opened_at,
            changed_at=now,
        )
        self._incidents[one.name] = changed
        self._desk.take(changed, now)

    def ask(self, minute: int) -> set[Told]:
        now = MIDNIGHT + minute * MINUTE
        told = set()
        while messages := self._desk.messages("live", now):
            for message in messages:
                self._log += self._desk.accepted(message, timedelta(0), now)
                self._desk.logged(message)
                for one in message.told:
                    incident = one.incident
                    told.add(Told(minute, message.receiver, incident.id, incident.state, incident.severity))
        return told


_HAPPENS = st.lists(
    st.builds(
        Happens,
        st.integers(0, 600),
        st.sampled_from(sorted(LABELS)),
        st.sampled_from(["firing", "firing", "firing", "acknowledged", "snoozed", "resolved"]),
        st.sampled_from(["info", "warning", "critical"]),
    ),
    min_size=1,
    max_size=10,
)
_PAUSES = st.lists(st.sampled_from([1, 1, 4, 5, 9, 30, 120]), min_size=8, max_size=25)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(routings(), _HAPPENS, _PAUSES, st.sets(st.integers(0, 24)))
def test_the_desk_tells_what_the_obvious_model_tells(document, happens, pauses, restarts):
    desk, model = Desks(routing_of(document)), Obvious(document, LABELS)
    waiting: Sequence[Happens] = sorted(happens, key=lambda one: one.minute)
    minute = 0
    for number, pause in enumerate(pauses):
        minute += pause
        news = [one for one in waiting if one.minute <= minute]
        waiting = waiting[len(news) :]
        for one in news:
            desk.take(one)
        model.happened += news
        if number in restarts:
            desk.restart()
        assert desk.ask(minute) == model.ask(minute)
