"""Reading past months from Cost Explorer: priced before it starts, and resumed where it was cut off."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from producers.cost_explorer import CostExplorer
from producers.cost_explorer_views import CostExplorerView
from producers.runs import Runs
from producers.source import ReadingReport
from spendstream.clock import Clock

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
