"""Where time comes from: a clock is passed in, so that tests and simulations own it."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol

_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands until it is moved; for tests and batch runs."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the time that was set last."""
        return self._now

    def set(self, now: datetime) -> None:
        """Set the time, aware."""
        self._now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Move the time by `by`."""
        self._now += by


def day_number(day: date) -> int:
    """Return `day` as days since 1970-01-01, as Avro's `date`."""
    return day.toordinal() - _EPOCH_DAY


@lru_cache(maxsize=4096)
def day_of(number: int) -> date:
    """Return the date that is `number` days after 1970-01-01."""
    return date.fromordinal(number + _EPOCH_DAY)


def to_millis(moment: datetime) -> int:
    """Return an aware `moment` as milliseconds since 1970-01-01T00:00Z, finer parts cut off."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


@lru_cache(maxsize=4096)
def from_millis(millis: int) -> datetime:
    """Return the UTC time `millis` milliseconds after 1970-01-01T00:00Z."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
