"""Views of Cost Explorer by a cost allocation tag or a cost category: each a source of its own.

A view tells the same dollars as the bill, divided otherwise, so it feeds only the series of its own key
(`USD/tag=tag:team/value=…`, `USD/tag=category:Product/value=…`) and never the organisation's, an account's or a
service's total. What has no value stands under `UNTAGGED` or `UNCATEGORIZED`, so that the values of a day add up to the
bill.

Three questions a poll, of which every dollar is in exactly one:

- usage that AWS sells, by value and service: a scope for each service and day;
- everything else that AWS sells, by value and record type: the day's scope without a service;
- what is sold on AWS Marketplace, by value and record type: in the same scope.

So charge classes are the same as in the bill's own statements.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from processors.series import ChargeKind
from producers.budget import BudgetExceededError, Purpose
from producers.charge_kind import of_record_type
from producers.cost_explorer_access import Access
from producers.cost_explorer_query import USAGE_API, Asker, Filter, Group, Question, both, but
from producers.cost_explorer_totals import MARKETPLACE, OTHER, USAGE, closed_and_final, estimated_since, window
from producers.publisher import Coverage, Publisher
from producers.source import ReadingReport, SourceError
from producers.statement import Line, Scope

#: Questions that a poll of a view asks, when each answer fits on a page.
QUESTIONS = 3
#: Stand for what has no value. No value of a tag or category can be the same: neither may hold a bracket.
UNTAGGED = "(untagged)"
UNCATEGORIZED = "(uncategorized)"

_SOLD = frozenset({ChargeKind.USAGE, ChargeKind.RECURRING_FEE, ChargeKind.COMMITMENT})

log = logging.getLogger(__name__)

#: Charge day, service, currency.
Key = tuple[date, str, str]


class CostExplorerView:
    """Reads one payer account's bill as one view, and publishes it as one reading.

    Parameters
    ----------
    access
        How the payer account is reached, and what is read.
    publisher
        Where statements go.
    view
        `tag:KEY` or `category:NAME`.
    """

    def __init__(self, access: Access, publisher: Publisher, view: str) -> None:
        self.name = access.name(view)
        self.schedule = access.options.view_schedule
        self.source = f"cost_explorer.{view}"
        self.view = view
        self._access = access
        self._publisher = publisher

    def run_once(self) -> ReadingReport:
        """Read the restatement window.

        Raises
        ------
        SourceError
            When AWS does not answer, or the polling budget does not allow all questions.
        """
        publisher, account = self._publisher, self._access.account
        still = estimated_since(publisher.heads.values(), self.source, account, publisher.clock.now().date())
        return self.read(*window(publisher.clock, self._access.options, still), "view")

    def read(self, first_day: date, last_day: date, purpose: str | None = None) -> ReadingReport:
        """Read a span of days (inclusive) as one reading, paid for `purpose`; see `run_once`."""
        began = time.monotonic()
        access, publisher = self._access, self._publisher
        lines: dict[Key, list[Line]] = defaultdict(list)
        estimated: set[Key] = set()
        paid_for = Purpose(USAGE_API, access.account, purpose or "view")
        days = (first_day, last_day)
        try:
            for key, line, may_change in ask_view(
                access.asker(), self.view, days, paid_for, access.options.beside_share
            ):
                lines[key].append(line)
                estimated |= {key} if may_change else set()
        except BudgetExceededError as error:
            raise SourceError(f"{self.name} is not read: {error}") from None
        reading = publisher.open(Coverage(self.source, "AWS", access.account, first_day, last_day, view=self.view))
        for key, found in sorted(lines.items()):
            reading.publish(self._scope(key), found, estimated=key in estimated)
        open_days = {day for day, _, _ in estimated}
        reading.close(*closed_and_final(open_days, first_day, last_day, publisher.clock.now(), access.options))
        if lines and all(line.tags[self.view] == no_value(self.view) for found in lines.values() for line in found):
            log.warning(
                "%s: no dollar has a value: activate the tag or the category in the payer account's billing console, "
                "and compare the spelling; capitals count", self.name,
            )  # fmt: skip
        count = sum(map(len, lines.values()))
        return ReadingReport(self.name, 1, reading.published, count, 0, round(time.monotonic() - began, 3))

    def _scope(self, key: Key) -> Scope:
        day, service, currency = key
        payer = self._access.account
        return Scope(self.source, "AWS", payer, day.replace(day=1), "", service, currency, day, self.view)


def ask_view(
    asker: Asker, view: str, days: tuple[date, date], purpose: Purpose, share: float = 1.0
) -> Iterator[tuple[Key, Line, bool]]:
    """Ask the three questions; yield each group's scope and line, and whether it may still change.

    `days` are inclusive; `share` is the share of the polling budget that may be used. Raises as `Asker.ask`.
    """

    def ask(other: str, chosen: Filter | None) -> list[Group]:
        return asker.ask(Question(*days, (view, other), chosen), purpose, share)

    for group in ask("SERVICE", both(USAGE, but(MARKETPLACE))):
        key = (group.day, group.keys[1], group.metrics.currency)
        yield key, _line(view, group, ChargeKind.USAGE, "Usage"), group.estimated
    for chosen, sold in ((both(OTHER, but(MARKETPLACE)), False), (MARKETPLACE, True)):
        for group in ask("RECORD_TYPE", chosen):
            kind, category = of_record_type(group.keys[1])
            if sold and kind in _SOLD:
                kind = ChargeKind.MARKETPLACE
            line = _line(view, group, kind, category, group.keys[1])
            yield (group.day, "", group.metrics.currency), line, group.estimated


def no_value(view: str) -> str:
    """Return what stands for a dollar without a value."""
    return UNTAGGED if view.startswith("tag:") else UNCATEGORIZED


def _line(view: str, group: Group, kind: ChargeKind, category: str, description: str = "") -> Line:
    # A group's key comes as `team$search`, and as `team$` where there is no value.
    value = group.keys[0].removeprefix(view.partition(":")[2] + "$")
    return Line(
        kind=kind,
        billed=group.metrics.billed,
        effective=group.metrics.effective,
        tags={view: value or no_value(view)},
        charge_category=category,
        blended=group.metrics.blended,
        description=description,
    )
