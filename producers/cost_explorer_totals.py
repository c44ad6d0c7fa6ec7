"""The cheap tier of Cost Explorer: totals of each account and service by day, and which days they may still change."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from producers.budget import Purpose
from producers.cost_explorer_query import Asker, Group, Metrics, Question, among, but
from schemas.events import CostHead
from spendstream.clock import Clock
from spendstream.settings import CostExplorer as Options

#: Record types that are usage: what stands in for each other when a commitment covers usage.
USAGE = among("RECORD_TYPE", ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"))
#: Everything else: fees, commitments, credits, refunds, tax.
OTHER = but(USAGE)
#: What is sold by others than AWS, and on AWS's bill.
MARKETPLACE = among("BILLING_ENTITY", ("AWS Marketplace",))

#: Charge day, account, service: what a scope is within one payer's bill.
Key = tuple[date, str, str]


@dataclass(slots=True)
class Total:
    """What the cheap questions say of one scope; `usage` and `other` are None where there is none."""

    usage: Metrics | None = None
    other: Metrics | None = None
    estimated: bool = False

    @property
    def currency(self) -> str:
        """ISO 4217."""
        return next(part.currency for part in (self.usage, self.other) if part is not None)

    @property
    def effective(self) -> int:
        """Usage and everything else, in 10⁻¹⁸ of the currency."""
        return sum(part.effective for part in (self.usage, self.other) if part is not None)

    def fingerprint(self) -> str:
        """Return what changes with anything that the cheap questions say."""
        return hashlib.blake2b(repr((self.usage, self.other, self.estimated)).encode(), digest_size=12).hexdigest()


def ask_totals(asker: Asker, first_day: date, last_day: date, purpose: Purpose) -> dict[Key, Total]:
    """Ask the two cheap questions, over days inclusive; raises as `Asker.ask`."""
    totals: dict[Key, Total] = defaultdict(Total)
    for part, chosen in (("usage", USAGE), ("other", OTHER)):
        for group in asker.ask(Question(first_day, last_day, ("LINKED_ACCOUNT", "SERVICE"), chosen), purpose):
            total = totals[key_of(group)]
            setattr(total, part, group.metrics)
            total.estimated |= group.estimated
    return dict(totals)


def key_of(group: Group) -> Key:
    """Return the scope of a group by account and service."""
    account, service = group.keys
    return group.day, account, service


def window(clock: Clock, options: Options, open_since: date | None = None) -> tuple[date, date]:
    """Return the days that AWS may still restate: the last days, and the whole last month until it is final.

    `open_since` is the first day that was last read as estimated; see `estimated_since`.
    """
    today = clock.now().astimezone(UTC).date()
    first = today - timedelta(days=options.window_days - 1)
    if today.day <= options.month_final_day:
        first = min(first, _last_month(today))
    return min(first, open_since or first), today


def estimated_since(heads: Iterable[CostHead], source: str, billing_account: str, today: date) -> date | None:
    """Return the first day of the last month that was published as estimated, so that it is read until it is final.

    AWS closes a month when it is done with it, which may be later than `month_final_day`; None when all is final.
    """
    since, until = _last_month(today), today.replace(day=1)
    days = (
        head.day
        for head in heads
        if head.estimated and head.lines and since <= head.day < until
        and (head.source, head.billing_account) == (source, billing_account)
    )  # fmt: skip
    return min(days, default=None)


def closed_and_final(
    estimated: Iterable[date], first_day: date, last_day: date, now: datetime, options: Options
) -> tuple[date, date | None]:
    """Return the newest day that is closed, and the newest that AWS calls final; `estimated` days may still change."""
    settled = now - timedelta(hours=options.settled_hours)
    closed = min(last_day, settled.date() - timedelta(days=1))
    still_open = min(estimated, default=None)
    final = closed if still_open is None else min(closed, still_open - timedelta(days=1))
    return max(closed, first_day), final if final >= first_day else None


def _last_month(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
