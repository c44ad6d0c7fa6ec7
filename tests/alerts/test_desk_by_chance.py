"""Messages accepted, lost, or in doubt, and crashes, in any order: who heard of a beginning hears of the end.

The receiver's own truth is kept beside: what it took, whatever the channel said of it. The log is what Kafka has.
"""

from datetime import timedelta
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.channel import Outcome
from alerts.desk import Desk
from tests.alerts.facts import T
from tests.alerts.test_desk import BUSY, ROUTING, SILENT, incident

#: What becomes of a message, by what the receiver took and what is known of it.
Fate = Literal["accepted", "taken in silence", "lost in silence", "surely lost", "crash before it", "crash after it"]
FATES: tuple[Fate, ...] = (
    "accepted", "taken in silence", "lost in silence", "surely lost", "crash before it", "crash after it",
)  # fmt: skip
PATIENT = ROUTING.model_copy(
    update={"receivers": [one.model_copy(update={"deadline": timedelta(days=99)}) for one in ROUTING.receivers]}
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fires"), st.sampled_from("ab")),
        st.tuples(st.just("ends"), st.sampled_from("ab")),
        st.tuples(st.just("told"), st.sampled_from(FATES)),
    ),
    max_size=25,
)


class World:
    """Two incidents, one receiver, a desk that may crash, and the log that outlives it."""

    def __init__(self) -> None:
        self.now = T
        self.log: list[Any] = []
        self.newest: dict[str, Any] = {}
        self.took: list[tuple[str, str]] = []
        self.perhaps: set[str] = set()
        self.desk = Desk(PATIENT, (), timedelta(days=1))

    def becomes(self, name: str, state: str) -> None:
        known = self.newest.get(name)
        if (known is None and state == "firing") or (known is not None and known.state != state):
            version = 1 if known is None else known.version + 1
            scope = f"USD/provider=AWS/account={name}"
            self.newest[name] = incident(name, scope=scope, state=state, version=version, changed_at=self.now)
            self.desk.take(self.newest[name], self.now)

    def tell(self, fate: Fate) -> int:
        """Let the messages that are due now end so; return how many there were."""
        self.now += timedelta(minutes=6)
        messages = [one for one in self.desk.messages("live", self.now) if one.receiver == "all"]
        for message in messages:
            self.log += self.desk.leaving(message, self.now)
            if fate not in {"surely lost", "accepted"}:
                self.perhaps |= {told.incident.id for told in message.told}
            if fate in {"accepted", "taken in silence", "crash after it"}:
                self.took += [(told.incident.id, told.incident.state) for told in message.told]
            match fate:
                case "accepted":
                    self.desk.accepted(message, timedelta(0), self.now)
                case "taken in silence" | "lost in silence":
                    self.fail(message, SILENT)
                case "surely lost":
                    self.fail(message, BUSY)
                case _:
                    self.crash()
                    break
            written = self.desk.written()
            self.log += [*written.attempts, *written.notifications]
            self.desk.logged(message)
        return len(messages)

    def fail(self, message: Any, outcome: Outcome) -> None:
        self.desk.failed(message, outcome, self.now)

    def crash(self) -> None:
        self.desk = Desk(PATIENT, self.log, timedelta(days=1))
        for one in self.newest.values():
            self.desk.take(one, self.now)


@given(STEPS)
def test_whoever_heard_of_a_beginning_hears_of_the_end_and_nobody_else(steps):
    world = World()
    for what, which in steps:
        if what == "told":
            world.tell(which)
        else:
            world.becomes(which, "firing" if what == "fires" else "resolved")
    for name in world.newest:
        world.becomes(name, "resolved")
    while world.tell("accepted"):
        pass
    for name in world.newest:
        heard = [state for one, state in world.took if one == name]
        assert heard[-1:] in ([], ["resolved"])
        assert "firing" in heard or name in world.perhaps or not heard
