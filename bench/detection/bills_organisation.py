"""The stream's step over a whole simulated organisation, with fees, commitments, credits, taxes and known incidents.

The organisation and its record of truth are the simulator's, which knows no detector; days are settled with their final
figures. Small incidents in small series are among those that are drawn: not all of them can be told from noise.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median

from processors.anomalies import AnomaliesOptions, anomalies
from processors.batch import BatchDriver
from processors.series import ChargeKind
from processors.series import Series as SeriesKey
from processors.step import Output
from schemas.events import CostAggregate, CostAnomaly
from spendstream.clock import day_number
from spendstream.local.simulator.completeness import final_at
from spendstream.local.simulator.making import make_incidents
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.series import Series
from spendstream.local.simulator.truth import truth
from spendstream.topics import AGGREGATES

_CHARGES = {
    "Usage": ChargeKind.USAGE,
    "DiscountedUsage": ChargeKind.USAGE,
    "SavingsPlanCoveredUsage": ChargeKind.USAGE,
    "Tax": ChargeKind.TAX,
    "Credit": ChargeKind.CREDIT,
    "Refund": ChargeKind.REFUND,
}
_GRACE = timedelta(days=10)
_TO_UNITS = 10**8
_FIRST = date(2025, 1, 1)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one incident.

    Attributes
    ----------
    days
        Days from its start to the first finding in a series that it changed; None: it was not found.
    impact
        What it cost, in currency units, by the end of the bills.
    """

    kind: str
    size: float
    impact: float
    days: int | None


@dataclass(frozen=True, slots=True)
class Year:
    """Incidents, and findings of usage that belong to none: the series and day of each."""

    incidents: list[Told]
    false: list[tuple[str, date]]
    series: int
    weeks: float


def run(seed: int, incidents: int = 26, days: int = 500, false_alerts_a_week: float = 0.1) -> Year:
    """Announce the days of an organisation's bill as final, and hold what is told against the truth."""
    plain = Organisation(seed, accounts=6, regions=2)
    first, last = _FIRST + timedelta(days=150), _FIRST + timedelta(days=days - 30)
    model = Organisation(seed, accounts=6, regions=2, incidents=make_incidents(plain, seed, incidents, first, last))
    found: dict[str, CostAnomaly] = {}

    def keep(output: Output) -> None:
        if isinstance(output.event, CostAnomaly):
            found.setdefault(output.event.id, output.event)

    options = AnomaliesOptions(shards=1, false_alerts_a_week=false_alerts_a_week, levels=("account_service",))
    driver, series = BatchDriver([anomalies(options)], keep), set[str]()
    for number in range(days):
        event = announcement(model, _FIRST + timedelta(days=number), number + 1)
        series |= {name for name, kind in zip(event.series, event.row_kind, strict=True) if kind == ChargeKind.USAGE}
        driver.feed(AGGREGATES, 0, event)
    findings = list(found.values())
    at = final_at(_FIRST + timedelta(days=days))
    told, touched = [], list[tuple[set[str], date, date]]()
    for incident in model.incidents:
        what = truth(model, incident, at)
        begin = datetime.fromisoformat(what.started_at).date()
        end = datetime.fromisoformat(what.ended_at).date() if what.ended_at else at.date()
        names = {_key(part.account, part.service) for part in what.parts}
        touched.append((names, begin, end + _GRACE))
        own = [one.day for one in findings if one.series in names and begin <= one.day <= end + timedelta(days=2)]
        after = (min(own) - begin).days if own else None
        told.append(Told(what.kind, what.size, float(what.impact_so_far), after))
    false = [
        (one.series, one.day)
        for one in findings
        if one.kind == ChargeKind.USAGE
        and not any(one.series in names and a <= one.day <= b for names, a, b in touched)
    ]
    return Year(told, false, len(series), days / 7)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one kind of incident; in the last row of all kinds, with the false alerts.

    Attributes
    ----------
    days
        Median of the days from an incident's start to the first finding.
    """

    kind: str
    incidents: int
    found: int
    days: float
    false_alerts: int | None = None
    allowed: float | None = None


def summaries(seed: int, years: int = 3) -> list[Found]:
    """Run organisations of several seeds, and say what was found of each kind."""
    return summary([run(seed + n) for n in range(years)])


def summary(years: Sequence[Year], false_alerts_a_week: float = 0.1) -> list[Found]:
    """Return the years by kind, and in all; an incident that changes no cost is none."""
    real = [one for year in years for one in year.incidents if one.impact != 0]
    by_kind = {kind: [one for one in real if one.kind == kind] for kind in sorted({one.kind for one in real})}
    false, allowed = sum(len(year.false) for year in years), sum(year.weeks for year in years) * false_alerts_a_week
    return [*(_found(kind, own) for kind, own in by_kind.items()), _found("all", real, false, round(allowed, 1))]


def _found(kind: str, told: Sequence[Told], false: int | None = None, allowed: float | None = None) -> Found:
    after = [one.days for one in told if one.days is not None]
    return Found(kind, len(told), len(after), median(after) if after else float("nan"), false, allowed)


def announcement(model: Organisation, day: date, version: int) -> CostAggregate:
    """Return a day's effective costs by account and service, as they stay, announced as final at its end."""
    amounts = model.day(day, final_at(day)).of("AmortizedCost").sum(axis=1)
    totals: dict[tuple[str, int], int] = defaultdict(int)
    for series, amount in zip(model.series, amounts, strict=True):
        if amount:
            totals[_key(series.account, series.service), _charge(series)] += int(amount) * _TO_UNITS
    rows = sorted(totals.items())
    units = [amount for _, amount in rows]
    return CostAggregate(
        run="live", source="cost_explorer", provider="AWS", billing_account="payer", reading=f"r{version}", epoch=1,
        partition=0, partitions=1, version=version, part=0, parts=1,
        closed_at=datetime.combine(day + timedelta(days=1), time(), UTC), closed_through=day, final_through=day,
        series=[name for (name, _), _ in rows], row_series=list(range(len(rows))),
        row_day=[day_number(day)] * len(rows), row_kind=[kind for (_, kind), _ in rows], row_billed=units,
        row_effective=units,
    )  # fmt: skip


def _key(account: str, service: str) -> str:
    return SeriesKey("USD", "AWS", account, service).key


def _charge(series: Series) -> ChargeKind:
    if series.record_type in _CHARGES:
        return _CHARGES[series.record_type]
    if series.billing_entity != "AWS":
        return ChargeKind.MARKETPLACE
    commitment = series.record_type.startswith(("SavingsPlan", "RI"))
    return ChargeKind.COMMITMENT if commitment else ChargeKind.RECURRING_FEE
