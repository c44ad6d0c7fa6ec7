"""What the series of a lane come to by the end of the day, the month and the quarter, after a close.

Days that are settled count as they are, at their newest restatement. Of later ones that were read, what is visible is
weighed against what is expected; the rest is foretold by the models that score them (`detection.forecast`): usage, and
fees of every day. What comes by the calendar is added (`processors.anomaly_dues`).
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from detection.arrays import Floats
from detection.forecast import HORIZONS, Horizon, day_end, end_of, start_of, to_come
from processors.announced import number_of
from processors.anomaly_bank import Bank, Look
from processors.anomaly_calendars import Calendars
from processors.anomaly_dues import Amounts, Days, dues
from schemas.events import CostAggregate, CostForecast
from spendstream.clock import day_number, day_of, to_millis

COVERAGE = 0.9
_WIDTH = float(ndtri((1 + COVERAGE) / 2))
_KNOWN_DAYS = 21
_MICRO = 10**6
_UNITS = 10**12
_MOST = 1e19
_DAY_MS = 86_400_000


def foretold(
    bank: Bank, looks: Sequence[Look], event: CostAggregate, calendars: Calendars, told: int
) -> CostForecast | None:
    """Return forecasts of all series that are known well enough; None when there is none.

    Parameters
    ----------
    told
        The last day whose fees were judged, since 1970.
    """
    settled = bank.series.levels.period
    known = [row for row in range(len(bank)) if bank.days_known(row) >= _KNOWN_DAYS]
    if settled is None or not known:
        return None
    today = max(to_millis(event.closed_at) // _DAY_MS, settled)
    open_days = _open_days(bank, looks, settled, today)
    flows = {one: _horizon(bank, one, settled, today, open_days) for one in HORIZONS}
    rows = [(bank.keys[row], one, flows[one][:, row].tolist()) for one in HORIZONS for row in known]

    def usage(key: str, horizon: Horizon) -> Amounts | None:
        row = bank.rows.get(key)
        if row is None or bank.days_known(row) < _KNOWN_DAYS:
            return None
        so_far, mean, lower, upper = flows[horizon][:, row].tolist()
        return so_far, mean, lower, upper

    rows += [
        (key, one, list(amounts)) for key, one, amounts in dues(calendars, Days(settled, told, today), usage, _WIDTH)
    ]
    keys = [key.rpartition("|") for key, _, _ in rows]
    series = sorted({name for name, _, _ in keys})
    places = {name: place for place, name in enumerate(series)}
    so_far, mean, lower, upper = (_units(column) for column in np.array([amounts for _, _, amounts in rows]).T)
    ends = {one: day_number(end_of(day_of(today), one)) for one in HORIZONS}
    return CostForecast(
        run=event.run,
        version=number_of(event),
        source=event.source,
        reading=event.reading,
        closed_at=event.closed_at,
        day=day_of(today),
        settled=day_of(settled),
        coverage=COVERAGE,
        series=series,
        row_series=[places[name] for name, _, _ in keys],
        row_kind=[int(kind) for _, _, kind in keys],
        row_horizon=[HORIZONS.index(one) for _, one, _ in rows],
        row_end=[ends[one] for _, one, _ in rows],
        row_so_far=so_far,
        row_mean=mean,
        row_lower=lower,
        row_upper=upper,
    )


def all_foretold(event: CostAggregate) -> CostForecast:
    """Return what ends the forecasts that follow an announcement: one without series, also when there were none."""
    day = event.closed_at.date()
    return CostForecast(
        run=event.run,
        version=number_of(event),
        source=event.source,
        reading=event.reading,
        closed_at=event.closed_at,
        day=day,
        settled=day,
        coverage=COVERAGE,
    )


def _horizon(
    bank: Bank, horizon: Horizon, settled: int, today: int, open_days: dict[int, tuple[Floats, Floats]]
) -> Floats:
    """Return so far, mean, lower and upper by series (4 × series)."""
    first = day_number(start_of(day_of(today), horizon))
    last = day_number(end_of(day_of(today), horizon))
    actual = bank.cost_since(first) if first <= settled else np.zeros(len(bank))
    mean, variance = np.zeros(len(bank)), np.zeros(len(bank))
    for day, (expected, squared) in open_days.items():
        if day >= first:
            mean, variance = mean + expected, variance + squared
    if last > today:
        later, squared = to_come(bank.series.levels, last - today, today - settled + 1)
        mean, variance = mean + later, variance + squared
    width = _WIDTH * np.sqrt(variance)
    return np.array([actual, actual + mean, actual + np.maximum(mean - width, 0.0), actual + mean + width])


def _units(amounts: Floats) -> list[int]:
    """Return amounts in 10⁻¹⁸ units, to a millionth of a currency unit, within what an amount can be."""
    held = np.clip(np.nan_to_num(amounts, nan=_MOST, posinf=_MOST), -_MOST, _MOST)
    return [round(one * _MICRO) * _UNITS for one in held.tolist()]


def _open_days(bank: Bank, looks: Sequence[Look], settled: int, today: int) -> dict[int, tuple[Floats, Floats]]:
    """Return mean and variance of what each day comes to that is not settled, up to today."""
    read = {look.day: look for look in looks}
    found = {}
    for day in range(settled + 1, today + 1):
        expected = bank.series.levels.expect(day - settled)
        mean, sd = expected.mean, expected.sd * expected.mean
        if day in read:
            visible, share, spread = bank.visible_cost(read[day])
            mean, sd = day_end(visible, mean, expected.sd, share, spread)
        found[day] = mean, sd**2
    return found
