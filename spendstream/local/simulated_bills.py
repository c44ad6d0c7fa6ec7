"""The simulated organisation's bill as statements and closes: one reading a day, as a producer would publish it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from processors.series import ChargeKind, shard_of
from schemas.events import CostStatement, Event, ReadingClosed
from spendstream.local.simulator import Organisation
from spendstream.local.simulator.organisation import METRICS

_EFFECTIVE = METRICS.index("AmortizedCost")
_TO_UNITS = 10**8
_CHARGES = {
    "Usage": ChargeKind.USAGE,
    "DiscountedUsage": ChargeKind.USAGE,
    "SavingsPlanCoveredUsage": ChargeKind.USAGE,
    "SavingsPlanNegation": ChargeKind.USAGE,
    "Tax": ChargeKind.TAX,
    "Credit": ChargeKind.CREDIT,
    "Refund": ChargeKind.REFUND,
}
Lines = tuple[tuple[str, str, int, int], ...]


class Bills:
    """What a daily reading of an organisation says: the first all days from `first` on, later ones what changed.

    Parameters
    ----------
    model
        The organisation.
    first
        The first day of the bill.
    shards
        Partitions of `cost.statements`.
    """

    def __init__(self, model: Organisation, first: date, shards: int = 4) -> None:
        self.model = model
        self._shards = shards
        self._first = first
        self._held: dict[tuple[str, str, date], Lines] = {}
        self._readings = 0

    def read(self, at: datetime, days: int = 12, source: str = "cost_explorer") -> list[tuple[int, Event]]:
        """Return the events of a reading of the days until `at`, with their partitions."""
        name = f"r{self._readings}"
        last = at.date()
        first = self._first if not self._readings else max(self._first, last - timedelta(days=days))
        self._readings += 1
        events: list[tuple[int, Event]] = []
        for number in range((last - first).days + 1):
            events += self._day(first + timedelta(days=number), at, name, source)
        closed = ReadingClosed(
            source=source, provider="AWS", billing_account=self.model.payer, reading=name, opened_at=at,
            first_day=first, last_day=last, closed_at=at, partition=0, scopes=len(events), published=len(events),
            closed_through=(at - timedelta(hours=48)).date(),
        )  # fmt: skip
        return events + [(shard, replace(closed, partition=shard)) for shard in range(self._shards)]

    def _day(self, day: date, at: datetime, reading: str, source: str) -> Iterator[tuple[int, Event]]:
        amounts = self.model.daily(day, at)[_EFFECTIVE]
        scopes: dict[tuple[str, str, date], list[tuple[str, str, int, int]]] = defaultdict(list)
        for series, amount in zip(self.model.series, amounts.tolist(), strict=True):
            if amount:
                charge = _CHARGES.get(series.record_type, ChargeKind.RECURRING_FEE)
                line = series.region, series.usage_type, int(charge), amount * _TO_UNITS
                scopes[series.account, series.service, day].append(line)
        for scope in sorted({*scopes, *(known for known in self._held if known[2] == day)}):
            lines = tuple(sorted(scopes.get(scope, [])))
            if self._held.get(scope) != lines:
                self._held[scope] = lines
                yield shard_of(scope[0], scope[1], self._shards), self._statement(scope, lines, at, reading, source)

    def _statement(
        self, scope: tuple[str, str, date], lines: Lines, at: datetime, reading: str, source: str
    ) -> CostStatement:
        strings = ["", *sorted({name for region, usage, _, _ in lines for name in (region, usage)} - {""})]
        amounts = [units for _, _, _, units in lines]
        return CostStatement(
            source=source, provider="AWS", billing_account=self.model.payer, billing_period=scope[2].replace(day=1),
            account=scope[0], service=scope[1], currency="USD", day=scope[2], version=int(at.timestamp()), part=0,
            parts=1, reading=reading, read_at=at, estimated=True, reconciled=True, strings=strings, tag_sets=[{}],
            tags=[0] * len(lines), kind=[kind for _, _, kind, _ in lines],
            region=[strings.index(region) for region, _, _, _ in lines],
            usage_type=[strings.index(usage) for _, usage, _, _ in lines], billed=amounts, effective=amounts,
        )  # fmt: skip


def noon(day: date) -> datetime:
    """Return 12:00 UTC of a day."""
    return datetime.combine(day, time(12), UTC)
