"""Points of CloudWatch that follow from the organisation's usage, in slots of five minutes, late ones left out."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spendstream.local.simulator.catalogue import COST_SCALE, QUANTITY_SCALE, SERVICE_CODES
from spendstream.local.simulator.completeness import day_start, refreshed
from spendstream.local.simulator.meters import METERS, TOLD_AFTER, WHOLE_AFTER, Meter
from spendstream.local.simulator.organisation import Organisation
from spendstream.local.simulator.series import hashed

SLOT = 300
_SLOTS = 288
_MINUTE = 60
_A_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
#: What is told of a young slot's usage.
_YOUNG_SHARE = 0.7
BILLING = "AWS/Billing", "EstimatedCharges"

Dimensions = tuple[tuple[str, str], ...]
#: Account, region, namespace, metric, dimensions sorted by name.
MetricKey = tuple[str, str, str, str, Dimensions]
Point = tuple[datetime, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metered:
    """Where a metric's usage comes from: series by number, each with the share that is this resource's."""

    meter: Meter
    sources: tuple[tuple[int, float], ...]


class MetricPoints:
    """All metrics of an organisation, and their points."""

    def __init__(self, model: Organisation) -> None:
        self.payer = model.payer
        self._model = model
        self._weights = lru_cache(maxsize=4000)(self._within_hours)
        self._charges = lru_cache(maxsize=500)(self._month_so_far)
        found: dict[MetricKey, Metered] = {}
        for row in range(len(model.used(date(2026, 1, 1)))):
            series = model.series[row]
            for meter in METERS:
                if meter.measures(series):
                    by_type = meter.usage_type.endswith(":") and meter.dimension in {"InstanceType", "DatabaseClass"}
                    names = (series.instance_type,) if by_type else series.resource_ids()
                    for name in names:
                        dimensions = [(meter.dimension, name)]
                        if meter.how == "stored":
                            dimensions.append(("StorageType", "StandardStorage"))
                        key = series.account, series.region, meter.namespace, meter.metric, tuple(sorted(dimensions))
                        known = found[key].sources if key in found else ()
                        found[key] = Metered(meter, (*known, (row, 1.0 / len(names))))
        self.metered = found
        self._by_charge = self._billing()
        self.keys = (*found, *self._by_charge)

    def active(self, key: MetricKey, since: datetime, now: datetime) -> bool:
        """Say whether a metric has usage between two times, by the hour."""
        if key in self._by_charge:
            return True
        first, last = since.date(), now.date()
        days = [first + n * _A_DAY for n in range((last - first).days + 1)]
        rows = [row for row, _ in self.metered[key].sources]
        for day in days:
            hours = [
                n for n in range(24) if since - timedelta(hours=1) < day_start(day) + n * timedelta(hours=1) <= now
            ]
            if self._model.used(day)[np.ix_(rows, hours)].any():
                return True
        return False

    def points(
        self, key: MetricKey, start: datetime, end: datetime, period: int, stat: str, now: datetime
    ) -> list[Point]:
        """Return the points from `start` to before `end`, each of `period` seconds, as they are told at `now`."""
        if key in self._by_charge:
            return self._billed(self._by_charge[key], start, end, period, now)
        metered = self.metered.get(key)
        if metered is None or start >= end:
            return []
        if metered.meter.how == "stored":
            return self._stored(metered, start, end, period, now)
        usage, seconds, first = self._told(metered, start, end, period, now)
        times = first + period * np.arange(len(usage))
        values = _statistic(metered.meter, stat, usage, seconds, times // period + hashed(key) % 4000)
        told = (usage > 0) & (times >= start.timestamp())
        return [
            (datetime.fromtimestamp(at, UTC), value)
            for at, value in zip(times[told].tolist(), values[told].tolist(), strict=True)
        ]

    def _told(
        self, metered: Metered, start: datetime, end: datetime, period: int, now: datetime
    ) -> tuple[Floats, Floats, int]:
        """Return the usage that is told of each period, of how many seconds of it, and when the first begins."""
        cell = SLOT if period % SLOT == 0 else _MINUTE
        first = int(start.timestamp()) // period * period
        count = -(-(int(end.timestamp()) - first) // period)
        day = datetime.fromtimestamp(first, UTC).date()
        into = (first - int(day_start(day).timestamp())) // cell
        width = period // cell
        days = -(-(into + count * width) * cell // _DAY_SECONDS)
        slots = np.concatenate([self._usage(metered, day + n * _A_DAY) for n in range(days)])
        cells = np.repeat(slots, SLOT // cell)[into : into + count * width] * cell / SLOT
        ended = now.timestamp() - (first + cell * (np.arange(count * width) + 1))
        told = ended >= TOLD_AFTER.total_seconds()
        share = np.where(ended >= WHOLE_AFTER.total_seconds(), 1.0, _YOUNG_SHARE) * told
        sums = (cells * share).reshape(count, width).sum(axis=1)
        return sums, cell * told.reshape(count, width).sum(axis=1).astype(np.float64), first

    def _usage(self, metered: Metered, day: date) -> Floats:
        weights = self._weights(day)
        usage: Floats = np.sum([part * weights[row] for row, part in metered.sources], axis=0)
        return usage

    def _within_hours(self, day: date) -> Floats:
        """Return the usage of each series in each slot of a day: an hour's, spread unevenly."""
        used = self._model.used(day) / QUANTITY_SCALE
        key = hashed(self._model.seed, "slots", day.toordinal())
        draws = np.random.Generator(np.random.Philox(key=key)).random((len(used), 24, 12))
        spread = 1.0 + self._model.noise * (draws - draws.mean(axis=2, keepdims=True))
        slots: Floats = (used[:, :, None] / 12 * spread).reshape(len(used), _SLOTS)
        return slots

    def _stored(self, metered: Metered, start: datetime, end: datetime, period: int, now: datetime) -> list[Point]:
        """Return what is stored: a point a day, told when the day is over."""
        found = []
        at = day_start(start.date())
        while at < end and not period % _DAY_SECONDS:
            used = self._model.used(at.date()) if at >= start and at + _A_DAY + TOLD_AFTER <= now else None
            if used is not None:
                units = sum(part * float(used[row].sum()) for row, part in metered.sources) / QUANTITY_SCALE
                if units:
                    found.append((at, units * metered.meter.factor))
            at += _A_DAY
        return found

    def _billing(self) -> dict[MetricKey, NDArray[np.bool_]]:
        """Return the series that each EstimatedCharges adds up."""
        model, found = self._model, {}
        accounts = sorted({series.account for series in model.series})
        services = [SERVICE_CODES.get(s.service, s.service.replace(" ", "")) for s in model.series]
        owners = np.array([s.account for s in model.series])
        names = np.array(services)
        everything = np.ones(len(names), dtype=bool)
        for account in ("", *accounts):
            for service in ("", *sorted(set(services))):
                chosen = (owners == account if account else everything) & (names == service if service else everything)
                dimensions = {"Currency": model.currency, "LinkedAccount": account, "ServiceName": service}
                if chosen.any():
                    held = tuple(sorted((name, value) for name, value in dimensions.items() if value))
                    found[model.payer, "us-east-1", *BILLING, held] = chosen
        return found

    def _billed(
        self, rows: NDArray[np.bool_], start: datetime, end: datetime, period: int, now: datetime
    ) -> list[Point]:
        """Return the month's charges so far, each time that they are reckoned anew."""
        every = self._model.refresh_hours
        moment = refreshed(start, every)
        found: dict[datetime, float] = {}
        while moment < end and moment <= now:
            if moment >= start:
                at = moment - timedelta(seconds=int(moment.timestamp()) % period)
                found[at] = float(self._charges(moment)[rows].sum() / COST_SCALE)
            moment += timedelta(hours=every)
        return sorted(found.items())

    def _month_so_far(self, moment: datetime) -> NDArray[np.int64]:
        first = moment.date().replace(day=1)
        days = [first + n * _A_DAY for n in range(moment.day)]
        sums: NDArray[np.int64] = np.sum([self._model.daily(day, moment)[0] for day in days], axis=0)
        return sums


def _statistic(meter: Meter, stat: str, usage: Floats, seconds: Floats, drawn: NDArray[np.int64]) -> Floats:
    """Return a statistic of points that tell `usage` in `seconds`; `drawn` makes the level of those that have one."""
    minutes = np.maximum(seconds, _MINUTE) / _MINUTE
    if meter.how == "samples":
        counted = meter.dimension in {"InstanceType", "DatabaseClass"} or meter.unit == "Count"
        running = usage * 60 if counted else minutes
        level = 20.0 + drawn * 7919 % 4000 / 100
        return {"SampleCount": running, "Sum": level * running}.get(stat, level)
    total = usage * meter.factor
    if meter.how == "rate":
        total *= 60
    return {"SampleCount": minutes, "Sum": total}.get(stat, total / minutes)
