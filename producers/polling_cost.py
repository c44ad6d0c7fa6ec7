"""What polling will cost, before it begins: dollars a month against what they buy, for a configuration."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from processors.series import ChargeKind
from producers import cost_explorer_controls, cost_explorer_views
from producers.cost_explorer import CostExplorer
from producers.cost_explorer_query import PAGE_COST
from producers.scheduler import next_time
from schemas.events import CostHead
from spendstream.money import from_units, to_units
from spendstream.settings import CostExplorer as CostExplorerOptions
from spendstream.settings import Settings

_DAYS = 30
#: Record types besides usage that a bill of AWS commonly has; each is one question.
_RECORD_TYPES = len(ChargeKind) - 2
#: CloudWatch asks $0.01 for 1,000 metrics; in 10⁻¹⁸ dollars for one.
_METRIC_COST = to_units("0.00001")


@dataclass(frozen=True, slots=True)
class Size:
    """How large an organisation is: accounts, services and regions that each service is used in, payers."""

    accounts: int
    services: int
    regions: int
    payers: int = 1


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked: how often a month, what it costs (10⁻¹⁸ dollars), and what it buys."""

    what: str
    requests: int
    cost: int
    buys: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """All items of a month, and what the caps make of them."""

    items: tuple[Item, ...]
    cap: int

    @property
    def cost(self) -> int:
        """Sum of all items, in 10⁻¹⁸ dollars a month, before the cap."""
        return sum(item.cost for item in self.items)

    def text(self) -> str:
        """Return it for a person."""
        lines = [f"{_dollars(item.cost):>10} USD a month  {item.what}: {item.buys}" for item in self.items]
        lines.append(f"{_dollars(self.cost):>10} USD a month  in all, if every service changes at every poll")
        if self.cost > self.cap:
            lines.append(
                f"The polling budget allows {_dollars(self.cap)} USD a month: the largest changes get their detail, "
                "the others their totals until there is money again. Raise budget.usd_per_day and "
                "budget.usd_per_month, or poll less often."
            )
        else:
            lines.append(f"The polling budget of {_dollars(self.cap)} USD a month is enough for all of it.")
        return "\n".join(lines)


def estimate(settings: Settings, size: Size, now: datetime | None = None) -> Estimate:
    """Return what a month of polling costs at most; nothing is asked.

    An answer of Cost Explorer that does not fit on one page costs a cent for each further one, which is not foreseen.
    """
    began = now or datetime.now(UTC)
    items: list[Item] = []
    if settings.cost_explorer.enabled:
        polls = runs_a_month(settings.cost_explorer.schedule, began)
        totals = 2 * polls * size.payers
        detail = (3 + _RECORD_TYPES + size.services * min(size.accounts, max(1, size.regions))) * polls * size.payers
        a_day = _often(polls)
        items.append(Item("Cost Explorer, totals", totals, totals * PAGE_COST, f"every account and service, {a_day}"))
        items.append(
            Item("Cost Explorer, detail", detail, detail * PAGE_COST, "region, usage type, record type of what changed")
        )
        items += _beside(settings.cost_explorer, size.payers, began)
    if settings.cloudwatch.enabled:
        polls = runs_a_month(settings.cloudwatch.schedule, began)
        metrics = settings.cloudwatch.max_metrics * polls
        buys = f"at most {settings.cloudwatch.max_metrics} metrics, {_often(polls)}"
        items.append(Item("CloudWatch", metrics // 500, metrics * _METRIC_COST, buys))
    cap = min(to_units(settings.budget.usd_per_day) * _DAYS, to_units(settings.budget.usd_per_month))
    return Estimate(tuple(items), cap)


def _beside(options: CostExplorerOptions, payers: int, began: datetime) -> Iterator[Item]:
    """Yield what Cost Explorer is asked besides the bill itself."""
    polls = runs_a_month(options.view_schedule, began)
    for view in options.views:
        asked = cost_explorer_views.QUESTIONS * polls * payers
        buys = f"every value of it by service, {_often(polls)}"
        yield Item(f"Cost Explorer, view by {view}", asked, asked * PAGE_COST, buys)
    if options.controls:
        polls = runs_a_month(options.control_schedule, began)
        asked = cost_explorer_controls.questions(options) * polls * payers
        buys = f"its months, years and forecast to compare with, {_often(polls)}"
        yield Item("Cost Explorer, controls", asked, asked * PAGE_COST, buys)


def backfill_cost(size: Size, months: int) -> int:
    """Return what reading so many past months costs at most, in 10⁻¹⁸ dollars."""
    return months * (2 + 3 + _RECORD_TYPES + size.services * min(size.accounts, max(1, size.regions))) * PAGE_COST


def view_backfill_cost(months: int) -> int:
    """Return what reading so many past months of one view costs, in 10⁻¹⁸ dollars, where each answer is one page."""
    return months * cost_explorer_views.QUESTIONS * PAGE_COST


def size_of(heads: Iterable[CostHead], payers: int) -> Size | None:
    """Return the size of what Cost Explorer was last seen to hold; None when it was never read.

    Regions are not among the heads: as many as accounts, which is the dearer way, are taken.
    """
    found = [head for head in heads if head.source == CostExplorer.source and head.lines]
    if not found:
        return None
    accounts, services = {head.account for head in found}, {head.service for head in found}
    return Size(len(accounts), len(services), len(accounts), max(1, payers))


def runs_a_month(schedule: str, began: datetime) -> int:
    """Return how often a cron expression comes up in 30 days."""
    count, at = 0, began
    while (at := next_time(schedule, at)) < began + timedelta(days=_DAYS):
        count += 1
    return count


def _often(polls: int) -> str:
    """Return how often a day so many polls a month are."""
    return "once a day" if polls == _DAYS else f"{polls / _DAYS:.3g} times a day"


def _dollars(units: int) -> str:
    return f"{from_units(units):,.2f}"
