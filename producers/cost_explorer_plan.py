"""Which requests give the detail of the scopes that changed, without counting a dollar twice, for the fewest cents.

A request groups by two dimensions, and the detail of usage has four: account, service, region, usage type. So one of
two ways is taken for each service, whichever needs fewer requests:

- by account: a request for each account that changed, filtered by it, grouped by usage type and region; each stands
  for itself;
- by region: a request for each region of the service, filtered by it, grouped by account and usage type; only together
  do they give the detail.

Every line of the service is in exactly one of these answers.

Whose turn it is, when the polling budget is not enough for all: first the one that has waited longest for its detail,
then by the size of the change, the largest first. So the largest changes are seen at once, and every poll that has room
for detail serves one that was passed over: nobody waits for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Change:
    """A scope whose total is another than the one published last, and by how much (10⁻¹⁸, never negative).

    `waiting_since` is since when (ms since 1970) its account's service was published without detail; None: it does not
    wait.
    """

    account: str
    service: str
    day: date
    size: int
    waiting_since: int | None = None


@dataclass(frozen=True, slots=True)
class DetailRequest:
    """One question about a service: for these accounts, in one region or, when it is None, one account in all."""

    service: str
    accounts: tuple[str, ...]
    region: str | None
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class DetailPlan:
    """Questions about one service that give the detail of some of its scopes, all together or not at all."""

    service: str
    scopes: tuple[Change, ...]
    requests: tuple[DetailRequest, ...]

    @property
    def size(self) -> int:
        """How much its scopes changed, in 10⁻¹⁸ of the currency."""
        return sum(change.size for change in self.scopes)

    @property
    def waiting_since(self) -> int | None:
        """Since when the scope that waits longest does; None when none waits."""
        return min((c.waiting_since for c in self.scopes if c.waiting_since is not None), default=None)


def plan_detail(changes: Iterable[Change], regions: Mapping[str, Iterable[str]]) -> list[DetailPlan]:
    """Return the plans for all scopes that changed, in the order of their turns.

    Parameters
    ----------
    changes
        The scopes that changed.
    regions
        Regions that each service is used in; a service that is missing is asked by account.
    """
    by_service: dict[str, list[Change]] = {}
    for change in changes:
        by_service.setdefault(change.service, []).append(change)
    return in_turn(
        plan
        for service, found in by_service.items()
        for plan in _plans(service, found, sorted(regions.get(service, ())))
    )


def in_turn(plans: Iterable[DetailPlan]) -> list[DetailPlan]:
    """Return the plans in the order of their turns: the longest waiting, then the largest changes."""
    order = sorted(plans, key=lambda plan: (-plan.size, plan.service, plan.requests[0].accounts))
    waiting = [plan for plan in order if plan.waiting_since is not None]
    if not waiting:
        return order
    first = min(waiting, key=lambda plan: plan.waiting_since or 0)
    return [first, *(plan for plan in order if plan is not first)]


def _plans(service: str, changes: list[Change], regions: list[str]) -> list[DetailPlan]:
    accounts = sorted({change.account for change in changes})
    if regions and len(regions) < len(accounts):
        first, last = min(c.day for c in changes), max(c.day for c in changes)
        requests = tuple(DetailRequest(service, tuple(accounts), region, first, last) for region in regions)
        return [DetailPlan(service, tuple(changes), requests)]
    plans = []
    for account in accounts:
        own = tuple(change for change in changes if change.account == account)
        first, last = min(c.day for c in own), max(c.day for c in own)
        plans.append(DetailPlan(service, own, (DetailRequest(service, (account,), None, first, last),)))
    return plans
