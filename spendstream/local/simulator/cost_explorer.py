"""Cost Explorer: GetCostAndUsage and GetDimensionValues over the organisation."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import numpy as np

from spendstream.local.simulator.expression import AwsError, Json, dimension, group_key, matches
from spendstream.local.simulator.organisation import (
    COST_SCALE,
    QUANTITY_SCALE,
    Organisation,
    decimal_of,
    month_is_final,
)

COST_METRICS = frozenset({"AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "UnblendedCost"})
METRICS = COST_METRICS | {"UsageQuantity"}
_MOST_GROUPS = 2
_HISTORY = timedelta(days=14 * 31)
_HOURLY_HISTORY = timedelta(days=14)

Period = tuple[datetime, datetime]
_Row = TypeVar("_Row")


class CostExplorer:
    """Answers Cost Explorer's requests; `page_size` groups (or ungrouped periods) a page."""

    def __init__(self, model: Organisation, page_size: int = 1000) -> None:
        self.model = model
        self.page_size = page_size

    def get_cost_and_usage(self, request: Json, now: datetime) -> Json:
        """Answer GetCostAndUsage as of the simulated time `now`."""
        groups = request.get("GroupBy") or []
        metrics = _metrics(request)
        if len(groups) > _MOST_GROUPS:
            raise AwsError("ValidationException", "GroupBy takes at most 2 entries")
        chosen = self._chosen(request)
        keys = [tuple(group_key(s, g) for g in groups) for s in self.model.series]
        rows = [row for period in _periods(request, now) for row in self._rows(period, keys, chosen, metrics, now)]
        page, token = self._page(rows, request)
        results: list[Json] = []
        for period, key, values in page:
            if not results or results[-1]["TimePeriod"] != period:
                estimated = not month_is_final(date.fromisoformat(period["Start"][:10]), now)
                results.append({"TimePeriod": period, "Total": {}, "Groups": [], "Estimated": estimated})
            if groups and values:
                results[-1]["Groups"].append({"Keys": list(key), "Metrics": values})
            elif not groups:
                results[-1]["Total"] = values
        answer: Json = {"ResultsByTime": results, "DimensionValueAttributes": []}
        if groups:
            answer["GroupDefinitions"] = groups
        return answer | ({"NextPageToken": token} if token else {})

    def get_dimension_values(self, request: Json, now: datetime) -> Json:
        """Answer GetDimensionValues: values with a line in the period, sorted."""
        name = str(request.get("Dimension"))
        start, end = _bounds(request, "DAILY", now)
        seen = np.zeros(len(self.model.series), dtype=bool)
        for offset in range((end - start).days):
            seen |= (self.model.day((start + timedelta(days=offset)).date(), now).cost != 0).any(axis=1)
        chosen = self._chosen(request) & seen
        values = sorted({dimension(s, name) for s, yes in zip(self.model.series, chosen, strict=True) if yes})
        search = str(request.get("SearchString") or "").lower()
        values = [v for v in values if search in v.lower()]
        page, token = self._page(values, request)
        answer: Json = {
            "DimensionValues": [{"Value": v, "Attributes": {}} for v in page],
            "ReturnSize": len(page),
            "TotalSize": len(values),
        }
        return answer | ({"NextPageToken": token} if token else {})

    def _chosen(self, request: Json) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        expression = request.get("Filter")
        return np.array([not expression or matches(s, expression) for s in self.model.series], dtype=bool)

    def _rows(
        self,
        period: Period,
        keys: list[tuple[str, ...]],
        chosen: np.ndarray[tuple[int], np.dtype[np.bool_]],
        metrics: list[str],
        now: datetime,
    ) -> Iterator[tuple[Json, tuple[str, ...], Json]]:
        quantity, cost = self._sums(period, now)
        totals: dict[tuple[str, ...], tuple[int, int, set[str]]] = {} if keys[0] else {(): (0, 0, set())}
        for i in np.flatnonzero(chosen & ((quantity != 0) | (cost != 0))):
            q, c, units = totals.get(keys[i], (0, 0, set()))
            totals[keys[i]] = (q + int(quantity[i]), c + int(cost[i]), units | {self.model.series[i].unit})
        hourly = period[1] - period[0] < timedelta(days=1)
        form = "%Y-%m-%dT%H:%M:%SZ" if hourly else "%Y-%m-%d"
        label = {"Start": period[0].strftime(form), "End": period[1].strftime(form)}
        if not totals:
            yield label, (), {}
        for key in sorted(totals):
            yield label, key, {m: self._amount(m, *totals[key]) for m in metrics}

    def _sums(self, period: Period, now: datetime) -> tuple[np.ndarray, np.ndarray]:
        start, end = period
        if end - start < timedelta(days=1):
            known = self.model.day(start.date(), now)
            return known.quantity[:, start.hour], known.cost[:, start.hour]
        days = [self.model.day((start + timedelta(days=n)).date(), now) for n in range((end - start).days)]
        return (
            np.sum([d.quantity.sum(axis=1) for d in days], axis=0),
            np.sum([d.cost.sum(axis=1) for d in days], axis=0),
        )

    def _amount(self, metric: str, quantity: int, cost: int, units: set[str]) -> Json:
        if metric in COST_METRICS:
            return {"Amount": f"{decimal_of(cost, COST_SCALE):f}", "Unit": self.model.currency}
        unit = next(iter(units)) if len(units) == 1 else "N/A"
        return {"Amount": f"{decimal_of(quantity, QUANTITY_SCALE):f}", "Unit": unit or "N/A"}

    def _page(self, rows: list[_Row], request: Json) -> tuple[list[_Row], str | None]:
        begin = page_offset(request)
        end = begin + self.page_size
        return rows[begin:end], next_token(request, end) if end < len(rows) else None


def _metrics(request: Json) -> list[str]:
    metrics = list(request.get("Metrics") or [])
    unknown = sorted(set(metrics) - METRICS)
    if not metrics or unknown:
        raise AwsError("ValidationException", f"Metrics must be some of {', '.join(sorted(METRICS))}; got {metrics}")
    return metrics


def _moment(text: str, granularity: str) -> datetime:
    form = "%Y-%m-%dT%H:%M:%SZ" if granularity == "HOURLY" else "%Y-%m-%d"
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        raise AwsError(
            "ValidationException", f"{text!r} does not have the form {form} that {granularity} needs"
        ) from None


def _bounds(request: Json, granularity: str, now: datetime) -> Period:
    period = request.get("TimePeriod") or {}
    start, end = (_moment(str(period.get(k)), granularity) for k in ("Start", "End"))
    if start >= end:
        raise AwsError("ValidationException", f"Start date {start} must be before end date {end}")
    if start < now - (_HOURLY_HISTORY + timedelta(days=1) if granularity == "HOURLY" else _HISTORY):
        raise AwsError("ValidationException", f"Start date {start} is before the history kept for {granularity} data")
    return start, end


def _periods(request: Json, now: datetime) -> Iterator[Period]:
    granularity = str(request.get("Granularity"))
    if granularity not in {"DAILY", "MONTHLY", "HOURLY"}:
        raise AwsError("ValidationException", f"Granularity must be DAILY, MONTHLY or HOURLY; got {granularity}")
    start, end = _bounds(request, granularity, now)
    while start < end:
        if granularity == "MONTHLY":
            following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            following = start + (timedelta(days=1) if granularity == "DAILY" else timedelta(hours=1))
        yield start, min(following, end)
        start = following


def fingerprint(request: Json) -> str:
    """Return what must stay the same in a request from page to page."""
    rest = {k: v for k, v in request.items() if k != "NextPageToken"}
    return hashlib.blake2b(json.dumps(rest, sort_keys=True).encode(), digest_size=8).hexdigest()


def next_token(request: Json, offset: int) -> str:
    """Return the token of the page that begins at row `offset`."""
    return base64.urlsafe_b64encode(f"{fingerprint(request)}:{offset}".encode()).decode()


def page_offset(request: Json) -> int:
    """Return the row at which the page asked for begins, or raise `InvalidNextTokenException`."""
    token = request.get("NextPageToken")
    if not token:
        return 0
    try:
        mark, _, offset = base64.urlsafe_b64decode(str(token)).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        mark, offset = "", ""
    if mark != fingerprint(request) or not offset.isdigit():
        raise AwsError("InvalidNextTokenException", "The pagination token is invalid for this request")
    return int(offset)
