"""The dear tier of Cost Explorer: the lines of the scopes that changed, as far as the polling budget allows.

Usage is asked by region and usage type (see `cost_explorer_plan`), everything else by record type. What is sold on AWS
Marketplace is told apart: its usage and its fees have a class of their own. A service that both AWS and others sell is
asked for each of the two.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from processors.series import ChargeKind
from producers.budget import BudgetExceededError, Purpose
from producers.charge_kind import of_record_type
from producers.cost_explorer_plan import Change, DetailPlan, DetailRequest, plan_detail
from producers.cost_explorer_query import (
    USAGE_API,
    Asker,
    Filter,
    Group,
    Metrics,
    NoDataError,
    Question,
    among,
    both,
    but,
)
from producers.cost_explorer_totals import MARKETPLACE, OTHER, USAGE, Key, Total, key_of
from producers.source import SourceError
from producers.statement import Line
from spendstream.money import to_units
from spendstream.settings import CostExplorer as Options

_CENT = to_units("0.01")
#: Cost Explorer keeps hours for 14 days; a question that begins at midnight may reach back 13 whole days.
_HOURS_KEPT = timedelta(days=13)
_NOT_NAMED = {"NoRegion": "", "NoUsageType": ""}
_USAGE_TYPES = frozenset(USAGE["Dimensions"]["Values"])
_PURCHASES = frozenset({ChargeKind.RECURRING_FEE, ChargeKind.COMMITMENT})

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Detail:
    """Lines that were asked for, and the scopes whose detail waits because the budget did not allow it."""

    usage: dict[Key, list[Line]] = field(default_factory=lambda: defaultdict(list))
    other: dict[Key, list[Line]] = field(default_factory=lambda: defaultdict(list))
    left_out: set[Key] = field(default_factory=set)

    def leave_out(self, *plans: DetailPlan) -> None:
        """Let the scopes of these plans wait."""
        self.left_out.update((c.day, c.account, c.service) for plan in plans for c in plan.scopes)


@dataclass(frozen=True, slots=True)
class _Sold:
    """What AWS Marketplace sells: services by how much of their usage, and (service, record type) of fees."""

    wholly: frozenset[str]
    partly: frozenset[str]
    fees: frozenset[tuple[str, str]]

    def sellers(self, service: str) -> Sequence[tuple[ChargeKind, Filter | None]]:
        """Return the charge classes of a service's usage, each with the filter that it needs."""
        if service in self.partly:
            return (ChargeKind.USAGE, but(MARKETPLACE)), (ChargeKind.MARKETPLACE, MARKETPLACE)
        return ((ChargeKind.MARKETPLACE if service in self.wholly else ChargeKind.USAGE, None),)


class DetailReader:
    """Asks for the detail of one reading.

    Parameters
    ----------
    asker, options
        How, and what is read.
    payer
        Payer account.
    days
        First and last day of the reading, inclusive.
    now
        Time of the reading; hours are kept for 14 days before it.
    """

    def __init__(self, asker: Asker, options: Options, payer: str, days: tuple[date, date], now: datetime) -> None:
        self._asker = asker
        self._share = options.detail_share
        self._hourly = options.hourly
        self._days = days
        self._hours_since = (now - _HOURS_KEPT).date()
        self._detail = Purpose(USAGE_API, payer, "detail")
        self._hours = Purpose(USAGE_API, payer, "hours")

    def read(self, changes: Mapping[Key, Change], totals: Mapping[Key, Total]) -> Detail:
        """Ask for the detail of what changed; `totals` are those of the whole reading.

        What the budget does not allow, or AWS does not answer, waits: what was paid for before is not thrown away.
        """
        detail = Detail()
        if not changes:
            return detail
        services = sorted({service for _, _, service in changes})
        used = [change for key, change in changes.items() if totals[key].usage is not None]
        try:
            sold = self._sold(services, totals)
            self._other(changes, sold, detail)
            plans = plan_detail(used, self._regions(used))
        except (BudgetExceededError, SourceError) as error:
            log.warning("all detail waits: %s", error)
            detail.left_out.update(changes)
            return detail
        for number, plan in enumerate(plans):
            try:
                if not self._take(plan, sold.sellers(plan.service), detail):
                    detail.leave_out(plan)
            except SourceError as error:
                log.warning("detail waits: %s", error)
                detail.leave_out(*plans[number:])
                break
        if detail.left_out:
            log.warning("%d scopes are told without detail, and asked for again", len(detail.left_out))
        return detail

    def _ask(
        self, groups: tuple[str, ...], chosen: Filter | None, span: tuple[date, date] | None = None
    ) -> list[Group]:
        return self._asker.ask(Question(*(span or self._days), groups, chosen), self._detail, self._share)

    def _sold(self, services: list[str], totals: Mapping[Key, Total]) -> _Sold:
        """Ask what of these services AWS Marketplace sells, and compare it with all of their usage."""
        usage: dict[str, tuple[int, int]] = {}
        whole: dict[str, tuple[int, int]] = {}
        fees = set()
        for group in self._ask(("SERVICE", "RECORD_TYPE"), both(MARKETPLACE, among("SERVICE", services))):
            service, record_type = group.keys
            if record_type in _USAGE_TYPES:
                usage[service] = _added(usage.get(service), group.metrics)
            elif of_record_type(record_type)[0] in _PURCHASES:
                fees.add((service, record_type))
        for (_, _, service), total in totals.items():
            if total.usage is not None:
                whole[service] = _added(whole.get(service), total.usage)
        wholly = frozenset(service for service, sold in usage.items() if sold == whole.get(service))
        return _Sold(wholly, frozenset(usage) - wholly, frozenset(fees))

    def _other(self, changes: Mapping[Key, Change], sold: _Sold, detail: Detail) -> None:
        """Everything but usage: a question for each record type that there is."""
        span = min(day for day, _, _ in changes), max(day for day, _, _ in changes)
        for record_type in sorted({group.keys[0] for group in self._ask(("RECORD_TYPE",), OTHER, span)}):
            kind, category = of_record_type(record_type)
            for group in self._ask(("LINKED_ACCOUNT", "SERVICE"), among("RECORD_TYPE", (record_type,)), span):
                key = key_of(group)
                if key in changes:
                    own = ChargeKind.MARKETPLACE if (key[2], record_type) in sold.fees else kind
                    detail.other[key].append(line_of(group.metrics, own, category, description=record_type))

    def _regions(self, changes: Sequence[Change]) -> dict[str, set[str]]:
        regions: dict[str, set[str]] = defaultdict(set)
        if len({change.account for change in changes}) > 1:
            services = sorted({change.service for change in changes})
            for group in self._ask(("SERVICE", "REGION"), both(USAGE, among("SERVICE", services))):
                regions[group.keys[0]].add(group.keys[1])
        return regions

    def _take(self, plan: DetailPlan, sellers: Sequence[tuple[ChargeKind, Filter | None]], detail: Detail) -> bool:
        """Ask all questions of a plan and keep the lines; False when the budget does not allow all of them."""
        if not self._asker.affords(len(plan.requests) * len(sellers), self._share):
            return False
        wanted = {(change.day, change.account) for change in plan.scopes}
        found: list[tuple[Key, Line]] = []
        try:
            for request in plan.requests:
                for kind, seller in sellers:
                    found += self._lines(request, kind, seller, wanted)
        except BudgetExceededError as error:
            # The answers had more pages than could be foreseen.
            log.warning("detail of %s waits: %s", plan.service, error)
            return False
        for key, line in found:
            detail.usage[key].append(line)
        return True

    def _lines(
        self, request: DetailRequest, kind: ChargeKind, seller: Filter | None, wanted: set[tuple[date, str]]
    ) -> Iterator[tuple[Key, Line]]:
        for group in self._answers(request, seller):
            if request.region is None:
                account, usage_type, region = request.accounts[0], *group.keys
            else:
                (account, usage_type), region = group.keys, request.region
            if (group.day, account) in wanted:
                yield (
                    (group.day, account, request.service),
                    line_of(
                        group.metrics, kind, "Usage", hour=group.hour, region=_NOT_NAMED.get(region, region),
                        usage_type=_NOT_NAMED.get(usage_type, usage_type),
                    ),
                )  # fmt: skip

    def _answers(self, request: DetailRequest, seller: Filter | None) -> Iterable[Group]:
        """Ask one question: by the hour where Cost Explorer has hours, by the day before."""
        chosen = [USAGE, seller, among("SERVICE", (request.service,)), among("LINKED_ACCOUNT", request.accounts)]
        groups: tuple[str, ...] = ("USAGE_TYPE", "REGION")
        if request.region is not None:
            chosen.append(among("REGION", (request.region,)))
            groups = ("LINKED_ACCOUNT", "USAGE_TYPE")
        days = Question(request.first_day, request.last_day, groups, both(*chosen))
        if self._hourly and request.last_day >= self._hours_since:
            begin = max(request.first_day, self._hours_since)
            hours = Question(begin, request.last_day, groups, days.filter, "HOURLY")
            try:
                found = self._asker.ask(hours, self._hours, self._share)
            except NoDataError as error:
                log.warning(
                    "days are read, not hours: %s (enable hourly data at AWS, or unset cost_explorer.hourly)", error
                )
                self._hourly = False
            else:
                yield from found
                if begin == request.first_day:
                    return
                days = Question(request.first_day, begin - timedelta(days=1), groups, days.filter)
        yield from self._asker.ask(days, self._detail, self._share)


def _added(known: tuple[int, int] | None, metrics: Metrics) -> tuple[int, int]:
    billed, effective = known or (0, 0)
    return billed + metrics.billed, effective + metrics.effective


def reconciled(lines: list[Line], total: Metrics | None, kind: ChargeKind, category: str) -> tuple[list[Line], bool]:
    """Return the lines with the remainder that their total asks for, and whether there was none, to the cent."""
    billed = (0 if total is None else total.billed) - sum(line.billed for line in lines)
    effective = (0 if total is None else total.effective) - sum(line.effective for line in lines)
    if abs(billed) < _CENT and abs(effective) < _CENT:
        if lines or total is None:
            return lines, True
        return [Line(kind, billed, effective, charge_category=category)], True
    remainder = Line(kind, billed, effective, charge_category=category, description="total without detail")
    return [*lines, remainder], False


def line_of(
    metrics: Metrics,
    kind: ChargeKind,
    category: str,
    *,
    region: str = "",
    usage_type: str = "",
    hour: int = -1,
    description: str = "",
) -> Line:
    """Return the line of one group; usage has a quantity, the rest has none."""
    usage = category == "Usage"
    return Line(
        kind=kind,
        billed=metrics.billed,
        effective=metrics.effective,
        region=region,
        usage_type=usage_type,
        hour=hour,
        charge_category=category,
        charge_frequency="Usage-Based" if usage else "",
        quantity=metrics.quantity if usage else None,
        unit=metrics.unit if usage else "",
        blended=metrics.blended,
        description=description,
    )
