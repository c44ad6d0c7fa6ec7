"""What waits for a worker's steps, told to alerting as facts of health."""

from collections import Counter
from datetime import datetime

from processors.step import Output
from schemas.events import HealthFact
from spendstream.topics import HEALTH


class BacklogReport:
    """Tells of each step how many events wait, while some do, and once when none does any more."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()

    def of(self, step: str, events: int, now: datetime) -> list[Output]:
        """Return what is to be told about a step now."""
        if not events and not self._told[step]:
            return []
        self._told[step] = events
        fact = HealthFact(
            id=f"{step}/{now.isoformat()}", check="backlog", subject=step, at=now, value=float(events), note=""
        )
        return [Output(HEALTH, 0, f"backlog/{step}".encode(), fact)]
