"""The record of truth: what each incident did to the bill, to check detection against.

Schema version 1, as JSON: `{"schema_version": 1, "at": …, "currency": …, "incidents": [Truth, …]}`. Costs are decimal
strings of the currency, as they stay when the month is final. An incident's tax and support fee, which follow from its
cost, are not part of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spendstream.local.simulator.catalogue import COST_SCALE
from spendstream.local.simulator.charges import Ints
from spendstream.local.simulator.completeness import SETTLED, day_start, final_at, refreshed
from spendstream.local.simulator.incidents import Incident
from spendstream.local.simulator.meters import first_point
from spendstream.local.simulator.organisation import METRICS, Organisation, decimal_of
from spendstream.local.simulator.series import Series

SCHEMA_VERSION = 1
_BILLED, _EFFECTIVE = METRICS.index("UnblendedCost"), METRICS.index("AmortizedCost")
_CLASS = {"double_fee": "recurring_fee", "credit_end": "credit"}
_CAUSE = {"price_change": "rate", "commitment_expiry": "rate", "double_fee": "fee", "credit_end": "credit"}
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayTruth:
    """A day of the affected lines: with the incident (actual) and without it (expected).

    `expected` and `actual` are effective (amortised) cost, `expected_billed` and `actual_billed` unblended.
    """

    day: str
    expected: str
    actual: str
    expected_billed: str
    actual_billed: str


@dataclass(frozen=True, slots=True)
class Part:
    """A line that the incident changes: its share of the impact, from 0 to 1, and its impact (effective)."""

    account: str
    service: str
    region: str
    usage_type: str
    record_type: str
    tags: dict[str, str]
    share: str
    impact: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What one incident did until a time.

    Attributes
    ----------
    id, kind, scope, size, started_at, ended_at
        As the incident says; `ended_at` is None while it has no end. Times are ISO 8601, UTC.
    charge_class
        usage, recurring_fee or credit.
    cause
        usage, rate (what a unit costs), fee or credit.
    impact_so_far, impact_so_far_billed
        Actual less expected cost of the hours until then, effective and billed; below zero where it saves.
    days
        The days that it has changed by then, whole.
    parts
        The lines that it changes, the largest impact first.
    visible_in_cost_explorer_at, visible_in_cloudwatch_at
        When the first of its cost, or of its usage, was told; None: not by then, or never.
    """

    id: str
    kind: str
    scope: dict[str, Any]
    size: float
    started_at: str
    ended_at: str | None
    charge_class: str
    cause: str
    impact_so_far: str
    impact_so_far_billed: str
    days: tuple[DayTruth, ...]
    parts: tuple[Part, ...]
    visible_in_cost_explorer_at: str | None
    visible_in_cloudwatch_at: str | None


def document(models: Sequence[Organisation], at: datetime) -> dict[str, Any]:
    """Return the record of all incidents of some organisations as JSON, as of the simulated time `at`."""
    truths = [asdict(truth(model, incident, at)) for model in models for incident in model.incidents]
    return {
        "schema_version": SCHEMA_VERSION, "at": at.isoformat(), "currency": models[0].currency, "incidents": truths
    }  # fmt: skip


def whole_at(incidents: Sequence[Incident]) -> datetime | None:
    """Return when all incidents are over; one without an end is followed for 30 days."""
    return max((one.end or one.start + timedelta(days=30) for one in incidents), default=None)


def truth(model: Organisation, incident: Incident, at: datetime) -> Truth:
    """Return what `incident` did until `at`."""
    other = model.without(incident)
    days = _days(incident, at)
    changed = [(day, _costs(model, day), _costs(other, day)) for day in days]
    rows = _affected(model, changed)
    impact = np.zeros((2, len(model.series)), dtype=np.int64)
    for day, actual, expected in changed:
        hours = int(min(24, max(0, (at - day_start(day)) // timedelta(hours=1))))
        impact += (actual - expected)[:, :, :hours].sum(axis=2) * rows
    visible = _visible(model, other, incident, at)
    seen = [first_point(model.series[row], incident.start) for row in np.flatnonzero(rows)]
    metered = min((moment for moment in seen if moment is not None and moment <= at), default=None)
    return Truth(
        id=incident.id,
        kind=incident.kind,
        scope=incident.scope.document(),
        size=incident.size,
        started_at=incident.start.isoformat(),
        ended_at=incident.end.isoformat() if incident.end else None,
        charge_class=_CLASS.get(incident.kind, "usage"),
        cause=_CAUSE.get(incident.kind, "usage"),
        impact_so_far=_text(int(impact[1].sum())),
        impact_so_far_billed=_text(int(impact[0].sum())),
        days=tuple(_day(day, actual[:, rows], expected[:, rows]) for day, actual, expected in changed),
        parts=_parts(model.series, rows, impact[1]),
        visible_in_cost_explorer_at=visible.isoformat() if visible else None,
        # What changes the price alone is not seen in usage.
        visible_in_cloudwatch_at=metered.isoformat() if metered and incident.kind not in _CAUSE else None,
    )


def _days(incident: Incident, at: datetime) -> list[date]:
    """Return the days until `at` that the incident touches."""
    if at <= incident.start:
        return []
    end = min(at, incident.end) if incident.end else at
    count = (end - timedelta(microseconds=1)).date().toordinal() - incident.start.date().toordinal()
    days = [incident.start.date() + n * _A_DAY for n in range(count + 1)]
    return days[:1] if incident.kind == "double_fee" else days


def _costs(model: Organisation, day: date) -> Ints:
    """Return the final billed and effective cost of a day: (2, series, 24)."""
    return model.day(day, final_at(day)).amounts[[_BILLED, _EFFECTIVE]]


def _affected(model: Organisation, changed: Sequence[tuple[date, Ints, Ints]]) -> NDArray[np.bool_]:
    rows = np.zeros(len(model.series), dtype=bool)
    for _, actual, expected in changed:
        rows |= (actual != expected).any(axis=(0, 2))
    doubled = {incident.scope.service for incident in model.incidents if incident.kind == "double_fee"}
    follows = [
        s.record_type == "Tax" or (s.record_type == "Support fee" and s.service not in doubled) for s in model.series
    ]
    affected: NDArray[np.bool_] = rows & ~np.array(follows)
    return affected


def _day(day: date, actual: Ints, expected: Ints) -> DayTruth:
    (actual_billed, actual_effective), (expected_billed, expected_effective) = (
        [_text(int(amounts[measure].sum())) for measure in (0, 1)] for amounts in (actual, expected)
    )
    return DayTruth(day.isoformat(), expected_effective, actual_effective, expected_billed, actual_billed)


def _parts(series: Sequence[Series], rows: NDArray[np.bool_], impact: Ints) -> tuple[Part, ...]:
    whole = int(impact.sum())
    order = sorted(np.flatnonzero(rows).tolist(), key=lambda row: -abs(int(impact[row])))
    return tuple(_part(series[row], int(impact[row]), whole) for row in order)


def _part(series: Series, impact: int, whole: int) -> Part:
    share = f"{Decimal(impact) / whole:.6f}" if whole else "0"
    named = series.account, series.service, series.region, series.usage_type, series.record_type
    return Part(*named, dict(series.tags), share, _text(impact))


def _visible(model: Organisation, other: Organisation, incident: Incident, at: datetime) -> datetime | None:
    """Return the first refresh of Cost Explorer that tells a cost of the incident, if there was one by `at`."""
    first = incident.start.date()
    moment = refreshed(incident.start, model.refresh_hours)
    while moment <= min(at, incident.start + SETTLED):
        days = [first + n * _A_DAY for n in range(moment.date().toordinal() - first.toordinal() + 1)]
        if any((model.daily(day, moment) != other.daily(day, moment))[:4].any() for day in days):
            return max(moment, incident.start)
        moment += timedelta(hours=model.refresh_hours)
    return None


def _text(amount: int) -> str:
    return f"{decimal_of(amount, COST_SCALE):f}"
