"""The polling budget: one cap over everything that asking AWS costs, which holds across a restart.

Every paid request is an event before it is made; a call that failed is free, and a second event of the same id says so.
At start all events of the month are read back.
"""

import threading
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from producers.sender import Sender
from schemas.events import PaidRequest
from spendstream.clock import Clock
from spendstream.money import from_units, to_units
from spendstream.read_back import read_back
from spendstream.settings import Budget as Options
from spendstream.topics import PAID_REQUESTS

#: A month's cap needs no older request.
_KEPT = timedelta(days=32)
_ENDLESS = to_units("1e12")


class BudgetExceededError(RuntimeError):
    """A request would go beyond a cap; it was not made."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a paid request is for; names as in the event's schema."""

    api: str
    billing_account: str
    purpose: str
    reading: str | None = None


class Budget:
    """What was spent this UTC day and month, and whether a request may be made.

    Parameters
    ----------
    options
        The caps.
    sender
        Where events go, used by nothing else because sources of several threads pay; its clock says which day it is.
    """

    def __init__(self, options: Options, sender: Sender) -> None:
        self._options = options
        self._sender = sender
        self._lock = threading.Lock()
        self._days: Counter[date] = Counter()
        latest: dict[str, PaidRequest] = {}
        oldest = sender.clock.now() - _KEPT
        for raw in read_back(sender.settings, PAID_REQUESTS):
            event = sender.codec.decode(raw)
            if isinstance(event, PaidRequest) and event.at >= oldest:
                latest[event.id] = event
        for event in latest.values():
            self._days[event.at.date()] += to_units(event.cost)

    def spent(self, now: datetime) -> tuple[int, int]:
        """Return what was spent in the UTC day and month of `now`, in 10⁻¹⁸ dollars."""
        today = now.date()
        month = sum(cost for day, cost in self._days.items() if (day.year, day.month) == (today.year, today.month))
        return self._days[today], month

    def left(self, share: float = 1.0) -> int:
        """Return what may still be spent now of a `share` of both caps, in 10⁻¹⁸ dollars, never below 0."""
        with self._lock:
            spent = self.spent(self._sender.clock.now())
        caps = (self._options.usd_per_day, self._options.usd_per_month)
        return max(0, min(int(to_units(cap) * share) - have for cap, have in zip(caps, spent, strict=True)))

    def pay(self, purpose: Purpose, detail: str, cost: int, *, share: float = 1.0) -> PaidRequest:
        """Count a request that is about to be made.

        Parameters
        ----------
        purpose, detail
            What it is for, and what it asks.
        cost
            In 10⁻¹⁸ dollars.
        share
            The share of the caps that it may use: what can wait leaves the rest to what cannot.

        Raises
        ------
        BudgetExceededError
            When it would go beyond a cap.
        """
        now = self._sender.clock.now()
        with self._lock:
            spent = self.spent(now)
            for name, have, cap in zip(
                ("day", "month"), spent, (self._options.usd_per_day, self._options.usd_per_month), strict=True
            ):
                if have + cost > to_units(cap) * share:
                    raise BudgetExceededError(
                        f"{from_units(have).normalize():f} of {cap} USD of this {name}'s polling budget are spent, and "
                        f"{purpose.purpose} may use {share:.0%} of it: it waits until the next {name}, or raise "
                        f"budget.usd_per_{name}"
                    )
            event = _event(purpose, detail, cost, now)
            self._days[now.date()] += cost
            self._sender.send(PAID_REQUESTS, 0, event.id, event)
            self._sender.flush()
        return event

    def failed(self, request: PaidRequest) -> None:
        """Take back what a failed call did not cost."""
        with self._lock:
            self._days[request.at.date()] -= to_units(request.cost)
            self._sender.send(PAID_REQUESTS, 0, request.id, replace(request, cost=from_units(0), outcome="failed"))
            self._sender.flush()


class NoBudget(Budget):
    """Pays nothing, for answers that come from a recording.

    Parameters
    ----------
    clock
        Tells when requests are made.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def spent(self, now: datetime) -> tuple[int, int]:  # noqa: ARG002 - nothing, at any time
        """Return nothing spent."""
        return 0, 0

    def left(self, share: float = 1.0) -> int:  # noqa: ARG002 - without end, whatever the share
        """Return more than anything costs."""
        return _ENDLESS

    def pay(self, purpose: Purpose, detail: str, cost: int, *, share: float = 1.0) -> PaidRequest:  # noqa: ARG002
        """Let every request pass, at no cost."""
        return _event(purpose, detail, 0, self._clock.now())

    def failed(self, request: PaidRequest) -> None:
        """Do nothing: it cost nothing."""


def _event(purpose: Purpose, detail: str, cost: int, at: datetime) -> PaidRequest:
    return PaidRequest(
        id=uuid.uuid4().hex,
        at=at,
        api=purpose.api,
        billing_account=purpose.billing_account,
        purpose=purpose.purpose,
        detail=detail,
        cost=from_units(cost),
        outcome="ok",
        reading=purpose.reading,
    )
