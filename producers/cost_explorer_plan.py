"""Which requests give the detail of the scopes that changed, without counting a dollar twice, for the fewest cents.

A request groups by two dimensions, and the detail of usage has four: account, service, region, usage type. So one of
two ways is taken for each service, whichever needs fewer requests:

- by account: a request for each account that changed, filtered by it, grouped by usage type and region;
- by region: a request for each region of the service, filtered by it, grouped by account and usage type.

Every line of the service is in exactly one of these answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Change:
    """A scope whose total is another than the one published last, and by how much (10⁻¹⁸, never negative)."""

    account: str
    service: str
    day: date
    size: int


@dataclass(frozen=True, slots=True)
class DetailRequest:
    """One question about a service: for these accounts, in one region or, when it is None, one account in all."""

    service: str
    accounts: tuple[str, ...]
    region: str | None
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """All questions about one service; only together do they give the detail of its scopes."""

    service: str
    scopes: tuple[Change, ...]
    requests: tuple[DetailRequest, ...]

    @property
    def size(self) -> int:
        """How much the service changed, in 10⁻¹⁸ of the currency."""
        return sum(change.size for change in self.scopes)


def plan_detail(changes: Iterable[Change], regions: Mapping[str, Iterable[str]]) -> list[ServicePlan]:
    """Return the plans of all services that changed, the largest change first.

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
    plans = [_plan(service, found, sorted(regions.get(service, ()))) for service, found in by_service.items()]
    return sorted(plans, key=lambda plan: (-plan.size, plan.service))


def _plan(service: str, changes: list[Change], regions: list[str]) -> ServicePlan:
    accounts = sorted({change.account for change in changes})
    if regions and len(regions) < len(accounts):
        first, last = min(c.day for c in changes), max(c.day for c in changes)
        requests = [DetailRequest(service, tuple(accounts), region, first, last) for region in regions]
    else:
        requests = []
        for account in accounts:
            days = [change.day for change in changes if change.account == account]
            requests.append(DetailRequest(service, (account,), None, min(days), max(days)))
    return ServicePlan(service, tuple(changes), tuple(requests))
