"""Simulated time: start + speed × wall time, and settable."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def aware(text: str) -> datetime:
    """Return the ISO 8601 time in `text`, or raise `ValueError` when it has no time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone; add one, as in 2026-03-01T00:00:00Z")
    return moment


class SimulatedClock:
    """A clock that runs `speed` times as fast as the wall; speed 0 stands until it is moved.

    Parameters
    ----------
    start
        Simulated time at the beginning, aware.
    speed
        Simulated seconds for each second of `wall`, 0 or more.
    wall
        Seconds from any fixed origin, never falling.
    """

    def __init__(self, start: datetime, speed: float = 0, wall: Callable[[], float] = time.monotonic) -> None:
        if start.tzinfo is None:
            raise ValueError(f"the start {start} has no time zone; add one, as in 2026-03-01T00:00:00Z")
        if speed < 0:
            raise ValueError(f"the speed {speed} is negative; give 0 (frozen) or more")
        self._base = start.astimezone(UTC)
        self._speed = speed
        self._wall = wall
        self._since = wall()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the simulated time, aware and in UTC."""
        with self._lock:
            return self._base + timedelta(seconds=self._speed * (self._wall() - self._since))

    def set(self, now: datetime) -> None:
        """Go to `now`, aware, and run on from there."""
        with self._lock:
            self._base = now.astimezone(UTC)
            self._since = self._wall()

    def advance(self, by: timedelta) -> None:
        """Go forward by `by`."""
        self.set(self.now() + by)

    def real(self, simulated: timedelta) -> timedelta:
        """Return how long a simulated span takes on the wall; where simulated time stands still, as long."""
        return simulated / self._speed if self._speed else simulated
