"""Some channels make several messages of one; when one of them fails, the others are not sent again."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from alerts.channels.channel import Outcome
from alerts.routing import Told

_REMEMBERED = 1_000


class OneByOne:
    """Hands the parts of a message over one by one, and remembers which were accepted until all are.

    Parameters
    ----------
    apart
        How long to wait between two parts.
    seconds
        How long it may take in all; what is not done by then is for the next try.
    """

    def __init__(self, apart: timedelta, seconds: float) -> None:
        self._apart = apart
        self._seconds = seconds
        self._accepted: dict[str, str | None] = {}

    async def send(self, parts: Mapping[str, Callable[[], Awaitable[Outcome]]]) -> Outcome:
        """Send what is not accepted yet, each by its name; the first failure ends it.

        Returns
        -------
        Accepted when all are; `handles` are then by the names of the parts.
        """
        waits = False
        try:
            async with asyncio.timeout(self._seconds):
                for name, send in parts.items():
                    if name in self._accepted:
                        continue
                    if waits:
                        await asyncio.sleep(self._apart.total_seconds())
                    outcome = await send()
                    if not outcome.accepted:
                        return self._failed(parts, outcome)
                    self._remember(name, outcome.handle)
                    waits = True
        except TimeoutError:
            return Outcome(accepted=False, retry=True, unknown=True, error="no answer in time")
        handles = {name: self._accepted.pop(name) for name in parts}
        return Outcome(accepted=True, handles={name: handle for name, handle in handles.items() if handle is not None})

    def _failed(self, parts: Collection[str], outcome: Outcome) -> Outcome:
        """Return a failure as that of the whole message, a part of which may have arrived."""
        return replace(outcome, unknown=outcome.unknown or any(name in self._accepted for name in parts))

    def _remember(self, name: str, handle: str | None) -> None:
        self._accepted[name] = handle
        while len(self._accepted) > _REMEMBERED:
            del self._accepted[next(iter(self._accepted))]


def name_of(told: Told) -> str:
    """Return the name of what is told about one incident."""
    return f"{told.incident.run}/{told.incident.id}/{told.incident.version}/{told.reason}"
