"""How it stands with one receiver: one message at a time, its rate, pauses after failures, the breaker. No I/O."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from alerts.channels.channel import Outcome
from alerts.limits import Limits

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=5)

Breaker = Literal["closed", "open", "half-open"]


class Line:
    """The line to one receiver.

    Parameters
    ----------
    limits
        What it may be burdened with; may be replaced while it is at work.
    tries
        When it was told something before, for its rate.

    Attributes
    ----------
    busy
        A message is under way, or the log does not have yet what became of it.
    failures
        Tries in a row that failed.
    error
        Why the last one did.
    """

    def __init__(self, limits: Limits, tries: Iterable[datetime] = ()) -> None:
        self.limits = limits
        self.busy = False
        self.failures = 0
        self.error = ""
        self._not_before: datetime | None = None
        self._tries = deque(sorted(tries))

    def left(self, now: datetime) -> int | None:
        """Return how many messages its rate allows now; None: any number."""
        rate = self.limits.rate
        if rate is None:
            self._tries.clear()
            return None
        while self._tries and self._tries[0] <= now - rate.within:
            self._tries.popleft()
        return max(0, rate.messages - len(self._tries))

    def waits(self, now: datetime) -> tuple[datetime, str] | None:
        """Return until when nothing may be sent, and why; None: it is free."""
        if self._not_before is not None and now < self._not_before:
            return (
                self._not_before,
                f"it failed {self.failures} times" if self.failures else "its channel wants a pause",
            )
        if self.left(now) == 0 and self.limits.rate is not None:
            oldest = self._tries[len(self._tries) - self.limits.rate.messages]
            return oldest + self.limits.rate.within, "its rate is used up"
        return None

    def begins(self, now: datetime) -> None:
        """Note that a message is on its way."""
        self.busy = True
        if self.limits.rate is not None:
            self._tries.append(now)

    def accepted(self, now: datetime, pause: timedelta) -> None:
        """Note that it was accepted; the channel wants a pause."""
        self.failures, self.error = 0, ""
        self._not_before = now + pause
        self._ended(now)

    def failed(self, now: datetime, outcome: Outcome, jitter: float) -> None:
        """Note that it was not: the pause is longer each time, or as long as the other side asks."""
        self.error = outcome.error
        self.failures += 1
        self._not_before = now + max(pause_after(self.failures) * jitter, outcome.retry_after or timedelta(0))
        self._ended(now)

    def _ended(self, now: datetime) -> None:
        """Let a try count from its end: it came to the receiver before that, however long the way took."""
        if self._tries:
            self._tries[-1] = now

    def breaker(self, now: datetime) -> Breaker:
        """Return how the breaker stands: open, nothing is sent; half-open, one message is a probe."""
        if self.failures < self.limits.breaker:
            return "closed"
        return "open" if self.waits(now) is not None else "half-open"


def pause_after(failures: int) -> timedelta:
    """Return how long to wait after so many tries in a row that failed.

    Examples
    --------
    >>> [pause_after(count).seconds for count in (1, 2, 3, 4, 20)]
    [1, 2, 4, 8, 300]
    """
    return min(_FIRST_PAUSE * float(2 ** min(failures - 1, 20)), _LONGEST_PAUSE)
