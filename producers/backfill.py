"""Reading past months from Cost Explorer: priced before it starts, and resumed where it was cut off."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from producers.aws_session import AwsSessions
from producers.budget import Budget
from producers.cost_explorer import CostExplorer
from producers.cost_explorer_access import Access
from producers.cost_explorer_views import CostExplorerView
from producers.polling_cost import backfill_cost, size_of, view_backfill_cost
from producers.publisher import Publisher
from producers.runs import Runs
from producers.shared import Shared
from producers.sole import publishing
from producers.source import ReadingReport, SourceError
from spendstream.admin import ensure_topics
from spendstream.clock import Clock, SystemClock
from spendstream.money import from_units
from spendstream.settings import ConfigurationError, Settings

#: Cost Explorer keeps 13 months, besides the current one.
MOST_MONTHS = 13


@dataclass(frozen=True, slots=True)
class Plan:
    """The months to read, oldest first, as their first and last days; and those that were read before."""

    months: tuple[tuple[date, date], ...]
    done: int


class Backfill:
    """Reads the months before the current one, one reading a month.

    Parameters
    ----------
    source
        The bill, or the view of it, that is read.
    runs
        Keeps which months are done, so that a second run goes on where the first was cut off.
    clock
        Says which month it is.
    """

    def __init__(self, source: CostExplorer | CostExplorerView, runs: Runs, clock: Clock) -> None:
        self._source = source
        self._runs = runs
        self._clock = clock

    def plan(self, months: int) -> Plan:
        """Return what is still to be read of the last `months` months."""
        spans = list(months_before(self._clock.now().date(), months))
        waiting = tuple(span for span in spans if self._runs.good_at(self._name(span[0])) is None)
        return Plan(waiting, len(spans) - len(waiting))

    def run(self, plan: Plan, tell: Callable[[date, ReadingReport], None]) -> None:
        """Read the months of a plan; each is kept as done when its reading has closed.

        Raises
        ------
        SourceError
            When Cost Explorer does not answer, or the polling budget is used up: run it again later.
        """
        for first, last in plan.months:
            began = self._clock.now()
            report = self._source.read(first, last, "backfill")
            if not report.left_out:
                self._runs.keep(self._name(first), began, good=True, note=str(report))
            tell(first, report)

    def _name(self, month: date) -> str:
        return f"backfill.{self._source.name}.{month:%Y-%m}"


def months_before(today: date, count: int) -> Iterator[tuple[date, date]]:
    """Yield the first and last days of the `count` months before the current one, oldest first."""
    firsts = []
    first = today.replace(day=1)
    for _ in range(count):
        first = (first - timedelta(days=1)).replace(day=1)
        firsts.append(first)
    for first in reversed(firsts):
        yield first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def backfill(settings: Settings, months: int, agree: Callable[[str], bool], tell: Callable[[str], None]) -> None:
    """Read the last `months` months before this one from Cost Explorer, oldest first, if `agree` to the price.

    Raises
    ------
    ConfigurationError
        When Cost Explorer is not configured or cannot be read.
    """
    if not settings.cost_explorer.enabled:
        raise ConfigurationError("Cost Explorer is not configured: set SPENDSTREAM_COST_EXPLORER__ENABLED=true")
    ensure_topics(settings)
    with publishing(settings) as moved:
        _read_months(settings, months, agree, tell, moved)


def _read_months(
    settings: Settings,
    months: int,
    agree: Callable[[str], bool],
    tell: Callable[[str], None],
    moved: Callable[[], None],
) -> None:
    shared = Shared(settings, SystemClock())
    publisher = Publisher(settings, shared.clock)
    publisher.moved = moved
    for source in _bills(settings, shared.budget, publisher):
        work = Backfill(source, shared.runs, shared.clock)
        plan = work.plan(months)
        if not plan.months:
            tell(f"{source.name}: all {plan.done} months were read before")
            continue
        most = _price(source, len(plan.months), publisher)
        budget = f"{settings.budget.usd_per_day} USD a day, {settings.budget.usd_per_month} a month"
        question = (
            f"{source.name}: {len(plan.months)} months to read, {plan.done} read before. It costs "
            f"{most or 'what is unknown before it was read once'}. The polling budget of {budget} holds: what it does "
            "not allow waits, and running this again goes on there. Read?"
        )
        if not agree(question):
            tell("nothing was read")
            continue
        try:
            work.run(plan, lambda month, report: tell(f"{month:%Y-%m}: {report}"))
        except SourceError as error:
            raise ConfigurationError(f"{error}; run it again to go on from there") from None


def _bills(settings: Settings, budget: Budget, publisher: Publisher) -> Iterator[CostExplorer | CostExplorerView]:
    """Yield every payer's bill, and each view of it."""
    for payer in settings.aws.payers or (None,):
        access = Access(settings.cost_explorer, payer, AwsSessions(settings.aws), budget)
        yield CostExplorer(access, publisher)
        for view in settings.cost_explorer.views:
            yield CostExplorerView(access, publisher, view)


def _price(source: CostExplorer | CostExplorerView, months: int, publisher: Publisher) -> str | None:
    """Return what a backfill costs at most; None when the bill was never read, so that its size is not known."""
    if isinstance(source, CostExplorerView):
        return f"at least {_dollars(view_backfill_cost(months))} USD, a cent for every page"
    size = size_of(publisher.heads.values(), 1)
    return None if size is None else f"at most {_dollars(backfill_cost(size, months))} USD"


def _dollars(units: int) -> str:
    return f"{from_units(units):,.2f}"
