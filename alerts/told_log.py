"""The log of what receivers were told, as the desk knows it: what was accepted, and what was about to leave. No I/O."""

from collections.abc import Iterable, Mapping

from alerts.own_incidents import CANARY
from alerts.records import ON_ITS_WAY
from schemas.events import Notification


class ToldLog:
    """What each receiver was told last of each incident.

    Parameters
    ----------
    notifications
        The log, in its order.
    """

    def __init__(self, notifications: Iterable[Notification]) -> None:
        self._told: dict[str, dict[str, Notification]] = {}
        # By receiver and incident: what was about to leave when a process ended.
        self._perhaps: dict[tuple[str, str], Notification] = {}
        for one in notifications:
            if one.attempts == ON_ITS_WAY:
                self._perhaps[one.receiver, one.incident] = one
            else:
                self._perhaps.pop((one.receiver, one.incident), None)
                self._told.setdefault(one.receiver, {})[one.incident] = one

    def of(self, receiver: str) -> Mapping[str, Notification]:
        """Return what a receiver was told, by incident."""
        return self._told.setdefault(receiver, {})

    def add(self, notifications: Iterable[Notification]) -> None:
        """Note that something was told."""
        for one in notifications:
            self._told.setdefault(one.receiver, {})[one.incident] = one

    def is_new_to(self, receiver: str, incident: str) -> bool:
        """Tell whether a receiver, told of an incident now, hears of it for the first time, or anew after its end."""
        last = self.of(receiver).get(incident)
        return incident != CANARY and (last is None or last.state == "resolved")

    def knowing(self, incident: str) -> dict[str, Notification]:
        """Return what was told of an incident, by receiver."""
        return {receiver: told[incident] for receiver, told in self._told.items() if incident in told}

    def ended(self, incident: str) -> None:
        """Take what was about to leave for told: whoever may have heard of an incident shall hear of its end."""
        for receiver, name in [key for key in self._perhaps if key[1] == incident]:
            self.add([self._perhaps.pop((receiver, name))])
