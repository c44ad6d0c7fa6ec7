"""A forecast as an outsider makes it: each day as the same weekday of the last four weeks, the first as the last first.

It sees only what Cost Explorer shows, without the model behind it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import NormalDist, pstdev

from spendstream.local.simulator.completeness import day_start
from spendstream.local.simulator.cost_request import bounds, split
from spendstream.local.simulator.cost_table import Period, Table
from spendstream.local.simulator.expression import Json, refused
from spendstream.local.simulator.organisation import METRICS, decimal_of, scale_of

#: Metric of a forecast → metric of a bill.
FORECASTED = {
    "UNBLENDED_COST": "UnblendedCost", "NET_UNBLENDED_COST": "NetUnblendedCost", "AMORTIZED_COST": "AmortizedCost",
    "NET_AMORTIZED_COST": "NetAmortizedCost", "BLENDED_COST": "BlendedCost",
}  # fmt: skip
_LONGEST = {"DAILY": timedelta(days=93), "MONTHLY": timedelta(days=18 * 31)}
_A_DAY = timedelta(days=1)
_SETTLED = timedelta(days=4)
_WEEKS = 4


def forecast(table: Table, request: Json, now: datetime, currency: str) -> Json:
    """Answer GetCostForecast over what `table` holds."""
    granularity = str(request.get("Granularity"))
    metric = FORECASTED.get(str(request.get("Metric")))
    if granularity not in _LONGEST or metric is None:
        raise refused(f"a forecast is DAILY or MONTHLY, of one of {', '.join(FORECASTED)}")
    level = request.get("PredictionIntervalLevel", 80)
    if not isinstance(level, int) or not 51 <= level <= 99:  # noqa: PLR2004
        raise refused(f"PredictionIntervalLevel must be from 51 to 99; got {level}")
    start, end = bounds(request, granularity)
    if start < day_start(now.date()):
        raise refused(f"Start date {start:%Y-%m-%d} is in the past; a forecast begins today or later")
    if end - start > _LONGEST[granularity]:
        raise refused(f"a {granularity} forecast covers at most {_LONGEST[granularity].days} days")
    width = NormalDist().inv_cdf(0.5 + level / 200)
    known = _Known(table, METRICS.index(metric), now)
    results, total = [], 0
    for period in split((start, end), granularity):
        mean, spread = known.expected(period)
        band = int(width * spread)
        total += mean
        results.append(
            {
                "TimePeriod": {"Start": f"{period[0]:%Y-%m-%d}", "End": f"{period[1]:%Y-%m-%d}"},
                "MeanValue": _text(mean, metric),
                "PredictionIntervalLowerBound": _text(mean - band, metric),
                "PredictionIntervalUpperBound": _text(mean + band, metric),
            }
        )
    return {"Total": {"Amount": _text(total, metric), "Unit": currency}, "ForecastResultsByTime": results}


def _text(amount: int, metric: str) -> str:
    return f"{decimal_of(amount, scale_of(metric)):f}"


class _Known:
    """Days that are known well enough to go by."""

    def __init__(self, table: Table, metric: int, now: datetime) -> None:
        self._table = table
        self._metric = metric
        self._now = now
        self._last = day_start((now - _SETTLED).date())
        self._expected: dict[tuple[int, bool], tuple[int, float]] = {}

    def expected(self, period: Period) -> tuple[int, float]:
        """Return the expected amount of a period, and its standard deviation."""
        days = [period[0] + n * _A_DAY for n in range((period[1] - period[0]).days)]
        found = [self._of_day(day.weekday(), first=day.day == 1) for day in days]
        return sum(mean for mean, _ in found), sum(spread**2 for _, spread in found) ** 0.5

    def _of_day(self, weekday: int, *, first: bool) -> tuple[int, float]:
        if (weekday, first) not in self._expected:
            self._expected[weekday, first] = self._measured(weekday, first=first)
        return self._expected[weekday, first]

    def _measured(self, weekday: int, *, first: bool) -> tuple[int, float]:
        likes = self._like(weekday)
        if first:
            # That of last month: what stands on the first of this one still grows.
            month = (self._now.replace(day=1) - _A_DAY).replace(day=1)
            return self._of(day_start(month.date())), pstdev(likes)
        return sum(likes) // len(likes), pstdev(likes)

    def _like(self, weekday: int) -> Sequence[int]:
        newest = self._last - ((self._last.weekday() - weekday) % 7) * _A_DAY
        days = [newest - 7 * n * _A_DAY for n in range(_WEEKS + 1)]
        return [self._of(day) for day in days if day.day != 1][:_WEEKS]

    def _of(self, day: datetime) -> int:
        return int(self._table.amounts((day, day + _A_DAY), self._now)[self._metric].sum())
