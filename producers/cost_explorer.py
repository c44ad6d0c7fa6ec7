"""AWS Cost Explorer, in two tiers, because every request costs money.

1. Two cheap questions ask for the totals of each account and service by day, usage apart from everything else. They are
   the fingerprint of a scope: where they are as published last, nothing more is asked.
2. The scopes that changed are asked for in detail: usage by region and usage type (see `cost_explorer_plan`), the rest
   by record type. Detail that does not agree with its total to the cent gets the remainder on a line of its own, and
   the statement is marked as not reconciled. What the polling budget does not allow is published as its totals, and
   asked for again the next time; the largest changes come first.
"""

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from processors.series import ChargeKind
from producers.aws_session import AwsSessions
from producers.budget import Budget, BudgetExceededError, Purpose
from producers.charge_kind import of_record_type
from producers.cost_explorer_plan import Change, DetailRequest, ServicePlan, plan_detail
from producers.cost_explorer_query import Asker, Filter, Group, Metrics, Question, among, both
from producers.publisher import Coverage, Publisher, Reading
from producers.source import ReadingReport, SourceError
from producers.statement import Line, Scope
from spendstream.clock import Clock
from spendstream.money import to_units
from spendstream.settings import CostExplorer as Options
from spendstream.settings import Payer

#: Record types that are usage: what stands in for each other when a commitment covers usage.
USAGE = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation")
_CENT = to_units("0.01")
_HOURS_KEPT = timedelta(days=13)
_API = "ce:GetCostAndUsage"
_NOT_NAMED = {"NoRegion": "", "NoUsageType": "", "global": "global"}

log = logging.getLogger(__name__)

_Key = tuple[date, str, str]


@dataclass(slots=True)
class _Total:
    """What the cheap questions say of one scope; `usage` and `other` are None where there is none."""

    usage: Metrics | None = None
    other: Metrics | None = None
    estimated: bool = False

    @property
    def currency(self) -> str:
        return next(part.currency for part in (self.usage, self.other) if part is not None)

    def sum(self, name: str) -> int:
        return sum(getattr(part, name) for part in (self.usage, self.other) if part is not None)

    def fingerprint(self) -> str:
        return hashlib.blake2b(repr((self.usage, self.other, self.estimated)).encode(), digest_size=12).hexdigest()


@dataclass(slots=True)
class _Detail:
    """Lines that were asked for, and whether both questions of a scope were answered."""

    usage: dict[_Key, list[Line]] = field(default_factory=lambda: defaultdict(list))
    other: dict[_Key, list[Line]] = field(default_factory=lambda: defaultdict(list))
    left_out: set[_Key] = field(default_factory=set)


class CostExplorer:
    """Reads the bill of one payer account, and publishes it as one reading.

    Parameters
    ----------
    options, payer
        What is read; without a payer, the account of the credentials.
    sessions, budget
        How AWS is asked, and what that may cost.
    publisher
        Where statements go.
    """

    source = "cost_explorer"

    def __init__(
        self, options: Options, payer: Payer | None, sessions: AwsSessions, budget: Budget, publisher: Publisher
    ) -> None:
        self.name = cost_explorer_name(payer)
        self.schedule = options.schedule
        self._options = options
        self._known_payer = payer
        self._sessions = sessions
        self._budget = budget
        self._publisher = publisher

    @property
    def _payer(self) -> Payer:
        if self._known_payer is None:
            self._known_payer = self._sessions.own_account()
        return self._known_payer

    def run_once(self) -> ReadingReport:
        """Read the restatement window.

        Raises
        ------
        SourceError
            When AWS does not answer, or the polling budget does not allow the cheap questions.
        """
        first, last = window(self._publisher.clock, self._options)
        return self.read(first, last, "totals")

    def read(self, first_day: date, last_day: date, purpose: str) -> ReadingReport:
        """Read a span of days (inclusive) as one reading; see `run_once`."""
        began = time.monotonic()
        asker = Asker(self._sessions.client("ce", "us-east-1", self._payer), self._budget, net=self._options.net)
        asked = _Asked(asker, self._options, self._payer.account, first_day, last_day, purpose)
        try:
            totals = asked.totals()
        except BudgetExceededError as error:
            raise SourceError(f"{self.name} is not read: {error}") from None
        coverage = Coverage(self.source, "AWS", self._payer.account, first_day, last_day)
        reading = self._publisher.open(coverage)
        changes = self._changes(reading, totals)
        detail = asked.detail(changes, self._publisher.clock.now())
        lines = sum(self._publish(reading, key, totals[key], detail) for key in changes)
        reading.close(*self._closed(totals, first_day, last_day))
        seconds = round(time.monotonic() - began, 3)
        return ReadingReport(self.name, 1, reading.published, lines, 0, seconds, len(detail.left_out))

    def _changes(self, reading: Reading, totals: dict[_Key, _Total]) -> dict[_Key, Change]:
        """Return the scopes that are not as published last; mention the others."""
        changes = {}
        for key, total in totals.items():
            head = self._publisher.heads.get(self._scope(key, total).key)
            if head is not None and head.lines and head.fingerprint == total.fingerprint():
                reading.mention_unchanged(head)
                continue
            known = 0 if head is None else int(head.effective.scaleb(18))
            day, account, service = key
            changes[key] = Change(account, service, day, abs(total.sum("effective") - known))
        return changes

    def _scope(self, key: _Key, total: _Total) -> Scope:
        day, account, service = key
        payer = self._payer.account
        return Scope(self.source, "AWS", payer, day.replace(day=1), account, service, total.currency, day)

    def _publish(self, reading: Reading, key: _Key, total: _Total, detail: _Detail) -> int:
        whole = key not in detail.left_out
        usage, usage_agrees = reconciled(detail.usage.get(key, []), total.usage, ChargeKind.USAGE, "Usage")
        other, other_agrees = reconciled(detail.other.get(key, []), total.other, ChargeKind.ADJUSTMENT, "Adjustment")
        reading.publish(
            self._scope(key, total),
            [*usage, *other],
            # Without its detail the scope is asked for again, however its totals stay.
            fingerprint=total.fingerprint() if whole else "",
            estimated=total.estimated,
            reconciled=whole and usage_agrees and other_agrees,
        )
        return len(usage) + len(other)

    def _closed(self, totals: dict[_Key, _Total], first_day: date, last_day: date) -> tuple[date, date | None]:
        """Return the newest day that is closed, and the newest that AWS calls final."""
        settled = self._publisher.clock.now() - timedelta(hours=self._options.settled_hours)
        closed = min(last_day, settled.date() - timedelta(days=1))
        open_days = [day for (day, _, _), total in totals.items() if total.estimated]
        final = min(open_days) - timedelta(days=1) if open_days else closed
        return max(closed, first_day), final if final >= first_day else None


def cost_explorer_name(payer: Payer | None) -> str:
    """Return the name of the source of a payer; None: the account of the credentials."""
    return f"{CostExplorer.source}.{payer.account}" if payer else CostExplorer.source


def window(clock: Clock, options: Options) -> tuple[date, date]:
    """Return the days that AWS may still restate: the last days, and the whole last month until it is final."""
    today = clock.now().astimezone(UTC).date()
    first = today - timedelta(days=options.window_days - 1)
    if today.day <= options.month_final_day:
        first = min(first, (today.replace(day=1) - timedelta(days=1)).replace(day=1))
    return first, today


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


class _Asked:
    """The questions of one reading."""

    def __init__(
        self, asker: Asker, options: Options, payer: str, first_day: date, last_day: date, purpose: str
    ) -> None:
        self._asker = asker
        self._options = options
        self._days = (first_day, last_day)
        self._totals = Purpose(_API, payer, purpose)
        self._detail = Purpose(_API, payer, "detail")

    def totals(self) -> dict[_Key, _Total]:
        """Ask the two cheap questions."""
        totals: dict[_Key, _Total] = defaultdict(_Total)
        usage = among("RECORD_TYPE", USAGE)
        for part, chosen in (("usage", usage), ("other", {"Not": usage})):
            question = Question(*self._days, ("LINKED_ACCOUNT", "SERVICE"), chosen)
            for group in self._asker.ask(question, self._totals):
                total = totals[_key(group)]
                setattr(total, part, group.metrics)
                total.estimated |= group.estimated
        return dict(totals)

    def detail(self, changes: dict[_Key, Change], now: datetime) -> _Detail:
        """Ask for the detail of what changed, as far as the budget allows."""
        detail = _Detail()
        if not changes:
            return detail
        try:
            self._other(changes, detail)
            plans = plan_detail(changes.values(), self._regions(changes))
            marketplace = self._marketplace(changes)
        except BudgetExceededError as error:
            log.warning("detail waits: %s", error)
            detail.left_out.update(changes)
            return detail
        for number, plan in enumerate(plans):
            try:
                self._usage(
                    plan, detail, now, ChargeKind.MARKETPLACE if plan.service in marketplace else ChargeKind.USAGE
                )
            except BudgetExceededError as error:
                log.warning("detail of %d services waits: %s", len(plans) - number, error)
                for late in plans[number:]:
                    for change in late.scopes:
                        key = (change.day, change.account, change.service)
                        detail.usage.pop(key, None)
                        detail.left_out.add(key)
                break
        return detail

    def _ask(
        self, groups: tuple[str, ...], chosen: Filter | None, span: tuple[date, date] | None = None
    ) -> list[Group]:
        question = Question(*(span or self._days), groups, chosen)
        return self._asker.ask(question, self._detail, self._options.detail_share)

    def _other(self, changes: dict[_Key, Change], detail: _Detail) -> None:
        """Everything but usage: a question for each record type that there is."""
        span = min(day for day, _, _ in changes), max(day for day, _, _ in changes)
        other = {"Not": among("RECORD_TYPE", USAGE)}
        for record_type in sorted({group.keys[0] for group in self._ask(("RECORD_TYPE",), other, span)}):
            kind, category = of_record_type(record_type)
            for group in self._ask(("LINKED_ACCOUNT", "SERVICE"), among("RECORD_TYPE", (record_type,)), span):
                key = _key(group)
                if key in changes:
                    line = _line(group, kind, category, region="", usage_type="", description=record_type)
                    detail.other[key].append(line)

    def _regions(self, changes: dict[_Key, Change]) -> dict[str, set[str]]:
        regions: dict[str, set[str]] = defaultdict(set)
        services = sorted({service for _, _, service in changes})
        if len({account for _, account, _ in changes}) > 1:
            for group in self._ask(
                ("SERVICE", "REGION"), both(among("RECORD_TYPE", USAGE), among("SERVICE", services))
            ):
                regions[group.keys[0]].add(group.keys[1])
        return regions

    def _marketplace(self, changes: dict[_Key, Change]) -> set[str]:
        services = sorted({service for _, _, service in changes})
        sold = both(among("BILLING_ENTITY", ("AWS Marketplace",)), among("SERVICE", services))
        return {group.keys[0] for group in self._ask(("SERVICE",), sold)}

    def _usage(self, plan: ServicePlan, detail: _Detail, now: datetime, kind: ChargeKind) -> None:
        wanted = {(change.day, change.account) for change in plan.scopes}
        for request in plan.requests:
            for group in self._answers(request, now):
                if request.region is None:
                    account, usage_type, region = request.accounts[0], *group.keys
                else:
                    (account, usage_type), region = group.keys, request.region
                if (group.day, account) in wanted:
                    line = _line(
                        group, kind, "Usage", region=_NOT_NAMED.get(region, region),
                        usage_type=_NOT_NAMED.get(usage_type, usage_type),
                    )  # fmt: skip
                    detail.usage[group.day, account, plan.service].append(line)

    def _answers(self, request: DetailRequest, now: datetime) -> Iterable[Group]:
        chosen = [among("RECORD_TYPE", USAGE), among("SERVICE", (request.service,))]
        chosen.append(among("LINKED_ACCOUNT", request.accounts))
        groups: tuple[str, ...] = ("USAGE_TYPE", "REGION")
        if request.region is not None:
            chosen.append(among("REGION", (request.region,)))
            groups = ("LINKED_ACCOUNT", "USAGE_TYPE")
        for first, last, granularity in self._spans(request, now):
            question = Question(first, last, groups, both(*chosen), granularity)  # type: ignore[arg-type]
            yield from self._asker.ask(question, self._detail, self._options.detail_share)

    def _spans(self, request: DetailRequest, now: datetime) -> Sequence[tuple[date, date, str]]:
        """Hours where Cost Explorer keeps them, days before."""
        if not self._options.hourly:
            return [(request.first_day, request.last_day, "DAILY")]
        since = (now - _HOURS_KEPT).date()
        spans = [(max(request.first_day, since), request.last_day, "HOURLY")] if request.last_day >= since else []
        before = min(request.last_day, since - timedelta(days=1))
        return spans + ([(request.first_day, before, "DAILY")] if request.first_day < since else [])


def _key(group: Group) -> _Key:
    account, service = group.keys
    return group.day, account, service


def _line(
    group: Group, kind: ChargeKind, category: str, *, region: str, usage_type: str, description: str = ""
) -> Line:
    metrics = group.metrics
    return Line(
        kind=kind,
        billed=metrics.billed,
        effective=metrics.effective,
        region=region,
        usage_type=usage_type,
        hour=group.hour,
        charge_category=category,
        charge_frequency="Usage-Based" if category == "Usage" else "",
        quantity=metrics.quantity if category == "Usage" else None,
        unit=metrics.unit if category == "Usage" else "",
        blended=metrics.blended,
        description=description,
    )
