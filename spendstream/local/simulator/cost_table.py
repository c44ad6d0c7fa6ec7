"""Sums of an organisation's bill by period and group, as Cost Explorer tells them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from spendstream.local.simulator.charges import Ints
from spendstream.local.simulator.expression import Json, Row, group_key, matches
from spendstream.local.simulator.organisation import METRICS, Organisation, decimal_of, scale_of

Period = tuple[datetime, datetime]
Keys = tuple[str, ...]
_A_DAY = timedelta(days=1)
_QUANTITY = METRICS.index("UsageQuantity")


@dataclass(frozen=True)
class Rows:
    """What sums are made of: each series, or each share of a resource in a series.

    `index` is the series of each row, `shares` the number of rows that a series has, `last` whether a row is its last.
    """

    rows: tuple[Row, ...]
    index: NDArray[np.intp]
    shares: NDArray[np.int64]
    last: NDArray[np.bool_]

    @classmethod
    def of_series(cls, model: Organisation) -> "Rows":
        """Return a row for each series."""
        count = len(model.series)
        rows = tuple(Row(series) for series in model.series)
        return cls(rows, np.arange(count), np.ones(count, dtype=np.int64), np.ones(count, dtype=bool))

    @classmethod
    def of_resources(cls, model: Organisation) -> "Rows":
        """Return a row for each resource of each series; one for a series that has none."""
        found = [(number, series.resource_ids() or ("NoResourceId",)) for number, series in enumerate(model.series)]
        flat = [(number, name, k, len(names)) for number, names in found for k, name in enumerate(names)]
        return cls(
            tuple(Row(model.series[number], name) for number, name, _, _ in flat),
            np.array([number for number, _, _, _ in flat]),
            np.array([count for _, _, _, count in flat]),
            np.array([k == count - 1 for _, _, k, count in flat]),
        )

    def spread(self, amounts: Ints) -> Ints:
        """Return the amounts (metrics, series) of each row; the last row of a series takes what does not divide."""
        whole = amounts[:, self.index]
        part = np.where(whole < 0, -(-whole // self.shares), whole // self.shares)
        spread: Ints = np.where(self.last, whole - part * (self.shares - 1), part)
        return spread


@dataclass(frozen=True, slots=True)
class Cell:
    """One group in one period; `metrics` is empty for a period without any group."""

    period: Json
    keys: Keys
    metrics: Json


class Table:
    """The bill of a model as asked: rows that pass a filter and belong to an account, by keys.

    Parameters
    ----------
    model, rows
        What is summed up.
    account
        Whose bill: the payer's own is everybody's.
    expression, groups
        `Filter` and `GroupBy` of the request.
    """

    def __init__(
        self, model: Organisation, rows: Rows, account: str, expression: Json | None, groups: Sequence[Json]
    ) -> None:
        self._model = model
        self._rows = rows
        all_of_it = account == model.payer
        chosen = [
            number
            for number, row in enumerate(rows.rows)
            if (all_of_it or row.series.account == account) and (not expression or matches(row, expression))
        ]
        self._chosen = np.array(chosen, dtype=np.intp)
        of_row = [tuple(group_key(rows.rows[number], group) for group in groups) for number in chosen]
        self._keys = sorted(set(of_row)) if groups else [()]
        place = {key: number for number, key in enumerate(self._keys)}
        self._place = np.array([place[key] for key in of_row], dtype=np.intp)
        units = [rows.rows[number].series.unit for number in chosen]
        self._units = sorted(set(units))
        self._unit = np.array([self._units.index(unit) for unit in units], dtype=np.int64)

    def amounts(self, period: Period, now: datetime) -> Ints:
        """Return the sums of the chosen rows in a period, as known at `now`: (metrics, chosen rows)."""
        start, end = period
        if end - start < _A_DAY:
            sums = self._model.day(start.date(), now).amounts[:, :, start.hour]
        else:
            days = [self._model.daily((start + n * _A_DAY).date(), now) for n in range((end - start).days)]
            sums = np.sum(days, axis=0)
        found: Ints = self._rows.spread(sums)[:, self._chosen]
        return found

    def used(self, period: Period, now: datetime) -> list[Row]:
        """Return the rows that have a line in a period."""
        here = (self.amounts(period, now) != 0).any(axis=0)
        return [self._rows.rows[number] for number in self._chosen[here]]

    def sums(self, period: Period, now: datetime) -> tuple[Ints, list[str], NDArray[np.bool_]]:
        """Return by key: the sums (keys, metrics), the unit of the quantity, and whether there is any line."""
        amounts = self.amounts(period, now)
        count = len(self._keys)
        sums = np.zeros((count, len(METRICS)), dtype=np.int64)
        np.add.at(sums, self._place, amounts.T)
        any_line = np.zeros(count, dtype=bool)
        np.logical_or.at(any_line, self._place, (amounts != 0).any(axis=0))
        counted = amounts[_QUANTITY] != 0
        low, high = np.full(count, len(self._units)), np.full(count, -1)
        np.minimum.at(low, self._place[counted], self._unit[counted])
        np.maximum.at(high, self._place[counted], self._unit[counted])
        units = [self._units[a] if a == b else "N/A" for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        return sums, units, any_line

    def cells(self, periods: Sequence[Period], metrics: Sequence[str], now: datetime) -> Iterator[Cell]:
        """Yield the groups of all periods, in order of time and key."""
        for period in periods:
            label = _label(period)
            sums, units, any_line = self.sums(period, now)
            told = [n for n, key in enumerate(self._keys) if any_line[n] or not key]
            if not told:
                yield Cell(label, (), {})
            for number in told:
                values = {m: self._value(m, int(sums[number, METRICS.index(m)]), units[number]) for m in metrics}
                yield Cell(label, self._keys[number], values)

    def _value(self, metric: str, amount: int, unit: str) -> Json:
        name = self._model.currency if metric.endswith("Cost") else unit if metric == "UsageQuantity" else "N/A"
        return {"Amount": f"{decimal_of(amount, scale_of(metric)):f}", "Unit": name or "N/A"}


def _label(period: Period) -> Json:
    form = "%Y-%m-%dT%H:%M:%SZ" if period[1] - period[0] < _A_DAY else "%Y-%m-%d"
    return {"Start": period[0].strftime(form), "End": period[1].strftime(form)}
