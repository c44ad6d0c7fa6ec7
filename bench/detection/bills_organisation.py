"""`Watch` over a whole simulated organisation, with fees, commitments, credits and taxes, and incidents of known truth.

The organisation and its record of truth are the simulator's, which knows no detector; days are settled with their final
figures. Small incidents in small series are among those that are drawn: not all of them can be told from noise.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from detection.watch import Finding, Row, Watch
from spendstream.local.simulator.completeness import final_at
from spendstream.local.simulator.making import make_incidents
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.series import Series
from spendstream.local.simulator.truth import truth

_CHARGES = {
    "Usage": "usage",
    "DiscountedUsage": "usage",
    "SavingsPlanCoveredUsage": "usage",
    "Tax": "tax",
    "Credit": "credit",
    "Refund": "refund",
}
_GRACE = timedelta(days=10)
_UNITS = 1e10
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
    """Incidents, and findings of usage that belong to none."""

    incidents: list[Told]
    false: list[Finding]
    series: int
    weeks: float


def run(seed: int, incidents: int = 26, days: int = 500, false_alerts_a_week: float = 0.1) -> Year:
    """Settle the days of an organisation's bill, and hold the findings against the truth."""
    plain = Organisation(seed, accounts=6, regions=2)
    first, last = _FIRST + timedelta(days=150), _FIRST + timedelta(days=days - 30)
    model = Organisation(seed, accounts=6, regions=2, incidents=make_incidents(plain, seed, incidents, first, last))
    watch, findings = Watch(false_alerts_a_week), list[Finding]()
    for number in range(days):
        day = _FIRST + timedelta(days=number)
        findings += watch.settle(day, rows(model, day))
    at = final_at(_FIRST + timedelta(days=days))
    told, touched = [], list[tuple[set[str], date, date]]()
    for incident in model.incidents:
        what = truth(model, incident, at)
        begin = datetime.fromisoformat(what.started_at).date()
        end = datetime.fromisoformat(what.ended_at).date() if what.ended_at else at.date()
        names = {f"{part.account}/{part.service}" for part in what.parts}
        touched.append((names, begin, end + _GRACE))
        own = [one.day for one in findings if one.series in names and begin <= one.day <= end + timedelta(days=2)]
        after = (min(own) - begin).days if own else None
        told.append(Told(what.kind, what.size, float(what.impact_so_far), after))
    false = [
        one
        for one in findings
        if one.charge == "usage" and not any(one.series in names and a <= one.day <= b for names, a, b in touched)
    ]
    return Year(told, false, len(watch.known), days / 7)


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


def rows(model: Organisation, day: date) -> list[Row]:
    """Return a day's effective costs by account and service, as they stay."""
    amounts = model.day(day, final_at(day)).of("AmortizedCost").sum(axis=1)
    totals: dict[tuple[str, str, str], float] = defaultdict(float)
    for series, amount in zip(model.series, amounts, strict=True):
        if amount:
            totals[f"{series.account}/{series.service}", _charge(series), series.service] += int(amount) / _UNITS
    return [Row(name, charge, cost, None, service) for (name, charge, service), cost in sorted(totals.items())]


def _charge(series: Series) -> str:
    if series.record_type in _CHARGES:
        return _CHARGES[series.record_type]
    if series.billing_entity != "AWS":
        return "marketplace"
    return "commitment" if series.record_type.startswith(("SavingsPlan", "RI")) else "recurring_fee"
