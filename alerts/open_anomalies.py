"""The anomalies of one partition: those that are open can be judged by a rule that comes later.

State (keys): `anomaly/{id}`: the newest version seen, and while it is open all of it.
"""

from collections.abc import Callable
from typing import Any

from alerts.findings import Finding, of_anomaly
from alerts.rules import AnomalyRule, FeeRule
from processors.step import Json, State
from schemas.codec import Codec
from schemas.events import Alert, CostAnomaly
from schemas.repository import RepositorySchemas

#: Says what follows from what a rule finds of a series, under the name of the anomaly.
Judge = Callable[[AnomalyRule | FeeRule, str, str, list[Finding]], list[Alert]]

_CODEC = Codec(RepositorySchemas())


class OpenAnomalies:
    """What is known of anomalies, and what rules find in them.

    Parameters
    ----------
    state
        The state of the partition.
    judge
        Called with a rule, a series, the anomaly's id and what was found.
    """

    def __init__(self, state: State, judge: Judge) -> None:
        self._state = state
        self._judge = judge
        self._open: dict[str, CostAnomaly] = {}
        for key, seen in state.scan("anomaly/"):
            self._know(key.removeprefix("anomaly/"), seen)

    def hear(self, event: CostAnomaly) -> bool:
        """Take what is told of an anomaly; return whether it is news: False when a newer version is known."""
        key = f"anomaly/{event.id}"
        known: Any = self._state.get(key)
        if known is not None and event.version < known[0]:
            return False
        is_open = event.state in {"open", "updated"}
        seen: Json = [event.version, _CODEC.encode(event).hex() if is_open else None]
        if seen != known:
            self._state.put(key, seen)
            self._know(event.id, seen)
        return True

    def open(self) -> list[CostAnomaly]:
        """Return those that are open, by id."""
        return [anomaly for _, anomaly in sorted(self._open.items())]

    def judged(self, rule: AnomalyRule | FeeRule, event: CostAnomaly) -> list[Alert]:
        """Return what a rule says of an anomaly."""
        finding = of_anomaly(rule, event)
        return [] if finding is None else self._judge(rule, event.series, event.id, [finding])

    def _know(self, name: str, seen: Any) -> None:  # noqa: ANN401 - plain data of the state
        self._open.pop(name, None)
        event = None if seen[1] is None else _CODEC.decode(bytes.fromhex(seen[1]))
        if isinstance(event, CostAnomaly):
            self._open[name] = event
