"""The figures of a report, from rows that ClickHouse has added up. Exact; currencies are never added."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

from alerts.ahead import Band
from alerts.budget_standing import BudgetStanding
from alerts.reports.due import Standing
from alerts.reports.report import Period, Report

#: Additions beyond 28 digits stay exact.
_EXACT = Context(prec=80)
_NOTHING = Decimal(0)
_USAGE = ("usage", "marketplace")
_MOVERS = 5

#: Currency, name, charge class, cost: of one span.
CostRow = tuple[str, str, str, Decimal]


@dataclass(frozen=True, slots=True)
class Line:
    """What one thing cost: in the period, and in each span that it is compared with."""

    name: str
    amounts: tuple[Decimal, ...]

    @property
    def cost(self) -> Decimal:
        """In the period."""
        return self.amounts[0]

    def change(self, against: int = 1) -> Decimal:
        """Return the difference to a span before; the first is the one that counts."""
        return _EXACT.subtract(self.amounts[0], self.amounts[against])

    def share(self, against: int = 1) -> Decimal | None:
        """Return the difference as a share of before; None: there was nothing, or a credit, to compare with."""
        before = self.amounts[against]
        return self.change(against) / before if before > 0 else None


@dataclass(frozen=True, slots=True)
class Money:
    """All that a report says in one currency.

    Attributes
    ----------
    total, usage
        Of all charge classes, and of usage alone.
    lines
        Usage by what the report lists, the dearest first.
    risen, fallen
        What moved most, by amount.
    charges
        Fees, credits, tax and the like: everything but usage, by charge class.
    trend
        Totals of the periods up to this one, the oldest first; empty where that would take too long to read.
    """

    currency: str
    total: Line
    usage: Line
    lines: tuple[Line, ...]
    risen: tuple[Line, ...]
    fallen: tuple[Line, ...]
    charges: tuple[Line, ...]
    trend: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that somebody should know of."""

    severity: str
    says: str
    since: str


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget as it stands, and detection's forecast of its period's end; None: there is none, its pace goes on."""

    standing: BudgetStanding
    band: Band | None = None

    @property
    def used(self) -> Decimal:
        """Which share of it is spent."""
        return self.standing.share(self.standing.spent or _NOTHING)

    @property
    def ahead(self) -> Decimal | None:
        """What it comes to by the end of the period, as its rule sees it; None: that is not known."""
        return self.standing.forecast if self.band is None else self.band.mean


@dataclass(frozen=True, slots=True)
class Figures:
    """All that a report says.

    Attributes
    ----------
    budgets
        Those of what the report is about, used up most first; as of the newest closed day.
    told
        Of a correction: the totals by currency that were told before.
    nobodys
        Of an overview: the values whose report goes to nobody.
    instead_of
        The receiver that this was meant for, and that could not be told.
    """

    report: Report
    period: Period
    standing: Standing
    money: tuple[Money, ...]
    incidents: tuple[OpenIncident, ...] = ()
    budgets: tuple[Budget, ...] = ()
    told: Mapping[str, Decimal] | None = None
    nobodys: tuple[str, ...] = ()
    instead_of: str | None = None

    @property
    def totals(self) -> dict[str, Decimal]:
        """Totals by currency."""
        return {one.currency: one.total.cost for one in self.money}

    @property
    def digest(self) -> str:
        """A text that is the same for the same figures."""
        found = hashlib.sha256()
        for one in self.money:
            for line in (one.total, *one.lines, *one.charges):
                amounts = "|".join(f"{amount.normalize(_EXACT):f}" for amount in line.amounts)
                found.update(f"{one.currency}|{line.name}|{amounts}\n".encode())
        return found.hexdigest()[:32]


def money_of(spans: Sequence[Iterable[CostRow]], trends: Mapping[str, Sequence[Decimal]]) -> tuple[Money, ...]:
    """Return what is said, currency by currency, the dearest first.

    Parameters
    ----------
    spans
        Rows of the period, then of each span that it is compared with.
    trends
        Totals of the periods up to this one, by currency.
    """
    count = len(spans)
    by_name: dict[str, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [_NOTHING] * count))
    by_class: dict[str, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [_NOTHING] * count))
    for number, rows in enumerate(spans):
        for currency, name, kind, cost in rows:
            _add(by_class[currency][kind], number, cost)
            if kind in _USAGE:
                _add(by_name[currency][name], number, cost)
    found = [
        _money(currency, by_name[currency], by_class[currency], count, tuple(trends.get(currency, ())))
        for currency in by_class
    ]
    return tuple(sorted(found, key=lambda one: (-one.total.cost, one.currency)))


def _money(
    currency: str,
    names: Mapping[str, Sequence[Decimal]],
    classes: Mapping[str, Sequence[Decimal]],
    count: int,
    trend: tuple[Decimal, ...],
) -> Money:
    lines = [Line(name, tuple(amounts)) for name, amounts in names.items() if any(amounts)]
    lines.sort(key=lambda line: (-line.cost, -line.amounts[1], line.name))
    moved = sorted(lines, key=lambda line: (-abs(line.change()), line.name))
    charges = [Line(kind, tuple(amounts)) for kind, amounts in sorted(classes.items()) if kind not in _USAGE]
    return Money(
        currency=currency,
        total=Line("total", _sum((Line(kind, tuple(amounts)) for kind, amounts in classes.items()), count)),
        usage=Line("usage", _sum(lines, count)),
        lines=tuple(lines),
        risen=tuple(line for line in moved if line.change() > 0)[:_MOVERS],
        fallen=tuple(line for line in moved if line.change() < 0)[:_MOVERS],
        charges=tuple(line for line in charges if any(line.amounts)),
        trend=trend,
    )


def rest_of(lines: Sequence[Line], shown: int) -> Line | None:
    """Return what is not among the first `shown` lines, added up; None: there is nothing more."""
    more = lines[shown:]
    return Line(f"{len(more)} more", _sum(more, len(more[0].amounts))) if more else None


def _add(amounts: list[Decimal], number: int, cost: Decimal) -> None:
    amounts[number] = _EXACT.add(amounts[number], cost)


def _sum(lines: Iterable[Line], count: int) -> tuple[Decimal, ...]:
    sums = [_NOTHING] * count
    for line in lines:
        for number, amount in enumerate(line.amounts):
            _add(sums, number, amount)
    return tuple(sums)
